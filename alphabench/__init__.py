"""alphabench measures transparent (RGBA) images and the models that make them.

`evaluate` judges a reconstructor, `load_record` reads a verdict back; `alphabench.metrics` and
`alphabench.image` hold the functions for one's own training loop. Importing this loads no torch.
"""

from typing import TYPE_CHECKING, Any

from alphabench.version import __version__

if TYPE_CHECKING:
    from alphabench.results.record import load_record
    from alphabench.tasks.evaluation import evaluate

__all__ = ["__version__", "evaluate", "load_record"]


def __getattr__(name: str) -> Any:
    """Import the two functions when they are asked for, because they load torch and pandas."""
    if name == "evaluate":
        from alphabench.tasks.evaluation import evaluate

        return evaluate
    if name == "load_record":
        from alphabench.results.record import load_record

        return load_record
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
