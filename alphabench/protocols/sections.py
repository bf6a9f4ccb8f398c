"""The tables of a protocol's file beside its metrics: who it is, what is judged and how rows are averaged."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from alphabench.protocols.tables import Strict

RESERVED_VIEWS = frozenset({"worst-solid", "adversarial", "mean-texture", "straight-rgb-noalpha"})
Code = Annotated[int, Field(ge=0, le=255)]


class Header(Strict):
    """Who the protocol is; `status` is not hashed."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,30}$")
    version: int = Field(ge=1, le=9999)
    status: Literal["draft", "frozen", "retired"] = "draft"
    task: Literal["reconstruction", "generation"]


class PredictionRules(Strict):
    """In which form a prediction is judged.

    Attributes:
        quantise_bits: bits of each channel as delivered.
        rounding: `half-up` is floor(255 x + 0.5) in float32.
        codec: `png` writes what a model returns once; `as-delivered` scores files as they are.
        own_codec: how images are saved when the toolkit runs the model itself, where that differs.
        pairing: how predictions find their references.
    """

    quantise_bits: Literal[8] = 8
    rounding: Literal["half-up"] = "half-up"
    codec: Literal["png", "as-delivered"] = "png"
    own_codec: Literal["av-bf16-save"] | None = None
    pairing: Literal["sample-id", "sorted-position"] = "sample-id"


class ReferenceRules(Strict):
    """With what predictions are compared, and in which size.

    Attributes:
        size: `native` takes every image as it is. `square` brings generated images and references alike to
            `side` by `side` pixels before the features of sets are made, so that one number is one thing
            whatever the sizes; as for Inception's 299, the aspect is not kept. Nothing else is resized.
        resize: the one way in which images of other sizes are made.
        side: pixels a side with `square`.
        data: the reference set of generated images, `name@version`; None where references are pairs.
        manifest_hash: its identity, where the set is one that the package knows file by file.
        categories: its categories, where prompts of others are left out instead of lacking a value.
    """

    size: Literal["native", "square"] = "native"
    resize: Literal["premultiplied-lanczos3"] = "premultiplied-lanczos3"
    side: Annotated[int, Field(ge=32, le=2048)] | None = None
    data: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9._-]*@[1-9][0-9]{0,3}$", max_length=63)
    manifest_hash: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    categories: tuple[str, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> "ReferenceRules":
        if (self.size == "square") != (self.side is not None):
            raise ValueError('size = "square" and side = PIXELS go together')
        if self.data is None and (self.side, self.manifest_hash, self.categories) != (None, None, None):
            raise ValueError("side, manifest_hash and categories belong to a reference set, which data names")
        return self


class Background(Strict):
    """A solid background in sRGB code values."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    rgb: tuple[Code, Code, Code]


class Views(Strict):
    """What the metrics look at.

    Attributes:
        backgrounds: solid backgrounds, in order.
        textures: procedural backgrounds, in order.
        composite: `float32` composites in memory; the other truncates to 8 bits and goes through JPEG.
        worst: which worst cases over backgrounds are formed.
        straight_rgb_noalpha: whether the colour is also looked at with alpha dropped.
    """

    backgrounds: tuple[Background, ...] = Field(min_length=1, max_length=64)
    textures: tuple[Literal["checker8", "gradient", "noise", "stripes"], ...] = ()
    composite: Literal["float32", "truncate-u8-jpeg75-420"] = "float32"
    worst: tuple[Literal["solid", "adversarial"], ...] = ()
    straight_rgb_noalpha: bool = False

    @model_validator(mode="after")
    def _distinct(self) -> "Views":
        names = [*(background.name for background in self.backgrounds), *self.textures]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the background {name!r} is listed twice")
            if name in RESERVED_VIEWS or name.startswith("mean"):
                raise ValueError(f"{name!r} names a view of its own and cannot name a background")
        if len({background.rgb for background in self.backgrounds}) != len(self.backgrounds):
            raise ValueError("two backgrounds have one colour")
        return self


Mode = Literal["macro", "paper", "paper-t2i"]
"""Averaging rules: ours, and the authors' for pairs and for generated images."""

_MISSING = Literal["incomplete", "skip-leaf", "skip-category"]
_RULES: Mapping[Mode, tuple[tuple[str, str, str], str, str | int]] = {
    "macro": (("sample", "category", "macro"), "incomplete", "none"),
    "paper": (("leaf", "subset", "colour"), "skip-leaf", 4),
    "paper-t2i": (("category", "half-mixed", "colour"), "skip-category", 4),
}


class Aggregation(Strict):
    """How rows become one number.

    Attributes:
        order: sample, category, macro mean; or the unweighted levels of the authors' scripts for pairs; or
            their levels for generated images, where `mixed` weighs as much as all other categories together.
        missing: what a missing prediction, or category, does.
        decimals: digits kept at the two lower levels, or `none`.
    """

    order: tuple[str, str, str] = ("sample", "category", "macro")
    missing: _MISSING = "incomplete"
    decimals: Literal["none"] | Annotated[int, Field(ge=1, le=12)] = "none"

    @property
    def mode(self) -> Mode:
        """Return which of the averaging rules this is."""
        return next(mode for mode, (order, *_) in _RULES.items() if order == self.order)

    @model_validator(mode="after")
    def _known_rule(self) -> "Aggregation":
        rule = (self.order, self.missing, self.decimals)
        if rule not in _RULES.values():
            known = " and ".join(repr(known) for known in _RULES.values())
            raise ValueError(f"there is no averaging rule {rule!r}, only {known}")
        return self


class Notes(Strict):
    """Words for the reader, never hashed."""

    text: str = ""


SECTIONS: Mapping[str, type[Strict]] = {
    "protocol": Header,
    "prediction": PredictionRules,
    "reference": ReferenceRules,
    "views": Views,
    "aggregation": Aggregation,
    "notes": Notes,
}
