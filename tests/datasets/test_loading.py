from __future__ import annotations

import functools
import gzip
import hashlib
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurosim.datasets import load, loading
from neurosim.datasets.idx import read_idx
from neurosim.datasets.registry import find
from neurosim.errors import DataError, UnknownNameError

X = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
Y = np.arange(6)


def write_npz(folder: Path, **changes: Any) -> Path:
    arrays = {"x_train": X[:4], "y_train": Y[:4], "x_test": X[4:], "y_test": Y[4:]}
    np.savez(folder / "mnist.npz", **{**arrays, **changes})
    return folder


@pytest.fixture(autouse=True)
def _no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(entry: Any) -> None:
        raise AssertionError(f"downloads {entry.name}")

    monkeypatch.setattr(loading, "download", refuse)


@pytest.fixture
def real_mnist() -> Path:
    """The folder of the real MNIST files: $NEUROSIM_DATA, or shared/data beside the repository."""
    folder = Path(os.environ.get("NEUROSIM_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not any((place / "train-images-idx3-ubyte.gz").is_file() for place in (folder / "mnist", folder)):
        pytest.skip(f"no MNIST in {folder}: name its folder by NEUROSIM_DATA")
    return folder


def test_digits() -> None:
    data = load("digits")
    assert (data.name, data.shape, data.classes) == ("digits", (1, 8, 8), 10)
    assert (len(data.train), len(data.validation), len(data.test)) == (1297, 0, 500)
    assert (data.train.x.min(), data.train.x.max()) == (0, 1)


def test_bytes_become_numbers_from_0_to_1(tmp_path: Path) -> None:
    data = load("mnist", data_dir=write_npz(tmp_path))
    assert data.train.x.dtype == np.float32
    np.testing.assert_allclose(data.train.x[:, 0], X[:4] / 255, rtol=1e-6)
    np.testing.assert_allclose(data.test.x[:, 0], X[4:] / 255, rtol=1e-6)
    assert data.test.y.tolist() == [4, 5]
    assert data.classes == 10


def test_numbers_from_0_to_1_are_taken_as_they_are(tmp_path: Path) -> None:
    data = load("mnist", data_dir=write_npz(tmp_path, x_train=X[:4] / 255))
    np.testing.assert_allclose(data.train.x[:, 0], X[:4] / 255, rtol=1e-6)


@pytest.mark.parametrize(("factor", "found"), [(1.0, "float64 pixels from 0.0 to 25"), (-1 / 255, "float64 pixels from -")])
def test_other_ranges_are_refused(tmp_path: Path, factor: float, found: str) -> None:
    with pytest.raises(DataError, match=f"mnist, train: {found}.*expected 0 to 1; .*floating-point numbers from 0 to 1"):
        load("mnist", data_dir=write_npz(tmp_path, x_train=X[:4] * factor))


def test_wide_integers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected 0 to 255"):
        load("mnist", data_dir=write_npz(tmp_path, x_test=X[4:].astype(np.int32) + 1))


def test_nan_is_refused(tmp_path: Path) -> None:
    x = X[:4] / 255
    x[1, 0, 0] = np.nan
    with pytest.raises(DataError, match="mnist, train: image 1 holds nan"):
        load("mnist", data_dir=write_npz(tmp_path, x_train=x))


def test_a_label_outside_the_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="label 12 of image 0: expected 0 to 9"):
        load("mnist", data_dir=write_npz(tmp_path, y_train=Y[:4] + 12))


def test_images_of_another_data_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="images of shape \\(8, 8\\): expected \\(1, 28, 28\\)"):
        load("mnist", data_dir=write_npz(tmp_path, x_train=X[:4, :8, :8]))


def test_the_argument_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.setenv("NEUROSIM_DATA", str(write_npz(tmp_path / "a")))
    assert load("mnist").train.y.tolist() == [0, 1, 2, 3]
    write_npz(tmp_path / "b", y_train=Y[:4] + 5)
    assert load("mnist", data_dir=tmp_path / "b").train.y.tolist() == [5, 6, 7, 8]


def test_without_a_folder_it_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEUROSIM_DATA", raising=False)
    with pytest.raises(AssertionError, match="downloads mnist"):
        load("mnist")


def test_digits_need_no_folder(tmp_path: Path) -> None:
    assert len(load("digits", data_dir=tmp_path).train) == 1297


def test_validation_then_normalisation_then_limit(tmp_path: Path) -> None:
    data = load("mnist", data_dir=write_npz(tmp_path), validation=1, normalise=(0.5, 0.5), limit=2)
    assert data.train.y.tolist() == [0, 1]
    assert data.validation.y.tolist() == [3]
    np.testing.assert_allclose(data.train.x[:, 0], X[:2] / 127.5 - 1, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(data.validation.x[:, 0], X[3:4] / 127.5 - 1, rtol=1e-4, atol=1e-6)
    assert data.black == (-1.0,)


def test_a_limit_does_not_change_the_normalisation() -> None:
    whole, part = (load("digits", normalise="standard", limit=limit) for limit in (None, 100))
    assert np.array_equal(whole.train.x[:100], part.train.x)
    assert len(part.train) == 100
    assert len(load("digits", limit=5000).train) == 1297


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_leaves_an_image(limit: int) -> None:
    with pytest.raises(DataError, match=f"limit {limit}: expected at least 1"):
        load("digits", limit=limit)


def test_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match=r"data set 'minst' is unknown.*did you mean 'mnist'"):
        load("minst")


