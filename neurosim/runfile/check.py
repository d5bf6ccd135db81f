"""Is a run file whole: every dataset read through, every checksum compared, every table's columns beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from neurosim.errors import RunFileError, quoted
from neurosim.runfile import checkpoints, tables
from neurosim.runfile.digests import model, sealed
from neurosim.runfile.guard import UNREADABLE, children, direct, guarded, text
from neurosim.runfile.opening import opened, plain, reason
from neurosim.runfile.run_file import STATUSES

NEEDED = ("schema_version", "neurosim_version", "created", "status", "seed", "backend", "device", "versions")


def problems(path: Path) -> list[str]:
    """Return what is wrong with the run file at ``path``, a line each; none for a good one.

    A run that is going, or was killed, may have rows of which some columns are not written yet; nobody is shown them.

    Raises RunFileError where it cannot be opened at all.
    """
    with opened(path) as file:
        try:
            return _problems(file)
        except UNREADABLE as cause:
            return [reason(cause).removeprefix(f"run file {file.filename}: ")]


def _problems(file: h5py.File) -> list[str]:
    found = [f"attribute {name!r} is missing" for name in NEEDED if name not in file.attrs]
    status = plain(file.attrs["status"])
    found += [] if status in STATUSES else [f"status {quoted(status)}: expected one of {', '.join(STATUSES)}"]
    found += _within(file, "")
    if not found and int(file.attrs["schema_version"]) > 1:
        found += _tables(file, ended=status != "running")
        found += _checkpoints(file, complete=status == "complete")
    return found


def _within(file: h5py.File, path: str) -> Iterator[str]:
    """Yield what is wrong with everything at and below ``path``."""
    try:
        item = direct(file, path)
        sealed(item)
        if path == "model":
            model(file)
        if isinstance(item, h5py.Group):
            for name in children(file, path):
                yield from _within(file, f"{path}/{name}".lstrip("/"))
        elif h5py.check_string_dtype(item.dtype):
            text(item)
        else:
            _read_through(item)
    except UNREADABLE as cause:
        told = str(cause).removeprefix(f"run file {file.filename}: ")  # which is said in front of every line
        yield told if isinstance(cause, RunFileError) else f"{path}: cannot be read ({reason(cause)})"


def _read_through(dataset: h5py.Dataset) -> None:
    """Read every chunk, one at a time, which compares its checksum."""
    guarded(dataset)
    if dataset.chunks is None or not dataset.size:
        dataset[()]
        return
    for corner in _stored(dataset):
        dataset[tuple(slice(at, at + size) for at, size in zip(corner, dataset.chunks, strict=True))]


def _stored(dataset: h5py.Dataset) -> list[tuple[int, ...]]:
    """Return where each chunk begins that lies in the file and within the dataset."""
    corners: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(lambda chunk: corners.append(chunk.chunk_offset))
    return [corner for corner in corners if all(at < size for at, size in zip(corner, dataset.shape, strict=True))]


def _tables(file: h5py.File, *, ended: bool) -> Iterator[str]:
    for table in tables.found(file):
        where = f"{table.path}/{table.variable}".rstrip("/")
        rows = table.rows
        lengths = {name: len(column) for name, column in table.columns.items()}
        if ended and max(lengths.values()) > rows:
            yield f"{where}: columns of different lengths {lengths}"
        steps = table.step[:rows]
        if table.path.startswith("spikes/"):  # of a simulator that does one trial after the other, within each trial
            steps = steps[np.argsort(table.columns["trial"][:rows], kind="stable")] if "trial" in table.columns else steps
            trials = np.sort(table.columns["trial"][:rows]) if "trial" in table.columns else np.zeros(rows)
            back = (np.diff(steps) < 0) & (np.diff(trials) == 0)
        else:
            back = np.diff(steps) < 0
        if back.any():
            yield f"{where}: steps go back"


def _checkpoints(file: h5py.File, *, complete: bool) -> Iterator[str]:
    if complete and checkpoints.PLACE in file and not checkpoints.written(file):
        yield "no checkpoint, though the run is complete"
