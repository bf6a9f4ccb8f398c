"""Train AlphaVAE: widen an RGB VAE and teach it alpha by the composite objective."""

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from alphabench.errors import DataError, UsageError
from alphabench.files import sha256_of
from alphabench.image.codec import to_float
from alphabench.image.types import Codes, Rgba
from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.spec import TrainRequest
from reference_models.alphavae.config import AlphaRecipe
from reference_models.alphavae.folder import base_folder, load_network, save_network
from reference_models.alphavae.latent_statistics import LatentReport, latent_report
from reference_models.alphavae.low_rank import make_low_rank, merged
from reference_models.alphavae.model import AlphaVae
from reference_models.alphavae.objective import MEASURE, POSITIONS, SIGNS, AlphaObjective, decoder_end
from reference_models.alphavae.preview import beside, device_of, mean_psnr, on_checkerboard, reconstruct
from reference_models.alphavae.ranges import Colour, to_network
from reference_models.losses.adversarial import PatchDiscriminator
from reference_models.rgb_vae.folder import WEIGHTS_FILE
from reference_models.rgb_vae.model import PatchVae
from reference_models.surgery import widen
from reference_models.training import procedural
from reference_models.training.adversary import Adversary
from reference_models.training.images import ImagePool, validation_images
from reference_models.training.loop import Recipe, train
from reference_models.training.procedural.canvas import to_codes
from reference_models.training.progress import Report, TrainProgress
from reference_models.training.streams import array_stream, sample_normals, sample_signs, stream_seed, tensor_stream
from reference_models.training.toml import settings_to_toml

LATENT_BATCHES = 8  # of eight images: what an exported model's latent statistics are measured on


