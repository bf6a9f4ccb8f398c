"""Train LayerDiffuse: two small networks that hide alpha in the latent of a frozen RGB autoencoder."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from alphabench.errors import UsageError
from alphabench.image.codec import to_float
from alphabench.image.compositing import clear_hidden, composite
from alphabench.image.types import Codes, Rgba
from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.spec import TrainRequest
from reference_models.alphavae.folder import base_folder
from reference_models.alphavae.preview import beside, device_of, mean_psnr, on_checkerboard
from reference_models.layerdiffuse.base import FrozenBase, base_sha256, load_base, refuse_unfit_base
from reference_models.layerdiffuse.config import LayerDiffuseConfig, LayerDiffuseRecipe
from reference_models.layerdiffuse.folder import save_checkpoint
from reference_models.layerdiffuse.initial import LatentFacts, agree, latent_facts
from reference_models.layerdiffuse.model import GREY, LayerDiffuse, straight
from reference_models.layerdiffuse.networks import TransparencyNetworks
from reference_models.layerdiffuse.objective import LayerDiffuseObjective
from reference_models.layerdiffuse.pyramid import pad_rgb
from reference_models.losses.adversarial import PatchDiscriminator, saturating_generator_loss
from reference_models.padding import pad_to_multiple
from reference_models.training import procedural
from reference_models.training.adversary import Adversary
from reference_models.training.images import ImagePool, validation_images
from reference_models.training.loop import Recipe, train
from reference_models.training.procedural.canvas import to_codes
from reference_models.training.progress import Report, TrainProgress
from reference_models.training.streams import array_stream, tensor_stream
from reference_models.training.toml import settings_to_toml

STATISTICS_BATCHES = 10
ALIVE = 0.01  # least share of the latents' spread that an offset of 1 should move them by
CEILING = 35.0  # dB: what the base should reach on grey composites, the only colour that the decoder sees


class LayerDiffuseTask:
    """LayerDiffuse's batches, validation and export."""

    def __init__(self, recipe: LayerDiffuseRecipe, base: Path, report: Report) -> None:
        def say(message: str) -> None:
            report(TrainProgress(0, recipe.run.steps, {}, message))

        self.recipe = recipe
        self.pool = ImagePool(recipe.data, progress=say, hidden_colour="zero")
        self.closing_pool = self._closing_pool(say)
        held_out = validation_images(recipe.data, hidden_colour="zero", progress=say)
        self.held_out = [to_float(codes)[None] for codes in held_out]
        self.strange = [
            to_float(torch.from_numpy(to_codes(family(array_stream(0, index, "held out"), 256))))[None]
            for family in procedural.HELD_OUT.values()
            for index in range(3)
        ]
        frozen = load_base(base)
        facts = self._latent_facts(frozen)
        config = full_config(recipe, frozen, base_sha256(base), facts)
        refuse_unfit_base(frozen, config, where=str(base))
        torch.manual_seed(recipe.run.seed)
        networks = TransparencyNetworks(config)
        if recipe.start == "agreed":
            agree(networks, facts)
        self.whole = LayerDiffuse(networks, frozen).to(memory_format=torch.channels_last)
        self.model: nn.Module = networks
        self.objective: nn.Module = LayerDiffuseObjective(self.whole, recipe.loss)
        self.adversary = self._adversary()
        self._say_what_the_base_allows(say, facts)

    def _closing_pool(self, say: Callable[[str], None]) -> ImagePool | None:
        closing, data = self.recipe.closing, self.recipe.data
        if closing.steps == 0:
            return None
        large = dataclasses.replace(
            data, size=closing.size, batch=closing.batch, small="pad", procedural_images=0, half_scale_probability=0.0
        )
        return ImagePool(large, progress=say, hidden_colour="zero")

    def _adversary(self) -> Adversary | None:
        weight = self.recipe.loss.disc_weight
        if weight == 0:
            return None
        generator = tensor_stream(self.recipe.run.seed, 0, "discriminator")
        return Adversary(
            PatchDiscriminator(4, generator=generator), weight=weight, generator_loss=saturating_generator_loss
        )

    def _latent_facts(self, base: FrozenBase) -> LatentFacts:
        posteriors = [base.encode(grey * 2 - 1) for grey in map(over_grey, self._statistics_images())]
        return latent_facts(
            torch.cat([posterior.mean for posterior in posteriors]),
            torch.cat([torch.exp(0.5 * posterior.log_variance) for posterior in posteriors]),
        )

    def _statistics_images(self) -> Iterator[Rgba]:
        for index in range(STATISTICS_BATCHES):
            numbers = range(8 * index, 8 * index + 8)
            yield to_float(self.pool.samples(self.recipe.run.seed, numbers, "statistics"))

    def _say_what_the_base_allows(self, say: Callable[[str], None], facts: LatentFacts) -> None:
        spread = facts.covariance.diagonal().mean().sqrt()
        share = float(facts.spread.median() * self.whole.config.offset_gain / spread)
        if self.whole.config.offset_unit == "posterior_std":
            dead = "" if share >= ALIVE else '; that is too little: set offset_unit = "latent_std"'
            say(f"an offset of 1 moves a latent by {share:.3g} of its spread{dead}")
        values = [grey_psnr(self.whole.base, image) for image in self.held_out]
        if values:
            mean = sum(values) / len(values)
            low = "" if mean >= CEILING else f", below {CEILING:g}: train the base longer first"
            say(f"the base reaches {mean:.2f} dB on grey composites{low}")

    def batch(self, step: int, rank: int, ranks: int) -> dict[str, Tensor]:
        """Return images and their filled colour of one micro-batch."""
        first_closing = (self.recipe.run.steps - self.recipe.closing.steps) * self.recipe.optimizer.accumulate
        self._refuse_uneven_closing(ranks)
        pool = self.pool if self.closing_pool is None or step < first_closing else self.closing_pool
        count = pool.count(ranks)
        images = to_float(pool.batch(self.recipe.run.seed, step, first=rank * count, count=count))
        return {
            "images": images.contiguous(memory_format=torch.channels_last),
            "padded": pad_rgb(images).contiguous(memory_format=torch.channels_last),
        }

    def _refuse_uneven_closing(self, ranks: int) -> None:
        """Say at the first step, and not at the first closing one, what would end the training there."""
        if self.closing_pool is not None and self.closing_pool.config.batch % ranks:
            raise UsageError(
                f"the closing batch of {self.closing_pool.config.batch} cannot be shared by {ranks} processes",
                remedy="Set closing.batch to a multiple of the number of processes, or closing.steps to 0.",
            )

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Return PSNR in dB of single passes over the nine canonical backgrounds, mean of images.

        Beside the whole error, that with the true alpha and that with the true colour: where the error sits.
        """
        whole = self._around(model)
        found = {}
        made = [(reconstruct(whole, image), image) for image in self.held_out]
        if made:
            found["psnr"] = mean_of([mean_psnr(m, i) for m, i in made])
            found["psnr_true_alpha"] = mean_of([mean_psnr(torch.cat([m[:, :3], i[:, 3:]], 1), i) for m, i in made])
            found["psnr_true_colour"] = mean_of([mean_psnr(torch.cat([i[:, :3], m[:, 3:]], 1), i) for m, i in made])
        if self.strange:
            found["psnr_held_out_families"] = mean_of([mean_psnr(reconstruct(whole, i), i) for i in self.strange])
        return found

    def samples(self, model: nn.Module) -> Codes | None:
        """Return images over a checkerboard, above their reconstructions."""
        whole = self._around(model)
        shown = [*self.held_out[:3], *self.strange[::3]]
        made = [reconstruct(whole, image) for image in shown]
        return on_checkerboard(torch.cat([beside(shown), beside(made)], 2))

    @property
    def inputs(self) -> dict[str, str]:
        """Return the digests of the base and of the training images."""
        return {"base_sha256": self.whole.networks.config.base_sha256, "data_sha256": self.pool.sha256()}

    def export(self, model: nn.Module, folder: Path, step: int) -> None:
        """Write the averaged networks in the released layout, with their config."""
        networks = cast("TransparencyNetworks", model)
        head = settings_to_toml({"step": step, **self.inputs})
        save_checkpoint(folder, networks, settings=head + settings_to_toml(self.recipe))

    def _around(self, model: nn.Module) -> LayerDiffuse:
        return LayerDiffuse(cast("TransparencyNetworks", model), self.whole.base).to(device_of(model))


def full_config(recipe: LayerDiffuseRecipe, base: FrozenBase, sha256: str, facts: LatentFacts) -> LayerDiffuseConfig:
    """Return the config of the networks to train: the recipe's table, and what its base says."""
    spread = facts.covariance.diagonal().sqrt()
    in_shares = recipe.model.offset_unit == "latent_std"
    return LayerDiffuseConfig(
        **{field.name: getattr(recipe.model, field.name) for field in dataclasses.fields(recipe.model)},
        base_sha256=sha256,
        latent_channels=base.latent_channels,
        latent_std=tuple(float(f"{value:.6g}") for value in spread.tolist()) if in_shares else (),
    )


