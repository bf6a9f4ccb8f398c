"""Models without weights that put every other number into proportion.

`identity` returns what it gets, `opaque` forgets transparency, `blank` returns nothing at all. `webp`
is a lossy codec given as many bytes as a mini autoencoder has latent numbers.
"""

from alphabench.models.spec import ModelSpec

_MODULE = "alphabench.models.builtin"


def _yardstick(name: str, summary: str, function: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        task="reconstruction",
        summary=summary,
        licence="Apache-2.0",
        origin="alphabench",
        load=f"{_MODULE}:{function}",
    )


IDENTITY = _yardstick("identity", "returns its input: the ceiling of every metric", "load_identity")
OPAQUE = _yardstick("opaque", "keeps the visible colour, sets alpha to 1", "load_opaque")
BLANK = _yardstick("blank", "returns full transparency", "load_blank")
WEBP = _yardstick("webp", "lossy WebP at one byte for each latent number of the mini VAE", "load_webp")
