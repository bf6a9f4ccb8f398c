"""The command group and the one place where errors become messages and exit codes."""

import json
import os
import sys
import traceback

import click

from alphabench import __version__
from alphabench.cli.data import data
from alphabench.cli.doctor import doctor
from alphabench.cli.leaderboard import leaderboard
from alphabench.cli.models import models
from alphabench.cli.protocols import protocols
from alphabench.cli.reconstruct import reconstruct
from alphabench.cli.score import score
from alphabench.cli.train import train
from alphabench.cli.weights import weights
from alphabench.errors import AlphabenchError

INTERNAL_ERROR = 70
INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="alphabench")
def app() -> None:
    """Measure transparent (RGBA) images, and the models that make them.

    Start with `alphabench reconstruct --model alphavae`: it needs no network and no data of yours.
    """


for command in (reconstruct, score, leaderboard, models, protocols, data, train, weights, doctor):
    app.add_command(command)


def main() -> None:
    """Run the command line and leave with the exit code of what happened."""
    arguments = sys.argv[1:]
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; no exception leaves this function."""
    try:
        result = app.main(args=arguments, standalone_mode=False, prog_name="alphabench")
    except AlphabenchError as error:
        return _fail(arguments, error.code, error.message, error.remedy, error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        remedy = f"See `{context.command_path} --help`." if context else "See `alphabench --help`."
        return _fail(arguments, "usage", error.format_message().rstrip("."), remedy, 2)
    except (click.Abort, KeyboardInterrupt):
        return _fail(arguments, "interrupted", "interrupted", "Repeat the same command to go on.", INTERRUPTED)
    except BrokenPipeError:
        _silence_stdout()
        return 0
    except Exception as error:  # noqa: BLE001 - the outermost frame: a fault of ours is named as one
        if os.environ.get("ALPHABENCH_DEBUG"):
            traceback.print_exc()
        return _fail(
            arguments,
            "internal",
            f"internal error, please report: {type(error).__name__}: {error}",
            "Set ALPHABENCH_DEBUG=1 to see where it happened.",
            INTERNAL_ERROR,
        )
    return result if isinstance(result, int) else 0


def _fail(arguments: list[str], code: str, message: str, remedy: str, exit_code: int) -> int:
    if "--json" in arguments:
        document = {"error": {"code": code, "message": message, "remedy": remedy}}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.secho(f"error: {message}", err=True, fg="red")
        if remedy:
            click.echo(f"  {remedy}", err=True)
    return exit_code


def _silence_stdout() -> None:
    """Keep the interpreter's last flush from failing on a pipe that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
