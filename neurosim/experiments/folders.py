"""The folder that a run gets where nobody named one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from neurosim.errors import RunFileError

RUNS = Path("neurosim-runs")


@contextmanager
def made_folder(what: str) -> Iterator[Path]:
    """Make ``neurosim-runs/<what>-<time>``, which nobody else has: runs of the same second add a number.

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
