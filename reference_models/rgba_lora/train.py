"""Train the generator: a small pipeline from random weights, an adapter over a frozen one, or all its weights."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from alphabench.errors import DataError
from alphabench.image.types import Codes
from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.contract import Sampling
from alphabench.models.spec import TrainRequest
from alphabench.runtime import resolve_device
from reference_models.alphavae.folder import base_folder, portable_name
from reference_models.alphavae.preview import on_checkerboard
from reference_models.rgba_lora import lora
from reference_models.rgba_lora.captions import read_entries
from reference_models.rgba_lora.config import GeneratorConfig, GeneratorRecipe
from reference_models.rgba_lora.flow import FlowObjective, channel_weights, drawn_sigmas
from reference_models.rgba_lora.folder import save_adapter, save_pipeline
from reference_models.rgba_lora.latents import channel_sensitivity, encoder_of, load_codec, refuse_other_factor
from reference_models.rgba_lora.pipeline import load_components, new_components, transformer_sha256
from reference_models.rgba_lora.sampler import drawn
from reference_models.rgba_lora.samples import SamplePool
from reference_models.training.loop import Recipe, train
from reference_models.training.progress import Report, TrainProgress
from reference_models.training.sources import data_root
from reference_models.training.streams import sample_normals, tensor_stream
from reference_models.training.toml import settings_to_toml

PROBED = 16
"""Images by which the channels' effect on the pixels is measured."""

GOLDEN = 0.6180339887498949
"""Steps of this size, modulo 1, spread any number of points evenly."""

COLUMNS = 8
"""Images in a row of the sample sheet."""

TRAINED = {"base": ("transformer", "text_encoder", "text_encoder_2"), "full": ("transformer",)}


