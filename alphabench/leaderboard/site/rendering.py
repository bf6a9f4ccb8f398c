"""From numbers to HTML: the templates, and JSON that can stand inside a page."""

import functools
import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from alphabench.leaderboard.site.shown import shown

_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:"
)
"""What a page may load: its own files, and pictures that the reader opens; nothing from elsewhere, no `eval`."""


def rendered(template: str, **values: Any) -> str:
    """Return a template filled in; every value is escaped, an undefined one is an error."""
    return _environment().get_template(template).render(policy=POLICY, **values)


def page_json(value: Any) -> Markup:
    """Return JSON for a `script` element: nothing in it can end the element or start another."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return Markup(text.translate(_ESCAPES))  # noqa: S704 - escaped here


def nine_digits(value: float) -> float:
    """Return `value` to nine digits: what pages hold of values that they compare."""
    return float(f"{value:.9g}")


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("alphabench.leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["page_json"] = page_json
    environment.filters["shown"] = shown
    environment.filters["signed"] = _signed
    environment.filters["grouped"] = _grouped
    return environment


def _signed(value: float, decimals: int) -> str:
    return f"{value:+.{decimals}f}".replace("-", "\u2212")


def _grouped(value: int) -> str:
    """Return a count with thin spaces between its thousands."""
    return f"{value:,}".replace(",", "\u202f")
