from __future__ import annotations

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
