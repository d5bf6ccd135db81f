from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurosim.datasets import load, published, registry
from neurosim.datasets.arrays import Arrays
from neurosim.datasets.published import AS_PUBLISHED, UNKNOWN, checksums, compared, warn
from neurosim.datasets.registry import IDX_FILES, Entry, find
from neurosim.errors import DataError

draw = np.random.default_rng(0)
X, Y = draw.integers(0, 256, (8, 28, 28), dtype=np.uint8), np.arange(8, dtype=np.uint8)
ARRAYS = Arrays(X[:6], Y[:6], X[6:], Y[6:])


def idx(values: Any) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape) + values.tobytes()


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> Entry:
    """MNIST as if its eight images above had been published."""
    md5 = {file: hashlib.md5(idx(values)).hexdigest() for file, values in zip(IDX_FILES, ARRAYS, strict=True)}
    small = replace(find("mnist"), train=6, test=2, md5=md5)
    monkeypatch.setattr(registry, "REGISTRY", {**registry.REGISTRY, "mnist": small})
    monkeypatch.setattr(published, "PUBLISHED", {md5: (small, file) for file, md5 in small.md5.items()})
    return small


def content(entry: Entry, arrays: Arrays) -> str:
    return compared(entry, arrays, checksums(entry, "npz", [], arrays))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: x.astype(np.int64),
        lambda x: x.reshape(len(x), -1),
        lambda x: x[..., None],
        lambda x: x[:, None],
        lambda x: x / 255,
        lambda x: np.divide(x, 255, dtype=np.float32),
        lambda x: np.asfortranarray(x),
    ],
)
def test_the_published_images_are_known_however_they_are_stored(entry: Entry, change: Any) -> None:
    labels = {"y_train": ARRAYS.y_train.astype(int)[:, None], "y_test": ARRAYS.y_test.astype(float)}
    arrays = ARRAYS._replace(x_train=change(ARRAYS.x_train), x_test=change(ARRAYS.x_test), **labels)
    assert content(entry, arrays) == AS_PUBLISHED


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"x_train": X[:6].transpose(0, 2, 1).copy()}, "other content in train-images-idx3-ubyte"),
        ({"x_train": X[:6].transpose(0, 2, 1)}, "other content in train-images-idx3-ubyte"),
        ({"x_train": X[:6] ^ 1}, "other content in train-images-idx3-ubyte"),
        ({"x_train": (X[:6] > 127).astype(np.uint8)}, "other content in train-images-idx3-ubyte"),
        ({"x_train": X[:6] > 127}, "other content in train-images-idx3-ubyte"),
        ({"x_train": X[:6] / 255 + 0.001}, "other content in train-images-idx3-ubyte"),
        ({"x_train": np.full((6, 28, 28), np.nan)}, "other content in train-images-idx3-ubyte"),
        ({"y_train": Y[:6][::-1]}, "other content in train-labels-idx1-ubyte"),
        ({"y_test": Y[6:] - 1.5}, "other content in t10k-labels-idx1-ubyte"),
        ({"x_train": X[:5], "y_train": Y[:5]}, "5 training images, not 6"),
        ({"x_test": X[:0], "y_test": Y[:0]}, "0 test images, not 2"),
    ],
)
def test_what_differs_is_told_in_one_line(entry: Entry, changes: Any, told: str, caplog: pytest.LogCaptureFixture) -> None:
    found = content(entry, ARRAYS._replace(**changes))
    assert found == f"not as published: {told}"
    warn(entry, found)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    told = f"data set mnist: {found}: it is loaded as it is, but results on it are not results on mnist"
    assert record.getMessage().startswith(told)
    assert "\n" not in record.getMessage()


def test_training_and_test_exchanged_are_refused(entry: Entry) -> None:
    with pytest.raises(DataError, match="train-images-idx3-ubyte holds what was published as mnist's t10k-images-idx3-ubyte"):
        content(entry, Arrays(X[6:], Y[6:], X[:6], Y[:6]))
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte holds what was published as mnist's train-labels-idx1-ubyte"):
        content(entry, ARRAYS._replace(y_test=Y[:6]))


def test_another_data_set_under_this_name_is_refused(entry: Entry) -> None:
    other = replace(find("fashion-mnist"), md5={file: "0" * 32 for file in IDX_FILES})
    with pytest.raises(DataError, match="fashion-mnist: train-images-idx3-ubyte holds what was published as mnist's"):
        content(other, ARRAYS)


def test_where_nothing_is_recorded_only_the_numbers_are_compared(caplog: pytest.LogCaptureFixture) -> None:
    unknown = replace(find("fashion-mnist"), train=6, test=2)
    assert content(unknown, ARRAYS) == UNKNOWN
    assert content(replace(unknown, test=3), ARRAYS) == "not as published: 2 test images, not 3"
    for silent in (UNKNOWN, AS_PUBLISHED):
        warn(unknown, silent)
    assert not caplog.records


def test_pickled_batches_are_compared_as_files(tmp_path: Path) -> None:
    paths = [tmp_path / str(k) for k in range(6)]
    for path in paths:
        path.write_bytes(path.name.encode())
    cifar = find("cifar-10")
    found = checksums(cifar, "cifar-python", paths, ARRAYS)
    assert list(found) == list(cifar.files["cifar-python"])
    assert list(found.values()) == [hashlib.md5(path.name.encode()).hexdigest() for path in paths]
    assert set(found) == set(cifar.md5)
    assert checksums(cifar, "cifar-binary", paths, ARRAYS) == checksums(cifar, "npz", [], ARRAYS) == {}


def test_loading_compares_and_says_so_once(entry: Entry, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    np.savez(tmp_path / "mnist.npz", **ARRAYS._asdict())
    data = load("mnist", data_dir=tmp_path)
    assert (data.content, data.scale, data.folder) == (AS_PUBLISHED, "bytes, divided by 255", str(tmp_path))
    assert not caplog.records
    np.savez(tmp_path / "mnist.npz", **{**ARRAYS._asdict(), "x_train": X[:6] ^ 1})
    assert load("mnist", data_dir=tmp_path, normalise="standard", limit=3).content.startswith("not as published: other content")
    assert len(caplog.records) == 1


def test_a_refused_data_set_says_only_why(entry: Entry, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    np.savez(tmp_path / "mnist.npz", **{**ARRAYS._asdict(), "y_train": Y[:6] + 10})
    with pytest.raises(DataError, match="label 10"):
        load("mnist", data_dir=tmp_path)
    assert not caplog.records
