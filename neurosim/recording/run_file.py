"""One HDF5 file that holds everything of one run; the layout is in ``docs/run-files.md``.

The file is flushed at every evaluation.  A checkpoint is written beside the last one and takes its place only when it is whole, so
that a killed process leaves a file that opens and resumes.  Nothing in it is pickled: reading a run file runs no code.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote, unquote

import h5py
import numpy as np

from neurosim.errors import RunFileError, require

SCHEMA_VERSION = 1
STATUSES = ("running", "complete", "failed", "interrupted")
PACKED = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
MARGIN = 2**18  # bytes for HDF5's own structures at one evaluation


class RunFile:
    """A run file open for writing; close it, or use it in a ``with`` statement.  Made by ``create`` and ``reopen``."""

    def __init__(self, path: Path, handle: h5py.File) -> None:
        self.path = path
        self._file = handle

    @classmethod
    def create(cls, path: Path, *, model: str, attributes: Mapping[str, Any], overwrite: bool = False) -> RunFile:
        """Return a new file with status ``running``; its folder is made where it is missing.

        Raises RunFileError where ``path`` exists (without ``overwrite``) or cannot be written.
        """
        check_free(path, overwrite)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _claim(path, "wb" if overwrite else "xb", MARGIN + len(model))
            handle = h5py.File(path, "w")
        except OSError as cause:
            raise RunFileError(f"run file {path}: cannot be written ({_reason(cause)}); name another place with --out") from cause
        handle.attrs.update({"schema_version": SCHEMA_VERSION, "status": "running", "reason": "", **attributes})
        handle["model"] = model
        handle.flush()
        return cls(path, handle)

    @classmethod
    def reopen(cls, path: Path) -> RunFile:
        """Return an existing file, to go on writing; raise RunFileError where that is not possible."""
        return cls(path, _opened(path, "r+"))

    def __enter__(self) -> RunFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    # ------------------------------------------------------------------ writing

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Hold ``size`` bytes, and a margin, of the disk for what is written within; flush it.

        Raises OSError where they are not to be had, before anything is written: HDF5 does not survive a write that fails.
        """
        with self.path.open("r+b") as raw:
            _allocate(raw, self._file.id.get_filesize(), size + MARGIN)
        yield
        self._file.flush()
        os.truncate(self.path, self._file.id.get_filesize())

    def append(self, group: str, values: Mapping[str, Any]) -> None:
        """Append one row to each dataset of ``group``: name -> number, or an array of always the same shape."""
        for name, value in values.items():
            _append(self._file.require_group(group), name, np.asarray(value))

    def describe(self, dataset: str, **attributes: str) -> None:
        """Set attributes of a dataset, such as units and description."""
        self._file[dataset].attrs.update(attributes)

    def checkpoint(self, state: Mapping[str, np.ndarray]) -> None:
        """Put ``state``, flat ``group|name`` -> array, in the place of the last checkpoint; flush before and after the swap."""
        self._settle()
        fresh = self._file.create_group("checkpoint_new")
        for key, value in state.items():
            _write(fresh, key, np.asarray(value))
        self._file.flush()
        if "checkpoint" in self._file:
            self._file.move("checkpoint", "checkpoint_old")
        self._file.move("checkpoint_new", "checkpoint")
        self._file.flush()
        self._settle()

    def _settle(self) -> None:
        """Tidy what an interruption within ``checkpoint`` left: at every moment of it one whole checkpoint is there."""
        if "checkpoint" not in self._file and "checkpoint_old" in self._file:
            self._file.move("checkpoint_old", "checkpoint")
        for leftover in {"checkpoint_new", "checkpoint_old"} & set(self._file):
            del self._file[leftover]
        self._file.flush()

    def rewind(self, epoch: int) -> None:
        """Drop every row written after ``epoch``: a resumed run writes them again."""
        for group in _groups_with_epochs(self._file):
            kept = int(np.count_nonzero(group["epoch"][()] <= epoch))
            for dataset in group.values():
                dataset.resize(kept, axis=0)

    def set_status(self, status: str, reason: str = "") -> None:
        """Set ``status`` and, for a run that failed, the ``reason``; flush."""
        assert status in STATUSES, status
        self._file.attrs.update({"status": status, "reason": reason})
        self._file.flush()

    # ------------------------------------------------------------------ reading back

    @property
    def attributes(self) -> dict[str, Any]:
        """The file's attributes by name."""
        return dict(self._file.attrs)

    @property
    def model(self) -> str:
        """The text of the model as it was run."""
        return _model(self._file)

    def last_checkpoint(self) -> dict[str, np.ndarray]:
        """Return what ``checkpoint`` was last given; empty where the run had not come so far."""
        self._settle()
        if "checkpoint" not in self._file:
            return {}
        groups = self._file["checkpoint"]
        try:
            return {f"{unquote(g)}|{unquote(n)}": value[()] for g, group in groups.items() for n, value in group.items()}
        except (OSError, AttributeError) as cause:
            raise RunFileError(f"run file {self.path}: checkpoint damaged ({_reason(cause)}); run the model again") from cause


