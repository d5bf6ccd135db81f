"""Work that goes on beside training, in order, on a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

Work = Callable[[], None]


class Background:
    """Does what it is given, one after the other.

    limit : bytes of what may wait; while there is no room, ``put`` waits, so that a slow disk slows the run down and memory does
        not grow.  A single piece that is larger is taken when nothing else waits.

    What a piece of work raises comes out of the next ``put`` or ``wait``; nothing after it is done.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._waiting: deque[tuple[int, Work]] = deque()
        self._size = 0
        self._failure: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="neurosim-recording", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<Background: {self._size:,} of {self.limit:,} bytes wait>"

    def put(self, size: int, prepare: Callable[[], Work]) -> None:
        """Hand over what ``prepare`` returns, which holds ``size`` bytes; it is called, here, when there is room for them."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure or not self._size or self._size + size <= self.limit)
            self._raise()
            self._waiting.append((size, prepare()))
            self._size += size
            self._changed.notify_all()

    def wait(self) -> None:
        """Return when everything is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure or not self._size and not self._waiting)
            self._raise()

    def close(self) -> None:
        """End the thread when everything is done, or nothing more can be; what failed is not raised again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                size, work = self._waiting[0]
            try:
                work()
            except BaseException as failure:  # it is the training thread's to raise
                self._end(failure)
                return
            del work  # what it holds is free before it is counted out
            with self._changed:
                self._waiting.popleft()
                self._size -= size
                self._changed.notify_all()

    def _end(self, failure: BaseException) -> None:
        with self._changed:
            self._failure = failure
            self._waiting.clear()
            self._size = 0
            self._changed.notify_all()
