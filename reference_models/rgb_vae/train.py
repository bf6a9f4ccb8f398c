"""Train the RGB VAE: flattened images, photographs and alpha planes shown as grey images."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from alphabench.image.codec import to_float
from alphabench.image.types import Codes
from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.spec import TrainRequest
from reference_models.losses.kl import kl_to_standard
from reference_models.losses.perceptual import RandomPerceptual
from reference_models.padding import pad_to_multiple
from reference_models.rgb_vae.config import RgbLossConfig, RgbRecipe
from reference_models.rgb_vae.folder import save_folder
from reference_models.rgb_vae.model import FACTOR, PatchVae
from reference_models.training.images import ImagePool, validation_images
from reference_models.training.linear_codec import PatchStatistics, patches_of
from reference_models.training.loop import Recipe, train
from reference_models.training.progress import Report, TrainProgress
from reference_models.training.streams import array_stream, sample_normals
from reference_models.training.toml import settings_to_toml

STATISTICS_BATCHES = 150
LEVELS = (0.0, 128 / 255, 1.0)


class RgbObjective(nn.Module):
    """Squared error, perceptual distance and divergence of one batch."""

    def __init__(self, vae: PatchVae, config: RgbLossConfig) -> None:
        super().__init__()
        self.vae = vae
        self.config = config
        self.perceptual = RandomPerceptual() if config.perceptual_weight > 0 else None

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the terms of the loss of `images`, `(batch, 3, height, width)` in [-1,1], and their sum."""
        images, noise = batch["images"], batch["noise"]
        posterior = self.vae.encode(images)
        decoded = self.vae.decode_unclamped(posterior.sample(noise))
        elements = images[0].numel()
        terms = {"mse": (decoded - images).square().flatten(1).sum(1).mean()}
        loss = terms["mse"]
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual(decoded, images).mean()
            scale = elements if self.config.perceptual_scale == "per_element" else 1
            loss = loss + self.config.perceptual_weight * scale * terms["perceptual"]
        if self.config.kl_weight > 0:
            terms["kl"] = kl_to_standard(posterior.mean, posterior.log_variance).mean()
            loss = loss + self.config.kl_weight * terms["kl"]
        terms["posterior_std"] = torch.exp(0.5 * posterior.log_variance).mean()
        terms["mse"] = terms["mse"] / elements
        return terms | {"loss": loss / elements if self.config.reduction == "mean" else loss}


