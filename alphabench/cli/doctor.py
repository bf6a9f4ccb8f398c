"""`alphabench doctor`: what is installed, what can be measured, how to mend what cannot."""

import platform
from importlib import metadata

import click

from alphabench import __version__
from alphabench.cli.output import emit_json, json_option, print_table

LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "scipy",
    "scikit-image",
    "torchmetrics",
    "lpips",
    "diffusers",
    "accelerate",
    "pyarrow",
    "pandas",
    "pyiqa",
)


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Say what is installed, which device is used, and which metrics can be computed here."""
    from alphabench.metrics.catalog import CATALOG
    from alphabench.runtime import available_devices, cache_dir, resolve_device
    from alphabench.tasks.availability import unavailable

    libraries = {name: _version(name) for name in LIBRARIES}
    broken = {name: reason for name in CATALOG if (reason := unavailable(name)) is not None}
    if as_json:
        emit_json(
            {
                "alphabench": __version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "device": str(resolve_device("auto")),
                "devices": available_devices(),
                "cache": str(cache_dir()),
                "libraries": libraries,
                "metrics": {
                    name: {
                        "available": name not in broken,
                        "reason": broken[name].reason if name in broken else None,
                        "remedy": broken[name].remedy if name in broken else None,
                    }
                    for name in CATALOG
                },
            }
        )
        return
    click.echo(f"alphabench {__version__}, Python {platform.python_version()}, {platform.platform()}")
    click.echo(f"device     {resolve_device('auto')}  (here: {', '.join(available_devices())})")
    click.echo(f"cache      {cache_dir()}\n")
    rows = [(name, version or "not installed") for name, version in libraries.items()]
    print_table("libraries", ("package", "version"), rows, right=99)
    ready = [name for name in CATALOG if name not in broken]
    click.echo(f"{len(ready)} metrics ready: {', '.join(ready)}\n")
    if broken:
        missing = [(name, reason.reason, reason.remedy) for name, reason in broken.items()]
        print_table(f"{len(broken)} unavailable", ("metric", "why", "how to mend it"), missing, right=99)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
