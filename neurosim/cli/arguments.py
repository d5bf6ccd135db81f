"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from neurosim.errors import NeurosimError, pasteable

DATA = "Data set: digits, mnist, fashion-mnist, kuzushiji-mnist, cifar-10, diabetes, a path as mine.npz, or module:function."
Data = Annotated[str | None, typer.Option("--data", help=DATA)]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder that holds the data set's files.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key, as data.limit=1000.")]
Backend = Annotated[str, typer.Option("--backend", help="auto, numpy, cupy, or cupy-tf32.")]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, max=2**63 - 1, help="Decides weights, order and noise.", show_default="the model's, 1"),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
Record = Annotated[
    list[str] | None,
    typer.Option("--record", metavar="WHAT", help="Record variables, as 'hidden*.rate every 1 epoch' (see show --recordable)."),
]
Align = Annotated[
    str | None, typer.Option("--alignment", metavar="WHEN", help="Compare updates with backprop's, as 'every 1 epoch'.")
]
Import = Annotated[
    list[str] | None,
    typer.Option(
        "--import", metavar="MODULE", help="A module, or the path of a .py file, that module:Class may be of; its code runs."
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")]


class Interrupted(NeurosimError):
    """Ctrl-C, or a signal that asks a process to end."""

    exit_status = 130


def settings(given: list[str] | None, data: str | None, epochs: int | None = None) -> list[str]:
    """Return ``--set``, ``--data`` and ``--epochs`` as one list of ``key.path=value``."""
    chosen = list(given or [])
    chosen += [f"data.name={data}"] if data is not None else []
    return chosen + ([f"stages.0.epochs={epochs}"] if epochs is not None else [])


def pasted(*words: object) -> str:
    """Return a command's words as a shell takes them."""
    return " ".join(map(pasteable, words))


def imported(modules: Iterable[str] | None) -> list[str]:
    """Return the words of a command that name modules again."""
    return [word for module in modules or () for word in ("--import", module)]


def file(text: str) -> Path:
    """Return the path of a file; one that ends in a slash names a folder."""
    if text.endswith(("/", os.sep)):
        raise typer.BadParameter(f"{text} is a folder: expected a file such as run.h5; leave the slash out")
    return Path(text)


@contextmanager
def interruptible(advice: str | Callable[[], str]) -> Iterator[None]:
    """Add ``advice``, or what it returns then, to what stops the work within from outside: a signal, a full disk, no memory."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, OSError, MemoryError) as cause:
        said = advice if isinstance(advice, str) else advice()
        if isinstance(cause, KeyboardInterrupt):
            raise Interrupted(f"interrupted{f' {cause}' if cause.args else ''}; {said}") from cause
        kind = MemoryError if isinstance(cause, MemoryError) else OSError
        raise kind(f"{cause}; {said}") from cause
