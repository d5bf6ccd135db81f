"""One HDF5 file that holds everything of one run, being written; the layout is in ``docs/run-files.md``.

The file is made whole under another name, takes its own name when all datasets are there, and is then only written to as HDF5's
single writer (SWMR): rows are appended, slots and two attributes overwritten in place, nothing is made or removed.  So other
processes may read it at any moment, and a process that is killed at any moment leaves a file that opens.  Nothing is pickled.
"""

from __future__ import annotations

import errno
import functools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from neurosim.errors import NeurosimError, RunFileError, quoted, require
from neurosim.runfile import checkpoints, copying, digests, disk, scales, tables
from neurosim.runfile.checkpoints import Layout
from neurosim.runfile.disk import (
    FULL,
    Place,
    check_free,
    check_one_name,
    failures_of_the_system,
    followed,
    hdf5,
    read_at_most,
    reserve,
    unwritable,
)
from neurosim.runfile.extension import Extension
from neurosim.runfile.guard import UNREADABLE
from neurosim.runfile.guard import attributes as attributes_of
from neurosim.runfile.opening import RESUMED, SCHEMA_VERSION, damaged, opened, reason
from neurosim.runfile.packing import FILTERS, GrowingDataset
from neurosim.runfile.series import CHUNK, Series
from neurosim.runfile.survey import trust
from neurosim.runfile.writer_lock import WriterLock, new_of

STATUSES = ("running", "complete", "failed", "interrupted")
TEXTS = {"status": 16, "reason": 1000, "altered": 200}  # attributes that change while the run goes have a fixed size, in bytes
MARGIN = 2**18  # bytes for HDF5's own structures
LATER = "responses/"  # what files of the second schema have not
LIBRARY = ("v110", "v110")  # the first version of the format that can be read while it is written


