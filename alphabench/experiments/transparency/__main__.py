"""`python -m alphabench.experiments.transparency --out DIR`: make the study anew."""

import argparse
import sys
from pathlib import Path
from typing import Any

from alphabench.errors import AlphabenchError, UsageError
from alphabench.experiments.page import Picture, to_markdown
from alphabench.experiments.transparency.claims import CLAIMS
from alphabench.experiments.transparency.page import study_blocks
from alphabench.experiments.transparency.plot import heat_map
from alphabench.experiments.transparency.report import to_csv, to_json
from alphabench.experiments.transparency.responses import measures_of, respond
from alphabench.experiments.transparency.study import Study, study
from alphabench.experiments.transparency.truths import DRAWINGS, FIRST_DRAWING, SIDE, truths
from alphabench.results.durable import write_durably
from alphabench.results.intervals import DRAWS

COMMAND = "python -m alphabench.experiments.transparency --out DIR"


def write_study(folder: Path, *, drawings: int = DRAWINGS, motifs: int | None = None, draws: int = DRAWS) -> Study:
    """Make the study and write `page.md`, `map.svg`, `reactions.csv` and `results.json` into `folder`.

    Args:
        folder: made if it is missing.
        drawings: drawings of each motif.
        motifs: only the first so many of each category; all when None.
        draws: draws of each bootstrap.

    Raises:
        UsageError: `folder` cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be made: {error.strerror}", remedy="Name another folder with --out."
        ) from error
    drawn = list(truths(drawings=drawings, motifs=motifs))
    found = study(respond(drawn, measures_of(CLAIMS)), draws=draws)
    setting: dict[str, Any] = {
        "images": len(drawn),
        "motifs": len({(truth.category, truth.motif) for truth in drawn}),
        "drawings": list(range(FIRST_DRAWING, FIRST_DRAWING + drawings)),
        "side": SIDE,
        "bootstrap draws": draws,
        "command": COMMAND,
    }
    svg = heat_map(found)
    picture = Picture("map.svg", svg, "rank correlations and changes, metrics down, damages across")
    pages = {
        "page.md": to_markdown(study_blocks(found, setting, picture)).encode(),
        "map.svg": svg,
        "reactions.csv": to_csv(found).encode(),
        "results.json": to_json(found, setting).encode(),
    }
    for name, content in pages.items():
        write_durably(folder / name, content)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the study from the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m alphabench.experiments.transparency", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the page and its data files")
    chosen = parser.parse_args(arguments)
    try:
        found = write_study(chosen.out)
    except AlphabenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    lines = [f"{metric:24}{found.validated.get(metric, 'failed')}" for metric in CLAIMS]
    sys.stdout.write("\n".join([*lines, f"page: {chosen.out / 'page.md'}"]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
