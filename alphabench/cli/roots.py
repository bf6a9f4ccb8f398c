"""Where the commands of the leaderboard look for records."""

from pathlib import Path

import click

DEFAULT_ROOTS = ("leaderboard", "runs")

roots_option = click.option(
    "--root",
    "roots",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Folder of runs or records; may be repeated  [default: ./leaderboard and ./runs]",
)


def chosen_roots(context: click.Context, roots: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the folders that were named, before or after a subcommand's name, else the default ones present."""
    given = (*(context.parent.params.get("roots", ()) if context.parent else ()), *roots)
    return given or tuple(Path(name) for name in DEFAULT_ROOTS if Path(name).is_dir())


def wants_json(context: click.Context, *, as_json: bool) -> bool:
    """Say whether `--json` was given, before or after a subcommand's name."""
    return as_json or bool(context.parent and context.parent.params.get("as_json"))
