"""Unpickling arrays, lists, numbers and strings, and nothing else: a pickle is a program, and this one has no instructions left.

Python's own unpickler does the work, in its version written in Python: the one in C takes as much memory as a five-byte
instruction asks for.  It keeps the instructions that data need.  What a pickle calls by name are stand-ins below, which hold the
parts of an array until ``as_array`` checks them: NumPy's own ``__setstate__`` believes whatever flags it is given.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import DataError, quoted, require

STEPS = 1_000_000  # reads from a pickle; CIFAR-10's batches take 80,000
WHOLE_NUMBERS = tuple(f"{kind}{size}" for kind in "ui" for size in (1, 2, 4, 8))

# No sets, no instances, no extensions, no persistent names, no buffers from elsewhere.
INSTRUCTIONS = (
    *(pickle.PROTO, pickle.FRAME, pickle.MARK, pickle.STOP, pickle.POP, pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE),
    *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.BINFLOAT),
    *(pickle.BINSTRING, pickle.SHORT_BINSTRING, pickle.BINBYTES, pickle.SHORT_BINBYTES, pickle.BINBYTES8),
    *(pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8),
    *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_DICT),
    *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE, pickle.BINGET, pickle.LONG_BINGET),
    *(pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.REDUCE),
)


def unpickled(content: bytes) -> Any:
    """Return what ``content`` holds, with arrays as parts for ``as_array``.

    Raises
    ------
    DataError
        It is damaged, or asks for anything but arrays of whole numbers, lists, dictionaries, numbers and strings.
    """
    try:
        return _Unpickler(_Counted(content)).load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle raises whatever its random instructions run into
        what = f"{type(error).__name__} while unpickling"
        raise DataError(f"{what}: expected a CIFAR-10 batch; fetch the file again") from None


def as_array(value: Any) -> NDArray[Any] | None:
    """Return an array's parts, or a list of integers below 256, as an array; None for anything else."""
    if isinstance(value, list) and all(type(each) is int and 0 <= each < 256 for each in value):
        return np.array(value, np.int64)
    if not isinstance(value, _Array) or not isinstance(value.dtype, _Dtype):
        return None
    shape, raw = value.shape, value.raw
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape) or not isinstance(raw, bytes):
        return None
    dtype = value.dtype.checked()
    if math.prod(shape) * dtype.itemsize != len(raw):
        return None
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if value.fortran else "C")


class _Dtype:
    """Stands in for ``numpy.dtype``."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code, self.order = code.decode("latin1") if isinstance(code, bytes) else code, "|"
        if self.code not in WHOLE_NUMBERS:
            raise DataError(f"it holds an array of type {quoted(code)}: expected bytes; fetch the file again")

    def set_state(self, state: Any) -> None:
        self.order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]

    def checked(self) -> np.dtype[Any]:
        return np.dtype(("<" if self.order not in ("<", ">") else self.order) + self.code)


class _Array:
    """Stands in for NumPy's constructor of an array that the pickle goes on to fill."""

    def __init__(self, *_: Any) -> None:
        self.shape: Any = None
        self.dtype: Any = None
        self.fortran: Any = False
        self.raw: Any = None

    def set_state(self, state: Any) -> None:
        _, self.shape, self.dtype, self.fortran, self.raw = state


def _from_buffer(raw: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> _Array:
    """Stand in for how arrays are written since protocol 5."""
    array = _Array()
    array.set_state((1, shape, dtype, order == "F", raw))
    return array


def _scalar(dtype: Any, raw: Any) -> Any:
    """Stand in for one number of NumPy's, as in a list of labels."""
    return np.frombuffer(raw, dtype.checked())[0].item()


def _no_bytes() -> bytes:
    """Stand in for how Python 3 writes no bytes at all for Python 2."""
    return b""


_PERMITTED: dict[tuple[str, str], Any] = {  # numpy.core in the original files, numpy._core in those written by NumPy 2
    (f"numpy.{core}.{module}", name): stand_in
    for core in ("core", "_core")
    for module, name, stand_in in (
        ("multiarray", "_reconstruct", _Array),
        ("multiarray", "scalar", _scalar),
        ("numeric", "_frombuffer", _from_buffer),
    )
} | {("numpy", "ndarray"): None, ("numpy", "dtype"): _Dtype, ("__builtin__", "bytes"): _no_bytes}  # ndarray is only an argument


class _Counted(io.BytesIO):
    """A pickle's content; each instruction is one read, or a few: a flood of them is refused."""

    steps = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.steps += 1
        require(self.steps <= STEPS, f"over {STEPS:,} instructions: expected a CIFAR-10 batch; do not trust this file", DataError)
        return super().read(size)


class _Unpickler(pickle._Unpickler):
    stack: Any
    append: Any
    read: Any
    pop_mark: Any

    def __init__(self, content: _Counted) -> None:
        super().__init__(content, encoding="bytes")  # written by Python 2, whose strings are bytes
        self.encoded = len(content.getbuffer())  # what may be made of text: no more than all of the file, once

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return self.encode
        if (module, name) not in _PERMITTED:
            what = quoted(f"{module}.{name}")[1:-1]
            raise DataError(f"it asks for {what}, refused: expected arrays and lists only; do not trust this file")
        return _PERMITTED[module, name]

    def encode(self, text: str, encoding: str) -> bytes:
        """Return bytes that Python 3 wrote for Python 2, as text."""
        self.encoded -= len(text)
        known = encoding == "latin1" and self.encoded >= 0
        require(known, f"it encodes to {quoted(encoding)}, refused: expected latin1, once; do not trust this file", DataError)
        return text.encode("latin1")

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.fill([key, value])

    def set_items(self) -> None:
        self.fill(self.pop_mark())

    def fill(self, items: Sequence[Any]) -> None:
        """Fill the dictionary on the stack; tuples are no keys, since tuples nested without end cannot be hashed."""
        for key, value in zip(items[::2], items[1::2], strict=True):
            named = isinstance(key, (str, bytes))
            require(named, f"it holds a {type(key).__name__} as a key: expected names; do not trust this file", DataError)
            self.stack[-1][key] = value

    def build(self) -> None:
        state = self.stack.pop()
        filled = self.stack[-1]
        known = isinstance(filled, (_Array, _Dtype))
        require(known, "it fills what is no array, refused: expected arrays and lists only; do not trust this file", DataError)
        filled.set_state(state)

    def byte_array(self) -> None:
        self.append(self.read(int.from_bytes(self.read(8), "little")))

    dispatch = {code[0]: pickle._Unpickler.dispatch[code[0]] for code in INSTRUCTIONS} | {  # type: ignore[assignment]
        pickle.SETITEM[0]: set_item,
        pickle.SETITEMS[0]: set_items,
        pickle.BUILD[0]: build,
        pickle.BYTEARRAY8[0]: byte_array,
    }
