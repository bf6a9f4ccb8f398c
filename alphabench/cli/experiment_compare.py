"""`alphabench experiment compare`: finished checkpoints on the same images, with paired intervals and a page."""

from pathlib import Path

import click

from alphabench.cli.output import emit_json, json_option, print_table, progress

INCOMPLETE = 4


def _named(assignments: tuple[str, ...]) -> dict[str, Path]:
    """Return folders by arm.

    Raises:
        BadParameter: an assignment is not ARM=FOLDER, or names an arm twice.
    """
    found: dict[str, Path] = {}
    for text in assignments:
        name, sign, folder = text.partition("=")
        if not (name and sign and folder) or name in found:
            raise click.BadParameter(f"{text!r} is not ARM=FOLDER, or names the arm twice", param_hint="--checkpoint")
        found[name] = Path(folder).expanduser()
    return found


@click.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Root that experiments share.")
@click.option("--checkpoint", "assignments", metavar="ARM=FOLDER", multiple=True, help="Weights of an arm.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads of an arm.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@json_option
def compare(name: str, *, out: Path, assignments: tuple[str, ...], threads: int, device: str, as_json: bool) -> int:
    """Compare finished checkpoints as the comparison NAME says, or one of your own: a path that ends in .toml.

    Each arm is judged in a process of its own; a repeated command judges only what is missing. An arm that ships
    no weights needs --checkpoint, and is left out without it. Folders of images: $ALPHABENCH_TRAIN_DATA.

    Exit codes: 0 complete, 2 usage, 3 data, 4 an arm was left out, 130 interrupted.
    """
    import dataclasses

    from alphabench.experiments.comparison import conduct_comparison
    from alphabench.experiments.comparison_page import COLUMNS, rows_by_place
    from alphabench.experiments.comparison_plan import find_comparison
    from alphabench.experiments.running import Labour
    from alphabench.experiments.story import heading_of
    from alphabench.tasks.interrupt import interruptible

    weights = _named(assignments)
    found = find_comparison(name)
    remedy = "Repeat the same command: judged arms are kept."
    with interruptible(out, remedy), progress(found.name) as report:
        result, folder = conduct_comparison(found, weights, out, Labour(1, threads, device), report)
    if as_json:
        emit_json({"folder": str(folder.resolve())} | dataclasses.asdict(result))
    else:
        for arm in result.labels:
            if rows := rows_by_place(result, arm, result.primary):
                title = f"{heading_of(result.primary)}: {arm} against {result.base}"
                print_table(title, COLUMNS, rows, caption=result.setting_line)
        click.echo(f"page           {folder / 'page.html'}")
    for failure in result.failures:
        click.echo(f"left out: {failure}", err=True)
    return INCOMPLETE if result.failures else 0
