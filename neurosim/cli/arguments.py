"""Options that several commands share."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from neurosim.errors import NeurosimError, RunFileError, pasteable

DATA = "Data set: digits, mnist, fashion-mnist, kuzushiji-mnist, cifar-10, diabetes, or the path of yours, as mine.npz."
Data = Annotated[str | None, typer.Option("--data", help=DATA)]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder that holds the data set's files.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key, as data.limit=1000.")]
Backend = Annotated[str, typer.Option("--backend", help="auto, numpy, cupy, or cupy-tf32.")]
Seed = Annotated[
    int | None, typer.Option("--seed", min=0, max=2**63 - 1, help="Decides weights, order and noise.  [default: the model's, 1]")
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
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")]


class Interrupted(NeurosimError):
    """Ctrl-C, or a signal that asks a process to end."""

    exit_status = 130


RUNS = Path("neurosim-runs")


@contextmanager
def made_folder(what: str) -> Iterator[Path]:
    """Make ``neurosim-runs/<what>-<time>``, which nobody else has: commands of the same second add a number.

    It goes again where nothing was written into it.  Raises RunFileError where it cannot be made.
    """
    name, first = f"{what}-{datetime.now():%Y%m%d-%H%M%S}", not RUNS.exists()
    try:
        folder = next(filter(_made, (RUNS / (name if k == 1 else f"{name}-{k}") for k in itertools.count(1))))
    except OSError as cause:
        raise RunFileError(f"folder {RUNS / name}: cannot be made ({cause.strerror}); name another place with --out") from cause
    try:
        yield folder
    finally:
        with suppress(OSError):  # it is not empty
            folder.rmdir()
            if first:
                RUNS.rmdir()


def _made(folder: Path) -> bool:
    """Make a folder; return whether it was not there."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    return True


def settings(given: list[str] | None, data: str | None, epochs: int | None = None) -> list[str]:
    """Return ``--set``, ``--data`` and ``--epochs`` as one list of ``key.path=value``."""
    chosen = list(given or [])
    chosen += [f"data.name={data}"] if data is not None else []
    return chosen + ([f"stages.0.epochs={epochs}"] if epochs is not None else [])


def pasted(*words: object) -> str:
    """Return a command's words as a shell takes them."""
    return " ".join(map(pasteable, words))


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
