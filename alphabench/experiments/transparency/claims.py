"""What each reference-free metric claims to see and to ignore, and the rule by which the study judges it.

Rule and claims stand as data, written before the first run. That run, on other drawings than the committed one,
refuted the claims in `WITHDRAWN`; what a metric claims to see was never withdrawn. What a metric does not name it may
react to for a good reason: erosion widens the holes that are there, a cut takes parts of the object away. The
study reports those reactions, and how a metric depends on the size of image and object, and does not judge them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

SEEN_FROM = 0.8
"""The least bound of the rank correlation with a damage that a metric claims to see.

Met within images, the metric may judge single images; met only by the mean over images, it may judge sets, if the
mean also moves by more than `NEGLIGIBLE`: protocols report means.
"""

IGNORED_UP_TO = 0.3
"""The greatest bound of the rank correlation with a damage or change that a metric claims to ignore."""

NEGLIGIBLE = 0.2
"""Or the greatest bound of the mean change at the greatest strength, in standard deviations over undamaged images.

A rank correlation has no size: a change in the last digit counts in full as long as it is regular. 0.2 is what
Cohen 1988 calls a small effect.
"""

CATEGORY_MOTIFS = 3
"""Categories with fewer motifs that a metric applies to do not count: one image is not a sixth of the evidence."""

MOTIFS_AT_LEAST = 12
"""A claim that fewer motifs can show is not upheld."""


@dataclass(frozen=True)
class Claim:
    """What one metric claims.

    Attributes:
        sees: damage and the sign of the reaction, +1 where the metric rises with the damage.
        ignores: damages and changes that leave it alone.
    """

    sees: Mapping[str, int]
    ignores: tuple[str, ...]


CLAIMS: Mapping[str, Claim] = MappingProxyType(
    {
        "border_cut": Claim(
            {"cut": 1},
            ("holes", "halo_light", "halo_dark", "shrink", "threshold", "fade", "veil", "spill", "recolour"),
        ),
        "border_mean": Claim(
            {"cut": 1, "veil": 1},
            ("holes", "halo_light", "halo_dark", "shrink", "threshold", "spill", "recolour"),
        ),
        "hole_rate": Claim({"holes": 1}, ("spill", "cut", "specks", "recolour")),
        "speckle_rate": Claim({"specks": 1}, ("holes", "veil", "spill", "recolour")),
        "fringe": Claim({"halo_light": 1, "halo_dark": 1, "spill": 1}, ("holes", "cut", "recolour")),
        "fringe_luma": Claim({"halo_light": 1, "halo_dark": -1}, ("holes", "cut", "recolour")),
        "colour_leak": Claim({"spill": 1}, ("holes", "cut", "recolour")),
        "alpha_bimodality": Claim({"threshold": 1, "feather": -1}, ("fade", "veil", "spill", "recolour")),
        "background_dependence": Claim({"fade": 1, "veil": 1}, ("spill", "cut", "recolour")),
        "alpha_entropy": Claim({"feather": 1, "threshold": -1}, ("spill", "recolour")),
        "semi_share": Claim({"feather": 1, "threshold": -1}, ("spill", "holes", "recolour")),
        "soft_share": Claim({"feather": 1, "threshold": -1}, ("spill", "holes", "recolour")),
        "opaque_share": Claim({"shrink": -1, "holes": -1}, ("spill", "veil", "recolour")),
        "clear_share": Claim({"shrink": 1, "cut": 1, "grow": -1}, ("spill", "recolour")),
    }
)  # fmt: skip
"""The claims by metric.

Not among them: `blank`, an alarm of two values, and `hidden_colour_share`, which tells of what nobody sees.
"""

WITHDRAWN: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("hole_rate", "veil"): "a veil lifts glass over the threshold of the mask and closes its gaps",
        ("alpha_bimodality", "halo_light"): "a halo is a third level of alpha",
        ("fringe", "smaller"): "drawn smaller, outlines and shading inside merge into the rim",
        ("fringe_luma", "smaller"): "likewise",
        ("colour_leak", "smaller"): "likewise",
        ("alpha_entropy", "enlarge"): "resampling makes new codes along edges",
        ("semi_share", "enlarge"): "likewise",
        ("clear_share", "enlarge"): "likewise",
    }
)
"""Claims to ignore that the first run refuted, and why the reaction is there."""