class AlphaTask:
    """AlphaVAE's batches, validation and export.

    Attributes:
        adversary: the patch discriminator, where the recipe gives it a weight.
    """

    def __init__(self, recipe: AlphaRecipe, base: Path, report: Report, start: Path | None = None) -> None:
        def say(message: str) -> None:
            report(TrainProgress(0, recipe.run.steps, {}, message))

        self.recipe = recipe
        self.rgb = rgb = load_network(base, channels=3)
        self.models = {"base_sha256": sha256_of(base / WEIGHTS_FILE)}
        if not isinstance(rgb, PatchVae) and recipe.model.colour != "straight":
            raise UsageError(
                "the diffusers layout has no place to say that its colour is premultiplied",
                remedy='Set colour = "straight" in [model].',
            )
        widened = as_vae(widen(rgb), recipe.model.colour)
        if recipe.data.size % widened.factor:
            raise UsageError(
                f"crops of {recipe.data.size} px do not fit {base.name}, whose latents stand for {widened.factor} px "
                "along each side",
                remedy=f"Set data.size to a multiple of {widened.factor}.",
            )
        self.vae = widened
        if recipe.model.start:
            self.vae = started_vae(start, widened)
            self.models["start_sha256"] = sha256_of(cast("Path", start) / WEIGHTS_FILE)
        elif recipe.model.initialisation == "random":
            seed = stream_seed(recipe.run.seed, 0, "initialisation")
            self.vae = as_vae(widen(rgb, initialisation="random", seed=seed), recipe.model.colour)
        self.vae.train().requires_grad_(requires_grad=True)
        if recipe.model.trainable == "lora":
            self.vae = copy.deepcopy(self.vae)  # the reference stays a plain network
            make_low_rank(self.vae, recipe.model.lora_rank, seed=stream_seed(recipe.run.seed, 0, "low rank"))
        self.model: nn.Module = self.vae
        self.objective: nn.Module = AlphaObjective(
            self.vae, recipe.loss, widened, reference_stride=recipe.reference_stride
        )
        self.adversary = adversary_of(self.vae, recipe)
        self.pool = ImagePool(recipe.data, progress=say, hidden_colour=recipe.hidden_colour)
        report(TrainProgress(0, recipe.run.steps, {}, facts=self.pool.facts))
        held_out = validation_images(recipe.data, hidden_colour=recipe.hidden_colour, progress=say)
        self.held_out = [to_float(codes)[None] for codes in held_out]
        self.strange = [
            to_float(torch.from_numpy(to_codes(family(array_stream(0, index, "held out"), 256))))[None]
            for family in procedural.HELD_OUT.values()
            for index in range(3)
        ]
        say(f"widened {base.name}")

    @property
    def inputs(self) -> dict[str, str]:
        """Return the digests of the base, of the checkpoint that training starts from, and of the images."""
        return {**self.models, "data_sha256": self.pool.sha256()}

    def statistics_images(self, index: int) -> Rgba:
        """Return 8 straight RGBA images in [0,1] that no step draws, hidden colours as the recipe says."""
        return to_float(self.pool.samples(self.recipe.run.seed, range(8 * index, 8 * index + 8), "statistics"))

    def batch(self, index: int, rank: int, ranks: int) -> dict[str, Tensor]:
        """Return images and posterior noise of a share of one batch, and what the recipe's losses need besides."""
        count = self.pool.count(ranks)
        seed, side = self.recipe.run.seed, self.recipe.data.size // self.vae.factor
        images = to_float(self.pool.batch(seed, index, first=rank * count, count=count))
        numbers = self.pool.numbers(index, rank * count, count)
        first = numbers.start
        noise = sample_normals(seed, "posterior", first=first, shape=(count, self.vae.latent_channels, side, side))
        batch = {"images": images.contiguous(memory_format=torch.channels_last), "noise": noise}
        loss = self.recipe.loss
        if loss.reconstruction == "sampled_backgrounds":
            batch[SIGNS] = sample_signs(seed, "background", first=first, shape=(count, loss.sampled_colours, 3))
        if loss.reference_kl_weight > 0 and self.recipe.reference_stride > 1:
            chosen = [place for place, number in enumerate(numbers) if number % self.recipe.reference_stride == 0]
            batch[POSITIONS] = torch.tensor(chosen, dtype=torch.long)
        step = index // self.recipe.optimizer.accumulate
        if loss.reference_kl_share_every and step % loss.reference_kl_share_every == 0:
            batch[MEASURE] = torch.ones(())
        return batch

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Return PSNR in dB over the nine canonical backgrounds, mean of images: validation and held-out."""
        vae = cast("AlphaVae", model)
        found = {}
        for name, images in (("psnr", self.held_out), ("psnr_held_out_families", self.strange)):
            values = [mean_psnr(reconstruct(vae, image), image) for image in images]
            if values:
                found[name] = sum(values) / len(values)
        return {**found, **self.latents(vae, 1).numbers()}

    def samples(self, model: nn.Module) -> Codes | None:
        """Return images over a checkerboard, above their reconstructions."""
        vae = cast("AlphaVae", model)
        shown = [*self.held_out[:3], *self.strange[::3]]
        made = [reconstruct(vae, image) for image in shown]
        return on_checkerboard(torch.cat([beside(shown), beside(made)], 2))

    @torch.no_grad()
    def export(self, model: nn.Module, folder: Path, step: int) -> None:
        """Write the averaged network, merged, with mean and spread of its latents on training images."""
        vae = merged(cast("AlphaVae", model))
        if isinstance(vae.network, PatchVae):
            batches = (self.statistics_images(index) for index in range(50))
            read = (to_network(images, vae.colour).to(device_of(vae)) for images in batches)
            joined = torch.cat([vae.encode(images).mode() for images in read])
            vae.network.config = dataclasses.replace(
                vae.network.config,
                shift_factor=float(f"{float(joined.mean()):.6g}"),
                scaling_factor=float(f"{1 / float(joined.std()):.6g}"),
            )
        head = settings_to_toml({"step": step, **self.inputs})
        latents = settings_to_toml({"latents": self.latents(vae, LATENT_BATCHES).settings()})
        save_network(folder, vae.network, settings=f"{head}{settings_to_toml(self.recipe)}\n{latents}")

    def latents(self, vae: AlphaVae, batches: int) -> LatentReport:
        """Return how `vae` encodes training images made opaque, compared with the RGB network it came from."""
        return latent_report(
            vae, self.rgb.to(device_of(vae)), (self.statistics_images(index) for index in range(batches))
        )


def as_vae(network: nn.Module, colour: Colour) -> AlphaVae:
    """Return a four-channel network as an AlphaVAE whose colour is as the recipe says."""
    if isinstance(network, PatchVae):
        network.config = dataclasses.replace(network.config, colour=colour)
    return AlphaVae(network.to(memory_format=torch.channels_last), colour)


def started_vae(folder: Path | None, widened: AlphaVae) -> AlphaVae:
    """Return an AlphaVAE like `widened` with the weights of the RGBA checkpoint in `folder`.

    Raises:
        DataError: the checkpoint is not sound, or has another shape or colour than `widened`.
    """
    if folder is None:
        raise UsageError("the recipe starts from a checkpoint, but no folder was given", remedy="Give its folder.")
    vae = copy.deepcopy(widened)
    network = load_network(folder, channels=4)
    ours, theirs = vae.network.state_dict(), network.state_dict()
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in (ours, theirs)]
    if shapes[0] != shapes[1]:
        names = sorted(name for name in ours.keys() | theirs.keys() if shapes[0].get(name) != shapes[1].get(name))
        raise DataError(
            f"{folder} has another shape than the widened base: {len(names)} tensors differ, first {names[0]}",
            remedy="Start from a checkpoint that was widened from a base of the same shape.",
        )
    if isinstance(network, PatchVae) and network.config.colour != vae.colour:
        raise DataError(
            f"{folder} holds {network.config.colour} colours, the recipe asks for {vae.colour} ones",
            remedy=f'Set colour = "{network.config.colour}" in [model].',
        )
    vae.network.load_state_dict(theirs)
    return vae


def adversary_of(vae: AlphaVae, recipe: AlphaRecipe) -> Adversary | None:
    """Return the patch discriminator of the recipe, or None where its weight is 0."""
    loss = recipe.loss
    if loss.adversarial_weight == 0:
        return None
    network = PatchDiscriminator(
        4,
        loss.adversarial_width,
        loss.adversarial_layers,
        generator=tensor_stream(recipe.run.seed, 0, "discriminator"),
    )
    return Adversary(
        network=network,
        weight=loss.adversarial_weight,
        start=loss.adversarial_start,
        last_layer=decoder_end(vae) if loss.adversarial_adaptive else None,
        optimizer=recipe.adversary_optimizer,
    )


def run(config: Path, request: TrainRequest, report: Report) -> Path:
    """Train the AlphaVAE of the recipe `config` and return the folder of its checkpoint."""
    recipe = read_toml_settings(config, AlphaRecipe, changes=request.changes)
    if request.steps is not None:
        recipe = dataclasses.replace(recipe, run=dataclasses.replace(recipe.run, steps=request.steps))
    model = recipe.model
    start = base_folder(model.start, config) if model.start else None
    task = AlphaTask(recipe, base_folder(model.base, config), report, start)
    try:
        loop = Recipe(recipe.optimizer, recipe.run, settings_to_toml(recipe), task.inputs)
        return train(task, loop, request, report)
    finally:
        task.pool.close()
