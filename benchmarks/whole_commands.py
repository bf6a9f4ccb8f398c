"""Time and memory of whole commands: start-up, the embedded run, and how memory grows with the set.

Run: python benchmarks/whole_commands.py [--images N] [--side S]

Absolute times are this machine's; what should hold anywhere: --help loads no torch, the embedded run is a
matter of seconds, and the peak memory of a set does not grow with its number of images.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from alphabench.image.codec import write_png

HELP_RUNS = 7


def measured(*arguments: str, cwd: Path) -> tuple[float, float]:
    """Return the wall seconds and the peak memory in MiB of one command."""
    program = [sys.executable, "-m", "alphabench", *arguments]
    started = time.perf_counter()
    process = subprocess.Popen(program, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in {0, 4}:
        raise click.ClickException(f"{' '.join(arguments)} failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def large_set(folder: Path, count: int, side: int) -> Path:
    """Write `count` soft-edged RGBA images of `side` pixels."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:side, 0:side] / side
    for index in range(count):
        centre = random.uniform(0.35, 0.65, 2)
        alpha = np.clip((0.4 - np.hypot(x - centre[0], y - centre[1])) * 6, 0, 1)
        colour = [0.5 + 0.5 * np.sin(random.uniform(3, 30) * x + random.uniform(3, 30) * y) for _ in range(3)]
        codes = (np.stack([*colour, alpha]) * 255).round().astype(np.uint8)
        write_png(folder / f"{index:04}.png", torch.from_numpy(codes))
    return folder


@click.command()
@click.option("--images", default=24, show_default=True, help="Images of the large set.")
@click.option("--side", default=1024, show_default=True, help="Their side in pixels.")
def main(images: int, side: int) -> None:
    """Print one table."""
    table = Table(title=f"whole commands, {torch.get_num_threads()} threads")
    for column in ("command", "wall s", "peak MiB"):
        table.add_column(column, justify="left" if column == "command" else "right")
    with tempfile.TemporaryDirectory() as scratch:
        cwd = Path(scratch)
        helps = [measured("--help", cwd=cwd) for _ in range(HELP_RUNS)]
        table.add_row(
            f"--help (median of {HELP_RUNS})",
            f"{statistics.median(wall for wall, _ in helps):.2f}",
            "-",  # less than this process, whose memory a child is billed for until it starts the program
        )
        for model in ("opaque", "alphavae"):
            wall, peak = measured("reconstruct", "--model", model, "--out", model, cwd=cwd)
            table.add_row(f"reconstruct --model {model} (embedded set)", f"{wall:.1f}", f"{peak:.0f}")
        data = large_set(cwd / "large", images, side)
        for count in (images // 3, images):
            arguments = ("--model", "opaque", "--data", str(data), "--limit", str(count), "--out", f"large{count}")
            wall, peak = measured("reconstruct", *arguments, cwd=cwd)
            table.add_row(f"{count} images of {side}x{side}", f"{wall:.1f}", f"{peak:.0f}")
    Console().print(table)
    click.echo(f"this process used {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
