"""The recipe of AlphaVAE."""

import dataclasses
import difflib
from dataclasses import dataclass
from typing import Literal

from reference_models.alphavae.ranges import Colour
from reference_models.losses.adversarial import smallest_side
from reference_models.losses.backgrounds import PRESETS, RELEASED_MOMENTS, BackgroundMoments
from reference_models.training.config import OptimizerConfig, RunConfig
from reference_models.training.data_config import DataConfig, HiddenColour

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class BaseConfig:
    """What is widened, and what of it is trained.

    Attributes:
        base: name of a bundled RGB VAE, or a folder (relative to the recipe) of either layout.
        colour: how colour enters and leaves the network.
        start: name of a bundled RGBA VAE of the same shape, or a folder: its weights are where training starts,
            so that a finished training is continued with a new schedule. The reference divergence still
            refers to the widened base. Empty starts from the widened base itself.
        initialisation: of the weights that widening adds for alpha: `opaque` (weights 0, bias 1 on the output)
            or `random` (as a new convolution has them).
        trainable: `all` weights, or `lora`: low-rank changes of the inner layers, and the alpha rows in full.
        lora_rank: rank of the changes.
    """

    base: str
    colour: Colour = "straight"
    start: str = ""
    initialisation: Literal["opaque", "random"] = "opaque"
    trainable: Literal["all", "lora"] = "all"
    lora_rank: int = 8

    def __post_init__(self) -> None:
        if self.lora_rank < 1:
            raise ValueError(f"lora_rank must be at least 1, not {self.lora_rank}")


@dataclass(frozen=True)
class LossConfig:
    """Weights of AlphaVAE's losses; a weight of 0 means that the term is not computed.

    Attributes:
        reconstruction: `abmse`; `mse` over the four raw channels as the network writes them;
            `premultiplied_mse` over premultiplied colour and alpha; `sampled_backgrounds`, the error over
            random colours, which `abmse` is the expectation of.
        background: name of the random background of the two kinds that have one; see
            `losses/backgrounds.py`. Without it and the numbers below it is the released one, `imagenet`.
        background_mean: E[b] per channel in [-1,1], instead of a name.
        background_second_moment: E[b²] per channel, together with `background_mean`.
        sampled_colours: colours that each image is seen over with `sampled_backgrounds`.
        equal_gradient_db: above 0, the error e of each image (mean over its elements, colours in [-1,1])
            enters as 2·k·√(e + 1e-6) with k = 2·10^(-dB/20): an image of this PSNR has the gradient of the plain
            error, worse images have less and better ones more, as the mean of PSNRs weighs them.
        reduction: `image_sum` sums each term over an image; `mean` divides every term by 3·height·width.
        perceptual_weight: of the perceptual distance, averaged over its backgrounds.
        perceptual_network: `random`, seeded features that need no file, or `lpips-vgg`, the published one, whose
            weights are fetched by `alphabench weights fetch vgg16`.
        perceptual_floor: of `random`: norm of features below which they stop to matter. With 0.01 most of the term
            is ripple in empty areas that nobody sees; with 0.3 next to none, and its gradient is some 50 times
            smaller, so that it needs a larger weight.
        perceptual_scale: `per_element` multiplies the distance by 3·height·width, `per_image` does not.
        perceptual_backgrounds: grey levels in [-1,1] that the perceptual distance sees the image over.
        kl_weight: of the divergence from the standard normal.
        reference_kl_weight: of the divergence from the frozen, widened base on opaque images.
        reference_kl_images: images of each micro-batch, counted over all processes, that the reference term is
            computed on, weighed so that its expectation is that of all of them; a divisor of `data.batch`, and 0
            takes all. With fewer than there are processes, some have more to do in every step than others.
        reference_kl_share_every: steps between measurements of the reference term's share of the gradient norm
            at the encoder's last layer; 0 never measures. A measurement costs about one backward pass.
        adversarial_weight: of the generator's loss against the patch discriminator.
        adversarial_start: steps before generator and discriminator begin to play.
        adversarial_input: what the discriminator sees: `straight` colours as released, hidden ones included,
            or `premultiplied` ones, which have no hidden colours.
        adversarial_width: channels after the discriminator's first convolution.
        adversarial_layers: its convolutions of stride 2.
        adversarial_adaptive: scale the term to the gradient of the rest of the loss at the weight of the
            decoder's last convolution.
        adversarial_lr: learning rate of the discriminator's AdamW; without it that of `optimizer`, as published. That
            of a small generator is too high for it: it then says 0 of everything.
        adversarial_betas: of the discriminator's two moments; without them those of `optimizer`, as published.
    """

    reconstruction: Literal["abmse", "mse", "premultiplied_mse", "sampled_backgrounds"] = "abmse"
    background: str | None = None
    background_mean: Triple | None = None
    background_second_moment: Triple | None = None
    sampled_colours: int = 1
    equal_gradient_db: float = 0.0
    reduction: Literal["image_sum", "mean"] = "image_sum"
    perceptual_weight: float = 0.5
    perceptual_network: Literal["random", "lpips-vgg"] = "random"
    perceptual_floor: float = 0.01
    perceptual_scale: Literal["per_image", "per_element"] = "per_image"
    perceptual_backgrounds: tuple[float, ...] = (0.0, 1.0)
    kl_weight: float = 1e-6
    reference_kl_weight: float = 1e-16
    reference_kl_images: int = 0
    reference_kl_share_every: int = 0
    adversarial_weight: float = 0.0
    adversarial_start: int = 4000
    adversarial_input: Colour = "straight"
    adversarial_width: int = 64
    adversarial_layers: int = 3
    adversarial_adaptive: bool = True
    adversarial_lr: float | None = None
    adversarial_betas: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, int | float) and value < 0:
                raise ValueError(f"{name} must not be negative, not {value}")
        if self.sampled_colours < 1 or min(self.adversarial_width, self.adversarial_layers) < 1:
            raise ValueError("sampled_colours, adversarial_width and adversarial_layers must be at least 1")
        if self.perceptual_floor == 0:
            raise ValueError("perceptual_floor must be positive")
        if self.perceptual_weight > 0 and not self.perceptual_backgrounds:
            raise ValueError("perceptual_backgrounds names no background: set perceptual_weight = 0 to leave it out")
        if (self.background_mean is None) != (self.background_second_moment is None):
            raise ValueError("background_mean and background_second_moment belong together: give both or neither")
        if self.background is not None:
            if self.background_mean is not None:
                raise ValueError("background and background_mean both say what the background is: give one of them")
            if self.background not in PRESETS:
                near = difflib.get_close_matches(self.background, PRESETS, n=1, cutoff=0.0)[0]
                raise ValueError(
                    f"background {self.background!r} is unknown (did you mean {near!r}? known: {', '.join(PRESETS)})"
                )
        _ = self.moments  # refuses impossible ones while the recipe is read

    @property
    def moments(self) -> BackgroundMoments:
        """Return the moments of the random background."""
        if self.background_mean is not None and self.background_second_moment is not None:
            return BackgroundMoments(self.background_mean, self.background_second_moment)
        return RELEASED_MOMENTS if self.background is None else PRESETS[self.background]