@torch.no_grad()
def reconstruct(model: LayerDiffuse, images: Rgba) -> Rgba:
    """Return the reconstruction of images of any size by a single pass."""
    height, width = images.shape[-2:]
    read = pad_to_multiple(clear_hidden(images), model.config.size_multiple).to(device_of(model))
    encoding = model.encode(read)
    rgb = model.frozen_decode(encoding.latents).clamp(0.0, 1.0)
    planes = model.decode_once(rgb, encoding.latents).clamp(0.0, 1.0)
    return straight(planes, model.config.channel_order)[..., :height, :width].to(images.device)


@torch.no_grad()
def grey_psnr(base: FrozenBase, images: Rgba) -> float:
    """Return the PSNR in dB of the frozen autoencoder on images over grey."""
    height, width = images.shape[-2:]
    grey = pad_to_multiple(over_grey(images), base.factor)
    made = (base.decode(base.encode(grey * 2 - 1).mode()) * 0.5 + 0.5).clamp(0.0, 1.0)
    error = (made - grey)[..., :height, :width].square().mean()
    return float(-10 * torch.log10(error))


def over_grey(images: Rgba) -> Tensor:
    """Return what the frozen encoder is fed, in [0,1]."""
    return composite(images, images.new_full((3,), GREY))


def mean_of(values: list[float]) -> float:
    """Return the mean of at least one number."""
    return sum(values) / len(values)


def run(config: Path, request: TrainRequest, report: Report) -> Path:
    """Train the LayerDiffuse model of the recipe `config` and return the folder of its checkpoint."""
    recipe = read_toml_settings(config, LayerDiffuseRecipe, changes=request.changes)
    if request.steps is not None:
        recipe = dataclasses.replace(recipe, run=dataclasses.replace(recipe.run, steps=request.steps))
    task = LayerDiffuseTask(recipe, base_folder(recipe.model.base, config), report)
    loop = Recipe(recipe.optimizer, recipe.run, settings_to_toml(recipe), task.inputs)
    try:
        return train(task, loop, request, report)
    finally:
        for pool in (task.pool, task.closing_pool):
            if pool is not None:
                pool.close()
