"""Children that look through run files: forked, where the system can, from one process that has imported all that looking takes.

To start Python and import h5py takes a third of a second; to fork, some milliseconds.  That process opens no file itself, ends with
the one it serves, and when it has had nothing to do for a while.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

IDLE = 60.0  # seconds without a request
FORKS = hasattr(os, "fork")
ALONE = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")}


class Ended(NamedTuple):
    """How a child ended: its exit status, or minus the signal; None where its time by the clock was over.  text : what it said."""

    status: int | None
    text: str


def command(entry: str, *arguments: str) -> list[str]:
    """Return the command of a process that calls ``entry``, ``module:function``.

    It imports what this process did, and nothing from the working directory otherwise.
    """
    module, _, function = entry.partition(":")
    own = Path(__file__).resolve().parents[2]
    places = [os.fspath(own), *(place for place in sys.path if os.path.isabs(place))]
    end = 1 + len(arguments)
    code = f"import sys; sys.path[:] = sys.argv[{end}:]; from {module} import {function}; {function}(*sys.argv[1:{end}])"
    return [sys.executable, "-I", "-c", code, *arguments, *places]


class Looker:
    """Runs ``entry(path, seconds)`` of this package in a child for each file, one at a time."""

    def __init__(self, entry: str) -> None:
        self.entry = entry
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._environment: dict[str, str] = {}
        atexit.register(self.end)
        if FORKS:
            os.register_at_fork(after_in_child=self._forget)

    def look(self, path: Path, seconds: int, patience: float) -> Ended:
        """Return how the child ended.

        seconds : of the processor's time, which the child sees to; patience : seconds by the clock
        Raises OSError where no process can be started.
        """
        if not FORKS:
            return self._apart(path, seconds, patience)
        with self._lock:
            try:
                for _ in range(2):  # it may have ended just now, with nothing to do
                    answer = self._asked(path, seconds, patience)
                    if answer is not None:
                        return answer
            except BaseException:  # Ctrl-C: what it says later is of this file, and nobody reads it
                self.end()
                raise
        raise OSError("the process that starts it ended")

    def _asked(self, path: Path, seconds: int, patience: float) -> Ended | None:
        server = self._started()
        assert server.stdin is not None and server.stdout is not None
        with suppress(BrokenPipeError):
            server.stdin.write(json.dumps([os.fspath(path), seconds, patience]).encode() + b"\n")
            server.stdin.flush()
            if line := server.stdout.readline():
                return Ended(*json.loads(line))
        self.end()
        return None

    def _started(self) -> subprocess.Popen[bytes]:
        """Return the process that forks, a new one where what HDF5 reads from the environment has changed."""
        environment = {name: value for name, value in os.environ.items() if name.startswith("HDF5")}
        if self._server is None or self._server.poll() is not None or environment != self._environment:
            self.end()
            run, pipe, nowhere = command("neurosim.runfile.looking:serve", self.entry), subprocess.PIPE, subprocess.DEVNULL
            self._server = subprocess.Popen(run, stdin=pipe, stdout=pipe, stderr=nowhere, env={**os.environ, **ALONE})
            self._environment = environment
        return self._server

    def end(self) -> None:
        """End the process that forks, and with it the child of now."""
        server, self._server = self._server, None
        if server is None:
            return
        with suppress(OSError):
            server.terminate()
        for pipe in (server.stdin, server.stdout):
            with suppress(OSError):
                assert pipe is not None
                pipe.close()
        server.wait()

    def _forget(self) -> None:
        """In a fork of this process: the other one's pipes are not its own."""
        self._lock = threading.Lock()
        if self._server is not None:
            self._server.returncode = 0  # or it would be waited for, and is no child of this one
        self._server = None

    def _apart(self, path: Path, seconds: int, patience: float) -> Ended:
        run, pipe, nowhere = command(self.entry, os.fspath(path), str(seconds)), subprocess.PIPE, subprocess.DEVNULL
        try:
            child = subprocess.run(
                run, stdin=nowhere, stdout=pipe, stderr=nowhere, env={**os.environ, **ALONE}, timeout=patience
            )
        except subprocess.TimeoutExpired:
            return Ended(None, "")
        return Ended(child.returncode, child.stdout.decode(errors="replace"))


# ---------------------------------------------------------------------- in the process that forks


def serve(entry: str) -> None:
    """Fork a child for each line of standard input, ``[path, seconds, patience]``; answer how it ended on standard output."""
    module, _, function = entry.partition(":")
    look = getattr(__import__(module, fromlist=[function]), function)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process it serves, which ends it
    child = 0

    def end(*_: object) -> NoReturn:
        if child:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    while select.select([0], [], [], IDLE)[0]:
        line = sys.stdin.buffer.readline()
        if not line:
            break
        path, seconds, patience = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            _begin(look, path, seconds, reader, writer)
        os.close(writer)
        status = _status(child, patience)
        with os.fdopen(reader, "rb") as said:
            text = said.read(10_000).decode(errors="replace")
        child = 0
        sys.stdout.write(json.dumps([status, text]) + "\n")
        sys.stdout.flush()
    os._exit(0)


def _begin(look: Callable[[str, str], None], path: str, seconds: int, reader: int, writer: int) -> NoReturn:
    """In the child: look, with standard output as what it says and no standard input."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(reader)
        os.dup2(writer, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        look(path, str(seconds))
    finally:
        os._exit(1)  # it leaves by itself where all is well


def _status(child: int, patience: float) -> int | None:
    """Return a child's exit status, minus the signal that ended it, or None where its time by the clock was over."""
    end, pause = time.monotonic() + patience, 0.0005
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
