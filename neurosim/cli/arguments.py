"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from neurosim.errors import NeurosimError

Data = Annotated[str | None, typer.Option("--data", help="Data set: digits, mnist, fashion-mnist, kuzushiji-mnist, cifar-10.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder that holds the data set's files.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key, as data.limit=1000.")]
Backend = Annotated[str, typer.Option("--backend", help="auto, numpy, cupy, or cupy-tf32.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Decides weights, order and noise.  [default: the model's, 1]")]
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
    """Ctrl-C."""

    exit_status = 130


RUNS = Path("neurosim-runs")


def default_folder(what: str) -> Path:
    """Return ``neurosim-runs/<what>-<time>``."""
    return RUNS / f"{what}-{datetime.now():%Y%m%d-%H%M%S}"


def settings(given: list[str] | None, data: str | None, epochs: int | None = None) -> list[str]:
    """Return ``--set``, ``--data`` and ``--epochs`` as one list of ``key.path=value``."""
    chosen = list(given or [])
    chosen += [f"data.name={data}"] if data is not None else []
    return chosen + ([f"stages.0.epochs={epochs}"] if epochs is not None else [])


def file(text: str) -> Path:
    """Return the path of a file; one that ends in a slash names a folder."""
    if text.endswith(("/", os.sep)):
        raise typer.BadParameter(f"{text} is a folder: expected a file such as run.h5; leave the slash out")
    return Path(text)


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Add ``advice`` to what stops the work within from outside: Ctrl-C, a full disk."""
    try:
        yield
    except KeyboardInterrupt as cause:
        raise Interrupted(f"interrupted; {advice}") from cause
    except OSError as cause:
        raise OSError(f"{cause}; {advice}") from cause
