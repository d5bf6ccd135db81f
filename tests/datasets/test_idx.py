from __future__ import annotations

import contextlib
import gzip
import hashlib
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

from neurosim.datasets.idx import md5, read_idx, spellings
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
        (written(IMAGES) + b"x", "file", "more than 24 bytes after the header: expected 24"),
        (gzip.compress(written(IMAGES) + bytes(99)), "file.gz", "more than 24 bytes after the header: expected 24"),
        (written(IMAGES[:0]), "file", "shape (0, 3, 4), which is empty: expected at least one value"),
        (gzip.compress(written(IMAGES))[:-4], "file.gz", "expected a complete gzip file"),
    ],
    ids=["empty", "another format", "labels", "truncated", "extra", "extra, gzipped", "no images", "truncated gzip"],
)
def test_damage_is_named(content: bytes, name: str, message: str) -> None:
    with pytest.raises(DataError, match=f"file .*{name}: .*{re.escape(message)}.*fetch .* again"):
        read(content, 3, name)


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_gzip_is_undone_by_the_content_whatever_the_name_says(layers: int, name: str) -> None:
    content = written(IMAGES)
    for _ in range(layers):
        content = gzip.compress(content, 1)
    assert np.array_equal(read(content, 3, name), IMAGES)


def test_a_web_page_is_told() -> None:
    for content in (b"<!DOCTYPE html><html>403</html>", b"\n<html></html> not found", gzip.compress(b"<html><body></body></html>")):
        with pytest.raises(DataError, match="a web page, not data; expected an IDX file; fetch it again"):
            read(content, 3, "file.gz")


def test_a_header_that_declares_more_than_the_data_set_has_is_refused() -> None:
    header = bytes([0, 0, 8, 3]) + (2**31).to_bytes(4, "big") + (28).to_bytes(4, "big") * 2
    with pytest.raises(DataError, match="shape .2147483648, 28, 28.: expected at most 268,435,456 values"):
        read(header + bytes(100), 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(written(IMAGES))
        with pytest.raises(DataError, match="expected at most 23 values"):
            read_idx(path, 3, most=23)
        assert read_idx(path, 3, most=24).shape == (2, 3, 4)


def test_the_checksum_of_an_array_is_that_of_its_file() -> None:
    assert md5(IMAGES.reshape(2, 12), (2, 3, 4)) == hashlib.md5(written(IMAGES)).hexdigest()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing-here.*expected a readable file"):
        read_idx(tmp_path / "nothing-here", 3)


def test_both_spellings_plain_and_gzipped() -> None:
    assert set(spellings("train-images-idx3-ubyte")) == {
        "train-images-idx3-ubyte",
        "train-images.idx3-ubyte",
        "train-images-idx3-ubyte.idx",
        "train-images.idx3-ubyte.idx",
        "train-images-idx3-ubyte.gz",
        "train-images.idx3-ubyte.gz",
        "train-images-idx3-ubyte.idx.gz",
        "train-images.idx3-ubyte.idx.gz",
    }
