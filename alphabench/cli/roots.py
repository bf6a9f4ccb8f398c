"""Where the commands of the leaderboard look for records."""

from pathlib import Path

import click

from alphabench.leaderboard.places import default_roots

roots_option = click.option(
    "--root",
    "roots",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Store, or folder of runs; may be repeated  [default: ./leaderboard, else the shipped records; and ./runs]",
)


def chosen_roots(context: click.Context, roots: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the folders that were named, before or after a subcommand's name, else the default ones present."""
    given = (*(context.parent.params.get("roots", ()) if context.parent else ()), *roots)
    return given or default_roots()


def wants_json(context: click.Context, *, as_json: bool) -> bool:
    """Say whether `--json` was given, before or after a subcommand's name."""
    return as_json or bool(context.parent and context.parent.params.get("as_json"))
