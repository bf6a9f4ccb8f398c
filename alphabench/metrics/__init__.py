"""Image quality metrics of transparent images: pure batched functions, a catalog, and torchmetrics modules.

Every function takes (prediction, reference) and gives one float64 value per sample, NaN where a metric does
not apply. Names are imported when first used, so reading the catalog imports no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alphabench.metrics.alpha_errors import (
        mad as mad,
    )
    from alphabench.metrics.alpha_errors import (
        mse as mse,
    )
    from alphabench.metrics.alpha_errors import (
        sad as sad,
    )
    from alphabench.metrics.alpha_errors import (
        sad_per_mpx as sad_per_mpx,
    )
    from alphabench.metrics.catalog import (
        CATALOG as CATALOG,
    )
    from alphabench.metrics.catalog import (
        Metric as Metric,
    )
    from alphabench.metrics.closed_form import (
        PairMoments as PairMoments,
    )
    from alphabench.metrics.closed_form import (
        composite_psnr as composite_psnr,
    )
    from alphabench.metrics.closed_form import (
        mildest_solid_background as mildest_solid_background,
    )
    from alphabench.metrics.closed_form import (
        moments as moments,
    )
    from alphabench.metrics.closed_form import (
        mse_on_solid as mse_on_solid,
    )
    from alphabench.metrics.closed_form import (
        psnr_abmse as psnr_abmse,
    )
    from alphabench.metrics.closed_form import (
        psnr_adversarial as psnr_adversarial,
    )
    from alphabench.metrics.closed_form import (
        psnr_uniform as psnr_uniform,
    )
    from alphabench.metrics.closed_form import (
        psnr_worst_solid as psnr_worst_solid,
    )
    from alphabench.metrics.closed_form import (
        worst_solid_background as worst_solid_background,
    )
    from alphabench.metrics.colour_leak import (
        colour_leak as colour_leak,
    )
    from alphabench.metrics.connectivity import (
        conn_aim as conn_aim,
    )
    from alphabench.metrics.connectivity import (
        conn_rhemann as conn_rhemann,
    )
    from alphabench.metrics.gradient import (
        grad_aim as grad_aim,
    )
    from alphabench.metrics.gradient import (
        grad_rhemann as grad_rhemann,
    )
    from alphabench.metrics.halo import (
        fringe as fringe,
    )
    from alphabench.metrics.halo import (
        fringe_luma as fringe_luma,
    )
    from alphabench.metrics.masks import (
        boundary_f as boundary_f,
    )
    from alphabench.metrics.masks import (
        hard_iou as hard_iou,
    )
    from alphabench.metrics.masks import (
        soft_iou as soft_iou,
    )
    from alphabench.metrics.modules import (
        AlphaError as AlphaError,
    )
    from alphabench.metrics.modules import (
        CompositeLPIPS as CompositeLPIPS,
    )
    from alphabench.metrics.modules import (
        CompositeLPIPSRand as CompositeLPIPSRand,
    )
    from alphabench.metrics.modules import (
        CompositePSNR as CompositePSNR,
    )
    from alphabench.metrics.modules import (
        CompositeSSIM as CompositeSSIM,
    )
    from alphabench.metrics.perceptual import (
        composite_distance as composite_distance,
    )
    from alphabench.metrics.perceptual import (
        composite_features as composite_features,
    )
    from alphabench.metrics.perceptual import (
        lpips as lpips,
    )
    from alphabench.metrics.perceptual import (
        lpips_rand as lpips_rand,
    )
    from alphabench.metrics.pixel import (
        psnr as psnr,
    )
    from alphabench.metrics.pixel import (
        psnr_alpha as psnr_alpha,
    )
    from alphabench.metrics.pixel import (
        psnr_straight_rgb as psnr_straight_rgb,
    )
    from alphabench.metrics.pyiqa_compatible import (
        psnr_eps8 as psnr_eps8,
    )
    from alphabench.metrics.pyiqa_compatible import (
        ssim_pyiqa as ssim_pyiqa,
    )
    from alphabench.metrics.reference_free import (
        alpha_bimodality as alpha_bimodality,
    )
    from alphabench.metrics.reference_free import (
        alpha_entropy as alpha_entropy,
    )
    from alphabench.metrics.reference_free import (
        background_dependence as background_dependence,
    )
    from alphabench.metrics.reference_free import (
        blank as blank,
    )
    from alphabench.metrics.reference_free import (
        border_cut as border_cut,
    )
    from alphabench.metrics.reference_free import (
        border_mean as border_mean,
    )
    from alphabench.metrics.reference_free import (
        clear_share as clear_share,
    )
    from alphabench.metrics.reference_free import (
        hidden_colour_share as hidden_colour_share,
    )
    from alphabench.metrics.reference_free import (
        hidden_leak as hidden_leak,
    )
    from alphabench.metrics.reference_free import (
        hole_rate as hole_rate,
    )
    from alphabench.metrics.reference_free import (
        opaque_share as opaque_share,
    )
    from alphabench.metrics.reference_free import (
        semi_share as semi_share,
    )
    from alphabench.metrics.reference_free import (
        soft_share as soft_share,
    )
    from alphabench.metrics.reference_free import (
        speckle_rate as speckle_rate,
    )
    from alphabench.metrics.set_distance import (
        frechet_distance as frechet_distance,
    )
    from alphabench.metrics.set_distance import (
        kernel_distance as kernel_distance,
    )
    from alphabench.metrics.set_modules import (
        FrechetDistance as FrechetDistance,
    )
    from alphabench.metrics.set_modules import (
        KernelDistance as KernelDistance,
    )
    from alphabench.metrics.similarity import (
        ssim_alpha as ssim_alpha,
    )
    from alphabench.metrics.similarity import (
        ssim_direct as ssim_direct,
    )
    from alphabench.metrics.similarity import (
        ssim_luma_direct as ssim_luma_direct,
    )
    from alphabench.metrics.structural import (
        SolidScores as SolidScores,
    )
    from alphabench.metrics.structural import (
        composite_all as composite_all,
    )
    from alphabench.metrics.structural import (
        composite_psnr_ssim as composite_psnr_ssim,
    )
    from alphabench.metrics.structural import (
        composite_ssim as composite_ssim,
    )
    from alphabench.metrics.structural import (
        composite_ssim_luma as composite_ssim_luma,
    )
    from alphabench.metrics.structural import (
        ssim_worst9 as ssim_worst9,
    )

_HOMES = {
    "alpha_errors": (
        "mad",
        "mse",
        "sad",
        "sad_per_mpx",
    ),
    "catalog": (
        "CATALOG",
        "Metric",
    ),
    "closed_form": (
        "PairMoments",
        "composite_psnr",
        "mildest_solid_background",
        "moments",
        "mse_on_solid",
        "psnr_abmse",
        "psnr_adversarial",
        "psnr_uniform",
        "psnr_worst_solid",
        "worst_solid_background",
    ),
    "colour_leak": ("colour_leak",),
    "connectivity": (
        "conn_aim",
        "conn_rhemann",
    ),
    "gradient": (
        "grad_aim",
        "grad_rhemann",
    ),
    "halo": (
        "fringe",
        "fringe_luma",
    ),
    "masks": (
        "boundary_f",
        "hard_iou",
        "soft_iou",
    ),
    "modules": (
        "AlphaError",
        "CompositeLPIPS",
        "CompositeLPIPSRand",
        "CompositePSNR",
        "CompositeSSIM",
    ),
    "perceptual": (
        "composite_distance",
        "composite_features",
        "lpips",
        "lpips_rand",
    ),
    "pixel": (
        "psnr",
        "psnr_alpha",
        "psnr_straight_rgb",
    ),
    "pyiqa_compatible": (
        "psnr_eps8",
        "ssim_pyiqa",
    ),
    "reference_free": (
        "alpha_bimodality",
        "alpha_entropy",
        "background_dependence",
        "blank",
        "border_cut",
        "border_mean",
        "clear_share",
        "hidden_colour_share",
        "hidden_leak",
        "hole_rate",
        "opaque_share",
        "semi_share",
        "soft_share",
        "speckle_rate",
    ),
    "set_distance": (
        "frechet_distance",
        "kernel_distance",
    ),
    "set_modules": (
        "FrechetDistance",
        "KernelDistance",
    ),
    "similarity": (
        "ssim_alpha",
        "ssim_direct",
        "ssim_luma_direct",
    ),
    "structural": (
        "SolidScores",
        "composite_all",
        "composite_psnr_ssim",
        "composite_ssim",
        "composite_ssim_luma",
        "ssim_worst9",
    ),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
