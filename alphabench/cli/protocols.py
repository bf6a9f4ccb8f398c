"""`alphabench protocols`: how numbers are made, as data."""

import click

from alphabench.cli.output import emit_json, json_option, print_table


@click.group()
def protocols() -> None:
    """See the protocols: what is compared with what, and how it is averaged."""


@protocols.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List every protocol with its status, task and hash."""
    from alphabench.protocols import list_protocols

    known = list_protocols()
    if as_json:
        fields = [{"id": item.id, "task": item.task, "status": item.status, "hash": item.hash} for item in known]
        emit_json({"protocols": fields})
        return
    rows = [(item.id, item.task, item.status, str(len(item.metrics)), item.hash[:8]) for item in known]
    print_table("protocols", ("protocol", "task", "status", "metrics", "hash"), rows, right=3)


@protocols.command("show")
@click.argument("protocol")
@json_option
def show(protocol: str, *, as_json: bool) -> None:
    """Show PROTOCOL: a name, a TOML file, or a signature printed under a table."""
    from alphabench.protocols import load_protocol, parse_signature

    if "|" in protocol:
        fields = parse_signature(protocol)
        name = fields["protocol"]
        found = load_protocol(name)
        match = found.hash.startswith(fields["sha"])
    else:
        fields, match = {}, True
        found = load_protocol(protocol)
    if as_json:
        emit_json(
            {
                "id": found.id,
                "status": found.status,
                "hash": found.hash,
                "resolved": found.resolved(),
                "notes": found.note,
                "signature_fields": fields,
                "signature_matches": match,
            }
        )
        return
    _print(found.id, found.status, found.hash)
    if not match:
        click.echo(f"the signature's hash {fields['sha']} is not this protocol's: another version made it\n")
    from alphabench.metrics.catalog import CATALOG

    rows = [
        (name, str(settings.version), CATALOG[name].unit or "1", ", ".join(settings.views))
        for name, settings in found.metrics.items()
    ]
    print_table("metrics", ("metric", "version", "unit", "views"), rows, right=99)
    colours = [f"{name} {','.join(map(str, rgb))}" for name, rgb in found.backgrounds.items()]
    click.echo("backgrounds  " + "; ".join(colours))
    click.echo("textures     " + (", ".join(found.textures) or "none"))
    if found.note:
        click.echo("\n" + found.note.strip())


def _print(identifier: str, status: str, digest: str) -> None:
    click.echo(f"{identifier}  {status}\nhash {digest}\n")
