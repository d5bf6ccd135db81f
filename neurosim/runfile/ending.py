"""Ending a run: what must be done to its end, whatever signal comes."""

from __future__ import annotations

import threading
from collections.abc import Callable


def to_the_end(work: Callable[[], None]) -> list[BaseException]:
    """Do ``work`` to its end on a thread of its own; return what it raised, and each Ctrl-C that came meanwhile.

    A signal reaches the main thread only, and is answered afterwards.
    """
    failures: list[BaseException] = []
    ended = threading.Event()  # a thread whose ``join`` was interrupted is taken for one that has ended (Python 3.11)
    once = threading.Lock()

    def end() -> None:
        if once.acquire(blocking=False):
            try:
                work()
            except BaseException as failure:
                failures.append(failure)
            finally:
                ended.set()

    waited = False
    while not waited:
        try:
            if not once.locked():  # an interrupted ``start`` may or may not have started its thread
                threading.Thread(target=end, name="neurosim-ending").start()
            waited = ended.wait()
        except KeyboardInterrupt as later:
            failures.append(later)
    return failures