def test_real_mnist_loads(real_mnist: Path) -> None:
    data = load("mnist", data_dir=real_mnist, validation=10_000, normalise="standard")
    assert (len(data.train), len(data.validation), len(data.test)) == (50_000, 10_000, 10_000)
    assert data.train.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.test.y[:5].tolist() == [7, 2, 1, 0, 4]
    assert float(data.train.x.mean()) == pytest.approx(0, abs=0.01)
    assert float(data.train.x.std()) == pytest.approx(1, abs=0.01)


def test_real_mnist_has_the_recorded_checksums(real_mnist: Path) -> None:
    folder = real_mnist / "mnist" if (real_mnist / "mnist").is_dir() else real_mnist
    for file, md5 in find("mnist").md5.items():
        values = read_idx(folder / f"{file}.gz", 3 if "images" in file else 1)
        header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
        assert hashlib.md5(header + values.tobytes()).hexdigest() == md5


def test_real_mnist_is_known_to_be_mnist(real_mnist: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = load("mnist", data_dir=real_mnist)
    assert data.content == "as published"
    assert data.scale == "bytes, divided by 255"
    assert not caplog.records


def test_real_mnist_exchanged_is_refused(real_mnist: Path, tmp_path: Path) -> None:
    folder = real_mnist / "mnist" if (real_mnist / "mnist").is_dir() else real_mnist
    for file in find("mnist").md5:
        other = file.replace("train", "T10K").replace("t10k", "train").replace("T10K", "t10k")
        (tmp_path / f"{file}.gz").symlink_to(folder / f"{other}.gz")
    with pytest.raises(DataError, match="train-images-idx3-ubyte holds what was published as mnist's t10k-images-idx3-ubyte"):
        load("mnist", data_dir=tmp_path)


def test_binarised_images_are_not_divided(tmp_path: Path) -> None:
    binarised = {"x_train": (X[:4] > 127).astype(np.uint8), "x_test": (X[4:] > 127).astype(np.uint8)}
    data = load("mnist", data_dir=write_npz(tmp_path, **binarised))
    assert np.array_equal(data.train.x[:, 0], X[:4] > 127)
    assert np.array_equal(data.test.x[:, 0], X[4:] > 127)
    assert data.scale == "0 and 1, as they are"


def test_labels_of_another_numbering_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="label 10 of image 3: expected 0 to 9, but the labels go from 1 to 10; subtract 1"):
        load("mnist", data_dir=write_npz(tmp_path, y_train=[1, 2, 3, 10]))


def test_a_validation_share_is_one_of_the_images_there_are(tmp_path: Path) -> None:
    data = load("mnist", data_dir=write_npz(tmp_path), validation=1 / 4)
    assert (len(data.train), data.validation.y.tolist()) == (3, [3])


@pytest.mark.parametrize("limit", [2.5, True, "3", np.nan])
def test_a_limit_is_a_whole_number(limit: Any) -> None:
    with pytest.raises(DataError, match="limit .*: expected a whole number"):
        load("digits", limit=limit)


def test_the_folder_of_the_environment_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROSIM_DATA", str(write_npz(tmp_path)))
    assert load("mnist").folder == str(tmp_path)
    assert load("digits").folder == ""


CONFINED = """
import resource, sys
from neurosim import load
from neurosim.errors import DataError
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]) * 2**20,) * 2)
try:
    load("mnist", data_dir=sys.argv[1])
except DataError as error:
    print(error)
"""


def refused(folder: Path, mebibytes: int) -> str:
    """Return the message with which a process of little memory refuses the data set in ``folder``, in a few seconds."""
    command = [sys.executable, "-c", CONFINED, str(folder), str(mebibytes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    return done.stdout


@functools.cache
def flood(mebibytes: int) -> bytes:
    """Return gzip that unpacks to so many zeros."""
    packer = zlib.compressobj(1, wbits=31)
    zeros = bytes(2**20)
    return b"".join([*(packer.compress(zeros) for _ in range(mebibytes)), packer.flush()])


@pytest.mark.parametrize("declared", [60_000, 2**31, 2**21], ids=["MNIST's", "terabytes", "what is there"])
def test_a_gzip_bomb_takes_no_memory(tmp_path: Path, declared: int) -> None:
    head = bytes([0, 0, 8, 3]) + declared.to_bytes(4, "big") + (28).to_bytes(4, "big") * 2
    bomb = gzip.compress(head) + flood(600)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(bomb)
    for file in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / f"{file}.gz").write_bytes(gzip.compress(bomb))
    assert "train-images-idx3-ubyte.gz: " in refused(tmp_path, 450)


def test_an_npz_bomb_takes_no_memory(tmp_path: Path) -> None:
    arrays = {"x_train": np.zeros((600_000, 784), np.uint8), "y_train": Y, "x_test": X, "y_test": Y}
    np.savez_compressed(tmp_path / "mnist.npz", **arrays)
    assert "arrays of 470,404,716 values: expected at most 55,580,000" in refused(tmp_path, 450)


def test_too_little_memory_for_what_is_sound_is_told(tmp_path: Path) -> None:
    x, y = np.full((60_000, 784), 200, np.uint8), np.zeros(60_000, np.uint8)
    np.savez_compressed(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x[:100], y_test=y[:100])
    assert "70,000 images do not fit into the memory: expected some 0.4 GiB that are free" in refused(tmp_path, 330)