@dataclass(frozen=True)
class AlphaRecipe:
    """All tables of an AlphaVAE's TOML file.

    Attributes:
        model: what is widened.
        data: what it is trained on.
        loss: weights.
        optimizer: AdamW.
        run: length and habits.
        hidden_colour: what lies under alpha 0 of the training images: 0 (`zero`), what the files hold (`keep`),
            or the nearest visible colour (`bleed`).
        trainer: the room, so that a recipe file says by itself what it trains.
    """

    model: BaseConfig
    data: DataConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    run: RunConfig
    hidden_colour: HiddenColour = "zero"
    trainer: Literal["alphavae"] = "alphavae"

    def __post_init__(self) -> None:
        _ = self.adversary_optimizer  # refuses impossible ones while the recipe is read
        premultiplied = self.model.colour == "premultiplied"
        if premultiplied and self.loss.adversarial_weight > 0 and self.loss.adversarial_input == "straight":
            raise ValueError(
                'adversarial_input "straight" needs colour = "straight": a network of premultiplied colours has '
                'no others to show; set adversarial_input = "premultiplied"'
            )
        if self.loss.reference_kl_images and self.data.batch % self.loss.reference_kl_images:
            raise ValueError(
                f"reference_kl_images of {self.loss.reference_kl_images} cannot be spread evenly over a batch of "
                f"{self.data.batch}: set it to a divisor of data.batch, or to 0 for all images"
            )
        smallest = smallest_side(self.loss.adversarial_layers)
        if self.loss.adversarial_weight > 0 and self.data.size < smallest:
            raise ValueError(
                f"the discriminator's {self.loss.adversarial_layers} layers need crops of at least {smallest} px, not "
                f"{self.data.size}: set a larger data.size or fewer loss.adversarial_layers"
            )

    @property
    def adversary_optimizer(self) -> OptimizerConfig:
        """Return the discriminator's optimiser: the generator's, but for what the loss says of it."""
        ours, theirs = self.optimizer, self.loss
        lr = ours.lr if theirs.adversarial_lr is None else theirs.adversarial_lr
        betas = ours.betas if theirs.adversarial_betas is None else theirs.adversarial_betas
        try:
            # A rate of its own is one of AdamW: Prodigy would take it as a factor on the step that it finds.
            name = ours.name if theirs.adversarial_lr is None else "adamw"
            return dataclasses.replace(ours, lr=lr, betas=betas, name=name)
        except ValueError as error:
            raise ValueError(f"adversarial_lr and adversarial_betas: {error}") from error

    @property
    def reference_stride(self) -> int:
        """Return which images the reference term is computed on: those whose global number it divides."""
        images = self.loss.reference_kl_images
        return self.data.batch // images if images else 1
