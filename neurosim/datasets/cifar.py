"""CIFAR-10's two file formats: pickled batches (``cifar-10-batches-py``) and binary records (``cifar-10-batches-bin``).

Source: https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.arrays import Arrays
from neurosim.errors import DataError, require

PIXELS = 3 * 32 * 32  # red, green, blue planes, each row by row
RECORD = 1 + PIXELS  # bytes: the label, then the pixels

Batch = tuple[NDArray[np.uint8], NDArray[Any]]  # images (n, 3072), labels (n,)


def read_pickled_batches(paths: Sequence[Path]) -> Arrays:
    """Return the data set in pickled batches; the last of ``paths`` is the test batch."""
    return _join([read_pickled_batch(path) for path in paths])


def read_binary_batches(paths: Sequence[Path]) -> Arrays:
    """Return the data set in binary batches; the last of ``paths`` is the test batch."""
    return _join([read_binary_batch(path) for path in paths])


def _join(batches: list[Batch]) -> Arrays:
    images, labels = zip(*batches[:-1], strict=True)
    return Arrays(np.concatenate(images), np.concatenate(labels), *batches[-1])


def read_binary_batch(path: Path) -> Batch:
    """Return the images (n, 3072) and labels (n,) in one binary batch.

    Raises
    ------
    DataError
        The file cannot be read, or is not a whole number of records.
    """
    content = _content(path)
    require(
        len(content) > 0 and len(content) % RECORD == 0,
        f"file {path}: {len(content)} bytes: expected a multiple of {RECORD}; fetch the file again",
        DataError,
    )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)  # (n, 3073)
    return records[:, 1:], records[:, 0]


def read_pickled_batch(path: Path) -> Batch:
    """Return the images (n, 3072) and labels (n,) in one pickled batch; nothing in the file is executed.

    Raises
    ------
    DataError
        The file cannot be read, is damaged, asks for more than arrays, lists and strings, or lacks images or labels.
    """
    batch = _unpickle(path)
    data, labels = _value(batch, "data"), _value(batch, "labels")
    require(
        isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.ndim == 2 and data.shape[1] == PIXELS,
        f"file {path}: no images: expected 'data', bytes of shape (n, {PIXELS}); fetch the file again",
        DataError,
    )
    require(
        isinstance(labels, list)
        and len(labels) == len(data)
        and all(type(label) is int and 0 <= label < 10 for label in labels),
        f"file {path}: no usable labels: expected 'labels', a list of {len(data)} integers from 0 to 9; fetch the file again",
        DataError,
    )
    return data, np.array(labels, np.int64)


def _value(batch: Any, key: str) -> Any:
    """Return what ``batch`` holds under ``key``, text or (as in the original files) bytes, or None."""
    return batch.get(key, batch.get(key.encode())) if isinstance(batch, dict) else None


def _unpickle(path: Path) -> Any:
    content = _content(path)
    try:
        # The original files were written by Python 2, whose strings are bytes.
        return _BatchUnpickler(io.BytesIO(content), encoding="bytes").load()
    except DataError as error:
        raise DataError(f"file {path}: {error}") from None
    except Exception as error:  # a damaged pickle raises whatever its random instructions run into
        what = f"{type(error).__name__} while unpickling"
        raise DataError(f"file {path}: {what}: expected a CIFAR-10 batch; fetch the file again") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"file {path}: {error}: expected a readable file; fetch it again") from None


def _byte_dtype(code: Any, *_: Any) -> np.dtype[Any]:
    """Stand in for ``numpy.dtype`` and make no type but bytes: object arrays could smuggle in what we refuse."""
    if code not in ("u1", b"u1"):
        raise DataError(f"it holds an array of type {code!r}: expected bytes; fetch the file again")
    return np.dtype("u1", copy=True)  # a copy: the pickle sets its state


def _new_array(*_: Any) -> NDArray[np.uint8]:
    """Stand in for NumPy's constructor of an array that the pickle goes on to fill; its arguments are always the same."""
    return np.empty(0, np.uint8)


# numpy.core in the original files, numpy._core in those written by NumPy 2; the class ndarray is only ever an argument.
_PERMITTED: dict[tuple[str, str], Callable[..., Any] | None] = {
    ("numpy.core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.multiarray", "_reconstruct"): _new_array,
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _byte_dtype,
}


class _BatchUnpickler(pickle.Unpickler):
    """Unpickles arrays of bytes, lists, dicts, strings and numbers; everything else a pickle can name is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PERMITTED:
            raise DataError(f"it asks for {module}.{name}, refused: expected arrays and lists only; do not trust this file")
        return _PERMITTED[module, name]
