"""The recipe of the text-to-RGBA generator: which latents, which words, which network, which adapter."""

import math
from dataclasses import dataclass, field
from typing import Literal

from reference_models.training.config import OptimizerConfig, RunConfig

Mode = Literal["base", "lora", "full"]

Levels = tuple[float, float]

LIMIT = 16384  # widest layer that a recipe may ask for: a bound on memory, not on taste


@dataclass(frozen=True)
class CategoryWeight:
    """How often images of one category of the caption table are drawn.

    Attributes:
        name: as the table has it.
        weight: relative to the other images', which have 1.
    """

    name: str
    weight: float

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ValueError(f"the weight of {self.name!r} must not be negative, not {self.weight}")


@dataclass(frozen=True)
class CaptionConfig:
    """What is trained on: images and their words.

    Attributes:
        root: folder that the table is relative to; `ALPHABENCH_TRAIN_DATA` overrides it.
        table: `metadata.jsonl` with `file`, `name`, `caption`, `keywords`, `category`, or a CSV file with the columns
            `image` and `caption`; images lie relative to it.
        split: only rows of this `split`; empty takes all.
        validation: split whose loss is watched; empty watches none.
        validation_images: how many of them, evenly spaced.
        words: `caption` says the caption as it stands (and `RGBA` for an empty one); `phrases` says the name, a rare
            keyword or the caption by turns, some with the image's colour before them.
        size: side of the images in pixels, a multiple of 16.
        batch: images of a batch, over all processes.
        variants: augmented versions of each image, whose latents are kept in memory; 0 makes a new one each time.
        augment: `icon` flips, shrinks and shifts; `crop` resizes the shortest side and crops at random.
        recolour_share: share of the versions whose single hue is turned to another one, which the words then name.
        prompt_dropout: share of the samples that are told nothing, for classifier-free guidance.
        word_dropout: share of the words that are replaced by the unknown one.
        weights: of categories.
    """

    table: str
    root: str = "data"
    split: str = ""
    validation: str = ""
    validation_images: int = 48
    words: Literal["caption", "phrases"] = "phrases"
    size: int = 128
    batch: int = 32
    variants: int = 8
    augment: Literal["icon", "crop"] = "icon"
    recolour_share: float = 0.0
    prompt_dropout: float = 0.1
    word_dropout: float = 0.0
    weights: tuple[CategoryWeight, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 16 or self.size % 16:
            raise ValueError(f"size must be a multiple of 16, not {self.size}")
        if self.batch < 1 or self.variants < 0:
            raise ValueError("batch must be at least 1 and variants at least 0")
        for name in ("recolour_share", "prompt_dropout", "word_dropout"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class NetworkConfig:
    """The network that mode `base` starts from random weights: a small FLUX transformer.

    Attributes:
        double_blocks: blocks with streams of their own for image and text.
        single_blocks: blocks with one stream for both.
        heads: attention heads.
        rope_axes: width of the rotary embedding of (0, row, column); they sum to the width of a head.
    """

    double_blocks: int = 2
    single_blocks: int = 3
    heads: int = 4
    rope_axes: tuple[int, int, int] = (16, 24, 24)

    @property
    def head_dim(self) -> int:
        """Return the width of an attention head."""
        return sum(self.rope_axes)

    def __post_init__(self) -> None:
        if min(self.double_blocks, self.single_blocks) < 0 or self.double_blocks + self.single_blocks < 1:
            raise ValueError("double_blocks and single_blocks must not be negative, nor both 0")
        if self.heads < 1 or min(self.rope_axes) < 2 or any(axis % 2 for axis in self.rope_axes):
            raise ValueError("heads must be at least 1, and the rope_axes even and at least 2")
        if self.heads * self.head_dim > LIMIT:
            raise ValueError(f"heads times the sum of rope_axes must be at most {LIMIT}")


@dataclass(frozen=True)
class TextConfig:
    """The text encoders that mode `base` trains along, and how much text is read.

    Attributes:
        length: tokens of a prompt, its end included.
        width: of the sequence encoder (T5).
        layers: of the sequence encoder.
        heads: of the sequence encoder.
        pooled_width: of the pooled encoder (CLIP).
        pooled_layers: of the pooled encoder.
    """

    length: int = 16
    width: int = 256
    layers: int = 2
    heads: int = 4
    pooled_width: int = 128
    pooled_layers: int = 1

    def __post_init__(self) -> None:
        sizes = (self.length, self.width, self.layers, self.heads, self.pooled_width, self.pooled_layers)
        if min(sizes) < 1 or max(sizes) > LIMIT:
            raise ValueError(f"the sizes of [text] lie between 1 and {LIMIT}")
        if self.width % self.heads or self.pooled_width % 64:
            raise ValueError("width must be a multiple of heads, and pooled_width of 64")


@dataclass(frozen=True)
class LoraConfig:
    """The low-rank adapter of mode `lora`.

    Attributes:
        rank: of each change; the scale is 1 (alpha = rank).
        targets: ends of the names of the linear layers that are adapted; empty takes the published ones.
    """

    rank: int = 16
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.rank <= LIMIT:
            raise ValueError(f"rank must lie between 1 and {LIMIT}, not {self.rank}")


@dataclass(frozen=True)
class FlowConfig:
    """Flow matching: x = (1 - sigma)·z + sigma·noise, and the network tells noise - z.

    Attributes:
        times: how sigma is drawn: `uniform` among 1, 0.999 … 0.001 (as published), or `logit-normal`, which is
            spent on the middle.
        shift: moves training and a new base's sampler to the noisy end, where the words decide the shape: sigma
            becomes shift·sigma / (1 + (shift - 1)·sigma) (Esser et al. 2024, arXiv 2403.03206, equation 23); 1 moves
            nothing.
        guidance: what a guidance-distilled network is told; unused by one that takes no guidance.
        channel_power: latent channels weigh in the loss like this power of the change in pixels that they cause; 0
            weighs all alike, as published.
    """

    times: Literal["uniform", "logit-normal"] = "uniform"
    shift: float = 1.0
    guidance: float = 1.0
    channel_power: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.channel_power <= 1:
            raise ValueError(f"channel_power must lie between 0 and 1, not {self.channel_power}")
        if not 0 < self.shift < math.inf:
            raise ValueError(f"shift must be a positive number, not {self.shift}")


@dataclass(frozen=True)
class SamplerConfig:
    """How images are drawn when nobody asks otherwise.

    Attributes:
        steps: of the Euler sampler.
        guidance: of classifier-free guidance, or of a guidance-distilled network.
        alpha_levels: of the finished image: alpha up to the first is made 0, from the second on 1, and linear
            between; (0, 1) leaves it alone. A small generator leaves a haze of a few per cent where nothing is meant.
        prompts: of the sample sheet that a training draws.
    """

    steps: int = 28
    guidance: float = 3.5
    alpha_levels: Levels = (0.0, 1.0)
    prompts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.steps < 1 or self.guidance < 0:
            raise ValueError("steps must be at least 1, guidance at least 0")
        check_levels(self.alpha_levels)


def check_levels(levels: Levels) -> None:
    """Refuse levels of alpha that are not in order.

    Raises:
        ValueError: they are not 0 ≤ first < second ≤ 1.
    """
    low, high = levels
    if not 0 <= low < high <= 1:
        raise ValueError(f"alpha_levels must be two numbers in order in [0,1], not {low} and {high}")


@dataclass(frozen=True)
class GeneratorConfig:
    """The config.json of a generator's checkpoint.

    Attributes:
        mode: what was trained: an adapter (`lora`), or a pipeline that lies in the same folder.
        vae: autoencoder whose latents it makes: bundled, or a folder relative to the checkpoint.
        vae_sha256: digest of the autoencoder's weights.
        size: side of the images that it was trained on, in pixels.
        steps: of the sampler, unless asked otherwise.
        guidance: likewise.
        alpha_levels: of the finished image, see `SamplerConfig`.
        base: pipeline that the adapter belongs to, bundled or a folder relative to the checkpoint; empty where the
            pipeline lies in the same folder.
        base_sha256: digest of the base's transformer.
        base_words_sha256: digest of its text encoders and tokenizers; empty in adapters of before it was told.
    """

    mode: Mode
    vae: str
    vae_sha256: str
    size: int
    steps: int
    guidance: float
    alpha_levels: Levels = (0.0, 1.0)
    base: str = ""
    base_sha256: str = ""
    base_words_sha256: str = ""

    def __post_init__(self) -> None:
        if (self.mode == "lora") != bool(self.base):
            raise ValueError('base is named in mode "lora" and in no other')
        check_levels(self.alpha_levels)


@dataclass(frozen=True)
class GeneratorRecipe:
    """A whole recipe.

    Attributes:
        mode: `base` trains the network and its text encoders on opaque composites, from random weights or those of
            `base`; `lora` freezes them and trains an adapter on RGBA latents; `full` trains all weights of the
            network on RGBA latents.
        vae: bundled checkpoint, or folder, of the autoencoder whose latents are learned.
        base: bundled pipeline, or folder of a FLUX pipeline in diffusers' layout; `network` and `text` mean nothing
            beside it. Empty only in mode `base`, for random weights.
        base_dtype: of the frozen networks beside an adapter, which itself is float32; `bfloat16` needs half of the
            memory, and a run of precision `bf16`.
        gradient_checkpointing: keep no activations inside the transformer's blocks but compute them twice: less
            memory, a third more time.
        posterior: `mode` takes the mean of the autoencoder's posterior, `sample` draws from it.
        trainer: the room, so that a recipe file says by itself what it trains.
    """

    mode: Mode
    vae: str
    data: CaptionConfig
    run: RunConfig
    base: str = ""
    base_dtype: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    posterior: Literal["mode", "sample"] = "mode"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    text: TextConfig = field(default_factory=TextConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: Literal["rgba_lora"] = "rgba_lora"

    def __post_init__(self) -> None:
        if self.mode != "base" and not self.base:
            raise ValueError(f'base has to name the pipeline that "{self.mode}" starts from')
        if self.base_dtype == "bfloat16" and (self.mode, self.run.precision) != ("lora", "bf16"):
            raise ValueError('base_dtype "bfloat16" needs mode "lora" and run.precision "bf16"')
