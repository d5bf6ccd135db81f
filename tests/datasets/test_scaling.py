from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.datasets.arrays import Arrays
from neurosim.datasets.scaling import BINARY, BYTES, UNIT, unit_range
from neurosim.errors import DataError

PIXELS = np.array([[0, 0, 1, 200], [3, 128, 255, 0]], np.uint8)
BINARISED = (PIXELS > 99).astype(np.uint8)


def scaled(train: Any, test: Any = None) -> tuple[Any, Any, str]:
    y = np.zeros(2, int)
    found, scale = unit_range(Arrays(train, y, train if test is None else test, y), "toy")
    return found.x_train, found.x_test, scale


@pytest.mark.parametrize("dtype", ["u1", "i2", ">i4", "i8", "u8"])
def test_whole_numbers_are_bytes(dtype: str) -> None:
    train, test, scale = scaled(PIXELS.astype(dtype))
    np.testing.assert_allclose(train, PIXELS / 255, rtol=1e-6)
    np.testing.assert_array_equal(test, train)
    assert scale == BYTES


@pytest.mark.parametrize("dtype", ["u1", "i8", "?"])
def test_binarised_images_stay_as_they_are(dtype: str) -> None:
    train, test, scale = scaled(BINARISED.astype(dtype))
    np.testing.assert_array_equal(train, BINARISED)
    np.testing.assert_array_equal(test, BINARISED)
    assert scale == BINARY


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_numbers_from_0_to_1_stay_as_they_are(dtype: str) -> None:
    x = (PIXELS / 255).astype(dtype)
    train, _, scale = scaled(x)
    np.testing.assert_array_equal(train, x)
    assert scale == UNIT


def test_rounding_above_1_is_cut() -> None:
    assert scaled(PIXELS / 255 * 1.0000001)[0].max() == 1


def test_each_split_has_its_own_type() -> None:
    train, test, _ = scaled(PIXELS, PIXELS / 255)
    np.testing.assert_allclose(train, test, rtol=1e-6)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (PIXELS // 16, None, "toy, train: uint8 pixels from 0 to 15 only: expected some in the upper half of 0 to 255; divide"),
        (PIXELS // 2, None, "pixels from 0 to 127 only"),
        (PIXELS / 255 / 255, None, "float64 pixels from 0.0 to 0.0039.* only: expected some in the upper half of 0 to 1; rescale"),
        (PIXELS.astype("u2") * 257, None, "uint16 pixels from 0 to 65535: expected 0 to 255; divide them by 65535 to"),
        (PIXELS.astype("f4"), None, "float32 pixels from 0.0 to 255.0: expected 0 to 1; divide them by 255 to floating-point"),
        (PIXELS / 127.5 - 1, None, "pixels from -1.0 to 1.0: expected 0 to 1; rescale"),
        (PIXELS.astype("i2") - 128, None, "int16 pixels from -128 to 127: expected 0 to 255"),
        (PIXELS, BINARISED, "toy, test: uint8 pixels from 0 to 1 only: expected some in the upper half of 0 to 255"),
        (BINARISED, PIXELS, "toy, test: uint8 pixels from 0 to 255: expected 0 to 1"),
    ],
)
def test_other_scales_are_refused(train: Any, test: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        scaled(train, test)
    assert "\n" not in str(caught.value)


def test_blank_images_tell_nothing_and_are_no_error() -> None:
    blank = np.zeros_like(PIXELS)
    assert scaled(blank)[0].max() == scaled(blank / 255)[0].max() == 0
    np.testing.assert_allclose(scaled(blank, PIXELS)[1], PIXELS / 255, rtol=1e-6)
    assert scaled(PIXELS, blank)[1].max() == 0


def test_a_dark_test_split_follows_the_training_images() -> None:
    np.testing.assert_allclose(scaled(PIXELS, PIXELS // 3)[1], (PIXELS // 3) / 255, rtol=1e-6)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=20))
def test_no_whole_numbers_end_outside_or_below_half_unless_they_are_refused(values: list[int]) -> None:
    x = np.array([values], np.uint8)
    if 1 < max(values) < 128:
        with pytest.raises(DataError, match="upper half"):
            scaled(x)
    else:
        assert scaled(x)[0].max() in (0, 1) or scaled(x)[0].max() >= 0.5
