"""Targets of every kind: what they become, for which a straight loop over the samples is the reference."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurosim.datasets import from_arrays
from neurosim.datasets.targets import as_targets
from neurosim.errors import DataError, UnknownNameError

WORDS = st.text(min_size=1, max_size=5).filter(lambda word: "\0" not in word)


def targets(y: Any, **options: Any) -> Any:
    return as_targets("mine", {"train": np.asarray(y)}, **options)


# ---------------------------------------------------------------------- texts


@given(st.lists(WORDS, min_size=1, max_size=30), st.sampled_from(["U", "O", "column", "S"]))
def test_texts_become_their_places_among_the_sorted_texts(words: list[str], form: str) -> None:
    if form == "S":
        words = [f"{hash(word) % 5} \N{GREEK SMALL LETTER ALPHA}" for word in words]
    y = np.array([w.encode() for w in words]) if form == "S" else np.array(words, object if form == "O" else str)
    found = targets(y[:, None] if form == "column" else y)
    assert list(found.labels) == sorted(set(words))
    assert [found.labels[k] for k in found.parts["train"]] == words
    assert found.parts["train"].dtype == np.int64
    assert (found.classes, found.shape) == (len(set(words)), ())


def test_texts_of_all_splits_are_the_classes() -> None:
    data = from_arrays(np.eye(3), ["b", "d", "b"], np.ones((2, 3)), ["a", "c"], name="mine")
    assert data.labels == ("a", "b", "c", "d")
    assert (data.train.y.tolist(), data.test.y.tolist(), data.classes) == ([1, 3, 1], [0, 2], 4)


@pytest.mark.parametrize("kind", [pd.Series, pd.Categorical, lambda y: pd.Series(y, dtype="string"), tuple])
def test_texts_of_pandas_are_texts(kind: Any) -> None:
    assert from_arrays(np.eye(4), kind(["x", "y", "x", "y"]), test=1).labels == ("x", "y")


def test_labels_say_the_order_of_texts_and_those_that_never_occur() -> None:
    found = targets(["dog", "cat"], labels=["dog", "cow", "cat"])
    assert (found.parts["train"].tolist(), found.labels, found.classes) == ([0, 2], ("dog", "cow", "cat"), 3)


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (["a", ""], {}, "train: label '' of image 1: expected a text"),
        (np.array(["a", None], object), {}, "train: label None of image 1: expected a text"),
        (np.array(["a", np.nan], object), {}, "train: label nan of image 1: expected a text"),
        (np.array([1, "a"], object), {}, "train: label 1 of image 0: expected a text"),
        (np.array([b"\xff"]), {}, "expected text that UTF-8 can hold"),
        (["a", "\udcff"], {}, "expected text that UTF-8 can hold"),
        (np.array([0x110000, 97], np.uint32).view("<U1"), {}, "labels of no characters: expected text"),
        (np.array([0x110000, 97], ">u4").view(">U1"), {}, "labels of no characters: expected text"),
        (["a", "b"], {"labels": ["a"]}, "label 'b': expected one of labels"),
        (["a", "b"], {"labels": "ab"}, "labels 'ab': expected the classes in order"),
        (["a", "b"], {"labels": ["a", "b", "a"]}, "expected the classes in order, different"),
        (["a", "b"], {"labels": ["a", 1]}, "label 'b': expected one of labels"),
        (["a", "b"], {"labels": []}, "expected the classes in order"),
        (["a", "b"], {"labels": [["a"], ["b"]]}, "expected the classes in order"),
        (["a", "b"], {"classes": 3}, "2 labels, classes 3: expected as many"),
        ([["a", "b"]], {}, "expected whole numbers of shape"),
        (np.array([], str), {}, "no labels: expected at least 1"),
    ],
)
def test_other_texts_are_refused(y: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        targets(y, **options)
    assert "\n" not in str(caught.value)


def test_texts_and_numbers_in_two_splits_are_refused() -> None:
    with pytest.raises(DataError, match="mine, test: labels that are no texts: expected texts, as other splits have"):
        as_targets("mine", {"train": np.array(["1"]), "test": np.array([1])})


# ---------------------------------------------------------------------- truth values and whole numbers


def test_truth_values_are_two_classes_even_where_only_one_occurs() -> None:
    found = targets([True, True])
    assert (found.parts["train"].tolist(), found.labels, found.classes) == ([1, 1], ("False", "True"), 2)
    assert targets([True, False], labels=["dead", "alive"]).labels == ("dead", "alive")


@given(st.lists(st.integers(-(2**53) + 1, 2**53 - 1), min_size=1, max_size=8, unique=True), st.data())
def test_labels_name_whole_numbers_that_do_not_start_at_0(kinds: list[int], draw: st.DataObject) -> None:
    y = draw.draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=20))
    found = targets(np.array(y, np.int64), labels=kinds)
    assert [kinds[k] for k in found.parts["train"]] == y
    assert found.labels == tuple(map(str, kinds))


def test_labels_from_1_are_refused_with_both_ways_out_and_taken_where_they_are_named() -> None:
    with pytest.raises(DataError, match=r"subtract 1, or .* labels=\[1, ...\] to name those that do, or targets='real'"):
        targets(range(1, 11))
    assert targets(range(1, 11), labels=range(1, 11)).parts["train"].tolist() == list(range(10))
    with pytest.raises(DataError, match="train: label 11 of image 1: expected one of labels"):
        targets([1, 11], labels=range(1, 11))


def test_texts_name_numbers_from_0() -> None:
    assert targets([0, 2], labels=["a", "b", "c"])[1:] == (3, (), ("a", "b", "c"))
    with pytest.raises(DataError, match="label 2 of image 0: expected 0 to 1"):
        from_arrays(np.eye(3), [2, 0, 1], np.eye(3), [0, 1, 0], labels=["a", "b"])


# ---------------------------------------------------------------------- real targets

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


@given(hnp.arrays(np.float64, SHAPES, elements=st.floats(-1e6, 1e6)))
def test_the_kind_of_floats_is_that_of_the_rule(y: Any) -> None:
    fractions = any(float(value) != int(value) for value in y.ravel())
    if fractions:
        found = targets(y)
        assert (found.classes, found.labels) == (0, ())
        assert found.shape == (y.shape[1:] or (1,))
        assert np.array_equal(found.parts["train"].ravel(), y.ravel().astype(np.float32))
    elif y.ndim == 1 or y.shape[1:] == (1,):
        assert targets(y, classes=2**20).parts["train"].tolist() == y.ravel().tolist()
    else:
        with pytest.raises(DataError, match="targets='real'"):
            targets(y)
    assert np.array_equal(targets(y, targets="real").parts["train"].ravel(), y.ravel().astype(np.float32))


def test_a_fraction_in_any_split_makes_real_targets_in_all() -> None:
    data = from_arrays(np.eye(4), [1.0, 2.0, 3.0, 4.0], np.eye(4)[:2], [[1.5], [2]])
    assert (data.classes, data.target_shape, data.labels) == (0, (1,), ())
    assert data.train.y.tolist() == [[1], [2], [3], [4]]
    assert data.train.y.dtype == data.test.y.dtype == np.float32


def test_whole_numbers_are_real_targets_where_that_is_said() -> None:
    data = from_arrays(np.eye(4), [25, 346, 0, -1], test=1, targets="real")
    assert (data.classes, data.target_shape) == (0, (1,))


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([[0.5, np.nan]] * 4, {}, "target of image 0 holds nan"),
        ([0.5, 1, np.inf, 1], {}, "target of image 2 holds inf"),
        ([1e300, 0.5, 1, 1], {}, "target of image 0 holds inf"),
        ([0.5, 1, 1, 1], {"targets": "labels"}, "label 0.5 of image 0: expected a whole number"),
        ([0.5, 1, 1, 1], {"classes": 2}, "label 0.5 of image 0: expected a whole number"),
        ([0, 1, 1, 1], {"targets": "real", "classes": 2}, "targets='real' with classes or labels"),
        (["a"] * 4, {"targets": "real"}, "expected real numbers of shape"),
        (np.ones(4) * 1j, {"targets": "real"}, "expected real numbers of shape"),
        (np.zeros((4, 0)), {"targets": "real"}, "at least one number for each sample"),
        (np.float64(0.5), {}, "expected real numbers of shape"),
        ([0.5, 1, 1], {}, "train: 4 images but 3 labels"),
    ],
)
def test_other_real_targets_are_refused(y: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays(np.eye(4), y, np.eye(4), y, **options)


def test_real_targets_have_one_shape() -> None:
    with pytest.raises(DataError, match=re.escape("mine, test: targets of shape (3,): expected (2,), as in train")):
        as_targets("mine", {"train": np.full((4, 2), 0.5), "test": np.full((4, 3), 0.5)})


def test_another_word_for_the_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="targets 'label' is unknown: expected one of labels, real; did you mean 'labels'"):
        from_arrays(np.eye(4), [0, 1, 0, 1], test=1, targets="label")
