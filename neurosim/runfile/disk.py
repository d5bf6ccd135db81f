"""What a file system may lack, or do to a file that is being written."""

from __future__ import annotations

import ctypes
import errno
import io
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import h5py

from neurosim.errors import LostFileError, RunFileError, require

NOT_OFFERED = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EBADF}
FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
BUSY = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}  # of a lock that another process has
AHEAD = 2**24  # bytes that are taken at a time where taking them means to write them
PIECE = bytes(2**20)


def followed(path: Path) -> Path:
    """Return the file that a link leads to, or ``path`` itself; locks and copies lie beside it then, and the link stays."""
    return Path(os.path.realpath(path)) if os.path.islink(path) else path


def check_free(path: Path, overwrite: bool) -> None:
    """Raise RunFileError where ``path`` exists and must not be overwritten."""
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as cause:
        raise unwritable(path, cause) from cause
    require(not path.is_dir(), f"run file {path}: is a folder: expected a file such as run.h5; change --out", RunFileError)
    require(path.is_file(), f"run file {path}: is no ordinary file: expected one such as run.h5; change --out", RunFileError)
    require(
        overwrite,
        f"run file {path}: exists already; give --resume to continue it, --overwrite to replace it, or another --out",
        RunFileError,
    )
    check_one_name(path, there.st_nlink)


def check_one_name(path: Path, names: int) -> None:
    """Raise RunFileError where a file has more names than one: what is swapped in would get this name only."""
    told = f"run file {path}: has {names} names (hard links), and the other names would keep the old content"
    require(names < 2, f"{told}; copy it, and name the copy", RunFileError)


def unwritable(path: Path, cause: OSError) -> RunFileError:
    """Return the error that says a run file cannot be made."""
    why = str(cause).replace("\n", " ")
    if cause.errno == errno.ENAMETOOLONG:
        why = "its name is too long: the names of its lock file and its copy are 30 characters longer; choose a shorter one"
    return RunFileError(f"run file {path}: cannot be written ({why}); name another place with --out")


def hdf5(open_file: Callable[..., h5py.File]) -> h5py.File:
    """Return what ``open_file`` opens; where the file system offers no locks, it is given ``locking=False``.

    HDF5 locks files while it opens them, unless HDF5_USE_FILE_LOCKING is FALSE, and goes on by itself for one of the errors only.
    """
    try:
        return open_file()
    except OSError as cause:
        lacking = "unable to lock file" in str(cause) and cause.errno not in BUSY
        if not lacking and "locking flag values don't match" not in str(cause):  # this process has it open without
            raise
    return open_file(locking=False)


class Taking(io.FileIO):
    """A new file that HDF5 writes, and that takes everything: HDF5 does not survive a write that fails, as on a full disk.

    It goes on then with what it has in memory; what the system said comes out at the end of ``made``.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self.failure: OSError | None = None

    @classmethod
    @contextmanager
    def made(cls, path: Path) -> Iterator[h5py.File]:
        """Yield a new HDF5 file; raise OSError, at its end, where the system did not take all of it."""
        with cls(path) as raw:
            with h5py.File(raw, "w") as file:
                yield file
            if raw.failure is not None:
                raise raw.failure

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while done < len(view) and self.failure is None:
                done += super().write(view[done:])
        except OSError as cause:
            self.failure = cause
        return len(view)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        done = super().readinto(view)
        if self.failure is not None:  # what is missing is zero
            view[done:] = bytes(len(view) - done)
            return len(view)
        return done

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as cause:
            self.failure = self.failure or cause
            return size or 0


@contextmanager
def replacing(path: Path, *, exclusively: bool = False) -> Iterator[Path]:
    """Yield a name to write to; what is written takes the name ``path`` when it is whole, so that nobody sees a part of it.

    exclusively : raise FileExistsError where ``path`` is there by then
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield fresh
        if exclusively:
            _link(fresh, path)
        else:
            fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _link(fresh: Path, path: Path) -> None:
    """Give a file another name, unless that is taken."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with path.open("xb") as file:
            file.write(fresh.read_bytes())


@contextmanager
def failures_of_the_system() -> Iterator[None]:
    """Raise OSError in place of the RuntimeError by which HDF5 tells of some writes that failed, where that quotes its number."""
    try:
        yield
    except RuntimeError as cause:
        quoted = re.search(r"errno = (\d+)", str(cause))
        if quoted is None:  # not the system's
            raise
        raise OSError(int(quoted[1]), os.strerror(int(quoted[1]))) from cause


def read_at_most(access: h5py.h5p.PropFAID, times: int) -> None:
    """Have HDF5 try so often to read what does not agree with its checksum, in a file that is read while it is written.

    It waits twice as long each time, and its own choice of 100 times does not end.  h5py has no call for it, and its library does
    not show the function everywhere (Windows).
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(h5py.h5p.__file__).H5Pset_metadata_read_attempts(ctypes.c_int64(access.id), ctypes.c_uint(times))


