from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from neurosim.datasets import from_arrays
from neurosim.datasets.arrays import as_images
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
    assert from_arrays(images(4, 5), LABELS, images(2, 5), [1, 7]).classes == 8


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
        from_arrays(images(4, 5), labels, images(4, 5), LABELS)


def test_whole_labels_of_other_types_and_in_one_column_are_taken() -> None:
    data = from_arrays(images(4, 5), LABELS[:, None].astype(np.float32), images(4, 5), LABELS.astype(np.uint8))
    assert data.train.y.tolist() == data.test.y.tolist() == LABELS.tolist()


@pytest.mark.parametrize("labels", [np.eye(4), np.array(["a"] * 4), np.array(0)], ids=["one-hot", "text", "scalar"])
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
