"""Every metric of the house, each a line of declared facts beside a pure function.

The catalog is built explicitly; nothing registers itself. Functions are named by path and imported when a
metric is resolved, so reading the catalog imports no torch.
"""

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from alphabench.errors import UsageError

Need = Literal["reference", "text", "set", "weights", "trimap", "reconstructor", "parent"]
View = Literal[
    "composite",
    "texture",
    "alpha",
    "straight-rgb",
    "worst-solid",
    "adversarial",
    "pair",
    "set",
    "prediction",
    "opaque",
    "transparent",
]
Takes = Literal["rgba", "rgb", "rgb8", "alpha", "image", "features", "latents"]


@dataclass(frozen=True)
class Metric:
    """The declared facts of one metric.

    Attributes:
        name: what rows, tables, JSON and TOML call it.
        unit: unit of the stored value, `1` for a pure number.
        higher_is_better: the direction; None where there is none.
        range: least and greatest possible value.
        version: rises when a change moves values by more than rounding; protocols pin it.
        kind: `sample` gives one value per sample, `set` one per set of samples.
        needs: what besides the prediction it needs.
        function: `module:function`, imported by `resolve`.
        takes: what its image arguments are: straight RGBA, opaque RGB, 8-bit RGB codes, alpha, any image,
            features of a network, or latents of a model and of its RGB parent.
        views: the groups of views it may be asked on.
        decimals: digits after the point worth showing; stored values are never rounded.
        scale: tables may show the value times this, with as many digits fewer, and then say so.
        summary: one plain sentence.
        symmetric: whether prediction and reference may be swapped.
        experimental: whether it may still change without a new version.
    """

    name: str
    unit: str
    higher_is_better: bool | None
    range: tuple[float, float]
    version: int
    kind: Literal["sample", "set"]
    needs: frozenset[Need]
    function: str
    takes: Takes
    views: tuple[View, ...]
    decimals: int
    summary: str
    scale: float = 1.0
    symmetric: bool = True
    experimental: bool = False

    def resolve(self) -> Callable[..., Any]:
        """Import and return the function.

        It is called with (prediction, reference) as far as `needs` has a reference, else with the
        prediction; with `region` where `needs` has a trimap.
        """
        module, _, name = self.function.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return function


_INF = float("inf")
_UNIT = (0.0, 1.0)
_ANY = (-_INF, _INF)
_POSITIVE = (0.0, _INF)


def _entry(
    name: str,
    function: str,
    summary: str,
    *,
    better: bool | None,
    takes: Takes,
    views: tuple[View, ...],
    limits: tuple[float, float] = _POSITIVE,
    unit: str = "1",
    kind: Literal["sample", "set"] = "sample",
    needs: tuple[Need, ...] = ("reference",),
    decimals: int = 5,
    scale: float = 1.0,
    symmetric: bool = True,
    experimental: bool = False,
) -> Metric:
    return Metric(
        name=name,
        unit=unit,
        higher_is_better=better,
        range=limits,
        version=1,
        kind=kind,
        needs=frozenset(needs),
        function=f"alphabench.metrics.{function}",
        takes=takes,
        views=views,
        decimals=decimals,
        scale=scale,
        summary=summary,
        symmetric=symmetric,
        experimental=experimental,
    )


_UP, _DOWN, _NEITHER = True, False, None


def _psnr(name: str, function: str, summary: str, takes: Takes, views: tuple[View, ...]) -> Metric:
    return _entry(name, function, summary, better=_UP, takes=takes, views=views, unit="dB", limits=_ANY, decimals=3)


def _ssim(name: str, function: str, summary: str, takes: Takes, views: tuple[View, ...]) -> Metric:
    return _entry(name, function, summary, better=_UP, takes=takes, views=views, limits=(-1.0, 1.0))


def _perceptual(name: str, function: str, summary: str, limits: tuple[float, float], *needs: Need) -> Metric:
    return _entry(
        name, function, summary, better=_DOWN, takes="rgb", views=("composite", "texture"), limits=limits,
        needs=("reference", *needs),
    )  # fmt: skip


