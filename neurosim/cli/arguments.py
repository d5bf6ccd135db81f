"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import nan
from pathlib import Path
from typing import Annotated

import typer

from neurosim.cli import completion
from neurosim.errors import NeurosimError, pasteable, quoted

LARGEST = 2**63 - 1  # the whole numbers of a run file have 64 bits


def whole(least: int) -> Callable[[str | int], int]:
    """Return what reads a whole number of ``least`` or more."""

    def read(given: str | int) -> int:  # Typer has defaults read too
        text = str(given)
        digits = text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST))
        if not digits or not least <= int(text) <= LARGEST:
            most = f", up to {LARGEST}" if text.isdecimal() and len(text) >= len(str(LARGEST)) else ""
            raise typer.BadParameter(f"{_bare(text)}: expected a whole number, {least} or more{most}; change it")
        return int(text)

    return read


def seconds(text: str | float) -> float:
    """Return how long to wait between two looks."""
    try:
        found = float(text)
    except ValueError:
        found = nan
    if not 0.1 <= found <= 86400:
        raise typer.BadParameter(f"{_bare(text)}: expected seconds, from 0.1 to 86400 (a day); change it")
    return found


def _choose_blas(name: str | None) -> str | None:
    """Let this process and those it starts multiply with a library."""
    if name is not None:
        from neurosim.backends.blas import VARIABLE, select_blas

        select_blas(name)
        os.environ[VARIABLE] = name
    return name


DATA = f"Data set: {', '.join(completion.data_sets())}; a file of your own, such as mine.npz; or module:function."
Data = Annotated[str | None, typer.Option("--data", metavar="NAME", help=DATA, autocompletion=completion.data)]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="FOLDER", help="Folder that holds the data set's files.", autocompletion=completion.files),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one key, for example data.limit=1000. Repeat for more."),
]
Backend = Annotated[
    str,
    typer.Option(
        "--backend", metavar="NAME", help="What computes: numpy (the CPU), cupy or cupy-tf32 (a GPU), or auto, the faster one.",
        autocompletion=completion.backend,
    ),
]  # fmt: skip
Blas = Annotated[
    str | None,
    typer.Option(
        "--blas", metavar="NAME", callback=_choose_blas, autocompletion=completion.blas,
        help="What multiplies matrices on the CPU: openblas (NumPy's own library) or mkl.", show_default="mkl, if installed",
    ),
]  # fmt: skip
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", parser=whole(0), help="Decides the initial weights, the order of the data and all noise.",
        show_default="the model's, or 1",
    ),
]  # fmt: skip
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the files that are there.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print results only, no progress.")]
Record = Annotated[
    list[str] | None,
    typer.Option(
        "--record", metavar="WHAT",
        help="Record variables, for example 'hidden*.rate every 1 epoch'. Repeat for more; show --recordable lists all.",
    ),
]  # fmt: skip
Align = Annotated[
    str | None,
    typer.Option(
        "--alignment", metavar="WHEN",
        help="Measure the angle between each update of the weights and that of backprop, for example 'every 1 epoch'.",
    ),
]  # fmt: skip
GaussNewton = Annotated[
    str | None,
    typer.Option(
        "--gauss-newton", metavar="WHEN",
        help="Measure the angle between each update and Gauss and Newton's, for example 'every 1 epoch'. For small networks.",
    ),
]  # fmt: skip
StepEffect = Annotated[
    str | None,
    typer.Option(
        "--step-effect", metavar="WHEN",
        help="Measure by how much a step lowers the loss of its own batch, for example 'every 10 steps'.",
    ),
]  # fmt: skip
Import = Annotated[
    list[str] | None,
    typer.Option(
        "--import", metavar="MODULE", help="Module, or .py file, that defines your own classes (module:Class). Its code is run."
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


def _bare(text: object) -> str:
    """Return a value as it was typed, on one line, and not too long."""
    return quoted(str(text))[1:-1]


def file(text: str) -> Path:
    """Return the path of a file; one that ends in a slash names a folder."""
    if text.endswith(("/", os.sep)):
        raise typer.BadParameter(f"{text}: is a folder: expected a file such as run.h5; leave the slash out")
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
