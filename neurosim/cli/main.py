"""The program: its commands, and how an error leaves it."""

from __future__ import annotations

import errno
import functools
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from neurosim.cli import streams
from neurosim.cli.arguments import Interrupted
from neurosim.cli.check import check
from neurosim.cli.compare import compare
from neurosim.cli.export import export
from neurosim.cli.models import models
from neurosim.cli.report import report
from neurosim.cli.run import run
from neurosim.cli.show import show
from neurosim.cli.signals import Signals
from neurosim.cli.study import study
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


def _past_typer(command: Callable[..., None]) -> Callable[..., None]:
    """Return ``command`` with errors of our own for what Typer would answer itself, by leaving or with a status it chooses."""

    @functools.wraps(command)
    def past(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt as cause:
            raise Interrupted("interrupted") from cause
        except BrokenPipeError as cause:
            raise streams.Unread from cause

    return past


LONG: tuple[Callable[..., None], ...] = (compare, run, study)  # what goes on where nobody reads what it prints

SHORT: tuple[Callable[..., None], ...] = (models, show, watch, check, report, export)

for command in (*map(streams.going_on_unread, LONG), *SHORT):
    app.command()(_past_typer(command))


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

    0 done; 2 the input was wrong; 3 the run failed; 130 interrupted; 141 nobody read what it printed.  Errors are one line on
    stderr; ``--debug`` adds a traceback.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    streams.ensure()
    with Signals(program=arguments is None, only_looks=given[:1] == ["watch"]), warnings.catch_warnings():
        survive()
        try:
            status = int(app(given, prog_name="neurosim", standalone_mode=False) or 0)
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:
            status, message = _told(error)
            if "--debug" in given:
                traceback.print_exc()
            if message:
                streams.tell(f"neurosim: {_in_one_line(message, given)}")
        streams.settle()
        return status


def _told(error: BaseException) -> tuple[int, str]:
    """Return exit status and message; an error that nobody foresaw is raised again."""
    if isinstance(error, NeurosimError):
        return error.exit_status, str(error)
    if isinstance(error, KeyboardInterrupt):  # before a command had begun
        return Interrupted.exit_status, "interrupted"
    if isinstance(error, BrokenPipeError):
        return streams.Unread.exit_status, ""
    if isinstance(error, MemoryError):
        return 3, f"out of memory ({str(error) or 'of the smallest piece'}); make the network, the batch or the recordings smaller"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return 2, f"{quoted(error.filename)}: expected a shorter name; the file system takes none of that length"
    if isinstance(error, OSError | RecursionError):
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
    return " ".join(message.splitlines())