def _set(name: str, function: str, summary: str, limits: tuple[float, float], *needs: Need) -> Metric:
    kernel = name.startswith("kid")
    return _entry(
        name, function, summary, better=_DOWN, takes="features", views=("set",), limits=limits, kind="set",
        needs=("reference", "set", *needs), decimals=6 if kernel else 4, scale=1000.0 if kernel else 1.0,
    )  # fmt: skip


def _alpha(
    name: str,
    function: str,
    summary: str,
    *,
    better: bool = _DOWN,
    unit: str = "1",
    limits: tuple[float, float] = _POSITIVE,
    decimals: int = 5,
    scale: float = 1.0,
    trimap: bool = False,
) -> Metric:
    return _entry(
        name, function, summary, better=better, takes="alpha", views=("alpha",), limits=limits, unit=unit,
        needs=("reference", "trimap") if trimap else ("reference",), decimals=decimals, scale=scale,
    )  # fmt: skip


def _error(
    name: str,
    function: str,
    summary: str,
    *,
    unit: str = "1",
    limits: tuple[float, float] = _POSITIVE,
    decimals: int = 5,
    scale: float = 1.0,
) -> tuple[Metric, Metric]:
    """Return an alpha error over the whole image and the same over the unknown region."""
    whole = _alpha(name, function, f"{summary}.", unit=unit, limits=limits, decimals=decimals, scale=scale)
    unknown = _alpha(
        f"{name}_unknown", function, f"{summary}, over the unknown region of the trimap.", unit=unit,
        limits=limits, decimals=decimals, scale=scale, trimap=True,
    )  # fmt: skip
    return whole, unknown


def _free(
    name: str,
    function: str,
    summary: str,
    better: bool | None = _NEITHER,
    limits: tuple[float, float] = _UNIT,
) -> Metric:
    return _entry(
        name, function, summary, better=better, takes="rgba", views=("prediction",), limits=limits, needs=(),
        unit="bit" if name == "alpha_entropy" else "1", symmetric=False,
    )  # fmt: skip


def _harm(
    name: str,
    function: str,
    summary: str,
    *,
    takes: Takes = "latents",
    better: bool = _DOWN,
    unit: str = "1",
    limits: tuple[float, float] = _POSITIVE,
    decimals: int = 5,
    symmetric: bool = False,
) -> Metric:
    return _entry(
        name, function, summary, better=better, takes=takes, views=("opaque", "transparent"), limits=limits,
        unit=unit, needs=("parent",), decimals=decimals, symmetric=symmetric,
    )  # fmt: skip


