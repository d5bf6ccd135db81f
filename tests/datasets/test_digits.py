from __future__ import annotations

import hashlib

import numpy as np
import pytest
from sklearn.datasets import load_digits

from neurosim.datasets import load
from neurosim.datasets.digits import read_digits, stratified_order


def test_sizes_and_pixels() -> None:
    arrays = read_digits()
    assert arrays.x_train.shape == (1297, 64)
    assert arrays.x_test.shape == (500, 64)
    assert arrays.x_train.min() == 0
    assert arrays.x_train.max() == 1


def test_every_image_is_in_exactly_one_split_with_its_own_label() -> None:
    arrays = read_digits()
    images, labels = load_digits(return_X_y=True)
    ours = np.column_stack(
        [np.concatenate([arrays.x_train, arrays.x_test]) * 16, np.concatenate([arrays.y_train, arrays.y_test])]
    )
    theirs = np.column_stack([images, labels])
    assert sorted(map(tuple, ours.tolist())) == sorted(map(tuple, theirs.tolist()))


@pytest.mark.parametrize("validation", [0, 97, 297, 1000])
def test_every_split_is_stratified(validation: int) -> None:
    data = load("digits", validation=validation)
    share = np.bincount(load_digits().target) / 1797
    for split in (data.train, data.validation, data.test):
        assert np.abs(np.bincount(split.y, minlength=10) - share * len(split)).max() < 2


def test_the_split_never_changes() -> None:
    """Frozen on 2026-11-23: numbers published for digits hold only as long as this does."""
    arrays = read_digits()
    assert hashlib.md5(arrays.y_train.astype(np.uint8).tobytes()).hexdigest() == "88b48f751e97c676bb0c5aab98c0c23a"
    assert hashlib.md5((arrays.x_test * 16).astype(np.uint8).tobytes()).hexdigest() == "38cfdf632c1f324696080ced1c0f994f"


def test_the_order_is_a_permutation_that_mixes_each_class() -> None:
    y = np.repeat([0, 1], [30, 60])
    order = stratified_order(y)
    assert sorted(order) == list(range(90))
    assert [int(np.sum(y[order[i : i + 9]] == 0)) for i in range(0, 90, 9)] == [3] * 10
    first_class = order[y[order] == 0]
    assert first_class.tolist() != sorted(first_class)
