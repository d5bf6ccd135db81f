"""Ctrl-C, and the signals that end a program, wait for the end of the training step they come in.

A step that is cut in two leaves weights of which some have changed and some have not: nothing can go on from there.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

PAIR = 1.0  # s within which a second signal is taken for part of the first: they often come in pairs


class _Held:
    """How many ``holding`` the main thread is within, and the signal that waits for their end."""

    depth = 0
    waiting: KeyboardInterrupt | None = None
    since = 0.0


def answer(interrupt: KeyboardInterrupt) -> None:
    """Raise ``interrupt``, as a signal handler does; within ``holding`` it waits for the next ``let_go``, or the end.

    One that comes later than PAIR seconds after one that waits is raised at once: whoever sends it does not want to wait.
    """
    if not _Held.depth:
        raise interrupt
    if _Held.waiting is None:
        _Held.waiting, _Held.since = interrupt, time.monotonic()
    elif time.monotonic() - _Held.since > PAIR:
        _Held.waiting = None
        raise interrupt


def let_go() -> None:
    """Raise what waits, if anything: what could be cut in two is whole now."""
    if _Held.waiting is not None and _in_main_thread():
        interrupt, _Held.waiting = _Held.waiting, None
        raise interrupt


@contextmanager
def holding() -> Iterator[None]:
    """Keep a signal waiting within; raise it at the end, at the latest.

    Outside of the command line, which has a handler of its own, that holds for Ctrl-C where Python's own handler answers it.
    Only the main thread is interrupted, so that in any other one this does nothing.
    """
    if not _in_main_thread():
        yield
        return
    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    _Held.depth += 1
    try:
        if own:
            signal.signal(signal.SIGINT, _wait)
        yield
    finally:
        if own:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        _Held.depth -= 1
        if not _Held.depth:
            let_go()


def _wait(number: int, frame: FrameType | None) -> None:
    answer(KeyboardInterrupt())


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
