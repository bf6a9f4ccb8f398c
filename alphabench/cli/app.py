"""The command group and the one place where errors become messages and exit codes."""

import io
import os
import sys
import traceback
from typing import Any

import click

from alphabench import __version__
from alphabench.cli.data import data
from alphabench.cli.doctor import doctor
from alphabench.cli.experiment import experiment
from alphabench.cli.generate import generate
from alphabench.cli.leaderboard import leaderboard
from alphabench.cli.models import models
from alphabench.cli.output import emit_json
from alphabench.cli.protocols import protocols
from alphabench.cli.reconstruct import reconstruct
from alphabench.cli.report import report
from alphabench.cli.score import score
from alphabench.cli.train import train
from alphabench.cli.weights import weights
from alphabench.errors import NO_SPACE, AlphabenchError, IncompleteError
from alphabench.runtime import is_main_process, leave_world

INTERNAL_ERROR = 70
INTERRUPTED = 130


class ReaderLeft(Exception):
    """Whoever read our output wants no more of it."""


class Commands(click.Group):
    """A group that tells a reader that has left from a fault."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click and rich would leave with 1 on a broken pipe, which means a regression."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderLeft from error
        except SystemExit as stop:
            if isinstance(stop.__context__, BrokenPipeError):
                raise ReaderLeft from stop
            raise


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="alphabench")
def app() -> None:
    """Measure transparent (RGBA) images, and the models that make them.

    Start with `alphabench reconstruct --model alphavae`: it needs no network and no data of yours.
    """


COMMANDS = (
    *(reconstruct, generate, score, report, leaderboard),
    *(models, protocols, data, train, experiment, weights, doctor),
)
for command in COMMANDS:
    app.add_command(command)


def main() -> None:
    """Run the command line and leave with the exit code of what happened."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the terminal's encoding lacks is escaped, not an error
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    if leave_world():  # past the interpreter's own end, where a thread of a connection may still abort it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


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
    except ReaderLeft:
        _silence_stdout()
        return 0
    except OSError as error:
        if error.errno not in NO_SPACE:
            return _internal(arguments, error)
        click.echo(f"error: disk full: {error.filename or 'the output'} could not be written whole", err=True)
        click.echo("  Free some space, then repeat the same command: what was stored is safe.", err=True)
        return IncompleteError.exit_code
    except Exception as error:  # noqa: BLE001 - the outermost frame: a fault of ours is named as one
        return _internal(arguments, error)
    return result if isinstance(result, int) else 0


def _internal(arguments: list[str], error: Exception) -> int:
    if os.environ.get("ALPHABENCH_DEBUG"):
        traceback.print_exc()
    return _fail(
        arguments,
        "internal",
        f"internal error, please report: {type(error).__name__}: {error}",
        "Set ALPHABENCH_DEBUG=1 to see where it happened.",
        INTERNAL_ERROR,
    )


def _fail(arguments: list[str], code: str, message: str, remedy: str, exit_code: int) -> int:
    if not is_main_process():  # rank 0 is the only one that speaks on stdout
        click.echo(f"error on rank {os.environ['RANK']}: {message}", err=True)
    elif "--json" in arguments:
        emit_json({"error": {"code": code, "message": message, "remedy": remedy}})
    else:
        click.secho(f"error: {message}", err=True, fg="red")
        if remedy:
            click.echo(f"  {remedy}", err=True)
    return exit_code


def _silence_stdout() -> None:
    """Keep the interpreter's last flush from failing on a pipe that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
