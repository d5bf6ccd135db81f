"""Numbers too small for full precision, taken as zero.

What decays and is fed no more (a moment of an optimiser, a trace, a conductance of a silent synapse) ends below the smallest number
of full precision, and stays there.  On x86, an operation on such a subnormal number takes many times as long as on any other
(``python -m benchmarks.silence``).  So a training step, an evaluation and the ticks of a simulation treat them as zero, those they
read and those they compute: below 1.2e-38 in float32, and 2.2e-308 in float64.  GPUs and other processors, which are said to be as
fast with them, keep them.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import threading
from collections.abc import Callable
from typing import Any

from neurosim.backends.machine_code import compiled

X86 = ("x86_64", "amd64")
FLUSH, READ_AS_ZERO = 1 << 15, 1 << 6  # bits of the processor's control word: for what is computed, and for what is read

# keeps of the calling thread's control word the bits of %kept, sets those of %bits, and returns the word before
EXCHANGE = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define i32 @NAME(i32 %bits, i32 %kept) {
  %word = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %word)
  %before = load i32, ptr %word
  %rest = and i32 %before, %kept
  %after = or i32 %rest, %bits
  store i32 %after, ptr %word
  call void @llvm.x86.sse.ldmxcsr(ptr %word)
  ret i32 %before
}
"""
ALL = 0xFFFFFFFF


class SubnormalsAsZero:
    """A context in which the calling thread, and threads of OpenMP that it calls, take subnormal numbers as zero.

    It can be entered within itself and by several threads; what the thread did before comes back at its end.
    """

    def __init__(self) -> None:
        self._before = threading.local()

    def __repr__(self) -> str:
        return "SubnormalsAsZero()"

    def __enter__(self) -> None:
        exchange = _exchange()
        if exchange is not None:
            vars(self._before).setdefault("words", []).append(exchange(FLUSH | READ_AS_ZERO, ALL))

    def __exit__(self, *cause: object) -> None:
        exchange = _exchange()
        if exchange is not None:
            exchange(self._before.words.pop() & (FLUSH | READ_AS_ZERO), ALL & ~(FLUSH | READ_AS_ZERO))


@functools.cache
def _exchange() -> Callable[[int, int], int] | None:
    """Return what changes the control word of the calling thread; None on other processors than x86."""
    if platform.machine().lower() not in X86:
        return None
    # PYFUNCTYPE: it takes less time than to let other threads go on meanwhile
    function: Any = ctypes.PYFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)(compiled([EXCHANGE])[EXCHANGE])
    return function  # type: ignore[no-any-return]


SUBNORMALS_AS_ZERO = SubnormalsAsZero()
