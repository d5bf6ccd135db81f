"""IDX, MNIST's file format: a big-endian header (magic number, sizes), then one byte per value.

Source: http://yann.lecun.com/exdb/mnist/, "the IDX file format".
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.arrays import Arrays
from neurosim.datasets.bounded import LARGEST, opened
from neurosim.errors import DataError, quoted, require

UNSIGNED_BYTES = 0x08  # the third byte of the magic number names the values' type, the fourth the number of dimensions


def read_idx_files(paths: Sequence[Path], most: int = LARGEST) -> Arrays:
    """Return the data set in four files: training images and labels, test images and labels; none has over ``most`` values."""
    x_train, y_train, x_test, y_test = (read_idx(path, ndim, most) for path, ndim in zip(paths, (3, 1, 3, 1), strict=True))
    return Arrays(x_train, y_train, x_test, y_test)


def read_idx(path: Path, ndim: int, most: int = LARGEST) -> NDArray[np.uint8]:
    """Return the array of ``ndim`` dimensions in the IDX file at ``path``, which may be gzipped.

    Raises
    ------
    DataError
        The file cannot be read, is no IDX file of bytes, declares more than ``most`` values, or is shorter or longer than it says.
    """
    with opened(path, most) as stream:
        shape = _shape(path, stream.read(4 + 4 * ndim), ndim)
        size = math.prod(shape)
        _expect(path, size <= most, f"shape {shape}", f"at most {most:,} values, as many as the data set has")
        content = stream.read(size + 1)
    more = "more than " if len(content) > size else ""
    _expect(
        path,
        len(content) == size,
        f"{more}{min(len(content), size)} bytes after the header",
        f"{size} for the shape {shape} that the header gives",
    )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(path: Path, header: bytes, ndim: int) -> tuple[int, ...]:
    """Return the sizes that a file's first bytes give."""
    if header.lstrip()[:1] == b"<":
        raise DataError(f"file {path}: begins {quoted(header)}: a web page, not data; expected an IDX file; fetch it again")
    length = 4 + 4 * ndim
    magic, expected_magic = int.from_bytes(header[:4], "big"), UNSIGNED_BYTES << 8 | ndim
    _expect(path, len(header) == length, f"{len(header)} bytes", f"a header of {length} bytes")
    _expect(
        path, magic == expected_magic, f"magic number 0x{magic:08x}", f"0x{expected_magic:08x} (bytes in {ndim} dimensions)"
    )
    shape = tuple(int.from_bytes(header[i : i + 4], "big") for i in range(4, length, 4))
    _expect(path, math.prod(shape) > 0, f"shape {shape}, which is empty", "at least one value")
    return shape


def md5(values: NDArray[np.uint8], shape: tuple[int, ...]) -> str:
    """Return the checksum of the uncompressed IDX file that holds ``values`` in ``shape``, from whatever file they came."""
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    total = hashlib.md5(bytes([0, 0, UNSIGNED_BYTES, len(shape)]) + sizes, usedforsecurity=False)
    total.update(np.ascontiguousarray(values).data)
    return total.hexdigest()


def spellings(name: str) -> tuple[str, ...]:
    """Return the names under which an IDX file is found in the wild: with a dot for the dash, with ``.idx`` after it, gzipped."""
    dotted = name.replace("-idx", ".idx")
    plain = (name, dotted, f"{name}.idx", f"{dotted}.idx")
    return (*plain, *(f"{each}.gz" for each in plain))


def _expect(path: Path, condition: bool, found: str, expected: str) -> None:
    require(condition, f"file {path}: {found}: expected {expected}; fetch the file again", DataError)
