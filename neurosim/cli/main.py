"""The program: its commands, and how an error leaves it."""

from __future__ import annotations

import errno
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from neurosim.cli.check import check
from neurosim.cli.compare import compare
from neurosim.cli.export import export
from neurosim.cli.models import models
from neurosim.cli.report import report
from neurosim.cli.run import run
from neurosim.cli.show import show
from neurosim.cli.terminal import survive
from neurosim.cli.watch import watch
from neurosim.errors import NeurosimError, quoted

MANY = 1000  # characters; a path may have some hundred

app = typer.Typer(
    name="neurosim",
    help="Which learning rule could a cortex use, and what would it cost in accuracy?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (compare, run, models, show, watch, check, report, export):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"neurosim {version('neurosim')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options that stand before a command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    0 done; 2 the input was wrong; 3 the run failed; 130 interrupted.  Errors are one line on stderr; ``--debug`` adds a traceback.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    _listen_to_interrupts()
    with warnings.catch_warnings():
        survive()
        try:
            return int(app(arguments, prog_name="neurosim", standalone_mode=False) or 0)
        except Exception as error:
            status, message = _told(error)
            if "--debug" in arguments:
                traceback.print_exc()
            if message:
                print(f"neurosim: {_in_one_line(message, arguments)}", file=sys.stderr)
            return status


def _told(error: Exception) -> tuple[int, str]:
    """Return exit status and message; an error that nobody foresaw is raised again."""
    if isinstance(error, NeurosimError):
        return error.exit_status, str(error)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return 2, f"{quoted(error.filename)}: expected a shorter name; the file system takes none of that length"
    if isinstance(error, OSError):
        return 3, f"cannot go on: {error}"
    if not hasattr(error, "format_message"):  # Typer's usage errors have it, and no public base class
        raise error
    message = error.format_message()
    return 2, f"{message}; see neurosim --help" if message else ""


def _in_one_line(message: str, arguments: Sequence[str]) -> str:
    """Return a message without line breaks, and with long arguments, which Typer quotes whole, cut."""
    for argument in sorted(arguments, key=len, reverse=True):
        for part in (argument, argument.partition("=")[2]):
            message = message.replace(part, quoted(part)[1:-1]) if len(part) > MANY else message
    return " ".join(message.split())


def _listen_to_interrupts() -> None:
    """Let SIGINT raise KeyboardInterrupt where the shell had it ignored, as for jobs in the background.

    Brian2 wraps the handler it finds and calls it, and what stands for "ignored" cannot be called.
    """
    if not callable(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, signal.default_int_handler)
