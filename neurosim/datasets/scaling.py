"""Pixels from 0 to 1: which numbers a file's images are written in, as its training images show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.arrays import Arrays
from neurosim.errors import DataError, require

BYTES = "bytes, divided by 255"
BINARY = "0 and 1, as they are"
UNIT = "0 to 1, as they are"
ROUNDING = 1e-6


def unit_range(arrays: Arrays, where: str) -> tuple[Arrays, str]:
    """Return ``arrays`` with images in [0, 1], and what was done to the training images.

    Whole numbers are bytes, unless the training images hold none above 1: those are binarised and stay as they are.
    Floating-point numbers have to be in [0, 1] already, but for rounding.

    Raises
    ------
    DataError
        Pixels are on another scale (``where`` names the data set): outside of theirs, or in its lower half only.
    """
    x_train, scale = _scaled(arrays.x_train, f"{where}, train", binary=None)
    binary = scale == BINARY if arrays.x_train.dtype.kind in "ui" and arrays.x_train.any() else None
    x_test, _ = _scaled(arrays.x_test, f"{where}, test", binary)
    return arrays._replace(x_train=x_train, x_test=x_test), scale


def _scaled(x: NDArray[Any], where: str, binary: bool | None) -> tuple[NDArray[Any], str]:
    """Return images in [0, 1], and what they were.

    binary : whether whole numbers are binarised; None lets ``x`` tell
    """
    if x.dtype.kind not in "uif":
        return x, BINARY  # truth values; as_images says what is wrong with anything else
    low, high = x.min(initial=0), x.max(initial=0)
    floats = x.dtype.kind == "f"
    told = binary is not None
    binary = bool(high <= 1) if binary is None else binary
    top = 1 if floats or binary else 255
    advice = f"{f'divide them by {high:g}' if high > 1 and low >= 0 else 'rescale them'} to floating-point numbers from 0 to 1"
    require(
        not (low < 0 or high > top * (1 + ROUNDING)),  # so put, NaN passes, and DataSet names the image that holds it
        f"data set {where}: {x.dtype} pixels from {low} to {high}: expected 0 to {top}; {advice}",
        DataError,
    )
    dim = high < top / 2 if not told else high <= 1 < top
    require(
        not (0 < high and dim),
        f"data set {where}: {x.dtype} pixels from {low} to {high} only: expected some in the upper half of 0 to {top}; {advice}",
        DataError,
    )
    if top == 1:
        return (np.minimum(x, 1) if high > 1 else x), UNIT if floats else BINARY
    return np.divide(x, np.float32(255), dtype=np.float32), BYTES
