"""Results of several experiments gathered from folders, and the page over all of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from alphabench.errors import DataError, UsageError
from alphabench.experiments.page import to_html, to_markdown
from alphabench.experiments.plan import SCALES, place_of
from alphabench.experiments.report import RESULTS, Result, read_result
from alphabench.experiments.story import summary_of
from alphabench.results.durable import readable_refusals, write_durably


def gathered(folders: Iterable[Path]) -> list[Result]:
    """Return the results in folders and the folders right below them, by name, screening first.

    Comparisons of finished checkpoints, which have no scale, come last.

    Raises:
        UsageError: a folder is not there.
        DataError: there is no result, or one cannot be read.
    """
    places = list(folders)
    if missing := [folder for folder in places if not folder.is_dir()]:
        raise UsageError(f"the folder {missing[0]} does not exist", remedy="Name the --out of `experiment run`.")
    files = {
        path.resolve()
        for folder in places
        for path in (folder / RESULTS, *folder.glob(f"*/{RESULTS}"))
        if path.is_file()
    }
    if not files:
        raise DataError(
            f"there is no {RESULTS} in {', '.join(map(str, places))}", remedy="Run `alphabench experiment run` first."
        )
    return sorted((read_result(path) for path in files), key=_place)


def write_summary(results: Sequence[Result], folder: Path) -> list[Path]:
    """Write `summary.md` and `summary.html` over the results and return their paths.

    Raises:
        DataError: the folder cannot be written.
    """
    blocks = summary_of(results)
    pages = {"summary.md": to_markdown(blocks), "summary.html": to_html(blocks)}
    with readable_refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            write_durably(folder / name, text.encode())
    return [folder / name for name in pages]


def _place(result: Result) -> tuple[bool, str, int]:
    return result.scale not in SCALES, result.experiment, place_of(result.scale)
