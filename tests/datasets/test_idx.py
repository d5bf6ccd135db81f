from __future__ import annotations

import contextlib
import gzip
import math
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from neurosim.datasets.idx import read_idx, spellings
from neurosim.errors import DataError

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def written(values: NDArray[np.uint8]) -> bytes:
    """Return the IDX file of ``values``, written from the format's description."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


def read(content: bytes, ndim: int, name: str = "file") -> NDArray[np.uint8]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return read_idx(path, ndim)


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, max_side=5)), st.booleans())
def test_what_is_written_is_read(values: NDArray[np.uint8], zipped: bool) -> None:
    content = gzip.compress(written(values), 1) if zipped else written(values)
    found = read(content, values.ndim, "file.gz" if zipped else "file")
    assert found.dtype == np.uint8
    assert np.array_equal(found, values)


@given(st.binary(max_size=64), st.sampled_from([1, 3]), st.sampled_from(["file", "file.gz"]))
def test_arbitrary_bytes_raise_nothing_but_data_errors(content: bytes, ndim: int, name: str) -> None:
    with pytest.raises(DataError, match="expected"):
        read(content, ndim, name)


@given(st.lists(st.integers(0, 3) | st.integers(0, 2**32 - 1), min_size=3, max_size=3), st.binary(max_size=27))
def test_arbitrary_sizes_raise_nothing_but_data_errors(sizes: list[int], values: bytes) -> None:
    content = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in sizes) + values
    if math.prod(sizes) == len(values) > 0:
        assert read(content, 3).shape == tuple(sizes)
    else:
        with pytest.raises(DataError, match="expected"):
            read(content, 3)


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_damaged_gzip_raises_nothing_but_data_errors(at: int, change: int) -> None:
    content = bytearray(gzip.compress(written(IMAGES), 1))
    content[at % len(content)] ^= change
    with contextlib.suppress(DataError):
        assert np.array_equal(read(bytes(content), 3, "file.gz"), IMAGES)  # a change to the time stamp does no harm


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "file", "0 bytes: expected a header of 16 bytes"),
        (b"\x89PNG" + bytes(40), "file", "magic number 0x89504e47: expected 0x00000803"),
        (written(IMAGES[0, 0]) + bytes(20), "file", "magic number 0x00000801: expected 0x00000803"),
        (written(IMAGES)[:-1], "file", "23 bytes after the header: expected 24 for the shape (2, 3, 4)"),
        (written(IMAGES) + b"x", "file", "25 bytes after the header: expected 24"),
        (written(IMAGES[:0]), "file", "shape (0, 3, 4), which is empty: expected at least one value"),
        (written(IMAGES), "file.gz", "expected a complete gzip file"),
        (gzip.compress(written(IMAGES))[:-4], "file.gz", "expected a complete gzip file"),
    ],
    ids=["empty", "another format", "labels", "truncated", "extra", "no images", "not gzip", "truncated gzip"],
)
def test_damage_is_named(content: bytes, name: str, message: str) -> None:
    with pytest.raises(DataError, match=f"file .*{name}: .*{re.escape(message)}.*fetch .* again"):
        read(content, 3, name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing-here.*expected a readable file"):
        read_idx(tmp_path / "nothing-here", 3)


def test_both_spellings_plain_and_gzipped() -> None:
    assert set(spellings("train-images-idx3-ubyte")) == {
        "train-images-idx3-ubyte",
        "train-images.idx3-ubyte",
        "train-images-idx3-ubyte.gz",
        "train-images.idx3-ubyte.gz",
    }