class RgbTask:
    """The RGB VAE's batches, validation and export."""

    def __init__(self, recipe: RgbRecipe, report: Report) -> None:
        def say(message: str) -> None:
            report(TrainProgress(0, recipe.run.steps, {}, message))

        self.recipe = recipe
        self.pool = ImagePool(recipe.data, progress=say)
        report(TrainProgress(0, recipe.run.steps, {}, facts=self.pool.facts))
        held_out = validation_images(recipe.data, progress=say)
        self.held_out = [flatten(to_float(codes)[None], LEVELS[1]) for codes in held_out]
        torch.manual_seed(recipe.run.seed)
        self.vae: PatchVae = PatchVae(recipe.model).to(memory_format=torch.channels_last)
        self.model: nn.Module = self.vae
        self._start_from_principal_components()
        self.objective: nn.Module = RgbObjective(self.vae, recipe.loss)
        say("set the linear path from the principal components of image patches")

    def statistics_images(self, index: int) -> Tensor:
        """Return 8 RGB images in [-1,1] that no step draws."""
        numbers = range(8 * index, 8 * index + 8)
        return self.flat(self.pool.samples(self.recipe.run.seed, numbers, "statistics"), numbers)

    def flat(self, codes: Tensor, numbers: Sequence[int]) -> Tensor:
        """Return samples as RGB images in [-1,1], each over the background of its global number."""
        flat = []
        for image, number in zip(to_float(codes), numbers, strict=True):
            rng = array_stream(self.recipe.run.seed, number, "background")
            if rng.random() < self.recipe.grey_probability:
                flat.append(image[3:].expand(3, -1, -1))
                continue
            if rng.random() < 0.5:
                background = torch.from_numpy(rng.choice(LEVELS, 3)).float().reshape(3, 1, 1)
            else:
                background = torch.from_numpy(rng.random(3)).float().reshape(3, 1, 1)
            flat.append(image[:3] * image[3:] + (1 - image[3:]) * background)
        return torch.stack(flat) * 2 - 1

    def batch(self, step: int, rank: int, ranks: int) -> dict[str, Tensor]:
        """Return images and posterior noise of one step."""
        count = self.pool.count(ranks)
        seed, side = self.recipe.run.seed, self.recipe.data.size // FACTOR
        numbers = self.pool.numbers(step, rank * count, count)
        images = self.flat(self.pool.batch(seed, step, first=rank * count, count=count), numbers)
        noise = sample_normals(
            seed, "posterior", first=numbers.start, shape=(count, self.recipe.model.latent_channels, side, side)
        )
        return {"images": images.contiguous(memory_format=torch.channels_last), "noise": noise}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Return the mean PSNR in dB of the validation images over grey."""
        vae = cast("PatchVae", model)
        errors = [(through(vae, image) - image).square().mean() / 4 for image in self.held_out]
        return {"psnr": float(-10 * torch.log10(torch.stack(errors)).mean())} if errors else {}

    def samples(self, model: nn.Module) -> Codes | None:
        """Return four validation images over their reconstructions."""
        vae = cast("PatchVae", model)
        shown = [image for image in self.held_out if image.shape == self.held_out[0].shape][:4]
        if not shown:
            return None
        rows = [torch.cat([image[0] for image in shown], 2)]
        rows.append(torch.cat([through(vae, image)[0] for image in shown], 2))
        grid = (torch.cat(rows, 1) * 127.5 + 127.5).round().to(torch.uint8)
        return torch.cat([grid, torch.full_like(grid[:1], 255)])

    @property
    def inputs(self) -> dict[str, str]:
        """Return the digest of the training images."""
        return {"data_sha256": self.pool.sha256()}

    def export(self, model: nn.Module, folder: Path, step: int) -> None:
        """Write the averaged VAE, with mean and spread of its latents on training images."""
        vae = cast("PatchVae", model)
        with torch.no_grad():
            device = next(vae.parameters()).device
            batches = (self.statistics_images(index).to(device) for index in range(50))
            latents = torch.cat([vae.encode(images).mode() for images in batches])
        vae.config = dataclasses.replace(
            vae.config,
            shift_factor=float(f"{float(latents.mean()):.6g}"),
            scaling_factor=float(f"{1 / float(latents.std()):.6g}"),
        )
        head = settings_to_toml({"step": step, **self.inputs})
        save_folder(folder, vae, settings=head + settings_to_toml(self.recipe))

    def _start_from_principal_components(self) -> None:
        statistics = PatchStatistics(3 * FACTOR**2)
        for index in range(STATISTICS_BATCHES):
            statistics.add(patches_of(self.statistics_images(1000 + index), FACTOR))
        mean, basis, spread = statistics.components(self.recipe.model.latent_channels)
        scale = spread**self.recipe.whitening
        scale = scale * (spread / scale).square().mean().sqrt()  # latents of unit power over all channels
        self.vae.set_linear_path(mean, basis, scale)


def through(vae: PatchVae, images: Tensor) -> Tensor:
    """Return the reconstruction of RGB images in [-1,1] of any size, through the posterior's mode."""
    height, width = images.shape[-2:]
    read = pad_to_multiple(images, FACTOR).to(next(vae.parameters()).device)
    return vae.decode(vae.encode(read).mode())[..., :height, :width].to(images.device)


def flatten(rgba: Tensor, level: float) -> Tensor:
    """Return straight RGBA in [0,1] over a grey of `level`, in [-1,1]."""
    return (rgba[:, :3] * rgba[:, 3:] + (1 - rgba[:, 3:]) * level) * 2 - 1


def run(config: Path, request: TrainRequest, report: Report) -> Path:
    """Train the RGB VAE of the recipe `config` and return the folder of its checkpoint."""
    recipe = read_toml_settings(config, RgbRecipe, changes=request.changes)
    if request.steps is not None:
        recipe = dataclasses.replace(recipe, run=dataclasses.replace(recipe.run, steps=request.steps))
    task = RgbTask(recipe, report)
    try:
        loop = Recipe(recipe.optimizer, recipe.run, settings_to_toml(recipe), task.inputs)
        return train(task, loop, request, report)
    finally:
        task.pool.close()
