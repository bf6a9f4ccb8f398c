"""Train AlphaVAE: widen an RGB VAE and teach it alpha by the composite objective."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from alphabench.errors import UsageError
from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.codec import quantise, to_float
from alphabench.image.compositing import clear_hidden, composite
from alphabench.image.types import Codes, Rgba
from alphabench.metrics.closed_form import composite_psnr
from alphabench.models.checkpoints import read_toml_settings, sha256_of
from alphabench.models.spec import TrainRequest
from reference_models.alphavae.config import AlphaRecipe
from reference_models.alphavae.folder import load_network, save_network
from reference_models.alphavae.model import AlphaVae
from reference_models.alphavae.objective import AlphaObjective
from reference_models.alphavae.ranges import from_network, to_network
from reference_models.padding import pad_to_multiple
from reference_models.rgb_vae.folder import WEIGHTS_FILE
from reference_models.rgb_vae.model import PatchVae
from reference_models.surgery import widen
from reference_models.training import procedural
from reference_models.training.images import ImagePool, validation_images
from reference_models.training.loop import Recipe, train
from reference_models.training.procedural.canvas import to_codes
from reference_models.training.progress import Report, TrainProgress
from reference_models.training.streams import array_stream, tensor_stream
from reference_models.training.toml import settings_to_toml
from reference_models.weights import BUNDLED

STATISTICS_STEP = 1_000_000_000  # far past every training step: its streams are the statistics' own
CHECKER = 16  # pixels of a tile of the sample grids' background


class AlphaTask:
    """AlphaVAE's batches, validation and export."""

    def __init__(self, recipe: AlphaRecipe, base: Path, report: Report) -> None:
        def say(message: str) -> None:
            report(TrainProgress(0, recipe.run.steps, {}, message))

        self.recipe = recipe
        network = widen(load_network(base, channels=3))
        self.base_sha256 = sha256_of(base / WEIGHTS_FILE)
        if isinstance(network, PatchVae):
            network.config = dataclasses.replace(network.config, colour=recipe.model.colour)
        elif recipe.model.colour != "straight":
            raise UsageError(
                "the diffusers layout has no place to say that its colour is premultiplied",
                remedy='Set colour = "straight" in [model].',
            )
        network.train().to(memory_format=torch.channels_last)
        self.vae = AlphaVae(network, recipe.model.colour)
        self.model: nn.Module = self.vae
        self.objective: nn.Module = AlphaObjective(self.vae, recipe.loss)
        self.pool = ImagePool(recipe.data, progress=say)
        self.held_out = [to_float(codes)[None] for codes in validation_images(recipe.data)]
        self.strange = [
            to_float(torch.from_numpy(to_codes(family(array_stream(0, index, "held out"), 256))))[None]
            for family in procedural.HELD_OUT.values()
            for index in range(3)
        ]
        say(f"widened {base.name}")

    def images(self, step: int, rank: int, count: int) -> Rgba:
        """Return `count` straight RGBA images of one step in [0,1], hidden colours as the recipe says."""
        images = to_float(self.pool.batch(self.recipe.run.seed, step, rank=rank, count=count))
        return clear_hidden(images) if self.recipe.hidden_colour == "zero" else images

    def batch(self, step: int, rank: int, ranks: int) -> dict[str, Tensor]:
        """Return images and posterior noise of one step."""
        count = self.pool.count(ranks)
        images = self.images(step, rank, count)
        side = self.recipe.data.size // self.vae.factor
        generator = tensor_stream(self.recipe.run.seed, step, "posterior", rank)
        noise = torch.randn(count, self.vae.latent_channels, side, side, generator=generator)
        return {"images": images.contiguous(memory_format=torch.channels_last), "noise": noise}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Return PSNR in dB over the nine canonical backgrounds, mean of images: validation and held-out."""
        vae = cast("AlphaVae", model)
        found = {}
        for name, images in (("psnr", self.held_out), ("psnr_held_out_families", self.strange)):
            values = [mean_psnr(reconstruct(vae, image), image) for image in images]
            if values:
                found[name] = sum(values) / len(values)
        return found

    def samples(self, model: nn.Module) -> Codes | None:
        """Return images over a checkerboard, above their reconstructions."""
        vae = cast("AlphaVae", model)
        shown = [*self.held_out[:3], *self.strange[::3]]
        made = [reconstruct(vae, image) for image in shown]
        return on_checkerboard(torch.cat([beside(shown), beside(made)], 2))

    def export(self, model: nn.Module, folder: Path, step: int) -> None:
        """Write the averaged network, with mean and spread of its latents on training images."""
        vae = cast("AlphaVae", model)
        if isinstance(vae.network, PatchVae):
            batches = (self.images(STATISTICS_STEP + index, 0, 8) for index in range(50))
            read = (to_network(images, vae.colour).to(device_of(vae)) for images in batches)
            joined = torch.cat([vae.encode(images).mode() for images in read])
            vae.network.config = dataclasses.replace(
                vae.network.config,
                shift_factor=float(f"{float(joined.mean()):.6g}"),
                scaling_factor=float(f"{1 / float(joined.std()):.6g}"),
            )
        head = f'step = {step}\nbase_sha256 = "{self.base_sha256}"\ndata_sha256 = "{self.pool.sha256()}"\n'
        save_network(folder, vae.network, settings=head + settings_to_toml(self.recipe))


@torch.no_grad()
def reconstruct(vae: AlphaVae, images: Rgba) -> Rgba:
    """Return the reconstruction of images of any size, through the posterior's mode."""
    height, width = images.shape[-2:]
    read = to_network(pad_to_multiple(images, vae.factor), vae.colour).to(device_of(vae))
    written = vae.decode(vae.encode(read).mode())
    return from_network(written, vae.colour)[..., :height, :width].to(images.device)


