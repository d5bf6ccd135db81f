"""Who writes a run file: a lock file beside it, ``RUN.lock``, names the process, which touches it as long as it lives.

It asks nothing of a file system but that a new name is given once: ``flock`` is not offered everywhere (Lustre, some NFS), or holds
on one machine only.  Whether a process of this machine lives is asked of the system; one of another machine, or of another
container, is taken for dead when its lock file has not been touched for a while.  Looking changes nothing, so readers need no more
than to read.  A writer that was only held up finds out when it flushes, and ends; its file had been swapped for a copy by then.
"""

from __future__ import annotations

import os
import secrets
import socket
import stat
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from neurosim.errors import LostFileError, RunFileError, quoted, require
from neurosim.runfile.disk import followed

BEAT = 2.0  # seconds between two touches of the lock file
SILENT = 10.0  # seconds without one, as seen from here, after which nobody is there; half may be by the clocks, which may differ
LONG = 600.0  # seconds without one by the clocks alone
SETTLING = 0.2  # seconds after which one of several that take over a lock at once knows whether it has it
ALIKE = 60.0  # seconds by which the start of a process may seem to move: clocks are set


@dataclass(frozen=True)
class Writer:
    """Who a lock file names.

    machine : one run of one system, and the container; started : when the process was, in seconds; token : of this lock alone
    """

    pid: int
    host: str
    machine: str
    started: float
    token: str

    @classmethod
    def here(cls) -> Writer:
        """Return this process, with a new token."""
        return cls(os.getpid(), socket.gethostname(), _machine(), psutil.Process().create_time(), secrets.token_hex(8))

    @classmethod
    def named(cls, text: str) -> Writer:
        """Return who a lock file's text names; where it names nobody, as before it is written, that is process 0."""
        pid, host, machine, started, token, *_ = [*text.splitlines(), *[""] * 5]
        with suppress(ValueError):
            return cls(int(pid), host, machine, float(started or 0), token if token.isalnum() else "")
        return cls(0, "", "", 0.0, "")

    def __str__(self) -> str:
        return f"process {self.pid} on {quoted(self.host)}" if self.pid else "its lock file does not say which"

    @property
    def record(self) -> str:
        """The text of the lock file."""
        return f"{self.pid}\n{self.host}\n{self.machine}\n{self.started}\n{self.token}\n"

    @property
    def local(self) -> bool:
        """Whether this process sees that one."""
        return (self.host, self.machine) == (socket.gethostname(), _machine())

    def lives(self) -> bool | None:
        """Return whether the process, a local one, lives; None where its number may be another's by now."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return True if abs(process.create_time() - self.started) < ALIKE else None
        except (psutil.NoSuchProcess, ValueError, OverflowError):
            return False
        except psutil.AccessDenied:
            return None


def _machine() -> str:
    parts = []
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


# ---------------------------------------------------------------------- looking


class Signs:
    """The signs of life of whoever writes a run file, as seen since this was made."""

    def __init__(self, path: Path) -> None:
        self.lock = lock_of(followed(path))
        self.beats = 0
        self._beat: float | None = None
        self._since = 0.0

    def writer(self) -> Writer | None:
        """Return who writes the file now, for all that was seen; None: nobody."""
        found = _read(self.lock)
        if found is None:
            return None
        text, beat = found
        writer = Writer.named(text)
        self._see(beat)
        lives = writer.lives() if writer.local else None
        return writer if lives or (lives is None and time.monotonic() - self._since < SILENT) else None

    def _see(self, beat: float) -> None:
        if beat == self._beat:
            return
        self._since = time.monotonic()
        if self._beat is None:
            age = time.time() - beat
            self._since -= SILENT if age > LONG else min(max(age, 0.0), SILENT / 2)
        else:
            self.beats += 1
        self._beat = beat


def being_written(path: Path) -> bool:
    """Return whether a process writes ``path`` now; a file whose process was killed says "running" too.

    Of a process of another machine that is not known at once: one that was killed within the last minutes is taken to live.
    """
    return Signs(path).writer() is not None


def lock_of(path: Path) -> Path:
    """Return the lock file of a run file."""
    return path.with_name(f"{path.name}.lock")


def new_of(path: Path, token: str) -> Path:
    """Return the name of a run file while it is made by the writer with ``token``."""
    return path.with_name(f"{path.name}.{token}.new")


def _read(lock: Path) -> tuple[str, float] | None:
    """Return a lock file's text and when it was touched, in seconds; None where there is none."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # opened anew: NFS then asks its server
    except PermissionError:
        return "", lock.stat().st_mtime
    except OSError:
        return None
    try:
        return os.read(descriptor, 1000).decode(errors="replace"), os.fstat(descriptor).st_mtime
    except OSError:
        return "", os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------------- having