def reserve(raw: Any, size: int) -> int:
    """Make a file at least ``size`` bytes long, on the disk; return its length.

    raw : opened for appending.  Such a file glibc does not lengthen by itself where the file system cannot (NFS before 4.2, ext3):
        a byte in each block, over a network each of its own.  Zeros are written instead, and waited for: a network tells of a full
        disk only then.

    Raises OSError where there is no room; the file is then as long as before.
    """
    there = os.fstat(raw.fileno()).st_size
    if size <= there:
        return there
    try:
        os.posix_fallocate(raw.fileno(), there, size - there)
        return size
    except AttributeError:  # Windows, macOS
        pass
    except OSError as cause:
        if cause.errno not in NOT_OFFERED:
            raise
    try:
        return _fill(raw, there, size + AHEAD)
    except OSError as cause:
        if cause.errno not in FULL:
            raise
    return _fill(raw, there, size)


def _fill(raw: Any, there: int, size: int) -> int:
    """Write zeros from ``there`` on until the file is ``size`` bytes long."""
    try:
        missing = size - there
        while missing:
            missing -= os.write(raw.fileno(), PIECE[:missing])
        os.fsync(raw.fileno())
    except OSError:
        os.ftruncate(raw.fileno(), there)
        raise
    return size


def settle(path: Path) -> None:
    """Return when a file lies on the disk itself."""
    with path.open("r+b") as raw:  # Windows settles no file that is opened for reading
        os.fsync(raw.fileno())


class Place:
    """A run file as the file system has it while it is written: the room it takes, and whether it is still what its name names.

    made : the file as it was before it had this name; somebody may have changed it since.  Raises LostFileError where so.
    """

    def __init__(self, path: Path, made: os.stat_result) -> None:
        self.path = path
        self._length = made.st_size
        try:
            self._raw = open(path, "ab", buffering=0, opener=_only_existing)
        except FileNotFoundError:
            self._raise("it was deleted or renamed; run the model again, or continue with --resume and its new name")
        if not os.path.samestat(made, os.fstat(self._raw.fileno())):
            self._raw.close()
            self._raise("another file has its name now")

    def hold(self, size: int) -> None:
        """Have room for ``size`` bytes in all.  Raises OSError where there is none, LostFileError as ``check`` does."""
        if size > self._length:
            self.check()
            self._length = reserve(self._raw, size)

    def settle(self) -> None:
        """Return when everything written so far lies on the disk itself."""
        os.fsync(self._raw.fileno())

    def check(self) -> None:
        """Raise LostFileError where the file was deleted, renamed, replaced or cut short by somebody else."""
        own = os.fstat(self._raw.fileno())
        try:
            there: os.stat_result | None = os.stat(self.path)
        except OSError:
            there = None
        if there is None or not os.path.samestat(own, there):
            self._raise("another file has its name now" if there else _gone(own))
        if own.st_size < self._length:
            self._raise(f"it was cut to {own.st_size:,} bytes; restore it from a copy, or run the model again")

    def spoilt(self, why: str) -> LostFileError:
        """Return the error for a file that has its name and its length, and in which HDF5 finds what was not written."""
        return self._lost(f"what it holds was overwritten ({why}); restore it from a copy, or run the model again")

    def _raise(self, what: str) -> NoReturn:
        raise self._lost(what)

    def _lost(self, what: str) -> LostFileError:
        return LostFileError(f"run file {self.path}: somebody changed it while it was written: {what}")

    def close(self, size: int | None) -> None:
        """Give back what was reserved beyond ``size`` bytes, if that is known."""
        with self._raw as raw:
            if size is not None and os.fstat(raw.fileno()).st_size > size:
                os.ftruncate(raw.fileno(), size)


def _only_existing(path: str, flags: int) -> int:
    """Open a file that is to be there, as ``open`` has it done; what was deleted is not made anew."""
    return os.open(path, flags & ~os.O_CREAT)


def _gone(own: os.stat_result) -> str:
    if own.st_nlink:
        return "it, or its folder, was renamed; continue with --resume and its new name"
    return "it was deleted; run the model again"
