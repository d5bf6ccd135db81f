from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from neurosim.datasets import from_arrays
from neurosim.datasets.arrays import as_images
from neurosim.datasets.augment import horizontal_flip
from neurosim.errors import DataError

LABELS = np.array([0, 2, 1, 0])


def images(*shape: int) -> Any:
    return np.arange(np.prod(shape), dtype=np.float64).reshape(shape)


def test_arrays_are_converted_but_not_rescaled() -> None:
    data = from_arrays(images(4, 5), LABELS, images(2, 5) + 100, [1, 1])
    assert data.train.x.dtype == np.float32
    assert data.train.x.flags.c_contiguous
    assert data.train.y.dtype == np.int64
    assert data.train.x.tolist() == images(4, 5).tolist()
    assert data.test.x[0, 0] == 100
    assert (data.name, data.shape, data.classes) == ("arrays", (5,), 3)


def test_the_number_of_classes_counts_the_test_labels_too() -> None:
    assert from_arrays(images(4, 5), LABELS, images(2, 5), [1, 3]).classes == 4


def test_classes_that_never_occur_are_counted_where_they_are_given() -> None:
    assert from_arrays(images(4, 5), LABELS, images(2, 5), [1, 7], classes=9).classes == 9


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2, 3, 4], "labels 1 to 4 of 4 kinds, none is 0: expected every class from 0.*; subtract 1, or give classes=5"),
        ([0, 1, 2, 255], "labels 0 to 255 of 4 kinds, none is 3: .*number the classes from 0, or give classes=256"),
        ([2, 3, 4, 5], "none is 0.*number the classes from 0"),
        ([0, 1, 2, 2**40], "number the classes from 0"),
        ([0, 1, 2, 1e300], "label 1e.300 of image 3: expected a whole number"),
        (np.array([0, 1, 2, 2**64 - 1], np.uint64), "label 18446744073709551615 of image 3: expected a whole number"),
    ],
)
def test_labels_that_are_no_numbers_of_classes_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays(images(4, 5), labels, images(4, 5), labels)


@pytest.mark.parametrize("classes", [0, -1, 2.5, True, "10"])
def test_classes_are_a_whole_number(classes: Any) -> None:
    with pytest.raises(DataError, match="classes .*: expected"):
        from_arrays(images(4, 5), LABELS, images(4, 5), LABELS, classes=classes)


def test_labels_from_1_are_told_where_the_classes_are_known() -> None:
    with pytest.raises(DataError, match="label 3 of image 2: expected 0 to 2, but the labels go from 1 to 3; subtract 1"):
        from_arrays(images(3, 5), [1, 2, 3], images(3, 5), [1, 2, 3], classes=3)


@pytest.mark.parametrize(("share", "held_out"), [(0.5, 2), (0.25, 1), (0.0, 0), (0, 0), (np.int64(3), 3)])
def test_validation_may_be_a_share_of_what_there_is(share: float, held_out: int) -> None:
    data = from_arrays(images(4, 5), LABELS, images(4, 5), LABELS, validation=share)
    assert (len(data.train), len(data.validation)) == (4 - held_out, held_out)


@pytest.mark.parametrize("share", [0.01, 0.99, 1.0, -0.5, np.nan, np.inf, True, "0.5", None])
def test_other_shares_are_refused(share: Any) -> None:
    with pytest.raises(DataError, match="validation .*: .*expected"):
        from_arrays(images(4, 5), LABELS, images(4, 5), LABELS, validation=share)


@given(st.integers(2, 40), st.data())
def test_the_splits_are_the_training_images_in_order_and_none_twice(count: int, draw: st.DataObject) -> None:
    held_out = draw.draw(st.integers(0, count - 1))
    data = from_arrays(images(count, 1), np.arange(count), images(1, 1) - 1, [0], validation=held_out)
    assert len(data.validation) == held_out
    joined = [*data.train.x.ravel(), *data.validation.x.ravel()]
    assert joined == [*data.train.y, *data.validation.y] == list(range(count))
    assert data.test.x.ravel().tolist() == [-1]


def test_masked_values_are_refused_and_a_mask_of_nothing_is_no_matter() -> None:
    x = np.ma.masked_less(images(4, 5), 2)
    with pytest.raises(DataError, match="arrays, x_train: 2 masked values: expected none; fill them"):
        from_arrays(x, LABELS, images(4, 5), LABELS)
    with pytest.raises(DataError, match="arrays, y_test: 1 masked values"):
        from_arrays(images(4, 5), LABELS, images(4, 5), np.ma.masked_equal(LABELS, 2))
    assert from_arrays(np.ma.masked_less(images(4, 5), -1), LABELS, images(4, 5), LABELS).train.x[3, 4] == 19


