"""`alphabench models`: which models there are."""

import click

from alphabench.cli.output import emit_json, format_bytes, json_option, print_table


@click.group()
def models() -> None:
    """See which models can be judged."""


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


def _or_dash(count: int | None) -> str:
    return "-" if count is None else format_bytes(count)
