"""The settings of each metric as a protocol may state them.

A setting that a metric's function does not offer as a choice has exactly one allowed value here, so that a
protocol can never state what is not computed.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from alphabench.metrics.catalog import CATALOG
from alphabench.protocols.generated_settings import ClipScore, Fid, LaionAes, ReferenceFree
from alphabench.protocols.tables import Group, MetricSettings, WeightFile, only


class Psnr(MetricSettings):
    """PSNR without a constant: identical images are infinite, and capped in means only."""

    allowed: ClassVar[tuple[Group, ...]] = ("composite", "texture", "alpha", "straight-rgb")

    data_range: Annotated[float, only(1.0)] = 1.0
    eps: Annotated[float, only(0.0)] = 0.0
    mean_cap_db: float = Field(default=100.0, gt=0, le=1000)


class PsnrWorstSolid(Psnr):
    """PSNR on the solid background where it is lowest."""

    allowed: ClassVar[tuple[Group, ...]] = ("worst-solid",)


class PsnrAdversarial(Psnr):
    """Lower bound of PSNR over all backgrounds."""

    allowed: ClassVar[tuple[Group, ...]] = ("adversarial",)


class PsnrEps8(MetricSettings):
    """PSNR of pyiqa: 1e-8 inside the logarithm, 80 dB for identical images."""

    allowed: ClassVar[tuple[Group, ...]] = ("composite", "straight-rgb-noalpha")
    modes: ClassVar[tuple[str, ...]] = ("paper",)

    data_range: Annotated[float, only(1.0)] = 1.0
    eps: Annotated[float, only(1e-8)] = 1e-8


class Ssim(MetricSettings):
    """SSIM with a Gaussian window on the valid area (Wang et al. 2004)."""

    allowed: ClassVar[tuple[Group, ...]] = ("composite", "texture")

    channels: Annotated[str, only("rgb")] = "rgb"
    window: Annotated[str, only("gaussian")] = "gaussian"
    taps: Annotated[int, only(11)] = 11
    sigma: Annotated[float, only(1.5)] = 1.5
    k1: Annotated[float, only(0.01)] = 0.01
    k2: Annotated[float, only(0.03)] = 0.03
    boundary: Annotated[str, only("valid")] = "valid"
    clamp_cs: Annotated[bool, only(False)] = False


class SsimLuma(Ssim):
    """SSIM of the unrounded luma."""

    allowed: ClassVar[tuple[Group, ...]] = ("composite",)

    channels: Annotated[str, only("luma")] = "luma"


class SsimAlpha(Ssim):
    """SSIM of the alpha channel."""

    allowed: ClassVar[tuple[Group, ...]] = ("alpha",)

    channels: Annotated[str, only("alpha")] = "alpha"


class SsimWorst9(Ssim):
    """The lowest RGB SSIM among the solid backgrounds."""

    allowed: ClassVar[tuple[Group, ...]] = ("worst-solid",)


class SsimPyiqa(Ssim):
    """SSIM of pyiqa: luma rounded to integers, contrast clamped at 0, weights stored as float32."""

    allowed: ClassVar[tuple[Group, ...]] = ("composite", "straight-rgb-noalpha")
    modes: ClassVar[tuple[str, ...]] = ("paper",)

    channels: Annotated[str, only("luma-rounded")] = "luma-rounded"
    clamp_cs: Annotated[bool, only(True)] = True
    weights_dtype: Annotated[str, only("float32")] = "float32"


class Lpips(MetricSettings):
    """LPIPS 0.1 with AlexNet (Zhang et al. 2018)."""

    allowed: ClassVar[tuple[Group, ...]] = ("composite", "texture", "straight-rgb-noalpha")
    modes: ClassVar[tuple[str, ...]] = ("macro", "paper")

    net: Annotated[str, only("alex")] = "alex"
    release: Annotated[str, only("0.1")] = "0.1"
    heads: WeightFile
    backbone: WeightFile


class LpipsRand(MetricSettings):
    """Feature distance with the seeded random network."""

    allowed: ClassVar[tuple[Group, ...]] = ("composite", "texture")

    network: Annotated[str, only("random-20250709")] = "random-20250709"
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    eps: Annotated[float, only(0.1)] = 0.1


class Rfid(MetricSettings):
    """Fréchet distance of Inception features between references' and predictions' composites."""

    allowed: ClassVar[tuple[Group, ...]] = ("set",)

    features: Annotated[str, only("inception-2015-12-05-pool3")] = "inception-2015-12-05-pool3"
    weights: WeightFile
    resize: Annotated[str, only("clean-bicubic-299")] = "clean-bicubic-299"
    scope: Literal["category", "all"] = "category"


class Kid(Rfid):
    """Kernel distance of the same features: the full unbiased estimate with a cubic kernel."""

    generated: ClassVar[tuple[str, ...]] = ("macro",)

    degree: Annotated[int, only(3)] = 3
    estimator: Annotated[str, only("unbiased-full")] = "unbiased-full"


class RfidRand(MetricSettings):
    """Fréchet distance of the seeded random network's features."""

    allowed: ClassVar[tuple[Group, ...]] = ("set",)

    features: Annotated[str, only("random-20250709-960")] = "random-20250709-960"
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scope: Literal["category", "all"] = "all"


class FidRand(RfidRand):
    """Fréchet distance of the same features between generated images and a set of references."""

    modes: ClassVar[tuple[str, ...]] = ()
    generated: ClassVar[tuple[str, ...]] = ("macro",)


