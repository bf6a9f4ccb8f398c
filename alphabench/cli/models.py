"""`alphabench models`: which models there are, and RGB models made into RGBA ones."""

from pathlib import Path

import click

from alphabench.cli.output import emit_json, format_bytes, json_option, print_table


@click.group()
def models() -> None:
    """See which models can be judged; convert an RGB VAE into an RGBA one."""


@models.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List every installed model: size, licence, origin, whether its weights are there."""
    from alphabench.models.registry import list_models
    from alphabench.models.spec import ModelSpec

    def size(spec: ModelSpec) -> int | None:
        """Return the bytes of the bundled weights; None where they are absent or not needed."""
        if spec.weights is None or not spec.weights.exists():
            return None
        return sum(path.stat().st_size for path in spec.weights.rglob("*.safetensors"))

    def state(spec: ModelSpec) -> str:
        if spec.weights is None:
            return "no weights needed"
        return "bundled" if size(spec) else "weights absent"

    specs = list_models()
    if as_json:
        emit_json(
            {
                "models": [
                    {
                        "name": spec.name,
                        "task": spec.task,
                        "summary": spec.summary,
                        "licence": spec.licence,
                        "origin": spec.origin,
                        "bytes": size(spec),
                        "state": state(spec),
                    }
                    for spec in specs.values()
                ]
            }
        )
        return
    rows = [
        (name, spec.task, _or_dash(size(spec)), state(spec), spec.licence, spec.origin, spec.summary)
        for name, spec in specs.items()
    ]
    print_table("models", ("model", "task", "size", "weights", "licence", "origin", "what it is"), rows, right=99)


@models.command()
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("destination", metavar="DST", type=click.Path(path_type=Path))
@click.option("--model", default="alphavae", show_default=True, help="The model that reads the result.")
@json_option
def convert(source: Path, destination: Path, *, model: str, as_json: bool) -> None:
    """Widen the RGB VAE folder SRC to RGBA, as the new folder DST, without training it.

    SRC holds config.json and diffusion_pytorch_model.safetensors, as diffusers writes an AutoencoderKL. DST
    has the same layout: it gives back opaque images as SRC does, with alpha 1 everywhere, and is where a
    training starts.

    With `--model layerdiffuse`, SRC is the one pickled file of the FLUX version's release, and DST becomes the
    folder that `reconstruct --checkpoint` takes.
    """
    from alphabench.errors import UsageError
    from alphabench.models.registry import list_models, model_spec, resolve

    function = model_spec(model).convert
    if function is None:
        able = ", ".join(name for name, spec in list_models().items() if spec.convert is not None)
        raise UsageError(
            f"the model {model!r} cannot be made from an RGB model", remedy=f"Models that can: {able or 'none'}."
        )
    written = Path(resolve(function)(source, destination))
    if as_json:
        emit_json({"model": model, "source": str(source), "checkpoint": str(written)})
        return
    click.echo(f"checkpoint  {written}")
    click.echo(f"judge it:   alphabench reconstruct --model {model} --checkpoint {written}")


def _or_dash(count: int | None) -> str:
    return "-" if count is None else format_bytes(count)
