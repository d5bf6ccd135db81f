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

from neurosim.cli import analyse, check, compare, export, models, report, run, show, streams, study, watch
from neurosim.cli.arguments import Interrupted
from neurosim.cli.helping import Command, Help, Program, said_of
from neurosim.cli.signals import Signals
from neurosim.cli.terminal import survive
from neurosim.errors import NeurosimError, quoted

MANY = 1000  # characters; a path may have some hundred

ABOUT = Help(
    "Which learning rule could a cortex use, and what would it cost in accuracy?",
    ("neurosim compare", "neurosim compare --help", "neurosim models", "neurosim run dtp-mnist --data digits --epochs 5"),
)

app = typer.Typer(
    name="neurosim",
    help=ABOUT.short,
    epilog=ABOUT.epilog(),
    cls=Program,
    rich_markup_mode=None,  # its boxes leave too little room for words on a narrow terminal
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
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


Told = tuple[Callable[..., None], Help]

LONG: tuple[Told, ...] = (  # what goes on where nobody reads what it prints
    (compare.compare, compare.HELP),
    (run.run, run.HELP),
    (study.study, study.HELP),
)
SHORT: tuple[Told, ...] = (
    (models.models, models.HELP),
    (show.show, show.HELP),
    (watch.watch, watch.HELP),
    (check.check, check.HELP),
    (report.report, report.HELP),
    (analyse.analyse, analyse.HELP),
    (export.export, export.HELP),
)

COMMANDS = [command.__name__ for command, _ in (*LONG, *SHORT)]

for command, about in (*((streams.going_on_unread(each), about) for each, about in LONG), *SHORT):
    app.command(cls=Command, short_help=about.short, epilog=about.epilog())(_past_typer(command))


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
    given = (sys.argv[1:] if arguments is None else list(arguments)) or ["--help"]
    streams.ensure()
    signals = Signals(program=arguments is None, only_looks=given[:1] == ["watch"])
    with signals, warnings.catch_warnings(), streams.warnings_told():
        survive()
        try:
            status = int(app(given, prog_name="neurosim", standalone_mode=False) or 0)
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:
            status, message = _told(error, given[0])
            if "--debug" in given:
                traceback.print_exc()
            if message:
                streams.tell(f"neurosim: {_in_one_line(message, given)}")
        streams.settle()
        return status


def _told(error: BaseException, first: str) -> tuple[int, str]:
    """Return exit status and message; an error that nobody foresaw is raised again."""
    if isinstance(error, NeurosimError):
        return error.exit_status, str(error)
    if isinstance(error, KeyboardInterrupt):  # before a command had begun
        return Interrupted.exit_status, "interrupted"
    if isinstance(error, BrokenPipeError):
        return streams.Unread.exit_status, ""
    if isinstance(error, MemoryError):
        return 3, f"out of memory{f' ({error})' if str(error) else ''}; make the network, the batch or the recordings smaller"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return 2, f"{quoted(error.filename)}: the name is too long for the file system; choose a shorter one"
    if isinstance(error, OSError | RecursionError):
        return 3, f"cannot go on: {error}"
    if not hasattr(error, "format_message"):  # Typer's usage errors have it, and no public base class
        raise error
    return 2, said_of(error, first if first in COMMANDS else "")


def _in_one_line(message: str, arguments: Sequence[str]) -> str:
    """Return a message without line breaks, and with long arguments, which Typer quotes whole, cut."""
    for argument in sorted(arguments, key=len, reverse=True):
        for part in (argument, argument.partition("=")[2]):
            message = message.replace(part, quoted(part)[1:-1]) if len(part) > MANY else message
    return " ".join(message.splitlines())