_METRICS: tuple[Metric, ...] = (
    _psnr(
        "psnr", "pixel:psnr", "Peak signal-to-noise ratio without epsilon.",
        "image", ("composite", "texture", "alpha", "straight-rgb"),
    ),
    _psnr(
        "psnr_worst_solid", "closed_form:psnr_worst_solid", "PSNR on the solid colour where it is lowest.",
        "rgba", ("worst-solid", "pair"),
    ),
    _psnr(
        "psnr_adversarial", "closed_form:psnr_adversarial", "PSNR on the worst background whatever.",
        "rgba", ("adversarial", "pair"),
    ),
    _psnr(
        "psnr_uniform", "closed_form:psnr_uniform", "PSNR expected on a uniformly drawn colour.",
        "rgba", ("pair",),
    ),
    _psnr(
        "psnr_abmse", "closed_form:psnr_abmse", "PSNR expected on the photographs AlphaVAE trains on.",
        "rgba", ("pair",),
    ),
    _ssim(
        "ssim_rgb", "similarity:ssim_direct", "Structural similarity, mean of the three channels.",
        "rgb", ("composite", "texture"),
    ),
    _ssim(
        "ssim_luma", "similarity:ssim_luma_direct", "Structural similarity of unrounded luma.",
        "rgb", ("composite", "texture"),
    ),
    _ssim("ssim_alpha", "similarity:ssim_alpha", "Structural similarity of alpha.", "alpha", ("alpha",)),
    _ssim(
        "ssim_worst9", "structural:ssim_worst9", "Smallest RGB SSIM over the nine canonical backgrounds.",
        "rgba", ("worst-solid", "pair"),
    ),
    _perceptual(
        "lpips", "perceptual:lpips", "Learned perceptual distance, AlexNet, version 0.1.",
        _POSITIVE, "weights",
    ),
    _perceptual(
        "lpips-rand", "perceptual:lpips_rand",
        "Distance in seeded random features: not LPIPS, comparable only within one protocol.", (0.0, 2.0),
    ),
    _set(
        "rfid", "set_distance:frechet_distance", "Fréchet distance of Inception features of composites.",
        _POSITIVE, "weights",
    ),
    _set(
        "rfid-rand", "set_distance:frechet_distance",
        "Fréchet distance of random features: not FID, comparable only within one protocol.", _POSITIVE,
    ),
    _set(
        "fid", "set_distance:frechet_distance", "Fréchet distance of generated images to a reference set.",
        _POSITIVE, "weights",
    ),
    _set(
        "fid-rand", "set_distance:frechet_distance",
        "As fid in random features: not FID, comparable only within one protocol.", _POSITIVE,
    ),
    _set(
        "kid", "set_distance:kernel_distance", "Unbiased kernel distance of Inception features.",
        _ANY, "weights",
    ),
    _set(
        "kid-rand", "set_distance:kernel_distance",
        "Kernel distance of random features: not KID, comparable only within one protocol.", _ANY,
    ),
    *_error("sad", "alpha_errors:sad", "Sum of absolute alpha errors", unit="kilo-pixel", decimals=4),
    _alpha(
        "sad_per_mpx", "alpha_errors:sad_per_mpx", "SAD per million pixels, free of the image size.",
        unit="kilo-pixel/Mpx", limits=(0.0, 1000.0), decimals=4,
    ),
    *_error("mad", "alpha_errors:mad", "Mean absolute alpha error", limits=_UNIT),
    *_error("mse", "alpha_errors:mse", "Mean squared alpha error", limits=_UNIT, decimals=6, scale=1000.0),
    *_error("grad_rhemann", "gradient:grad_rhemann", "Gradient error of alpha, Rhemann's evaluator"),
    *_error("grad_aim", "gradient:grad_aim", "Gradient error of alpha, AIM's evaluator"),
    *_error(
        "conn_rhemann", "connectivity:conn_rhemann", "Connectivity error, Rhemann's evaluator",
        unit="kilo-pixel",
    ),
    *_error("conn_aim", "connectivity:conn_aim", "Connectivity error, AIM's evaluator", unit="kilo-pixel"),
    _alpha("soft_iou", "masks:soft_iou", "Soft overlap of the alphas.", better=_UP, limits=_UNIT),
    _alpha("hard_iou", "masks:hard_iou", "Overlap of the masks, code 128 and up.", better=_UP, limits=_UNIT),
    _alpha("boundary_f", "masks:boundary_f", "Agreement of the mask boundaries.", better=_UP, limits=_UNIT),
    _free("alpha_entropy", "reference_free:alpha_entropy", "Entropy of the alpha codes.", limits=(0.0, 8.0)),
    _free("opaque_share", "reference_free:opaque_share", "Share of fully opaque pixels."),
    _free("clear_share", "reference_free:clear_share", "Share of fully transparent pixels."),
    _free("semi_share", "reference_free:semi_share", "Share of pixels that are neither."),
    _free("soft_share", "reference_free:soft_share", "Share of pixels with alpha between 0.1 and 0.9."),
    _free("alpha_bimodality", "reference_free:alpha_bimodality", "Separability of alpha into two levels, after Otsu."),
    _free(
        "background_dependence", "reference_free:background_dependence",
        "How much the look of the object changes with the background.",
    ),
    _free("border_cut", "reference_free:border_cut", "Share of the frame that cuts the object.", _DOWN),
    _free("border_mean", "reference_free:border_mean", "Mean alpha along the frame.", _DOWN),
    _free("hole_rate", "reference_free:hole_rate", "Share of holes in the filled mask.", _DOWN),
    _free("speckle_rate", "reference_free:speckle_rate", "Share of the mask outside its main part.", _DOWN),
    _free("fringe", "halo:fringe", "Colour jump between the soft rim and the core.", _DOWN),
    _free(
        "fringe_luma", "halo:fringe_luma", "Signed luma jump of the rim: light or dark halo.",
        limits=(-1.0, 1.0),
    ),
    _free("colour_leak", "colour_leak:colour_leak", "Share of an old background's colour in the soft rim.", _DOWN),
    _free(
        "hidden_colour_share", "reference_free:hidden_colour_share",
        "Share of transparent pixels with colour.",
    ),
    _free("blank", "reference_free:blank", "Alarm: nothing to see, or no transparency at all."),
    _entry(
        "hidden_leak", "reference_free:hidden_leak", "How much of the input's hidden colour shows.",
        better=_DOWN, takes="rgba", views=("pair",), limits=(0.0, 2.0), needs=("reconstructor",),
    ),
    _psnr(
        "psnr_eps8", "pyiqa_compatible:psnr_eps8", "PSNR as pyiqa computes it: 80 dB for identical images.",
        "rgb8", ("composite", "straight-rgb"),
    ),
    _ssim(
        "ssim_pyiqa", "pyiqa_compatible:ssim_pyiqa", "SSIM as pyiqa computes it: rounded luma, clamped.",
        "rgb8", ("composite", "straight-rgb"),
    ),
    _entry(
        "laion_aes", "aesthetic:laion_aes", "LAION aesthetic score of one opaque image.", better=_UP,
        takes="rgb", views=("composite", "straight-rgb"), limits=_ANY, needs=("weights",), decimals=4,
        symmetric=False,
    ),
    _entry(
        "clipscore", "clipscore:clipscore", "How well an opaque image fits its text, CLIP ViT-B/32.", better=_UP,
        takes="rgb", views=("composite",), limits=(0.0, 2.5), needs=("text", "weights"), decimals=4,
        symmetric=False,
    ),
    _harm(
        "harm_psnr", "harmlessness:harm_psnr", "PSNR of the RGB parent's decodes of the old and the new latent.",
        takes="rgb", better=_UP, unit="dB", limits=_ANY, decimals=3, symmetric=True,
    ),
    _harm(
        "harm_drop", "harmlessness:harm_drop", "PSNR that the RGB parent's decode loses by the new latent.",
        takes="rgb", unit="dB", limits=_ANY, decimals=3,
    ),
    _harm(
        "latent_shift", "latents:latent_shift", "Size of the new latent's change in spreads of the old latent.",
    ),
    _harm(
        "posterior_kl", "latents:posterior_kl", "Divergence of the new posterior from the old, per latent number.",
        unit="nat",
    ),
    _entry(
        "latent_kl", "latents:latent_kl", "Divergence of Gaussian fits of new and old latents, per channel.",
        better=_DOWN, takes="latents", views=("set", "opaque", "transparent"), kind="set", needs=("set", "parent"),
        unit="nat", symmetric=False,
    ),
)  # fmt: skip

CATALOG: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _METRICS})
"""Every metric by name."""


def get(name: str) -> Metric:
    """Return the metric called `name`.

    Raises:
        UsageError: there is none; the remedy has the nearest names.
    """
    if name in CATALOG:
        return CATALOG[name]
    near = difflib.get_close_matches(name, CATALOG, n=3, cutoff=0.4)
    raise UsageError(
        f"there is no metric called {name!r}",
        remedy=f"Did you mean {' or '.join(near)}?" if near else f"The metrics are: {', '.join(CATALOG)}.",
    )
