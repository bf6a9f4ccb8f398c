"""Which metrics without reference are validated: seen to follow the fault that they are for, and to leave others alone.

The study is `alphabench/experiments/transparency`, its page and data lie in `results` there; a test compares this
table with them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

VALIDATED: Mapping[str, Literal["image", "set"]] = MappingProxyType(
    {
        "border_cut": "set",
        "border_mean": "set",
        "hole_rate": "image",
        "fringe": "set",
        "fringe_luma": "set",
        "colour_leak": "set",
        "alpha_bimodality": "set",
        "background_dependence": "set",
        "alpha_entropy": "image",
        "semi_share": "image",
        "soft_share": "image",
        "clear_share": "image",
    }
)
"""Metrics that passed: `image` where they follow their fault within single images, `set` where their mean does."""
