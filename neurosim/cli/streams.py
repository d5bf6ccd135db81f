"""Standard streams that are closed, full, or no longer read."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from neurosim.cli.terminal import say
from neurosim.errors import NeurosimError


class Unread(NeurosimError):
    """Nobody reads what is printed any more, as after ``| head``; the status is a shell's, 128 + SIGPIPE."""

    exit_status = 141


def ensure() -> None:
    """Open what the process was started without, as by ``>&-``.

    Python has None in its place, and the next file that is opened, a run file perhaps, would be written to by whatever prints.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 the lowest number that is free, and so the one that is closed


def tell(message: str) -> None:
    """Print one line on stderr, where that can be done; on a narrow terminal it is broken between words."""
    with suppress(OSError, ValueError):
        say(message, sys.stderr)


class Warnings(logging.Handler):
    """Prints what the package warns of, each as one line that says where it comes from."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(f"neurosim: warning: {' '.join(record.getMessage().splitlines())}")


@contextmanager
def warnings_told() -> Iterator[None]:
    """Print the package's warnings on stderr within the ``with`` statement."""
    log, handler = logging.getLogger("neurosim"), Warnings(logging.WARNING)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def settle() -> None:
    """Leave nothing behind that Python would try in vain to write when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):  # a stream without a number of its own, as a test's
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


class LossyStream:
    """A stream for what may as well not be printed: from the first write that fails on, nothing is.

    failure : the OSError of that write
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._tried(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._tried(self._stream.flush)

    def _tried(self, what: Callable[[], Any]) -> None:
        if self.failure is None:
            try:
                what()
            except OSError as cause:
                self.failure = cause


def going_on_unread(command: Callable[..., None]) -> Callable[..., None]:
    """Return ``command`` with a standard output whose loss does not end it: a training is worth more than its progress.

    Raises the OSError at the end, unless nobody wanted to read on.
    """

    @functools.wraps(command)
    def going_on(*arguments: Any, **options: Any) -> None:
        before, sys.stdout = sys.stdout, LossyStream(sys.stdout)  # type: ignore[assignment]
        try:
            command(*arguments, **options)
            sys.stdout.flush()
            failure = sys.stdout.failure  # type: ignore[attr-defined]
        finally:
            sys.stdout = before
        if failure is not None and not isinstance(failure, BrokenPipeError):
            raise OSError(f"{failure}: what was printed is lost; the training came to its end") from failure

    return going_on
