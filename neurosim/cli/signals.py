"""SIGINT, SIGTERM and SIGHUP while a command goes: each ends it as Ctrl-C does, once."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from neurosim import interruption

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C; preemption, a shutdown; a lost connection


class Signals:
    """Raises KeyboardInterrupt in the main thread for each signal that comes within the ``with`` statement.

    One that comes while a network is trained waits for the end of the step (see ``interruption``).
    What the process was told to ignore, as by ``nohup`` or a script's ``&``, stays ignored.  While one signal is being answered
    others change nothing: they often come in pairs, and what is written then must be written to its end.

    program : whether the process ends afterwards; it then is not disturbed in ending either
    only_looks : whether the command has nothing to lose; Ctrl-C then ends it even where a script's ``&`` had it ignored
    """

    def __init__(self, *, program: bool, only_looks: bool = False) -> None:
        self.program = program
        self.only_looks = only_looks
        self.came = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
                before = signal.getsignal(number)
                if before is not None:  # None: set by something that is not Python, and not ours to replace
                    self._before[number] = before
                    ignored = before is signal.SIG_IGN and not (self.only_looks and number == signal.SIGINT)
                    signal.signal(number, _nothing if ignored else self._answer)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, signal.SIG_IGN if self.program and self.came else before)

    def _answer(self, number: int, frame: FrameType | None) -> None:
        if not _interrupted():
            self.came = True
            interruption.answer(KeyboardInterrupt(*([] if number == signal.SIGINT else [f"by {signal.Signals(number).name}"])))


def _nothing(number: int, frame: FrameType | None) -> None:
    """Stand for "ignored", which Brian2, loaded later, would wrap and call."""


def _interrupted() -> bool:
    """Return whether a KeyboardInterrupt is being handled now, or what came of one."""
    error = sys.exception()
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
