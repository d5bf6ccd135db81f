from __future__ import annotations

import io
import os
import pickle
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosim.datasets.cifar import read_binary_batch, read_binary_batches, read_pickled_batch, read_pickled_batches
from neurosim.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 3072), dtype=np.uint8)
LABELS = [3, 0, 9]


def python2(batch: Any) -> bytes:
    """Return ``batch`` pickled with its strings written as Python 2 did, and so as they are in the original files."""

    def save_string(pickler: Any, text: str | bytes) -> None:
        raw = text.encode("latin1") if isinstance(text, str) else text
        pickler.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        pickler.memoize(text)

    buffer = io.BytesIO()
    pickler: Any = pickle._Pickler(buffer, protocol=2)
    pickler.dispatch = {**pickler.dispatch, bytes: save_string, str: save_string}
    pickler.dump(batch)
    return buffer.getvalue().replace(b"cnumpy._core.", b"cnumpy.core.")


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({"data": PIXELS, "labels": np.array(LABELS)}, protocol=4),
        pickle.dumps({"data": PIXELS, "labels": list(np.array(LABELS))}, protocol=4),
        pickle.dumps({b"data": PIXELS, b"labels": LABELS}, protocol=2),
        pickle.dumps({b"data": PIXELS, b"labels": LABELS}, protocol=5),
        pickle.dumps({"data": np.asfortranarray(PIXELS), "labels": np.array(LABELS, ">i4")}, protocol=4),
        python2({"data": PIXELS, "labels": LABELS, "batch_label": "batch 1 of 5", "filenames": ["a.png"] * 3}),
        pickle.dumps({b"data": PIXELS, b"labels": LABELS}, protocol=4),
        pickle.dumps({"data": PIXELS, "labels": LABELS}, protocol=4),
    ],
    ids=["array", "scalars", "protocol 2", "protocol 5", "Fortran", "python 2", "bytes", "text"],
)
def test_a_pickled_batch_is_read(tmp_path: Path, content: bytes) -> None:
    data, labels = read_pickled_batch(write(tmp_path / "batch", content))
    assert np.array_equal(data, PIXELS)
    assert labels.tolist() == LABELS


def test_a_binary_batch_is_read(tmp_path: Path) -> None:
    content = b"".join(bytes([label]) + row.tobytes() for label, row in zip(LABELS, PIXELS, strict=True))
    data, labels = read_binary_batch(write(tmp_path / "batch", content))
    assert np.array_equal(data, PIXELS)
    assert labels.tolist() == LABELS


def test_batches_are_joined_in_order_and_the_last_is_the_test_batch(tmp_path: Path) -> None:
    pickled, binary = [], []
    for k in range(3):
        batch = {b"data": PIXELS[k : k + 1], b"labels": [LABELS[k]]}
        pickled.append(write(tmp_path / f"{k}", pickle.dumps(batch, protocol=4)))
        binary.append(write(tmp_path / f"{k}.bin", bytes([LABELS[k]]) + PIXELS[k].tobytes()))
    for arrays in (read_pickled_batches(pickled), read_binary_batches(binary)):
        assert np.array_equal(arrays.x_train, PIXELS[:2])
        assert arrays.y_train.tolist() == LABELS[:2]
        assert np.array_equal(arrays.x_test, PIXELS[2:])
        assert arrays.y_test.tolist() == LABELS[2:]


class Executes:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.canary),)


def test_a_pickle_that_would_run_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    path = write(tmp_path / "batch", pickle.dumps({b"data": PIXELS, b"labels": Executes(tmp_path / "canary")}))
    with pytest.raises(DataError, match=f"{path}: it asks for .*mkdir, refused"):
        read_pickled_batch(path)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("harmless", [np.random.default_rng, io.BytesIO, os.path.join, slice(1)])
def test_every_other_global_is_refused(tmp_path: Path, harmless: Any) -> None:
    path = write(tmp_path / "batch", pickle.dumps([harmless], protocol=2))
    with pytest.raises(DataError, match="refused"):
        read_pickled_batch(path)


@pytest.mark.parametrize("values", [np.ones((1, 3072)), np.array([None]), [np.float64(1)]], ids=["floats", "objects", "scalar"])
def test_arrays_of_anything_but_bytes_are_refused(tmp_path: Path, values: Any) -> None:
    path = write(tmp_path / "batch", pickle.dumps({b"data": values, b"labels": [1]}, protocol=4))
    with pytest.raises(DataError, match="holds an array of type"):
        read_pickled_batch(path)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([1, 2], "no images"),
        ({b"labels": LABELS}, "no images"),
        ({b"data": PIXELS[:, :10], b"labels": LABELS}, "no images"),
        ({b"data": PIXELS}, "no usable labels: expected 'labels', a list of 3"),
        ({b"data": PIXELS, b"labels": LABELS[:2]}, "no usable labels"),
        ({b"data": PIXELS, b"labels": [1, 2, 10]}, "no usable labels"),
        ({b"data": PIXELS, b"labels": [1, 2, "3"]}, "no usable labels"),
    ],
)
def test_a_batch_that_lacks_something_is_refused(tmp_path: Path, batch: Any, message: str) -> None:
    path = write(tmp_path / "batch", pickle.dumps(batch, protocol=4))
    with pytest.raises(DataError, match=f"{path}: {re.escape(message)}"):
        read_pickled_batch(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=80), st.integers(0, 300))
def test_damaged_pickles_raise_nothing_but_data_errors(tmp_path: Path, noise: bytes, at: int) -> None:
    sound = pickle.dumps({b"data": PIXELS[:1], b"labels": LABELS[:1]}, protocol=4)
    for content in (noise, sound[:at] + noise):
        with pytest.raises(DataError, match="batch: "):
            read_pickled_batch(write(tmp_path / "batch", content))


@pytest.mark.parametrize("size", [0, 3072, 3074])
def test_a_binary_batch_is_a_whole_number_of_records(tmp_path: Path, size: int) -> None:
    with pytest.raises(DataError, match=f"batch: {size} bytes: expected a multiple of 3073"):
        read_binary_batch(write(tmp_path / "batch", bytes(size)))


@pytest.mark.parametrize("read", [read_binary_batch, read_pickled_batch])
def test_a_missing_file_is_named(tmp_path: Path, read: Any) -> None:
    with pytest.raises(DataError, match="nothing-here"):
        read(tmp_path / "nothing-here")
