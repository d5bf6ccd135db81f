from __future__ import annotations

import pickle
import re
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neurosim.datasets import DataSet, Split
from neurosim.errors import DataError


def split(n: int = 4, shape: tuple[int, ...] = (3,), label: int = 0) -> Split:
    return Split(np.ones((n, *shape), np.float32), np.full(n, label, np.int64))


def build(shape: tuple[int, ...] = (3,), **changed: Any) -> DataSet:
    splits: dict[str, Any] = {"train": split(shape=shape), "validation": split(0, shape), "test": split(shape=shape), **changed}
    return DataSet("toy", classes=2, shape=shape, **splits)


def test_a_sound_data_set_is_built_and_validation_may_be_empty() -> None:
    data = build()
    assert (len(data.train), len(data.validation), len(data.test)) == (4, 0, 4)
    assert data.black == (0.0,)


@pytest.mark.parametrize("part", ["train", "test"])
def test_an_empty_training_or_test_split_is_refused(part: str) -> None:
    with pytest.raises(DataError, match=f"toy, {part}: 0 images: expected at least 1"):
        build((3,), **{part: split(0)})


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_in_every_split(part: str, value: float) -> None:
    bad = split()
    bad.x[2, 1] = value
    with pytest.raises(DataError, match=f"toy, {part}: image 2 holds {value}: expected finite"):
        build((3,), **{part: bad})


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_outside_the_classes_is_refused(part: str, label: int) -> None:
    bad = split()
    bad.y[3] = label
    with pytest.raises(DataError, match=f"toy, {part}: label {label} of image 3: expected 0 to 1"):
        build((3,), **{part: bad})


def test_lengths_must_match() -> None:
    bad = Split(np.ones((4, 3), np.float32), np.zeros(5, np.int64))
    with pytest.raises(DataError, match="4 images but 5 labels"):
        build(train=bad)


def test_images_must_have_the_data_sets_shape() -> None:
    with pytest.raises(DataError, match=re.escape("toy, test: images (4,): expected (3,)")):
        build(test=split(shape=(4,)))


@pytest.mark.parametrize("shape", [(), (2, 2), (1, 2, 2, 2), (0,), (1, 0, 8)])
def test_a_shape_is_features_or_channels_height_width(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="expected \\(n_features,\\) or \\(channels, height, width\\)"):
        build(shape=shape)


@pytest.mark.parametrize(
    "bad",
    [
        Split(np.ones((4, 3)), np.zeros(4, np.int64)),  # type: ignore[arg-type]
        Split(np.ones((3, 4), np.float32).T, np.zeros(4, np.int64)),
        Split(np.ones((4, 3), np.float32), np.zeros(4, np.int32)),
        Split(np.ones((4, 3), np.float32), np.zeros((4, 1), np.int64)),
    ],
    ids=["float64", "not contiguous", "int32", "two-dimensional labels"],
)
def test_types_and_layout_are_checked(bad: Split) -> None:
    with pytest.raises(DataError, match=r"expected (float32, C-contiguous|int64)"):
        build(train=bad)


def real(n: int = 4, shape: tuple[int, ...] = (2,)) -> Split:
    return Split(np.ones((n, 3), np.float32), np.full((n, *shape), 0.5, np.float32))


def build_real(target_shape: tuple[int, ...] = (2,), classes: int = 0, **changed: Any) -> DataSet:
    splits = {"train": real(), "validation": real(0), "test": real(2), **changed}
    return DataSet("toy", classes=classes, shape=(3,), target_shape=target_shape, **splits)


def test_real_targets() -> None:
    data = build_real()
    assert (data.classes, data.target_shape, data.labels) == (0, (2,), ())
    assert data.digest() != build_real(test=Split(real(2).x, real(2).y + 1)).digest()


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_real_targets_are_finite(part: str, value: float) -> None:
    bad = real()
    bad.y[3, 1] = value
    with pytest.raises(DataError, match=f"toy, {part}: target of image 3 holds {value}: expected finite"):
        build_real(**{part: bad})


@pytest.mark.parametrize(
    "bad",
    [
        real(shape=(3,)),
        real(shape=()),
        Split(real().x, real().y.astype(np.float64)),
        Split(real().x, np.asfortranarray(real().y)),
        Split(real().x, real().y[:3]),
        split(),
    ],
    ids=["shape", "no shape", "float64", "not contiguous", "three of four", "labels"],
)
def test_the_arrays_of_real_targets_are_checked(bad: Split) -> None:
    with pytest.raises(DataError, match=r"expected (float32, C-contiguous, \(n, 2\)|one target per image)"):
        build_real(train=bad)


@pytest.mark.parametrize(("target_shape", "classes"), [((), 0), ((2,), 2), ((0,), 0), ((2, 0), 0), ((), -1), ((), 2**20 + 1)])
def test_a_data_set_has_classes_or_a_shape_of_targets(target_shape: tuple[int, ...], classes: int) -> None:
    with pytest.raises(DataError, match="expected 1 (class or more|to 1,048,576)"):
        build_real(target_shape, classes)


def test_classes_are_called_by_their_numbers_unless_they_have_names() -> None:
    assert build().labels == ("0", "1")
    assert build(labels=("no", "yes")).labels == ("no", "yes")


@pytest.mark.parametrize("labels", [("a",), ("a", "a"), ("a", "b", "c"), (0, 1)])
def test_each_class_has_another_name(labels: Any) -> None:
    with pytest.raises(DataError, match="expected 2 different texts"):
        build(labels=labels)


def test_the_digest_of_labels_is_what_it_was() -> None:
    """Run files of earlier versions hold it."""
    assert build().digest() == build(labels=("no", "yes")).digest() == "da2068707a27fbc0235df2a39c458f1d"


def test_what_is_taken_over_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    finite = np.isfinite
    monkeypatch.setattr(np, "isfinite", lambda x: read.append(len(x)) or finite(x))
    data = build(train=split(6))
    assert sorted(read) == [0, 4, 6]
    read.clear()
    replace(data, scale="other", folder="here")
    assert read == []
    assert replace(data, train=split(5)).train.x.shape == (5, 3) and read == [5]
    again = pickle.loads(pickle.dumps(data))
    assert again.digest() == deepcopy(data).digest() == data.digest()


def test_a_split_is_read_again_for_other_classes_and_when_it_is_another() -> None:
    data = build(train=split(label=1))
    with pytest.raises(DataError, match="label 1 of image 0: expected 0, but the labels go from"):
        replace(data, classes=1, labels=())
    bad = split()
    bad.x[0, 0] = np.nan
    for _ in range(2):  # what was refused once is not taken for checked
        with pytest.raises(DataError, match="image 0 holds nan"):
            build(test=bad)
    sound = build().test
    with pytest.raises(DataError, match="image 0 holds nan"):
        build(test=replace(sound, x=bad.x))
