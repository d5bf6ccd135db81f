"""CIFAR-10's two file formats: pickled batches (``cifar-10-batches-py``) and binary records (``cifar-10-batches-bin``).

Source: https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.arrays import Arrays
from neurosim.datasets.bounded import LARGEST
from neurosim.datasets.plain_pickle import as_array, unpickled
from neurosim.errors import DataError, require

PIXELS = 3 * 32 * 32  # red, green, blue planes, each row by row
RECORD = 1 + PIXELS  # bytes: the label, then the pixels
BESIDE = 2**20  # bytes of a pickled batch that are no image: labels, file names

Batch = tuple[NDArray[np.uint8], NDArray[Any]]  # images (n, 3072), labels (n,)


def read_pickled_batches(paths: Sequence[Path], most: int = LARGEST) -> Arrays:
    """Return the data set in pickled batches, of ``most`` values together; the last of ``paths`` is the test batch."""
    return _joined(read_pickled_batch, paths, most + BESIDE * len(paths))


def read_binary_batches(paths: Sequence[Path], most: int = LARGEST) -> Arrays:
    """Return the data set in binary batches, of ``most`` values together; the last of ``paths`` is the test batch."""
    return _joined(read_binary_batch, paths, most)


def _joined(read: Callable[[Path], Batch], paths: Sequence[Path], most: int) -> Arrays:
    size = sum(_size(path) for path in paths)
    where = paths[0].parent
    require(size <= most, f"batches in {where}: {size:,} bytes: expected at most {most:,}; fetch the files again", DataError)
    batches = [read(path) for path in paths]
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
    try:
        batch = unpickled(_content(path))
        data, labels = as_array(_value(batch, "data")), as_array(_value(batch, "labels"))
    except DataError as error:
        raise DataError(f"file {path}: {error}") from None
    if data is None or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != PIXELS:
        raise DataError(f"file {path}: no images: expected 'data', bytes of shape (n, {PIXELS}); fetch the file again")
    usable = labels is not None and labels.shape == (len(data),) and 0 <= labels.min(initial=0) <= labels.max(initial=0) < 10
    require(
        usable,
        f"file {path}: no usable labels: expected 'labels', a list of {len(data)} integers from 0 to 9; fetch the file again",
        DataError,
    )
    assert labels is not None
    return data, labels.astype(np.int64)


def _value(batch: Any, key: str) -> Any:
    """Return what ``batch`` holds under ``key``, text or (as in the original files) bytes, or None."""
    return batch.get(key, batch.get(key.encode())) if isinstance(batch, dict) else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"file {path}: {error}: expected a readable file; fetch it again") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"file {path}: {error}: expected a readable file; fetch it again") from None
