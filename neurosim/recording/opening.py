"""Opening a run file for reading, whether it is complete, being written, or was left by a process that was killed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neurosim.errors import RunFileError, require
from neurosim.recording.disk import followed, hdf5
from neurosim.recording.superblock import clear_mark, marked
from neurosim.recording.writer_lock import being_written

UNREADABLE = (OSError, KeyError, AttributeError, RuntimeError, TypeError, ValueError)  # what h5py raises for damage, by its place
SCHEMA_VERSION = 2  # of files written now; older ones can be read


def opened(path: Path) -> h5py.File:
    """Return a run file opened for reading; the mark that a killed process left in it is taken away (see ``superblock``).

    Raises RunFileError where it is missing, no run file, damaged, or of a newer schema.
    """
    require(path.is_file(), f"run file {path}: no such file; check the name", RunFileError)
    unmark(path)
    file = _opened(path)
    try:
        _check_schema(path, file)
    except BaseException:
        file.close()
        raise
    return file


def _opened(path: Path) -> h5py.File:
    try:
        return hdf5(functools.partial(h5py.File, path, "r"))
    except OSError as cause:
        if "already open for write" not in str(cause):
            raise _unreadable(path, cause) from cause
    try:
        return hdf5(functools.partial(h5py.File, path, "r", swmr=True))  # being written, or left open by a process that was killed
    except OSError as cause:
        raise _unreadable(path, cause) from cause


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
        version = file.attrs.get("schema_version")
        known = isinstance(version, int | np.integer) and "model" in file and "status" in file.attrs
    except UNREADABLE as cause:
        raise damaged(path, cause) from cause
    require(known, f"run file {path}: an HDF5 file, but no run file of neurosim; check the name", RunFileError)
    require(
        int(version) <= SCHEMA_VERSION,
        f"run file {path}: schema version {version}: expected at most {SCHEMA_VERSION}; update neurosim to open it",
        RunFileError,
    )


def damaged(path: Path, cause: Exception) -> RunFileError:
    """Return the error that says a run file cannot be read."""
    return RunFileError(f"run file {path}: damaged ({reason(cause)}); restore it from a copy, or run again")


def plain(value: Any) -> Any:
    """Return an attribute as Python's own text or number."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value.item() if isinstance(value, np.generic) else value


def reason(error: BaseException) -> str:
    """Return an error's text as one line."""
    return str(error).replace("\n", " ") or type(error).__name__
