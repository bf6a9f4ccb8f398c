"""`alphabench experiment`: run an ablation from its TOML file, list them, make a page of several."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alphabench.cli.experiment_compare import compare
from alphabench.cli.output import emit_json, json_option, print_table, progress

if TYPE_CHECKING:
    from alphabench.experiments.report import Result

INCOMPLETE = 4


def _names(text: str | None) -> tuple[str, ...] | None:
    """Return names that have commas between them."""
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str | None) -> tuple[int, ...] | None:
    """Return whole numbers that have commas between them."""
    words = _names(text)
    try:
        return None if words is None else tuple(int(word) for word in words)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no list of whole numbers such as 1,2,3", param_hint="--seeds") from error


@click.group()
def experiment() -> None:
    """Ablations: arms and seeds from a TOML file, trained, judged, compared in pairs."""


experiment.add_command(compare)


@experiment.command()
@click.argument("name")
@click.option("--scale", type=click.Choice(["screening", "confirm"]), default="screening", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Root that experiments share.")
@click.option("--arms", metavar="A,B", default=None, help="These arms and the base arm only.")
@click.option("--seeds", metavar="1,2,3", default=None, help="Replace the experiment's seeds.")
@click.option("--steps", type=click.IntRange(min=1), default=None, help="Replace the scale's training steps.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Jobs at a time.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads of a job.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@json_option
def run(
    name: str,
    *,
    scale: str,
    out: Path,
    arms: str | None,
    seeds: str | None,
    steps: int | None,
    workers: int,
    threads: int,
    device: str,
    as_json: bool,
) -> int:
    """Run the experiment NAME, or one of your own: a path that ends in .toml.

    Each arm and seed is one job in a folder of its own under --out. A repeated command does what is missing;
    experiments with the same --out share equal jobs. Training images: $ALPHABENCH_TRAIN_DATA.
    """
    from alphabench.experiments.conduct import Wish, conduct
    from alphabench.experiments.plan import find_experiment
    from alphabench.experiments.running import Labour
    from alphabench.tasks.interrupt import interruptible

    found = find_experiment(name)
    wish = Wish(scale=scale, arms=_names(arms), seeds=_numbers(seeds), steps=steps)
    remedy = "Repeat the same command: finished jobs are kept."
    with interruptible(out, remedy), progress(f"{found.name} {scale}") as report:
        result, folder = conduct(found, wish, out, Labour(workers, threads, device), report)
    if as_json:
        emit_json(_document(result, folder))
    else:
        _print(result, folder)
    return INCOMPLETE if result.failures else 0


@experiment.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the installed experiments, and the comparisons of finished checkpoints."""
    from alphabench.experiments.comparison_plan import list_comparisons, read_comparison
    from alphabench.experiments.plan import list_experiments, read_experiment

    pairs = [read_comparison(path) for path in list_comparisons().values()]
    found = [read_experiment(path) for path in list_experiments().values()]
    if as_json:
        emit_json(
            {
                "experiments": [
                    {
                        "name": item.name,
                        "title": item.title,
                        "recipe": item.recipe,
                        "arms": [arm.name for arm in item.arms],
                        "seeds": list(item.seeds),
                        "scales": list(item.scales),
                    }
                    for item in found
                ],
                "comparisons": [{"name": item.name, "title": item.title, "arms": item.arm_names} for item in pairs],
            }
        )
        return
    rows = [(item.name, item.title, item.recipe, ", ".join(arm.name for arm in item.arms)) for item in found]
    print_table("experiments", ("name", "question", "recipe", "arms"), rows, right=4)
    if pairs:
        lines = [(item.name, item.title, ", ".join(item.arm_names)) for item in pairs]
        print_table("comparisons (alphabench experiment compare)", ("name", "question", "arms"), lines, right=3)


@experiment.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of summary.md and summary.html.")
@json_option
def page(folders: tuple[Path, ...], *, out: Path, as_json: bool) -> None:
    """Write one page over the results in FOLDERS: an --out of `run`, or single results."""
    from alphabench.experiments.gathering import gathered, write_summary

    results = gathered(folders)
    written = write_summary(results, out)
    if as_json:
        emit_json({"results": len(results), "pages": [str(path) for path in written]})
        return
    for path in written:
        click.echo(f"page           {path}")


def _document(result: "Result", folder: Path) -> dict[str, object]:
    import dataclasses

    return {"folder": str(folder.resolve())} | dataclasses.asdict(result)


def _print(result: "Result", folder: Path) -> None:
    from alphabench.experiments.story import COLUMNS, heading_of, rows_of, standing_words

    for judged in dict.fromkeys(effect.judged for effect in result.effects):
        for measure in result.report if judged in (result.primary_set, "run") else (result.primary,):
            rows = rows_of(result, judged, measure)
            if rows:
                title = f"{result.experiment}: {heading_of(measure)} on {judged}"
                print_table(title, COLUMNS, rows, caption=result.setting_line)
    for judgement in result.judgements:
        click.echo(f"claim          {judgement.claim.text}")
        click.echo(f"               {standing_words(judgement)}")
    shown = result.moved()
    click.echo(f"effect in {result.primary} on {result.primary_set}: {', '.join(shown) or 'no arm'}")
    click.echo(f"page           {folder / 'page.html'}")
    for failure in result.failures:
        click.echo(f"without a result: {failure}", err=True)