@dataclass(frozen=True)
class Run:
    """What a run file says.

    attributes : schema_version, neurosim_version, created, status, reason, seed, backend, device, versions, git_commit, ...
    model : the model file's text as run, every override applied
    metrics : split -> name -> (evaluations,); names are loss, error (per cent), epoch, step and, of train, seconds
    """

    path: Path
    attributes: Mapping[str, Any]
    model: str
    metrics: Mapping[str, Mapping[str, np.ndarray]]

    @property
    def status(self) -> str:
        """``running``, ``complete``, ``failed`` or ``interrupted``."""
        return str(self.attributes["status"])


def read(path: str | os.PathLike[str]) -> Run:
    """Return what the run file at ``path`` says; raise RunFileError where it is none, damaged, newer, or being written."""
    path = Path(path)
    with _opened(path, "r") as file:
        try:
            splits = file.get("metrics", {})
            metrics = {split: _whole_rows(group) for split, group in splits.items()}
            return Run(path, dict(file.attrs), _model(file), metrics)
        except (OSError, KeyError, AttributeError, RuntimeError) as cause:
            raise RunFileError(f"run file {path}: damaged ({_reason(cause)}); restore it from a copy, or run again") from cause


def check_free(path: Path, overwrite: bool) -> None:
    """Raise RunFileError where ``path`` exists and must not be overwritten."""
    require(not path.is_dir(), f"run file {path}: is a folder: expected a file such as run.h5; change --out", RunFileError)
    require(
        overwrite or not path.exists(),
        f"run file {path}: exists already; give --resume to continue it, --overwrite to replace it, or another --out",
        RunFileError,
    )


def escaped(name: str) -> str:
    """Return ``name`` as one link of an HDF5 path, undone by ``urllib.parse.unquote``: no slash, NUL, or lone dot."""
    return "%2E" if name == "." else quote(name, safe=" :|,=()[]")


# ---------------------------------------------------------------------- helpers


def _claim(path: Path, mode: str, size: int) -> None:
    """Make an empty file that has ``size`` bytes of the disk, or none."""
    with path.open(mode) as raw:
        try:
            _allocate(raw, 0, size)
        except OSError:
            path.unlink()
            raise


def _allocate(raw: IO[Any], start: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):  # elsewhere a full disk is found by the write that fails
        os.posix_fallocate(raw.fileno(), start, size)


def _append(group: h5py.Group, name: str, row: np.ndarray) -> None:
    if name not in group:
        # One row a chunk: a chunk that grows is rewritten before the index that knows its size, and a kill between damages it.
        layout: dict[str, Any] = {"maxshape": (None, *row.shape), "chunks": (1, *row.shape), "fletcher32": True}
        group.create_dataset(name, (0, *row.shape), row.dtype, **layout, **(PACKED if row.ndim else {}))
    dataset = group[name]
    dataset.resize(len(dataset) + 1, axis=0)
    dataset[-1] = row


def _write(checkpoint: h5py.Group, key: str, value: np.ndarray) -> None:
    """Write one array uncompressed (weights do not shrink), chunked because checksums need chunks."""
    group, _, name = key.partition("|")
    where = checkpoint.require_group(escaped(group))
    options = {"chunks": True, "fletcher32": True} if value.size > 1 and value.ndim else {}
    where.create_dataset(escaped(name), data=value, **options)


def _whole_rows(group: h5py.Group) -> dict[str, np.ndarray]:
    """Return a group's datasets without the row that an interruption left half written."""
    rows = min(map(len, group.values()))
    return {name: values[:rows] for name, values in group.items()}


def _groups_with_epochs(file: h5py.File) -> list[h5py.Group]:
    found: list[h5py.Group] = []
    for top in ("metrics", "populations", "projections"):
        found += [group for group in file.get(top, {}).values() if "epoch" in group]
    return found


def _opened(path: Path, mode: str) -> h5py.File:
    require(path.is_file(), f"run file {path}: no such file; check the name", RunFileError)
    try:
        file = h5py.File(path, mode)
    except OSError as cause:
        why = f"not an HDF5 file, or damaged ({_reason(cause)}); check the name, or restore it from a copy"
        if "unable to lock file" in str(cause):
            why = "another process is writing it; wait until that has ended"
        raise RunFileError(f"run file {path}: {why}") from cause
    try:
        _check_schema(path, file)
    except RunFileError:
        file.close()
        raise
    return file


def _check_schema(path: Path, file: h5py.File) -> None:
    version = file.attrs.get("schema_version")
    known = isinstance(version, int | np.integer) and "model" in file and "status" in file.attrs
    require(known, f"run file {path}: an HDF5 file, but no run file of neurosim; check the name", RunFileError)
    require(
        int(version) <= SCHEMA_VERSION,
        f"run file {path}: schema version {version}: expected at most {SCHEMA_VERSION}; update neurosim to open it",
        RunFileError,
    )


def _model(file: h5py.File) -> str:
    return str(file["model"].asstr()[()])


def _reason(error: Exception) -> str:
    return str(error).replace("\n", " ")