def device_of(model: nn.Module) -> torch.device:
    """Return the device that the model's parameters are on."""
    return next(model.parameters()).device


def mean_psnr(prediction: Rgba, reference: Rgba) -> float:
    """Return the PSNR in dB of one 8-bit reconstruction, mean of the nine canonical backgrounds."""
    rounded = to_float(quantise(prediction))
    return float(composite_psnr(rounded, reference, canonical_tensor()).mean())


def beside(images: list[Tensor]) -> Rgba:
    """Return images in a row, each on a transparent square as large as the largest of them needs."""
    side = max(max(image.shape[-2:]) for image in images)
    squares = [functional.pad(image, (0, side - image.shape[-1], 0, side - image.shape[-2])) for image in images]
    return torch.cat(squares, 3)


def on_checkerboard(images: Rgba) -> Codes:
    """Return one image over a grey checkerboard as opaque codes."""
    _, _, height, width = images.shape
    rows = torch.arange(height)[:, None] // CHECKER
    columns = torch.arange(width)[None] // CHECKER
    tiles = (0.55 + 0.2 * ((rows + columns) % 2)).expand(1, 3, height, width)
    codes = quantise(composite(images, tiles))[0]
    return torch.cat([codes, torch.full_like(codes[:1], 255)])


def resolve_base(name: str, config: Path) -> Path:
    """Return the folder of a base model: a bundled one by name, else a path relative to the recipe."""
    bundled = BUNDLED / name
    return bundled if bundled.is_dir() else config.parent / name


def run(config: Path, request: TrainRequest, report: Report) -> Path:
    """Train the AlphaVAE of the recipe `config` and return the folder of its checkpoint."""
    recipe = read_toml_settings(config, AlphaRecipe)
    if request.steps is not None:
        recipe = dataclasses.replace(recipe, run=dataclasses.replace(recipe.run, steps=request.steps))
    loop = Recipe(recipe.optimizer, recipe.run, settings_to_toml(recipe))
    task = AlphaTask(recipe, resolve_base(recipe.model.base, config), report)
    return train(task, loop, request, report)
