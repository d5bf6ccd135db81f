"""Opening a run file for reading, whether it is complete, being written, or was left by a process that was killed."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neurosim.errors import RunFileError, meant, require
from neurosim.runfile.disk import followed, hdf5
from neurosim.runfile.guard import UNREADABLE, attributes
from neurosim.runfile.superblock import SIGNATURE, clear_mark, marked
from neurosim.runfile.survey import open_read, survey
from neurosim.runfile.writer_lock import being_written

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # of terminals; not tab and newline
SCHEMA_VERSION = 3  # of files written now; older ones can be read
RESUMED = 2  # the oldest that can be gone on with: it is made anew as one of today


def opened(path: Path) -> h5py.File:
    """Return a run file opened for reading, after a child process has looked through it (see ``recording.survey``).

    The mark that a killed process left in it is taken away (see ``recording.superblock``).

    Raises RunFileError where it is missing, no run file, damaged, or of a newer schema.
    """
    if not path.is_file():
        raise RunFileError(f"run file {path}: no such file; check the name{meant(path)}")
    unmark(path)
    try:
        survey(path)
        file = hdf5(functools.partial(open_read, path))
    except OSError as cause:
        raise _unreadable(path, cause) from cause
    try:
        _check_schema(path, file)
    except BaseException:
        file.close()
        raise
    return file


def is_hdf5(path: Path) -> bool:
    """Return whether there is a file that begins as those of HDF5 do."""
    try:
        with path.open("rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except (OSError, ValueError):  # no file, or a name that is none
        return False


def unmark(path: Path) -> None:
    """Make a killed run's file one that any program opens, if nobody writes it and it is ours to write."""
    path = followed(path)
    if marked(path) and not being_written(path):
        clear_mark(path)


def _unreadable(path: Path, cause: OSError) -> RunFileError:
    why = f"not an HDF5 file, or damaged ({reason(cause)}); check the name, or restore it from a copy"
    if "unable to lock file" in str(cause):
        why = "another process is writing it; wait until that has ended"
    return RunFileError(f"run file {path}: {why}")


def _check_schema(path: Path, file: h5py.File) -> None:
    try:
        found = attributes(file)
        version = found.get("schema_version")
        known = isinstance(version, int | np.integer) and "model" in file and "status" in found
    except UNREADABLE as cause:
        raise damaged(path, cause) from cause
    require(known, f"run file {path}: an HDF5 file, but no run file of neurosim; check the name", RunFileError)
    assert version is not None
    require(
        int(version) <= SCHEMA_VERSION,
        f"run file {path}: schema version {version}: expected at most {SCHEMA_VERSION}; update neurosim to open it",
        RunFileError,
    )


def damaged(path: Path, cause: Exception) -> RunFileError:
    """Return the error that says a run file cannot be read."""
    return RunFileError(f"run file {path}: damaged ({reason(cause)}); restore it from a copy, or run again")


def plain(value: Any) -> Any:
    """Return an attribute as Python's own text or number; what no terminal should be sent is replaced."""
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return CONTROL.sub("\ufffd", value.decode("utf-8", errors="replace"))
    return value.item() if isinstance(value, np.generic) else value


def reason(error: BaseException) -> str:
    """Return an error's text as one line."""
    return str(error).replace("\n", " ") or type(error).__name__
