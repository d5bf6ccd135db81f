"""A run file looked through by a process of its own before this one opens it.

HDF5's library loops for ever over some damaged files, takes all memory for some, and ends the process on others; within it nothing
can be done about that, not even Ctrl-C.  So a child opens the file first, visits everything whose reading is not bounded (objects,
attributes, texts, indices of chunks; not the values, which are), and is held to a time and to a memory.  How it ended is
remembered for as long as the file does not change.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import h5py

from neurosim.errors import RunFileError
from neurosim.runfile.disk import hdf5, read_at_most
from neurosim.runfile.guard import UNREADABLE, TooLargeError, attributes, direct, guarded, text
from neurosim.runfile.looking import Ended, Looker

SECONDS = 3  # of the processor's time, and one more for each SPEED bytes of the file: a file that is good takes a few per cent
SPEED = 2**28
PATIENCE = 20  # times as many seconds by the clock: other work or a slow disk is no damage
ATTEMPTS = 26  # at what does not agree with its checksum, in 0.1 s: a writer may be in the middle of it
MEMORY = 2**28  # bytes beyond what the child has when it begins
LOOKER = Looker("neurosim.runfile.survey:main")
UNOPENED, REFUSED = 8, 9  # exit statuses of a child that could not open the file, or says why nobody should

Known = tuple[str, int, int, int, int]
_known: set[Known] = set()  # files that were looked through, or written, by this process, as they were then


def survey(path: Path) -> None:
    """Return when a child has looked through the file; what it could not read is an error wherever it is read here.

    Raises RunFileError where the child did not come to an end, ran out of memory, crashed, or found text without end.
    """
    now = _as_it_is(path)
    if now in _known:
        return
    seconds = SECONDS + _bytes(path) // SPEED
    try:
        ended = LOOKER.look(path.absolute(), seconds, PATIENCE * seconds)
    except OSError as cause:
        raise RunFileError(f"run file {path}: no process can be started to check it ({cause}); free some memory") from cause
    if ended.status not in (0, UNOPENED):
        raise _refused(path, _told(ended, seconds))
    if ended.status == 0:
        _known.add(now)


def trust(path: Path) -> None:
    """Remember a file that this process wrote itself."""
    with suppress(OSError):
        _known.add(_as_it_is(path))


def _as_it_is(path: Path) -> Known:
    found = path.stat()
    return str(path.absolute()), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _bytes(path: Path) -> int:
    """Return the bytes that a file takes on the disk; what it claims is more where it has holes."""
    found = path.stat()
    return min(found.st_size, getattr(found, "st_blocks", found.st_size) * 512)


def _told(ended: Ended, seconds: int) -> str:
    if ended.status == REFUSED:
        return ended.text.strip()
    if ended.status is None or -ended.status in (getattr(signal, "SIGXCPU", None), getattr(signal, "SIGKILL", None)):
        return _endless(seconds)
    if ended.status > 0:
        return f"the process that checked it failed, with status {ended.status}"
    return f"HDF5 crashes on it, with signal {-ended.status}"


def _endless(seconds: int) -> str:
    return f"HDF5 has not read it within {seconds} s"


def _refused(path: Path, why: str) -> RunFileError:
    return RunFileError(f"run file {path}: damaged, or made to harm ({why}); do not trust it, restore it from a copy, or run again")


# ---------------------------------------------------------------------- in the child


def main(path: str, seconds: str) -> None:
    """Look through the file at ``path`` within ``seconds`` of the processor's time, and end the process."""
    _limit(int(seconds))
    try:
        look_through(hdf5(functools.partial(open_read, Path(path))))
    except OSError:
        _end(UNOPENED)
    except MemoryError:
        _end(REFUSED, "it takes more memory than a run file does")
    except TooLargeError as cause:
        _end(REFUSED, str(cause).partition(": ")[2])
    _end(0)


def _end(status: int, why: str = "") -> None:
    """End the process at once: closing a damaged file may fail as well."""
    sys.stdout.write(why)
    sys.stdout.flush()
    os._exit(status)


def _limit(seconds: int) -> None:
    """Have the system end this process after some time, and refuse it memory; where it cannot (Windows), the clock alone counts."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        import psutil

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        most = psutil.Process().memory_info().vms + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def open_read(path: Path, locking: bool | None = None) -> h5py.File:
    """Return a file opened for reading, also where it is being written, or was left open by a process that was killed.

    locking : False where the file system offers no locks (see ``disk.hdf5``)

    Raises OSError where that cannot be done.
    """
    try:
        return h5py.File(path, "r", locking=locking)
    except OSError as cause:
        if "already open for write" not in str(cause):
            raise
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    if locking is False:
        access.set_file_locking(False, True)
    read_at_most(access, ATTEMPTS)
    return h5py.File(h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDONLY | h5py.h5f.ACC_SWMR_READ, access))


def look_through(file: h5py.File) -> None:
    """Visit everything in the file that this package would; pass over what cannot be read.

    Raises MemoryError, TooLargeError.
    """
    pending: list[str] = [""]
    seen: set[int] = set()
    while pending:
        place = pending.pop()
        with _PassedOver():
            item = direct(file, place)
            where = h5py.h5o.get_info(item.id).addr
            if where not in seen:
                seen.add(where)
                pending += _within(item, place)


def _within(item: h5py.Group | h5py.Dataset, place: str) -> list[str]:
    """Return the places within a group; look at everything of a dataset but its values."""
    with _PassedOver():
        attributes(item)
    if isinstance(item, h5py.Group):
        return [f"{place}/{name}" for name in item]
    if isinstance(item, h5py.Dataset):
        text(item) if h5py.check_string_dtype(item.dtype) else guarded(item)
    return []


class _PassedOver:
    """Passes over what cannot be read, unless it would take the memory again wherever it is read."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, TooLargeError):
            return False
        if isinstance(error, UNREADABLE) and "alloc" in str(error):
            raise MemoryError from error
        return isinstance(error, UNREADABLE)
