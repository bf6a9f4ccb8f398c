"""What LayerDiffuse's eight passes cost: time against eight bare passes, and memory at the released size.

Random weights, one process. Seconds depend on the machine and on what else it does; the ratio of one run is what
counts. Bare passes and ensembles alternate, so that a change of the machine's load meets both.

    python benchmarks/layerdiffuse.py --size 256 --repeat 7
    python benchmarks/layerdiffuse.py --memory --size 1024
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from alphabench.runtime import peak_memory_bytes
from reference_models.layerdiffuse.config import LayerDiffuseConfig
from reference_models.layerdiffuse.ensemble import SYMMETRIES, ensembled, restored, transformed
from reference_models.layerdiffuse.networks import TransparentDecoder

MINI = {
    "latent_channels": 16,
    "encoder_widths": (16, 32, 64, 128),
    "decoder_widths": (16, 32, 64, 128, 128),
    "decoder_layers": 1,
}


def decoder(*, released: bool) -> TransparentDecoder:
    """Return a decoder with random weights, of the mini or of the released size."""
    torch.manual_seed(0)
    config = LayerDiffuseConfig(
        base="none", base_sha256="", channel_order="ARGB", offset_gain=300.0, **({} if released else MINI)
    )
    made = TransparentDecoder(config).eval().requires_grad_(requires_grad=False)
    nn.init.normal_(made.latent_conv_in.weight)
    return made.to(memory_format=torch.channels_last)


def inputs(network: TransparentDecoder, size: int) -> tuple[Tensor, Tensor]:
    """Return a random frozen decode and latent of one image."""
    latent = network.latent_conv_in.in_channels
    return torch.rand(1, 3, size, size), torch.randn(1, latent, size // 8, size // 8)


def seconds(work: Callable[[], object]) -> float:
    """Return the processor seconds that `work` takes, user and system: waiting for other programs counts not."""
    began = time.process_time()
    work()
    return time.process_time() - began


@torch.inference_mode()
def compare(size: int, repeat: int, *, released: bool) -> None:
    """Print the time of the ensemble beside that of eight bare passes, and their largest difference."""
    network = decoder(released=released)
    rgb, latents = inputs(network, size)

    def bare() -> list[Tensor]:
        return [network(rgb, latents) for _ in SYMMETRIES]

    def whole() -> Tensor:
        return ensembled(network, rgb, latents)

    one_by_one = [
        restored(network(transformed(rgb, symmetry), transformed(latents, symmetry)).clamp(0, 1), symmetry)
        for symmetry in SYMMETRIES
    ]
    difference = float((whole() - torch.stack(one_by_one).sort(0).values[3]).abs().max())
    whole(), bare()
    times = [(seconds(bare), seconds(whole)) for _ in range(repeat)]
    ratios = [ours / theirs for theirs, ours in times]
    table = Table(title=f"{size}x{size}, {torch.get_num_threads()} threads, processor seconds, median of {repeat}")
    for name in ("eight bare passes", "ensemble", "ratio", "ratios of the runs", "largest difference"):
        table.add_column(name)
    theirs, ours = (statistics.median(column) for column in zip(*times, strict=True))
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    ratio = f"{statistics.median(ratios):.3f}"
    table.add_row(f"{theirs:.3f} s", f"{ours:.3f} s", ratio, spread, f"{difference:.1e}")
    Console(width=120).print(table)


@torch.inference_mode()
def memory(size: int) -> None:
    """Print this process's peak memory over one ensemble of the released decoder."""
    network = decoder(released=True)
    rgb, latents = inputs(network, size)
    before = peak_memory_bytes() or 0
    took = seconds(lambda: ensembled(network, rgb, latents))
    peak = peak_memory_bytes() or 0
    print(
        f"released decoder, {size}x{size}, eight passes: peak {peak / 2**30:.2f} GiB, of which {before / 2**30:.2f} "
        f"GiB were there before (interpreter and weights); {took:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--released", action="store_true", help="the released decoder instead of the mini")
    parser.add_argument("--memory", action="store_true", help="peak memory of the released decoder instead of time")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if not arguments.memory:
        compare(arguments.size, arguments.repeat, released=arguments.released)
    elif arguments.in_process:
        memory(arguments.size)
    else:  # a process of its own: the peak of this one holds whatever came before
        command = [sys.executable, __file__, "--memory", "--in-process", "--size", str(arguments.size)]
        subprocess.run([*command, "--threads", str(arguments.threads)], check=True)


if __name__ == "__main__":
    main()
