from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosim.datasets.npz import read_npz
from neurosim.errors import DataError

ARRAYS: dict[str, Any] = {
    "x_train": np.arange(12, dtype=np.uint8).reshape(3, 4),
    "y_train": np.array([0, 1, 2]),
    "x_test": np.ones((1, 4), np.uint8),
    "y_test": np.array([1]),
}


def test_the_four_arrays_are_read_and_others_left(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **ARRAYS, other=np.zeros(3))
    found = read_npz([tmp_path / "data.npz"])
    for key, value in ARRAYS.items():
        assert np.array_equal(getattr(found, key), value)


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x_train=ARRAYS["x_train"], y_test=ARRAYS["y_test"])
    with pytest.raises(DataError, match=r"data\.npz: no y_train, x_test: expected x_train, y_train, x_test, y_test"):
        read_npz([tmp_path / "data.npz"])


def test_keys_of_another_layout_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X=ARRAYS["x_train"], y=ARRAYS["y_train"])
    with pytest.raises(DataError, match=r"expected x_train, y_train, x_test, y_test, found \['X', 'y'\]; save it again"):
        read_npz([tmp_path / "data.npz"])


def with_member(path: Path, name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a sound .npz whose array ``name`` is the bytes ``content`` instead."""
    with zipfile.ZipFile(path, "w") as archive:
        for key, value in ARRAYS.items():
            with io.BytesIO() as buffer:
                np.save(buffer, value)
                archive.writestr(f"{key}.npy", content if key == name else buffer.getvalue(), method)
    return path


def header(shape: str, descr: str = "'|u1'", order: str = "False") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header("(10**6, 28, 28)"), "while reading"),
        (header("(1000000000000, 4)"), "in 128 bytes: expected an .npz file whose sizes agree"),
        (header("(-3, -4)") + bytes(12), "expected an .npz file whose sizes agree"),
        (header("(3, 4)", "'<U3'") + bytes(144), "holds '<U3'"),
        (header("(3, 4)", "'|O'") + bytes(96), "holds '|O'"),
        (header("(3, 4)", "'<c8'") + bytes(96), "holds '<c8'"),
        (header("(3,)", "[('a', '<i4')]") + bytes(12), "holds '|V4'"),
        (header("(3,)", "('|u1', (4,))") + bytes(12), "holds '|V4'"),
        (header("(3, 4)") + bytes(11), "sizes agree"),
        (header("(3, 4)") + bytes(13), "sizes agree"),
        (b"", "while reading"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "while reading|unknown version"),
        (header("(" * 60 + "3" + ")" * 60), "."),
    ],
)
def test_a_header_is_not_believed(tmp_path: Path, content: bytes, message: str) -> None:
    path = with_member(tmp_path / "data.npz", "x_train", content)
    with pytest.raises(DataError, match=message) as caught:
        read_npz([path])
    assert "\n" not in str(caught.value)


def test_numbers_wider_than_eight_bytes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **{**ARRAYS, "x_train": ARRAYS["x_train"].astype(np.longdouble)})
    with pytest.raises(DataError, match="holds '<f16'"):
        read_npz([tmp_path / "data.npz"])


def test_more_than_the_data_set_has_is_refused_before_any_array_is_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "data.npz", **{**ARRAYS, "x_train": np.zeros((1000, 784), np.uint8)})
    with pytest.raises(DataError, match="arrays of 784,008 values: expected at most 1,000"):
        read_npz([tmp_path / "data.npz"], 1000)
    assert read_npz([tmp_path / "data.npz"], 784_008).x_train.shape == (1000, 784)


def test_a_size_that_lies_is_refused(tmp_path: Path) -> None:
    """A member whose list entry says little, and that unpacks to much."""
    path = with_member(tmp_path / "data.npz", "x_train", header("(3, 4)") + bytes(10**6))
    content = path.read_bytes()
    path.write_bytes(content.replace((128 + 10**6).to_bytes(4, "little"), (128 + 12).to_bytes(4, "little")))
    with pytest.raises(DataError, match=r"data\.npz"):
        read_npz([path])


def test_other_ways_of_packing_and_endless_lists_of_members_are_refused(tmp_path: Path) -> None:
    path = with_member(tmp_path / "data.npz", "x_train", header("(3, 4)") + bytes(12), zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match="packed by method 14"):
        read_npz([path])
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        for k in range(20_000):
            archive.writestr(f"{k:09}.npy", b"")
    with pytest.raises(DataError, match="a list of 1,.* bytes of members"):
        read_npz([tmp_path / "data.npz"])


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **{**ARRAYS, "y_test": np.array([None, "a"], object)})
    with pytest.raises(DataError, match=r"expected an \.npz file of plain arrays"):
        read_npz([tmp_path / "data.npz"])


def test_a_single_array_is_no_npz_file(tmp_path: Path) -> None:
    with (tmp_path / "data.npz").open("wb") as file:
        np.save(file, ARRAYS["x_train"])
    with pytest.raises(DataError, match=r"expected an \.npz file"):
        read_npz([tmp_path / "data.npz"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=80), st.integers(0, 400))
def test_damaged_files_raise_nothing_but_data_errors(tmp_path: Path, noise: bytes, at: int) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, **ARRAYS)
    sound = path.read_bytes()
    path.write_bytes(sound[:at] + noise)
    with pytest.raises(DataError, match=r"data\.npz"):
        read_npz([path])