class Tensor:
    """As a tensor on a GPU, or one with a gradient, answers NumPy."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (scipy.sparse.eye(4), "sparse .*matrix: expected an array; give x.toarray"),
        ([np.ones(5), np.ones(4)], "a list that makes no array"),
        (Tensor(), "a Tensor that makes no array .*requires grad"),
        (np.array([[None] * 5] * 4), "expected real numbers"),
        (np.zeros((4, 5), "M8[s]"), "expected real numbers"),
        (np.zeros(4, "i4,i4"), "expected real numbers"),
        (pd.DataFrame({"a": list("abcd")}), "expected real numbers"),
        (None, "expected real numbers"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_makes_no_array_of_numbers_is_refused_in_one_line(x: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        from_arrays(x, LABELS, images(4, 5), LABELS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "convert",
    [
        np.asfortranarray,
        lambda x: x.astype(">f4"),
        lambda x: np.repeat(x, 2, 0)[::2],
        lambda x: pd.DataFrame(x),
        lambda x: x.tolist(),
        lambda x: x.astype(np.int16),
        lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),  # read-only
    ],
    ids=["Fortran", "big-endian", "strided", "frame", "list", "int16", "read-only"],
)
def test_arrays_of_other_layouts_hold_the_same_numbers(convert: Any) -> None:
    data = from_arrays(convert(images(4, 5)), LABELS, images(4, 5), LABELS)
    assert data.train.x.tolist() == images(4, 5).tolist()
    assert data.train.x.dtype == np.float32 and data.train.x.flags.c_contiguous
    assert data.train.x.dtype.isnative


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_channels_of_large_images_may_come_last(channels: int) -> None:
    x = images(4, 6, 7, channels)
    data = from_arrays(x, LABELS, x[:, :, :, :], LABELS)
    assert data.shape == (channels, 6, 7)
    assert np.array_equal(data.train.x, x.transpose(0, 3, 1, 2))
    turned = horizontal_flip(data.train.x, np.random.default_rng(0))
    assert not np.array_equal(turned, data.train.x)


@pytest.mark.parametrize(
    ("given", "shape"), [((4, 6), (6,)), ((4, 2, 3), (1, 2, 3)), ((4, 3, 2, 2), (3, 2, 2))], ids=["flat", "grey", "channels"]
)
def test_shapes(given: tuple[int, ...], shape: tuple[int, ...]) -> None:
    data = from_arrays(images(*given), LABELS, images(*given), LABELS)
    assert data.shape == shape
    assert data.train.x.shape == (4, *shape)


def test_validation_is_the_last_training_images_in_order() -> None:
    data = from_arrays(images(4, 1), LABELS, images(1, 1), [0], validation=3)
    assert data.train.x.ravel().tolist() == [0]
    assert data.validation.x.ravel().tolist() == [1, 2, 3]
    assert data.validation.y.tolist() == [2, 1, 0]


@pytest.mark.parametrize("validation", [-1, 4, 5])
def test_validation_leaves_at_least_one_training_image(validation: int) -> None:
    with pytest.raises(DataError, match=f"validation {validation}: expected 0 to 3"):
        from_arrays(images(4, 5), LABELS, images(4, 5), LABELS, validation=validation)


@pytest.mark.parametrize("labels", [[0, 0.5, 1, 1], [0, np.nan, 1, 1], [0, np.inf, 1, 1]])
def test_labels_must_be_whole_numbers(labels: list[float]) -> None:
    with pytest.raises(DataError, match=f"arrays, train: label {labels[1]} of image 1: expected a whole number"):
        from_arrays(images(4, 5), labels, images(4, 5), LABELS, targets="labels")


def test_whole_labels_of_other_types_and_in_one_column_are_taken() -> None:
    data = from_arrays(images(4, 5), LABELS[:, None].astype(np.float32), images(4, 5), LABELS.astype(np.uint8))
    assert data.train.y.tolist() == data.test.y.tolist() == LABELS.tolist()


@pytest.mark.parametrize("labels", [np.eye(4), np.array([None] * 4), np.array(0)], ids=["one-hot", "objects", "scalar"])
def test_other_labels_are_refused(labels: Any) -> None:
    with pytest.raises(DataError, match="expected whole numbers of shape"):
        from_arrays(images(4, 5), labels, images(4, 5), LABELS)


@pytest.mark.parametrize("bad", [images(4), np.array([["a"]] * 4), images(4, 5) * 1j], ids=["1-d", "text", "complex"])
def test_other_images_are_refused(bad: Any) -> None:
    with pytest.raises(DataError, match="expected real numbers of shape"):
        from_arrays(bad, LABELS, images(4, 5), LABELS)


def test_negative_labels_are_refused() -> None:
    with pytest.raises(DataError, match="label -1 of image 0"):
        from_arrays(images(4, 5), [-1, 0, 0, 0], images(4, 5), LABELS)


def test_lengths_must_match() -> None:
    with pytest.raises(DataError, match="arrays, train: 3 images but 4 labels"):
        from_arrays(images(3, 5), LABELS, images(4, 5), LABELS)


def test_an_empty_training_set_is_refused() -> None:
    with pytest.raises(DataError, match="train: 0 images"):
        from_arrays(np.empty((0, 5)), np.empty(0), images(4, 5), LABELS)


def test_training_and_test_images_must_agree() -> None:
    with pytest.raises(DataError, match=re.escape("arrays, test: images of shape (6,): expected (5,)")):
        from_arrays(images(4, 5), LABELS, images(4, 6), LABELS)


def test_a_number_too_large_for_float32_is_refused_as_infinite() -> None:
    with pytest.raises(DataError, match="image 0 holds inf"):
        from_arrays(np.full((4, 5), 1e300), LABELS, images(4, 5), LABELS)


def test_channels_that_come_last_are_brought_first() -> None:
    x = images(2, 4, 5, 3)
    assert np.array_equal(as_images(x, (3, 4, 5), "toy"), x.transpose(0, 3, 1, 2))
    flat = images(2, 60)
    assert np.array_equal(as_images(flat, (3, 4, 5), "toy"), flat.reshape(2, 3, 4, 5))


def test_a_colour_image_without_its_channels_is_refused() -> None:
    with pytest.raises(DataError, match="expected \\(3, 4, 5\\)"):
        as_images(images(2, 4, 5), (3, 4, 5), "toy")
