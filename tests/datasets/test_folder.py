from __future__ import annotations

import gzip
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from neurosim.datasets.folder import read_folder
from neurosim.datasets.registry import CIFAR_BATCHES, find
from neurosim.errors import DataError

MNIST, FASHION, CIFAR = find("mnist"), find("fashion-mnist"), find("cifar-10")
X = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
Y = np.array([1, 0, 4, 2, 9], np.uint8)


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape) + values.tobytes()


def write_mnist(folder: Path, dotted: bool = False, zipped: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in zip(MNIST.files["idx"], (X[:3], Y[:3], X[3:], Y[3:]), strict=True):
        path = folder / ((name.replace("-idx", ".idx") if dotted else name) + (".gz" if zipped else ""))
        path.write_bytes(gzip.compress(idx(values)) if zipped else idx(values))


@pytest.mark.parametrize("below", ["", "mnist"], ids=["folder itself", "named folder"])
@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_are_found(tmp_path: Path, below: str, dotted: bool, zipped: bool) -> None:
    write_mnist(tmp_path / below, dotted, zipped)
    arrays = read_folder(MNIST, tmp_path)
    assert np.array_equal(arrays.x_train, X[:3])
    assert np.array_equal(arrays.y_train, Y[:3])
    assert np.array_equal(arrays.x_test, X[3:])
    assert np.array_equal(arrays.y_test, Y[3:])


def test_a_file_of_several_spellings_may_mix_plain_and_gzipped(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=True)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(idx(Y[3:]))
    assert np.array_equal(read_folder(MNIST, tmp_path).y_test, Y[3:])


def test_npz_is_found(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", x_train=X[:3], y_train=Y[:3], x_test=X[3:], y_test=Y[3:])
    assert np.array_equal(read_folder(MNIST, tmp_path).x_test, X[3:])


@pytest.mark.parametrize("below", ["", "cifar-10", "cifar-10-batches-py", "cifar-10/cifar-10-batches-py"])
def test_pickled_batches_are_found(tmp_path: Path, below: str) -> None:
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(CIFAR_BATCHES):
        batch = {b"data": np.full((1, 3072), k, np.uint8), b"labels": [k]}
        (tmp_path / below / name).write_bytes(pickle.dumps(batch, protocol=4))
    arrays = read_folder(CIFAR, tmp_path)
    assert arrays.x_train[:, 0].tolist() == arrays.y_train.tolist() == [0, 1, 2, 3, 4]
    assert arrays.x_test[:, 0].tolist() == arrays.y_test.tolist() == [5]


def test_binary_batches_are_found(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for k, name in enumerate(CIFAR_BATCHES):
        (tmp_path / "cifar-10-batches-bin" / f"{name}.bin").write_bytes(bytes([k]) + bytes(3072))
    assert read_folder(CIFAR, tmp_path).y_train.tolist() == [0, 1, 2, 3, 4]


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder.*train-images-idx3-ubyte.*correct --data-dir"):
        read_folder(MNIST, tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["x" * 5000, "x/" * 5000])
def test_a_folder_that_the_system_refuses(name: str) -> None:
    with pytest.raises(DataError, match="cannot be read .*expected a folder.*; correct --data-dir or NEUROSIM_DATA") as caught:
        read_folder(find("mnist"), Path(name))
    assert len(str(caught.value)) < 300


def test_an_empty_folder_is_answered_with_every_file_and_place(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_folder(CIFAR, tmp_path)
    message = str(caught.value)
    for file in (file for files in CIFAR.files.values() for file in files):
        assert file in message
    assert f"{tmp_path / 'cifar-10'} or {tmp_path}:" in message
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist")
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=re.escape(f"({tmp_path / 'mnist'} lacks t10k-labels-idx1-ubyte)")):
        read_folder(MNIST, tmp_path)


def test_the_named_folder_comes_before_the_folder_itself(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    np.savez(tmp_path / "mnist.npz", x_train=X, y_train=Y, x_test=X, y_test=Y)
    (tmp_path / "mnist").mkdir()
    np.savez(tmp_path / "mnist" / "mnist.npz", x_train=X[:1], y_train=Y[:1], x_test=X, y_test=Y)
    assert len(read_folder(MNIST, tmp_path).x_train) == 1


def test_a_folder_named_after_another_data_set_does_not_pass_for_this_one(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist")
    with pytest.raises(DataError, match="no complete fashion-mnist .it is named after mnist"):
        read_folder(FASHION, tmp_path / "mnist")


@pytest.mark.parametrize("rename", [str.upper, str.title])
def test_upper_and_lower_case_are_the_same(tmp_path: Path, rename: Callable[[str], str]) -> None:
    write_mnist(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / rename(path.name))
    assert np.array_equal(read_folder(MNIST, tmp_path).x_train, X[:3])


def test_the_exact_name_comes_before_one_in_another_case(tmp_path: Path) -> None:
    np.savez(tmp_path / "MNIST.npz", x_train=X[:1], y_train=Y[:1], x_test=X, y_test=Y)
    assert len(read_folder(MNIST, tmp_path).x_train) == 1
    np.savez(tmp_path / "mnist.npz", x_train=X[:2], y_train=Y[:2], x_test=X, y_test=Y)
    assert len(read_folder(MNIST, tmp_path).x_train) == 2


@pytest.mark.parametrize("below", ["MNIST/raw", "MNIST"])
def test_torchvisions_layout_is_found(tmp_path: Path, below: str) -> None:
    write_mnist(tmp_path / below)
    assert np.array_equal(read_folder(MNIST, tmp_path).x_train, X[:3])
    assert np.array_equal(read_folder(MNIST, tmp_path / below).x_train, X[:3])
    with pytest.raises(DataError, match="no complete fashion-mnist"):
        read_folder(FASHION, tmp_path)


@pytest.mark.parametrize("name", ["FashionMNIST/raw", "FashionMNIST", "fashion_mnist", "KMNIST/raw", "EMNIST/raw", "EMNIST"])
def test_another_data_sets_folder_is_not_searched(tmp_path: Path, name: str) -> None:
    write_mnist(tmp_path / name)
    with pytest.raises(DataError, match="no complete mnist .it is named after (fashion-mnist|kuzushiji-mnist|emnist); "):
        read_folder(MNIST, tmp_path / name)


def test_what_is_still_packed_is_told(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"anything")
    with pytest.raises(DataError, match="cifar-10-python.tar.gz is still packed: unpack it there"):
        read_folder(CIFAR, tmp_path)


def test_a_folder_that_is_a_pipe_or_holds_one_does_not_hang(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").unlink()
    os.mkfifo(tmp_path / "train-images-idx3-ubyte")
    with pytest.raises(DataError, match="lacks train-images-idx3-ubyte"):
        read_folder(MNIST, tmp_path)
