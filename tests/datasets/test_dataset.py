from __future__ import annotations

import re
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
