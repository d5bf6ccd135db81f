"""IDX, MNIST's file format: a big-endian header (magic number, sizes), then one byte per value.

Source: http://yann.lecun.com/exdb/mnist/, "the IDX file format".
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.arrays import Arrays
from neurosim.errors import DataError, require

UNSIGNED_BYTES = 0x08  # the third byte of the magic number names the values' type, the fourth the number of dimensions


def read_idx_files(paths: Sequence[Path]) -> Arrays:
    """Return the data set in four files: training images and labels, test images and labels."""
    x_train, y_train, x_test, y_test = (read_idx(path, ndim) for path, ndim in zip(paths, (3, 1, 3, 1), strict=True))
    return Arrays(x_train, y_train, x_test, y_test)


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """Return the array of ``ndim`` dimensions in the IDX file at ``path``; a name ending in .gz is decompressed.

    Raises
    ------
    DataError
        The file cannot be read, is not the gzip or IDX file its name promises, or is shorter or longer than it says.
    """
    content = _content(path)
    header = 4 + 4 * ndim
    magic = int.from_bytes(content[:4], "big")
    expected_magic = UNSIGNED_BYTES << 8 | ndim
    _expect(path, len(content) >= header, f"{len(content)} bytes", f"a header of {header} bytes")
    _expect(
        path, magic == expected_magic, f"magic number 0x{magic:08x}", f"0x{expected_magic:08x} (bytes in {ndim} dimensions)"
    )
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4))
    size = math.prod(shape)
    _expect(path, size > 0, f"shape {shape}, which is empty", "at least one value")
    values = len(content) - header
    _expect(path, values == size, f"{values} bytes after the header", f"{size} for the shape {shape} that the header gives")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def spellings(name: str) -> tuple[str, ...]:
    """Return the names under which an IDX file is found in the wild: with a dot for the dash, and gzipped."""
    dotted = name.replace("-idx", ".idx")
    return (name, dotted, f"{name}.gz", f"{dotted}.gz")


def _content(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        kind = "a complete gzip file" if path.suffix == ".gz" else "a readable file"
        raise DataError(f"file {path}: {error}: expected {kind}; fetch it again") from None


def _expect(path: Path, condition: bool, found: str, expected: str) -> None:
    require(condition, f"file {path}: {found}: expected {expected}; fetch the file again", DataError)
