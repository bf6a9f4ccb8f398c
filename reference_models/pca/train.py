"""Fit the linear yardstick: eigenvectors of the covariance of premultiplied patches."""

import dataclasses
from pathlib import Path

import torch

from alphabench.image.codec import to_float
from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.spec import TrainRequest
from reference_models.checkpoint_folder import write_folder
from reference_models.pca.adapter import CLASS_NAME, WEIGHTS_FILE
from reference_models.pca.config import PcaRecipe
from reference_models.training.images import ImagePool
from reference_models.training.linear_codec import PatchStatistics, patches_of
from reference_models.training.progress import Report, TrainProgress
from reference_models.training.toml import settings_to_toml


def run(config: Path, request: TrainRequest, report: Report) -> Path:
    """Fit the recipe `config` and return the folder of its checkpoint; there is nothing to resume."""
    recipe = read_toml_settings(config, PcaRecipe, changes=request.changes)
    batches = 2 if request.dry_run else request.steps or recipe.batches
    recipe = dataclasses.replace(recipe, batches=batches)
    pool = ImagePool(recipe.data, progress=lambda text: report(TrainProgress(0, batches, {}, text)))
    statistics = PatchStatistics(4 * recipe.model.patch**2)
    for step in range(batches):
        images = to_float(pool.batch(recipe.seed, step))
        premultiplied = torch.cat([images[:, :3] * images[:, 3:], images[:, 3:]], 1)
        statistics.add(patches_of(premultiplied, recipe.model.patch))
        report(TrainProgress(step + 1, batches, {}))
    if request.dry_run:
        return request.out
    mean, basis, spread = statistics.components(recipe.model.latent_channels)
    folder = request.out / "model"
    write_folder(
        folder,
        config={"_class_name": CLASS_NAME} | dataclasses.asdict(recipe.model),
        weights_file=WEIGHTS_FILE,
        state={"mean": mean, "basis": basis},
        settings=f'data_sha256 = "{pool.sha256()}"\n{settings_to_toml(recipe)}',
    )
    report(TrainProgress(batches, batches, {}, f"largest spread {spread[0]:.3f}, smallest {spread[-1]:.3f}"))
    return folder