class GeneratorTask:
    """The generator's batches, validation and export.

    Args:
        recipe: what to train.
        config: the recipe's file, beside which folders are looked for.
        device: of the autoencoder.
        report: is told what happens before the first step.
    """

    def __init__(self, recipe: GeneratorRecipe, config: Path, device: torch.device, report: Report) -> None:
        def say(message: str) -> None:
            report(TrainProgress(0, recipe.run.steps, {}, message))

        self.recipe, self.config, self.say = recipe, config, say
        self._told = 0
        root = data_root(recipe.data)
        entries = read_entries(recipe.data, root)
        self.codec = load_codec(base_folder(recipe.vae, config))
        self.codec.network.to(device)
        self._refuse_unfit_codec()
        encode = encoder_of(self.codec, draws=recipe.posterior == "sample")
        self.pool = SamplePool(entries, recipe.data, encode, recipe.run.seed)
        say(f"{len(entries):,} images with words")
        torch.manual_seed(recipe.run.seed)
        self.base_sha256 = ""
        if not recipe.base:
            self.components = new_components(recipe, entries, self.codec.channels)
        else:
            folder = base_folder(recipe.base, config)
            self.components = load_components(folder, getattr(torch, recipe.base_dtype))
            self.base_sha256 = transformer_sha256(folder)
            self._refuse_unfit_base()
        self.model = self._trained()
        self.objective: nn.Module = FlowObjective(
            self.components, recipe.flow, self._channel_weights(), learns_words=recipe.mode == "base"
        )
        self.held_out = self._held_out(root)

    def batch(self, step: int, rank: int, ranks: int) -> dict[str, Tensor]:
        """Return latents, noise, noise levels and words of one process's share of a batch.

        Raises:
            DataError: the batch cannot be shared evenly.
        """
        data, seed = self.recipe.data, self.recipe.run.seed
        count, rest = divmod(data.batch, ranks)
        if rest:
            raise DataError(
                f"a batch of {data.batch} images cannot be shared evenly by {ranks} processes",
                remedy=f"Set data.batch to a multiple of {ranks}.",
            )
        samples = self.pool.batch(step, first=rank * count, count=count)
        self._tell_of_skipped_files()
        first = step * data.batch + rank * count
        latents = torch.stack([sample.content for sample in samples])
        return {
            "latents": latents,
            "noise": sample_normals(seed, "noise", first=first, shape=tuple(latents.shape)),
            "sigma": drawn_sigmas(self.recipe.flow, seed, first=first, count=count),
            **self.components.tokens([sample.words for sample in samples]),
        }

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Return the error of the velocity on held-out images at fixed levels of noise."""
        if not self.held_out:
            return {}
        objective = cast("FlowObjective", self.objective)
        device = next(objective.parameters()).device
        # In evaluation all is float32, except where the frozen networks are not.
        halves = torch.autocast(device.type, torch.bfloat16, enabled=self.recipe.base_dtype == "bfloat16")
        with self._with(model), halves:
            moved = ({name: tensor.to(device) for name, tensor in batch.items()} for batch in self.held_out)
            errors = [float(objective(batch)["flow"]) for batch in moved]
        return {"flow_held_out": sum(errors) / len(errors)}

    def samples(self, model: nn.Module) -> Codes | None:
        """Return images of the recipe's prompts over a checkerboard."""
        sampler = self.recipe.sampler
        if not sampler.prompts:
            return None
        sampling = Sampling(self.recipe.data.size, self.recipe.data.size, sampler.steps, sampler.guidance)
        with self._with(model):
            latents = drawn(self.components, sampler.prompts, range(len(sampler.prompts)), sampling)
        images = self.codec.decode(latents).cpu()
        missing = -len(images) % COLUMNS
        images = torch.cat([images, torch.zeros(missing, *images.shape[1:])])
        rows = [torch.cat(list(row), 2) for row in images.split(COLUMNS)]
        return on_checkerboard(torch.cat(rows, 1)[None])

    @property
    def inputs(self) -> dict[str, str]:
        """Return the digests of the base, of the autoencoder, and of the images' names and words."""
        models = {"base_sha256": self.base_sha256, "vae_sha256": self.codec.sha256}
        return {**models, "data_sha256": self.pool.sha256()}

    def export(self, model: nn.Module, folder: Path, step: int) -> None:
        """Write the averaged weights as a checkpoint folder."""
        recipe = self.recipe
        config = GeneratorConfig(
            mode=recipe.mode,
            vae=portable_name(recipe.vae, self.config, folder),
            vae_sha256=self.codec.sha256,
            size=recipe.data.size,
            steps=recipe.sampler.steps,
            guidance=recipe.sampler.guidance,
            alpha_levels=recipe.sampler.alpha_levels,
            base=portable_name(recipe.base, self.config, folder) if recipe.mode == "lora" else "",
            base_sha256=self.base_sha256 if recipe.mode == "lora" else "",
        )
        settings = settings_to_toml({"step": step, **self.inputs}) + settings_to_toml(recipe)
        if recipe.mode == "lora":
            save_adapter(folder, cast("lora.AdapterParameters", model), config, settings)
            return
        with self._with(model):
            save_pipeline(folder, self.components, config, settings)

    def _trained(self) -> nn.Module:
        """Return the part that is trained, and freeze all else."""
        networks = self.components.networks()
        for network in networks.values():
            network.requires_grad_(requires_grad=False)
        if self.recipe.gradient_checkpointing:
            self.components.transformer.enable_gradient_checkpointing()
        if self.recipe.mode == "lora":
            targets = self.recipe.lora.targets or lora.PUBLISHED_TARGETS
            lora.add_adapter(self.components.transformer, self.recipe.lora.rank, targets)
            return lora.AdapterParameters(self.components.transformer)
        trained = nn.ModuleDict({name: networks[name] for name in TRAINED[self.recipe.mode]})
        return trained.requires_grad_(requires_grad=True).train()

    @contextlib.contextmanager
    def _with(self, model: nn.Module) -> Iterator[None]:
        """Let the networks work with the values of `model`, in evaluation mode, and give them their own back."""
        pairs = [] if model is self.model else list(zip(self.model.parameters(), model.parameters(), strict=True))
        training = self.objective.training
        self.objective.eval()
        try:
            _exchange(pairs)
            with torch.no_grad():
                yield
        finally:
            _exchange(pairs)
            self.objective.train(training)

    def _channel_weights(self) -> Tensor:
        power = self.recipe.flow.channel_power
        if power == 0:
            return torch.ones(self.codec.channels)
        images = len(self.pool.entries)
        found = (self.pool.whole(index) for index in range(0, images, max(1, images // PROBED)))
        latents = torch.cat([one for one in found if one is not None])
        generator = tensor_stream(self.recipe.run.seed, 0, "sensitivity")
        return channel_weights(channel_sensitivity(self.codec, latents, generator), power)

    def _held_out(self, root: Path) -> list[dict[str, Tensor]]:
        """Return batches of the validation split with their names, at levels of noise spread evenly."""
        data = self.recipe.data
        if not data.validation:
            return []
        entries = read_entries(dataclasses.replace(data, split=data.validation), root)
        count = min(data.validation_images, len(entries))
        pool = SamplePool(
            [entries[index * len(entries) // count] for index in range(count)],
            dataclasses.replace(data, weights=()),
            encoder_of(self.codec, draws=False),
            self.recipe.run.seed,
        )
        read = {number: latents for number in range(count) if (latents := pool.whole(number)) is not None}
        batches = []
        for first in range(0, len(read), data.batch):
            numbers = list(read)[first : first + data.batch]
            latents = torch.cat([read[number] for number in numbers])
            sigmas = torch.tensor([(0.5 + number * GOLDEN) % 1 for number in numbers])
            words = [pool.entries[number].name or pool.entries[number].caption for number in numbers]
            noise = torch.cat(
                [sample_normals(0, "validation", first=n, shape=(1, *latents.shape[1:])) for n in numbers]
            )
            batches.append({"latents": latents, "noise": noise, "sigma": sigmas, **self.components.tokens(words)})
        return batches

    def _tell_of_skipped_files(self) -> None:
        """Name each file that could not be read, once."""
        for path, reason in list(self.pool.skipped.items())[self._told :]:
            self.say(f"left out {path}: {reason}")
        self._told = len(self.pool.skipped)

    def _refuse_unfit_codec(self) -> None:
        refuse_other_factor(self.codec, self.recipe.vae)
        if self.recipe.mode != "base" and not self.codec.alpha:
            raise DataError(
                f"the autoencoder {self.recipe.vae!r} keeps no alpha, and mode {self.recipe.mode!r} trains on RGBA "
                "images",
                remedy='Name an RGBA autoencoder such as "alphavae-mini" in vae.',
            )

    def _refuse_unfit_base(self) -> None:
        if self.components.latent_channels != self.codec.channels:
            raise DataError(
                f"the base {self.recipe.base!r} makes latents of {self.components.latent_channels} channels, and the "
                f"autoencoder {self.recipe.vae!r} has {self.codec.channels}",
                remedy="Name a base and an autoencoder of one family.",
            )


def _exchange(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    for mine, other in pairs:
        mine.data, other.data = other.data, mine.data


def run(config: Path, request: TrainRequest, report: Report) -> Path:
    """Train the generator of the recipe `config` and return the folder of its checkpoint."""
    recipe = read_toml_settings(config, GeneratorRecipe, changes=request.changes)
    if request.steps is not None:
        recipe = dataclasses.replace(recipe, run=dataclasses.replace(recipe.run, steps=request.steps))
    task = GeneratorTask(recipe, config, resolve_device(request.device), report)
    loop = Recipe(recipe.optimizer, recipe.run, settings_to_toml(recipe), task.inputs)
    return train(task, loop, request, report)
