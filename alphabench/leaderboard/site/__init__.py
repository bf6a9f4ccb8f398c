"""The leaderboard as static pages: table, records, comparisons, images."""

from alphabench.leaderboard.site.build import BuiltSite, SiteSettings, build_site

__all__ = ["BuiltSite", "SiteSettings", "build_site"]