class RunFile:
    """A run file open for writing; close it, or use it in a ``with`` statement.  Made by ``create`` and ``resume``."""

    def __init__(self, path: Path, lock: WriterLock, made: os.stat_result) -> None:
        self.path = path
        self._lock = lock
        self._place = Place(path, made)
        self._datasets: dict[str, GrowingDataset] = {}
        with self._loss_told():
            self._file = hdf5(functools.partial(_swmr_writer, path))

    def __repr__(self) -> str:
        return f"<RunFile {self.path}, open for writing>"

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        model: str,
        attributes: Mapping[str, Any],
        series: Iterable[Series] = (),
        constants: Mapping[str, np.ndarray] | None = None,
        checkpoint: Layout | None = None,
        overwrite: bool = False,
    ) -> RunFile:
        """Return a new file with status ``running``; its folder is made where it is missing, and a link is followed.

        series : what ``append`` will be given; constants : path -> array, written now
        checkpoint : what ``checkpoint`` will be given

        Raises RunFileError where ``path`` exists (without ``overwrite``), cannot be written, or is being written.
        """
        path = followed(path)
        check_free(path, overwrite)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = WriterLock(path)
        except OSError as cause:
            raise unwritable(path, cause) from cause
        fresh = new_of(path, lock.writer.token)
        try:
            with fresh.open("ab", buffering=0) as raw:
                reserve(raw, MARGIN + len(model))
            with failures_of_the_system(), _made(fresh) as file:
                _lay_out(file, model, attributes, series, constants or {})
                checkpoints.lay_out(file, checkpoint or Layout({}, 1))
                scales.lay_out(file)
                digests.seal_all(file, TEXTS)
            made = fresh.stat()
            _take_name(fresh, path, overwrite)
            return cls(path, lock, made)
        except BaseException as cause:
            _discarded(fresh, lock)
            if isinstance(cause, OSError):
                raise unwritable(path, cause) from cause
            raise

    @classmethod
    def resume(
        cls,
        path: Path,
        *,
        series: Iterable[Series] = (),
        checkpoint: Layout | None = None,
        renamed: Callable[[int, Mapping[str, Any]], Mapping[str, Any]] = lambda stage, state: state,
        extension: Extension | None = None,
    ) -> RunFile:
        """Return an existing file, to go on writing after its last checkpoint: rows after that are dropped.

        What is kept is copied and takes the file's name when it is whole, so an interruption loses nothing; this needs as much
        free space as the file takes.  The copy is made anew (see ``recording.copying``): nothing of the file but its names, numbers
        and texts comes into it.

        series, checkpoint : what will be written on, as given to ``create``; the file has to hold it
        renamed : (stage, state of a checkpoint by an earlier version) -> the same as this version names and shapes it
        extension : of a run that is given other epochs than it had

        Raises RunFileError where the file is none, damaged, of another schema, not to be trusted, being written, or has names that
        would not get the copy; OSError where the disk is full.
        """
        path = followed(path)
        with opened(path) as old:
            version = int(old.attrs["schema_version"])
            require(
                version >= RESUMED,
                f"run file {path}: of schema version {version}, which can be read but not resumed; run the model again",
                RunFileError,
            )
        lock = _locked(path)
        fresh = new_of(path, lock.writer.token)
        try:
            check_one_name(path, path.stat().st_nlink)
            if shutil.disk_usage(path.parent).free < path.stat().st_size + MARGIN:
                raise OSError(errno.ENOSPC, f"not enough room on the disk for a copy of run file {path}")
            with failures_of_the_system(), opened(path) as old, _made(fresh) as file:
                tables.check(old)  # an error names the file, not its copy
                moment = checkpoints.last_moment(old)
                copying.copy(old, file, path, without=TEXTS)
                if extension is not None:
                    extension.write(file)
                if checkpoint is not None:
                    checkpoints.renew(file, path, checkpoint, renamed)
                _add_later(file, series := list(series))
                copying.check_fits(file, path, series, checkpoint)
                file.attrs.modify("schema_version", SCHEMA_VERSION)
                scales.lay_out(file)
                tables.rewind(file, moment)
                for place in scales.lost(old, file):
                    told = f"{quoted(place)} has a dimension scale that is not its own: expected none; take it away to resume"
                    raise RunFileError(f"run file {path}: {told}")
                _set_text(file, "status", "running")
                _set_text(file, "reason", "")
                altered = attributes_of(old).get("altered", "")
                _set_text(file, "altered", altered.decode("utf-8", "replace") if isinstance(altered, bytes) else str(altered))
                digests.seal_all(file, TEXTS)
            disk.settle(fresh)
            made = fresh.stat()
            fresh.replace(path)
            return cls(path, lock, made)
        except BaseException as cause:
            _discarded(fresh, lock)
            if isinstance(cause, UNREADABLE) and not isinstance(cause, NeurosimError) and not _of_the_system(cause):
                raise damaged(path, cause) from cause
            raise

    def __enter__(self) -> RunFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was appended is then in it.  Raises what keeps the rest from being written."""
        size = None
        try:
            self.flush()
            size = self._file.id.get_filesize()
        finally:
            try:
                with self._loss_told():
                    self._file.close()
            finally:
                self._place.close(size)
                trust(self.path)
                self._lock.release()

    # ------------------------------------------------------------------ writing

    def append(self, group: str, values: Mapping[str, Any]) -> None:
        """Append one row to each dataset of ``group``: name -> number, or an array.

        Raises OSError, before anything is written, where the disk has no room: HDF5 does not survive a write that fails.
        LostFileError where somebody changed the file.
        """
        self.extend(group, {name: np.asarray(value)[None] for name, value in values.items()})

    def extend(self, group: str, values: Mapping[str, np.ndarray]) -> None:
        """Append rows, as many to each dataset of ``group``: name -> (rows, ...).  Raises as ``append`` does."""
        with self._loss_told():
            self._hold(sum(rows.nbytes for rows in values.values()))
            for name, rows in values.items():
                self._dataset(f"{group}/{name}").extend(rows)

    def _dataset(self, path: str) -> GrowingDataset:
        """Return a dataset to append to; it stays open, with the chunk that is being filled."""
        if path not in self._datasets:
            self._datasets[path] = GrowingDataset(self._file[path])
        return self._datasets[path]

    def flush(self) -> None:
        """Hand everything appended so far to the system: a killed process does not lose it, and readers see it.

        Raises LostFileError where somebody deleted, renamed, replaced or cut the file, or another process took it over.
        """
        with self._loss_told():
            for dataset in self._datasets.values():
                dataset.flush()
            self._file.flush()
        self._place.check()
        self._lock.check()

    def checkpoint(
        self,
        stage: int,
        epoch: int,
        step: int,
        state: Mapping[str, np.ndarray],
        *,
        number: int | None = None,
        passing: Callable[[int, int, bool], bool] = lambda epoch, step, within: False,
    ) -> None:
        """Put ``state``, flat ``group|name`` -> array, in a free slot; only when it lies on the disk does it count.

        epoch, step : of the whole run
        number, passing : see ``checkpoints.write``
        """
        with self._loss_told():
            self._hold(sum(value.nbytes for value in state.values()))
            group = self._file[f"{checkpoints.PLACE}/{stage}"]
            checkpoints.write(group, epoch, step, state, self._settle, number, passing)

    def set_status(self, status: str, reason: str = "") -> None:
        """Set ``status`` and, for a run that failed, the ``reason``; flush."""
        assert status in STATUSES, status
        self.set_text("reason", reason)
        self.set_text("status", status)
        with self._loss_told():
            self._file.flush()

    def set_text(self, name: str, value: str) -> None:
        """Set one of the attributes that change while the run goes."""
        with self._loss_told():
            _set_text(self._file, name, value)

    def last_checkpoint(self) -> dict[str, np.ndarray]:
        """Return what ``checkpoint`` was last given, with ``position|stage``; empty where the run had not come so far."""
        with self._loss_told():
            return checkpoints.last(self._file, self.path)

    def _hold(self, size: int) -> None:
        """Hold room on the disk for ``size`` more bytes, and a margin, behind what HDF5 takes now."""
        self._place.hold(self._file.id.get_filesize() + size + MARGIN)

    def _settle(self) -> None:
        """Return when everything written so far lies on the disk itself."""
        self.flush()
        self._place.settle()

    @contextmanager
    def _loss_told(self) -> Iterator[None]:
        """Raise LostFileError in place of what HDF5 says of a file that somebody changed, and OSError of a write that failed."""
        try:
            with failures_of_the_system():
                yield
        except NeurosimError:
            raise
        except Exception as cause:
            self._place.check()
            if _of_the_system(cause):
                raise
            raise self._place.spoilt(reason(cause)) from cause


def _of_the_system(cause: Exception) -> bool:
    """Return whether the system refused something, as room on the disk: the file is what it was then."""
    return isinstance(cause, MemoryError) or isinstance(cause, OSError) and bool(cause.errno)


# ---------------------------------------------------------------------- making a file


def _lay_out(
    file: h5py.File, model: str, attributes: Mapping[str, Any], series: Iterable[Series], constants: Mapping[str, np.ndarray]
) -> None:
    file.attrs.update({"schema_version": SCHEMA_VERSION, **attributes})
    for name in TEXTS:
        _set_text(file, name, "running" if name == "status" else "")
    file["model"] = model
    for one in series:
        _make_series(file, one)
    for path, values in constants.items():
        file.create_dataset(path, data=values, **({"chunks": True, "fletcher32": True} if values.size else {}))


def _make_series(file: h5py.File, one: Series) -> None:
    options: dict[str, Any] = FILTERS if one.packed else {"fletcher32": True}
    shapes: dict[str, Any] = {"shape": (0, *one.shape), "maxshape": (None, *one.shape), "chunks": one.chunks}
    dataset = file.create_dataset(one.path, dtype=one.dtype, **shapes, **options)
    dataset.attrs.update(one.attributes)


def _add_later(file: h5py.File, series: Iterable[Series]) -> None:
    """Add to the copy of a file of an earlier version what that did not write."""
    for one in series:
        if one.path.startswith(LATER) and one.path not in file:
            _make_series(file, one)


def _set_text(file: h5py.File, name: str, text: str) -> None:
    """Set an attribute of fixed size, in place where it is there."""
    value = np.array(text.encode()[: TEXTS[name]], dtype=h5py.string_dtype("utf-8", TEXTS[name]))
    if name in file.attrs:
        file.attrs.modify(name, value)
    else:
        file.attrs.create(name, value, dtype=value.dtype)


def _made(path: Path) -> h5py.File:
    return hdf5(functools.partial(h5py.File, path, "w", libver=LIBRARY))


def _swmr_writer(path: Path, locking: bool = True) -> h5py.File:
    """Open for writing while others read, in one go: a file opened for writing first would be marked as nobody's to read."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_cache(0, 521, 4 * CHUNK, 1.0)  # of each dataset: the chunk that is being filled; whole ones need not stay
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    read_at_most(access, 1)  # nobody else writes it: what disagrees has been changed, and would be read for ever
    if not locking:
        access.set_file_locking(False, True)
    return h5py.File(h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDWR | h5py.h5f.ACC_SWMR_WRITE, access))


def _take_name(fresh: Path, path: Path, overwrite: bool) -> None:
    """Give a whole file its name, over nothing that must be kept."""
    disk.settle(fresh)
    if overwrite:
        fresh.replace(path)
        return
    try:
        os.link(fresh, path)  # unlike a renaming, this fails where the name is taken by now
    except FileExistsError:
        check_free(path, overwrite)
    except OSError:  # a file system without links
        fresh.rename(path)
    fresh.unlink(missing_ok=True)


def _discarded(fresh: Path, lock: WriterLock) -> None:
    """Leave nothing of a file that could not be made."""
    with suppress(OSError):  # its name may be too long to be looked for
        fresh.unlink(missing_ok=True)
    lock.release()


def _locked(path: Path) -> WriterLock:
    """Return the lock that only one writer of ``path`` has; it ends with its process."""
    try:
        return WriterLock(path)
    except OSError as cause:
        if cause.errno in FULL:
            raise
        raise unwritable(path, cause) from cause
