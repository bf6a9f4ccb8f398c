"""A folder of images that poses as a model: what somebody's model delivered, as files."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import rfc8785

from alphabench.errors import DataError
from alphabench.image.codec import decode_rgba
from alphabench.image.types import Codes
from alphabench.models.spec import ModelInfo


@dataclass(frozen=True)
class PredictionFolder:
    """Predictions by sample.

    Attributes:
        info: who made them.
        files: the image file of each sample.
        digests: sha256 of each file, by sample, as the identity of the whole was made of it.
    """

    info: ModelInfo
    files: Mapping[str, Path]
    digests: Mapping[str, str]

    def read(self, sample: str) -> Codes:
        """Return the prediction for `sample` as 8-bit codes, `(4, height, width)`.

        Raises:
            DataError: the file is gone, has changed, or cannot be read as an 8-bit image with alpha.
        """
        path = self.files[sample]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"the prediction for {sample!r} cannot be read from {path}: {error.strerror}",
                remedy="Restore the file and repeat the command.",
            ) from error
        if hashlib.sha256(data).hexdigest() != self.digests[sample]:
            raise DataError(
                f"the prediction for {sample!r} has changed since the run began: {path}",
                remedy="Score a folder that nothing writes to.",
            )
        return decode_rgba(data, name=str(path))


def prediction_folder(
    files: Mapping[str, Path], digests: Mapping[str, str], *, name: str, org: str, licence: str
) -> PredictionFolder:
    """Return the folder as a model whose identity is the hash over its files.

    Args:
        files: the image file of each sample.
        digests: sha256 of each file, by sample.
        name: slug of the model that made them.
        org: slug of who made it.
        licence: SPDX name.
    """
    info = ModelInfo(
        name=name,
        org=org,
        licence=licence,
        kind="predictions",
        predictions_hash=hashlib.sha256(rfc8785.dumps(dict(digests))).hexdigest(),
    )
    return PredictionFolder(info, files, digests)