class WriterLock:
    """The lock of a run file that this process alone writes, from when this is made until ``release``, or the process's end.

    name : what messages call it; a folder may be locked by one of its files

    Raises RunFileError where another process has it, OSError where the lock file cannot be made.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        self.path = path
        self.name = name or f"run file {path}"
        self.file = lock_of(path)
        self.writer = Writer.here()
        self._acquire()
        stop = threading.Event()
        self._release = weakref.finalize(self, _release, self.file, self.writer, stop)
        threading.Thread(target=_beat, args=(self.file, self.writer, stop), name="neurosim-lock", daemon=True).start()

    def release(self) -> None:
        """Give the lock back."""
        self._release()

    def check(self) -> None:
        """Raise LostFileError where another process has taken the lock, as it may when this one was held up for long."""
        found = _read(self.file)
        other = Writer.named(found[0]) if found else self.writer
        kept = other == self.writer or not other.token
        require(kept, f"{self.name}: {other} writes it now; let that continue, or run again with another --out", LostFileError)

    def _acquire(self) -> None:
        signs, until = Signs(self.path), time.monotonic() + SILENT
        while not _made(self.file, self.writer):
            found = _read(self.file)
            known = found is None or not found[0].strip() or Writer.named(found[0]).pid > 0
            known = known and _may_be_lock(self.file) and (found is not None or time.monotonic() < until)
            require(known, f"{self.name}: {self.file} is no lock of a run file; move it away", RunFileError)
            writer = signs.writer()
            if writer is None:
                if found is not None and self._take_over(Writer.named(found[0])):
                    return
            elif writer.local or signs.beats:
                raise RunFileError(f"{self.name}: another process is writing it ({writer}); wait until that has ended")
            else:
                time.sleep(SETTLING)  # until it has shown that it lives, or has not for long enough

    def _take_over(self, dead: Writer) -> bool:
        """Put this process's lock in place of a dead one's, and remove what that one left; return whether it is had."""
        if dead.token:
            new_of(self.path, dead.token).unlink(missing_ok=True)
        with _written(self.file.with_name(f"{self.file.name}.{self.writer.token}"), self.writer) as own:
            os.replace(own, self.file)
        time.sleep(SETTLING)
        found = _read(self.file)
        return found is not None and found[0] == self.writer.record


def _made(lock: Path, writer: Writer) -> bool:
    """Make the lock file; return False where there is one."""
    try:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(writer.record.encode())
    except BaseException:  # a full disk, or Ctrl-C
        lock.unlink(missing_ok=True)
        raise
    return True


def _may_be_lock(lock: Path) -> bool:
    """Return whether what has the lock file's name is a file, or is gone by now; a link, a pipe or a folder is somebody's."""
    try:
        return stat.S_ISREG(lock.lstat().st_mode)
    except FileNotFoundError:
        return True


@contextmanager
def _written(path: Path, writer: Writer) -> Iterator[Path]:
    """Write a lock file under a name of its own, which is gone in the end."""
    try:
        path.write_bytes(writer.record.encode())
        yield path
    finally:
        path.unlink(missing_ok=True)


def _beat(lock: Path, writer: Writer, stop: threading.Event) -> None:
    """Touch the lock file again and again; make it anew where somebody has removed it."""
    while not stop.wait(BEAT):
        with suppress(OSError):
            found = _read(lock)
            if found is None:
                _made(lock, writer)
            elif found[0] == writer.record:
                os.utime(lock)


def _release(lock: Path, writer: Writer, stop: threading.Event) -> None:
    stop.set()
    found = _read(lock)
    if os.getpid() == writer.pid and found is not None and found[0] == writer.record:  # not in a fork of the process
        with suppress(OSError):
            lock.unlink()