class KidRand(RfidRand):
    """Kernel distance of the seeded random network's features."""

    generated: ClassVar[tuple[str, ...]] = ("macro",)

    degree: Annotated[int, only(3)] = 3
    estimator: Annotated[str, only("unbiased-full")] = "unbiased-full"


class AlphaMeasure(MetricSettings):
    """An error or overlap of the alpha channel over the whole image."""

    allowed: ClassVar[tuple[Group, ...]] = ("alpha",)


class AlphaUnknown(AlphaMeasure):
    """An alpha error over the unknown region, which is made from the reference's alpha.

    The region is what neither the eroded opaque nor the eroded clear pixels cover; the square element has
    the radius `max(1, round(radius_share * min(height, width)))`.
    """

    trimap: Annotated[str, only("eroded-square")] = "eroded-square"
    radius_share: Annotated[float, only(0.01)] = 0.01


class Gradient(AlphaMeasure):
    """Gradient error (Rhemann et al. 2009)."""

    sigma: Annotated[float, only(1.4)] = 1.4


class GradientUnknown(AlphaUnknown, Gradient):
    """Gradient error over the unknown region."""


class Connectivity(AlphaMeasure):
    """Connectivity error (Rhemann et al. 2009)."""

    step: Annotated[float, only(0.1)] = 0.1
    tolerance: Annotated[float, only(0.15)] = 0.15


class ConnectivityUnknown(AlphaUnknown, Connectivity):
    """Connectivity error over the unknown region."""


class HardIou(AlphaMeasure):
    """Overlap of the alpha masks at a threshold in 8-bit codes."""

    threshold: Annotated[int, only(128)] = 128


class BoundaryF(HardIou):
    """F-measure of the masks' boundaries within a share of the diagonal."""

    radius_share: Annotated[float, only(0.0075)] = 0.0075


class Harmlessness(MetricSettings):
    """What the new latents of a model are to the RGB autoencoder it came from.

    `opaque` is every image over the protocol's one background, `transparent` every image as it is, for models
    whose parent is fed transparent images too; for all others that view has no values.
    """

    allowed: ClassVar[tuple[Group, ...]] = ("opaque", "transparent")

    latents: Annotated[str, only("posterior-mean")] = "posterior-mean"
    dtype: Annotated[str, only("float32")] = "float32"


class HarmPsnr(Harmlessness):
    """PSNR of the untouched RGB decoder's images of both latents, clipped to [0,1]."""

    data_range: Annotated[float, only(1.0)] = 1.0
    eps: Annotated[float, only(0.0)] = 0.0
    mean_cap_db: float = Field(default=100.0, gt=0, le=1000)


class HarmDrop(Harmlessness):
    """How much worse the untouched RGB decoder gives the image back from the new latent."""

    data_range: Annotated[float, only(1.0)] = 1.0
    eps: Annotated[float, only(0.0)] = 0.0


class LatentKl(Harmlessness):
    """Divergence of Gaussian fits of both latents, channel by channel, over all images and positions."""

    allowed: ClassVar[tuple[Group, ...]] = ("set-opaque", "set-transparent")

    fit: Annotated[str, only("gaussian-per-channel")] = "gaussian-per-channel"
    scope: Annotated[str, only("all")] = "all"


# The order of this table is the order of a sample's rows, of a record's metrics and of printed columns.
SETTINGS: dict[str, type[MetricSettings]] = {
    "psnr": Psnr,
    "psnr_eps8": PsnrEps8,
    "psnr_worst_solid": PsnrWorstSolid,
    "psnr_adversarial": PsnrAdversarial,
    "ssim_rgb": Ssim,
    "ssim_luma": SsimLuma,
    "ssim_pyiqa": SsimPyiqa,
    "ssim_worst9": SsimWorst9,
    "ssim_alpha": SsimAlpha,
    "lpips": Lpips,
    "lpips-rand": LpipsRand,
    "sad": AlphaMeasure,
    "sad_per_mpx": AlphaMeasure,
    "mse": AlphaMeasure,
    "mad": AlphaMeasure,
    "grad_rhemann": Gradient,
    "grad_aim": Gradient,
    "conn_rhemann": Connectivity,
    "conn_aim": Connectivity,
    "sad_unknown": AlphaUnknown,
    "mse_unknown": AlphaUnknown,
    "mad_unknown": AlphaUnknown,
    "grad_rhemann_unknown": GradientUnknown,
    "grad_aim_unknown": GradientUnknown,
    "conn_rhemann_unknown": ConnectivityUnknown,
    "conn_aim_unknown": ConnectivityUnknown,
    "soft_iou": AlphaMeasure,
    "hard_iou": HardIou,
    "boundary_f": BoundaryF,
    "rfid": Rfid,
    "rfid-rand": RfidRand,
    "kid": Kid,
    "kid-rand": KidRand,
    "laion_aes": LaionAes,
    "clipscore": ClipScore,
    "fid": Fid,
    "fid-rand": FidRand,
    "harm_psnr": HarmPsnr,
    "harm_drop": HarmDrop,
    "latent_shift": Harmlessness,
    "posterior_kl": Harmlessness,
    "latent_kl": LatentKl,
    **{name: ReferenceFree for name, metric in CATALOG.items() if metric.views == ("prediction",)},
}
