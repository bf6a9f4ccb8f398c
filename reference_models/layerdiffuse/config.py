"""The shape of a LayerDiffuse checkpoint, its conventions, and the recipe it is trained by."""

from dataclasses import dataclass
from typing import Literal

from reference_models.training.config import OptimizerConfig, RunConfig
from reference_models.training.data_config import DataConfig

ChannelOrder = Literal["ARGB", "RGBA"]

STAGES = (4, 8)
"""Fewest and most stages of the decoder: the latent enters before the fourth."""

LIMIT = 4096  # widest layer that a config may ask for: a bound on memory, not on taste


@dataclass(frozen=True)
class LayerDiffuseConfig:
    """Both networks and every convention that a weights file does not hold; sizes default to the released ones.

    Attributes:
        base: the frozen RGB autoencoder: a bundled one by name, or a folder relative to this checkpoint.
        base_sha256: digest of the base's safetensors file: a wrong base gives wrong images without any error.
        channel_order: where alpha is, in what the encoder reads and in what the decoder writes: first in the
            releases for SDXL and SD 1.5 (`ARGB`), last in that for FLUX (`RGBA`).
        offset_gain: factor on the encoder's output: 300 for the files of LayerDiffuse_DiffusersCLI and FLUX, 1
            for those of layerdiffusion-v1.
        latent_channels: numbers of the base's code at each latent position.
        offset_unit: what an offset of 1 is: `posterior_std`, one standard deviation of the base's posterior, or
            `latent_std`, a tenth of the standard deviation of each latent channel over the training images.
        latent_std: those standard deviations, one a channel; only for `latent_std`.
        encoder_widths: of the transparent encoder, each for two convolutions.
        decoder_widths: of the transparent decoder's stages, the finest first.
        decoder_layers: residual blocks of each stage on the way down; one more on the way up.
        first_attn: first stage with attention.
        groups: of the decoder's group normalisations.
        head_dim: width of an attention head.
        ensemble: passes of the decoder: 8 for the median over the symmetries of the square, 1 for one pass.
        compat: `cli` rounds 8-bit values down as LayerDiffuse_DiffusersCLI does, `none` leaves them unrounded.
    """

    base: str
    base_sha256: str
    channel_order: ChannelOrder
    offset_gain: float
    latent_channels: int = 4
    offset_unit: Literal["posterior_std", "latent_std"] = "posterior_std"
    latent_std: tuple[float, ...] = ()
    encoder_widths: tuple[int, ...] = (32, 64, 128, 256)
    decoder_widths: tuple[int, ...] = (32, 32, 64, 128, 256, 512, 512)
    decoder_layers: int = 2
    first_attn: int = 4
    groups: int = 4
    head_dim: int = 8
    ensemble: Literal[8, 1] = 8
    compat: Literal["none", "cli"] = "none"

    def __post_init__(self) -> None:
        sizes = (*self.encoder_widths, *self.decoder_widths, self.latent_channels, self.groups, self.head_dim)
        if min(sizes) < 1 or max(sizes) > LIMIT or not 1 <= self.decoder_layers <= 8:
            raise ValueError(f"widths, groups and head_dim lie between 1 and {LIMIT}, decoder_layers between 1 and 8")
        if not STAGES[0] <= len(self.decoder_widths) <= STAGES[1] or not 1 <= len(self.encoder_widths) <= STAGES[1]:
            raise ValueError(f"decoder_widths names {STAGES[0]} to {STAGES[1]} stages, encoder_widths 1 to {STAGES[1]}")
        if any(width % self.groups for width in self.decoder_widths):
            raise ValueError(f"decoder_widths must be multiples of groups, {self.groups}")
        # The middle has attention even where no stage has.
        if any(width % self.head_dim for width in (*self.decoder_widths[self.first_attn :], self.decoder_widths[-1])):
            raise ValueError(f"widths of the stages with attention must be multiples of head_dim, {self.head_dim}")
        wanted = self.latent_channels if self.offset_unit == "latent_std" else 0
        if len(self.latent_std) != wanted:
            raise ValueError(f"latent_std must hold {wanted} numbers where offset_unit is {self.offset_unit!r}")

    @property
    def encoder_factor(self) -> int:
        """Return the pixels that a position of the encoder's output stands for, along each side."""
        return int(2 ** (len(self.encoder_widths) - 1))

    @property
    def size_multiple(self) -> int:
        """Return what both sides of the decoder's input are multiples of: its halvings, and the base's patches."""
        return int(max(self.encoder_factor, 2 ** (len(self.decoder_widths) - 1)))


@dataclass(frozen=True)
class NetworkConfig:
    """The table `[model]` of a recipe: a checkpoint's config without what only training finds out.

    Attributes are those of `LayerDiffuseConfig`; the latent channels are the base's own.
    """

    base: str
    channel_order: ChannelOrder
    offset_gain: float = 300.0
    offset_unit: Literal["posterior_std", "latent_std"] = "posterior_std"
    encoder_widths: tuple[int, ...] = (32, 64, 128, 256)
    decoder_widths: tuple[int, ...] = (32, 32, 64, 128, 256, 512, 512)
    decoder_layers: int = 2
    first_attn: int = 4
    groups: int = 4
    head_dim: int = 8
    ensemble: Literal[8, 1] = 8


@dataclass(frozen=True)
class LossConfig:
    """Weights of LayerDiffuse's losses, all in [0,1]; a weight of 0 means that the term is not computed.

    Attributes:
        target: colour that the decoder learns: `straight`, weighed by max(alpha, 1/16) and filled where alpha is
            0, or `padded`, the filled colour that the encoder reads.
        recon_weight: of the squared error of colour and of alpha.
        identity_weight: of the squared error of the frozen decode against the grey composite.
        disc_weight: of the patch discriminator's hinge loss.
    """

    target: Literal["straight", "padded"] = "straight"
    recon_weight: float = 1.0
    identity_weight: float = 1.0
    disc_weight: float = 0.0


@dataclass(frozen=True)
class ClosingConfig:
    """The last steps, on larger crops: group norms and attention then see what they will see in use.

    Attributes:
        steps: how many of the run's steps; 0 for none.
        size: side of their crops in pixels; smaller images are padded with transparency.
        batch: images of each, over all processes.
    """

    steps: int = 0
    size: int = 256
    batch: int = 1


@dataclass(frozen=True)
class LayerDiffuseRecipe:
    """All tables of a LayerDiffuse recipe.

    Attributes:
        model: both networks.
        data: what they are trained on.
        loss: weights.
        optimizer: AdamW.
        run: length and habits.
        closing: the last steps, on the sources' images without the procedural ones.
        start: `zero` leaves the latent unshifted and unheard at first (arXiv 2402.17113); `agreed` starts with
            both networks agreeing on a direction for alpha, which a short training needs.
        trainer: the room, so that a recipe file says by itself what it trains.
    """

    model: NetworkConfig
    data: DataConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    run: RunConfig
    closing: ClosingConfig = ClosingConfig()
    start: Literal["zero", "agreed"] = "zero"
    trainer: Literal["layerdiffuse"] = "layerdiffuse"
