"""Samples that are not split yet: every one lands in one split, in the classes' proportions, the same way everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.datasets import from_arrays
from neurosim.datasets.splitting import even_order
from neurosim.errors import DataError


def numbered(n: int) -> Any:
    return np.arange(n, dtype=np.float64)[:, None]


@given(st.lists(st.integers(0, 4), min_size=2, max_size=80), st.integers(0, 2**32 - 1))
def test_every_stretch_has_the_classes_in_their_proportions(y: list[int], seed: int) -> None:
    """Place (i + 1/2) / m of m members: a stretch holds a class's share, but for a sample at either end, and ties."""
    order = even_order(np.array(y), seed)
    assert sorted(order) == list(range(len(y)))
    ordered, n = np.array(y)[order], len(y)
    kinds = np.unique(y)
    for start, stop in ((0, n // 3), (n // 3, n), (n // 2, n // 2 + n // 4)):
        for kind in kinds:
            expected = (stop - start) * y.count(kind) / n
            assert abs((ordered[start:stop] == kind).sum() - expected) <= 2 + len(kinds) * y.count(kind) / n


@given(st.integers(4, 60), st.floats(0.1, 0.5), st.floats(0, 0.5), st.integers(0, 99), st.booleans())
def test_every_sample_is_in_one_split_with_its_own_target(n: int, test: float, validation: float, seed: int, real: bool) -> None:
    y = numbered(n)[:, 0] + 0.5 if real else np.arange(n)
    try:
        data = from_arrays(numbered(n), y, test=test, validation=validation, seed=seed)
    except DataError as error:
        assert "expected at least one in either part" in str(error)
        return
    splits = (data.train, data.validation, data.test)
    assert sorted(np.concatenate([split.x.ravel() for split in splits])) == list(range(n))
    for split in splits:
        assert np.array_equal(split.y.ravel(), split.x.ravel() + (0.5 if real else 0))
    assert len(data.test) == round(test * n)
    assert len(data.validation) == round(validation * (n - len(data.test)))


def test_labels_are_stratified_also_where_the_file_is_sorted_by_class() -> None:
    data = from_arrays(numbered(150), np.repeat(["a", "b", "c"], 50), validation=0.25)
    assert [np.bincount(split.y).tolist() for split in (data.train, data.validation, data.test)] == [[30] * 3, [10] * 3, [10] * 3]


def test_the_seed_decides_the_split() -> None:
    one, same, other = (from_arrays(numbered(50), np.arange(50) % 2, seed=seed).test.x.ravel().tolist() for seed in (1, 1, 2))
    assert one == same != other
    assert len(one) == 10


def test_the_split_is_the_same_in_every_version() -> None:
    """RandomState's streams never change; these numbers are of 2026-11-26."""
    assert even_order(np.array([0, 0, 0, 1, 1, 1, 1]), 0).tolist() == [6, 2, 3, 1, 5, 0, 4]
    assert even_order(np.zeros(6), 1).tolist() == np.random.RandomState(1).permutation(6).tolist()


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, "0"])
def test_other_seeds_are_refused(seed: Any) -> None:
    with pytest.raises(DataError, match="seed .*: expected"):
        from_arrays(numbered(10), np.arange(10) % 2, seed=seed)


@pytest.mark.parametrize("test", [0, 0.0, 10, 1.0, -1, np.nan, True, "0.2", 0.01])
def test_a_test_split_leaves_a_sample_in_either_part(test: Any) -> None:
    with pytest.raises(DataError, match="arrays: test .*: .*expected"):
        from_arrays(numbered(10), np.arange(10) % 2, test=test)


@pytest.mark.parametrize("at", [0, 7, 19])
def test_what_is_wrong_is_named_by_its_place_before_the_shuffle(at: int) -> None:
    x, y = numbered(20), np.full(20, 0.5)
    x[at] = np.nan
    with pytest.raises(DataError, match=f"data set arrays: image {at} holds nan"):
        from_arrays(x, y)
    y[at] = np.inf
    with pytest.raises(DataError, match=f"data set arrays: target of image {at} holds inf"):
        from_arrays(numbered(20), y)
    labels = np.arange(20) % 2
    labels[at] = 2
    with pytest.raises(DataError, match=f"data set arrays: label 2 of image {at}: expected 0 to 1"):
        from_arrays(numbered(20), labels, classes=2)


X, Y = numbered(4), [0, 1, 0, 1]


def test_three_splits_are_taken_as_they_are() -> None:
    data = from_arrays(X, Y, X + 10, Y, x_validation=X + 20, y_validation=Y)
    assert [split.x[0, 0] for split in (data.train, data.validation, data.test)] == [0, 20, 10]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x_test": X}, "x_test or y_test alone"),
        ({"y_test": Y}, "x_test or y_test alone"),
        ({"x_validation": X, "y_validation": Y}, "x_validation without x_test"),
        ({"x_test": X, "y_test": Y, "test": 0.2}, "test 0.2: its samples are given as arrays"),
        ({"x_test": X, "y_test": Y, "x_validation": X, "y_validation": Y, "validation": 1}, "validation 1: its samples are given"),
        ({"x_test": X, "y_test": Y, "x_validation": X, "y_validation": Y[:3]}, "arrays, validation: 4 images but 3 labels"),
        ({"x_test": X, "y_test": Y, "x_validation": X, "y_validation": [0, 1, 0, 5]}, "none is 2"),
    ],
)
def test_splits_that_do_not_fit_each_other_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays(X, Y, **options)
