"""Data sets by their path: an .npz file, a .csv file, a folder; where they are looked for, and what is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosim.datasets import DataSet, describe, from_arrays, load
from neurosim.datasets.user_files import find_user_file, is_path
from neurosim.errors import DataError, InputError, UnknownNameError

draw = np.random.default_rng(3)
X, Y = draw.normal(size=(20, 5)), np.arange(20) % 4
SPLITS = {
    "x_train": X[:12],
    "y_train": Y[:12],
    "x_validation": X[12:16],
    "y_validation": Y[12:16],
    "x_test": X[16:],
    "y_test": Y[16:],
}
WORDS = np.array(["north", "east", "south", "west"])
PROPERTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def write(folder: Path, form: str, arrays: dict[str, Any]) -> Path:
    """Write ``arrays`` into an .npz file, or a folder of folders, and return its path."""
    if form == "npz":
        np.savez_compressed(folder / "mine.npz", **arrays)
        return folder / "mine.npz"
    shutil.rmtree(folder / "mine", ignore_errors=True)
    for key, values in arrays.items():
        which, part = key.split("_")
        (folder / "mine" / part).mkdir(parents=True, exist_ok=True)
        np.save(folder / "mine" / part / f"{which}.npy", values)
    return folder / "mine"


def same(one: DataSet, other: DataSet) -> bool:
    return (one.digest(), one.labels, one.target_shape, one.shape) == (
        other.digest(),
        other.labels,
        other.target_shape,
        other.shape,
    )


def test_which_names_are_paths() -> None:
    paths = ("mine.npz", "MINE.CSV", "./mine", "a/b", "/a", "a/")
    assert all(map(is_path, paths)) and not any(map(is_path, ("digits", "mine", "mine.txt", "")))


@PROPERTY
@given(st.sampled_from(["npz", "folder"]), st.sampled_from(["labels", "texts", "truth", "real", "matrix", "images"]), st.booleans())
def test_a_file_is_the_data_set_of_its_arrays(tmp_path: Path, form: str, kind: str, validation: bool) -> None:
    arrays = {key: values for key, values in SPLITS.items() if validation or "validation" not in key}
    changes: dict[str, Any] = {
        "labels": lambda key, v: v,
        "texts": lambda key, v: WORDS[v] if key[0] == "y" else v,
        "truth": lambda key, v: v > 1 if key[0] == "y" else v,
        "real": lambda key, v: v + 0.5 if key[0] == "y" else v,
        "matrix": lambda key, v: np.stack([v, v / 3], 1) if key[0] == "y" else v,
        "images": lambda key, v: (
            v if key[0] == "y" else np.asfortranarray(np.abs(np.outer(v[:, 0], np.ones(63)))).reshape(-1, 7, 9)
        ),
    }
    arrays = {key: changes[kind](key, values) for key, values in arrays.items()}
    path = write(tmp_path, form, arrays)
    data = load(path)
    assert same(data, from_arrays(**arrays))
    known = describe(path)
    assert (known.shape, known.classes, known.target_shape) == (data.shape, data.classes, data.target_shape)
    assert (known.train, known.test) == (len(data.train), len(data.validation) + len(data.test))


@pytest.mark.parametrize("form", ["npz", "csv"])
@pytest.mark.parametrize("test", [None, 0.3])
def test_samples_that_are_not_split_are_split_as_arrays_are(tmp_path: Path, form: str, test: float | None) -> None:
    path = tmp_path / f"mine.{form}"
    if form == "npz":
        np.savez(path, x=X, y=WORDS[Y])
    else:
        path.write_text(
            "a,b,c,d,e,label\n" + "".join(f"{','.join(map(repr, x.tolist()))},{WORDS[k]}\n" for x, k in zip(X, Y, strict=True))
        )
    data = load(path, validation=0.25, test=test)
    assert same(data, from_arrays(X, WORDS[Y], validation=0.25, test=test))
    assert data.labels == ("east", "north", "south", "west")
    known = describe(path, test=test)
    assert (known.train, known.test) == (len(data.train) + len(data.validation), len(data.test))
    assert same(load(**dict(data.loaded), data_dir=data.folder), data)  # what a run file notes finds it again


def test_normalisation_limit_and_kind_of_targets(tmp_path: Path) -> None:
    arrays = SPLITS | {"x_train": SPLITS["x_train"] * [1, 0, 3, 4, 5]}  # one feature never changes
    data = load(write(tmp_path, "npz", arrays), normalise="standard", limit=5, targets="real")
    x = arrays["x_train"]
    expected = (x - x.mean(0)) / np.where(x.std(0) == 0, 1, x.std(0))
    np.testing.assert_allclose(data.train.x, expected[:5], rtol=1e-4, atol=1e-5)
    assert (data.target_shape, data.black) == ((1,), (0.0,))
    given_numbers = load(tmp_path / "mine.npz", normalise=(0.5, [1, 2, 3, 4, 5]))
    np.testing.assert_allclose(given_numbers.train.x, (x - 0.5) / [1, 2, 3, 4, 5], rtol=1e-4, atol=1e-5)


def test_where_a_path_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write(tmp_path / "a", "npz", SPLITS)
    monkeypatch.chdir(tmp_path)
    data = load("a/mine.npz")
    assert (data.name, data.folder) == ("a/mine.npz", str(tmp_path))
    monkeypatch.chdir(tmp_path / "b")
    assert same(load("a/mine.npz", data_dir=data.folder), data)
    assert load("a/mine.npz", data_dir="..").folder == str(tmp_path / "b" / "..")
    assert same(load("a/mine.npz", data_dir=tmp_path / "a"), data)  # it has moved
    write(tmp_path, "npz", SPLITS | {"y_test": Y[16:] + 1})
    assert same(load("a/mine.npz", data_dir=tmp_path), data)  # its own place comes before that of a file that has moved
    absolute = load(tmp_path / "a" / "mine.npz")
    assert absolute.folder == str(tmp_path / "a")
    (tmp_path / "a" / "mine.npz").rename(tmp_path / "b" / "mine.npz")
    assert same(load(tmp_path / "a" / "mine.npz", data_dir="."), data)
    with pytest.raises(DataError, match=f"'a/mine.npz': no such file or folder in {tmp_path / 'b'}: expected"):
        load("a/mine.npz")


def test_a_file_that_has_changed_is_described_anew_and_has_another_digest(tmp_path: Path) -> None:
    path = write(tmp_path, "npz", SPLITS)
    before, known = load(path), describe(path)
    assert describe(path) is known
    write(tmp_path, "npz", SPLITS | {"y_test": Y[16:] + 1})
    assert describe(path).classes == known.classes + 1
    after = load(path)
    assert before.digest() != after.digest() and before.content != after.content
    assert before.content.startswith("the user's own, files of blake2b ")


@pytest.mark.parametrize("name", ["mine.npz", "mine.csv", "./mine", "/no/such/place", "x" * 5000 + ".npz", "a\0.npz", "/", "mine/"])
def test_a_path_that_leads_nowhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for function in (load, describe):
        with pytest.raises(DataError, match="no such file or folder|no train/x.npy") as caught:
            function(name)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000 + len(str(tmp_path))


def test_other_files_are_refused_unopened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(DataError, match="no such file or folder"):
        load(tmp_path / "pipe.npz")
    with pytest.raises(DataError, match="a file of kind '.txt': expected .npz, .csv, or a folder"):
        load(tmp_path / "notes.txt")
    with pytest.raises(DataError, match="no train/x.npy, train/y.npy, test/x.npy, test/y.npy in"):
        load(tmp_path / "folder.npz")


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"x_test": None, "y_test": None}, {}, "x_validation without x_test"),
        ({"y_test": None}, {}, "x_test or y_test alone"),
        ({"x_train": None}, {}, r"no x_train and y_train, no x and y: .*found \["),
        ({"x_test": X[16:, :4]}, {}, r"mine.npz, test: images of shape \(4,\): expected \(5,\)"),
        ({"x_test": X[16:19]}, {}, "mine.npz, test: 3 images but 4 labels"),
        ({"x_train": X[:0], "y_train": Y[:0]}, {}, "mine.npz, train: 0 images"),
        ({"x_train": X[0]}, {}, "expected real numbers of shape"),
        ({"x_train": np.float64(1)}, {}, "expected real numbers of shape"),
        ({"y_train": np.array(["a"] * 12, object)}, {}, "y_train holds '|O': expected an .npz file of plain arrays"),
        ({"x_train": WORDS[Y[:12]]}, {}, "x_train holds '<U5'"),
        ({"y_train": np.array(["a" * 2000] * 12)}, {}, "y_train holds '<U2000'"),
        ({}, {"test": 0.3}, "test 0.3: its samples are given as arrays"),
        ({}, {"targets": "labels", "data_dir": "/no/such"}, ""),
    ],
)
def test_files_that_are_no_data_set(tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], message: str) -> None:
    arrays = {key: values for key, values in (SPLITS | changes).items() if values is not None}
    path = write(tmp_path, "npz", arrays)
    if not message:
        assert load(path, **options).classes == 4
        return
    for function in (load, describe):
        with pytest.raises(DataError, match=message) as caught:
            function(path, **options)
        assert "\n" not in str(caught.value)


def test_what_a_folder_lacks_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "folder", SPLITS)
    (path / "test" / "y.npy").unlink()
    with pytest.raises(DataError, match=r"no test/y.npy in .*mine: expected x.npy and y.npy in each"):
        load(path)


@PROPERTY
@given(st.binary(max_size=80), st.integers(0, 300))
def test_damaged_arrays_raise_nothing_but_data_errors(tmp_path: Path, noise: bytes, at: int) -> None:
    path = write(tmp_path, "folder", SPLITS)
    file = path / "train" / "y.npy"
    content = file.read_bytes()
    file.write_bytes(content[:at] + noise + content[at + len(noise) :])
    try:
        load(path, targets="real")
    except DataError as error:
        assert "\n" not in str(error)


def test_a_header_that_declares_too_much_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, "folder", SPLITS)
    with (path / "train" / "x.npy").open("r+b") as file:
        file.truncate(128 + 2**31)  # a file with a hole, which takes no room
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (2**20, 2**11)})
    with pytest.raises(DataError, match="arrays of 2,147,4.* values: expected at most 268,435,456"):
        load(path)
    with (path / "train" / "x.npy").open("wb") as file:
        file.write(b"\x93NUMPY\x02\x00" + b"\xff\xff\xff\x7f")
    with pytest.raises(DataError, match="a header of 2,147,483,647 bytes"):
        load(path)


def test_what_is_of_user_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="digits: test 0.2: "):
        load("digits", test=0.2)
    with pytest.raises(DataError, match="digits: targets 'real': "):
        load("digits", targets="real")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match="'mine' is unknown"):
        load("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "digits").mkdir()
    for function in (load, describe):
        with pytest.raises(DataError, match="data set 'mine': a file or folder.*expected a path; write './mine'"):
            function("mine")
        assert function("digits").shape == (1, 8, 8)
    assert describe("digits").shape == (1, 8, 8)
    assert find_user_file(".").path.is_dir()


ODD_NAMES = ["[" * 5000, "a/" * 3000 + "x.npz", "x" * 300 + ".csv", "\0.npz", "\0", "a\nb", "~nobody/x.npz", ""]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_that_no_file_can_have_is_one_line(name: str) -> None:
    for ask in (load, describe):
        with pytest.raises(InputError) as caught:
            ask(name)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
