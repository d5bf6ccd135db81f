"""From arrays, of whatever type and layout, to a data set: convert, reshape, set validation images apart."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.dataset import DataSet, Split
from neurosim.errors import DataError, require

Shape = tuple[int, ...]


class Arrays(NamedTuple):
    """Images and labels as their files or their owner hold them, before any conversion."""

    x_train: NDArray[Any]
    y_train: NDArray[Any]
    x_test: NDArray[Any]
    y_test: NDArray[Any]


def from_arrays(x_train: Any, y_train: Any, x_test: Any, y_test: Any, *, name: str = "arrays", validation: int = 0) -> DataSet:
    """Return a data set made of the user's own arrays; values are taken as they are, unscaled.

    Parameters
    ----------
    x_train, x_test : (n, n_features), (n, height, width) or (n, channels, height, width), real numbers
    y_train, y_test : (n,) whole numbers from 0; the largest decides how many classes there are
    validation : how many of the last training images become the validation split

    Raises
    ------
    DataError
        Empty, NaN, infinite or non-numeric arrays, shapes that do not match, labels that are not classes.
    """
    arrays = Arrays(np.asarray(x_train), np.asarray(y_train), np.asarray(x_test), np.asarray(y_test))
    shape = arrays.x_train.shape[1:]
    if len(shape) == 2:
        shape = (1, *shape)
    labels = np.concatenate([as_labels(arrays.y_train, f"{name}, train"), as_labels(arrays.y_test, f"{name}, test")])
    classes = max(int(labels.max(initial=0)), 0) + 1
    return assemble(name, arrays, shape, classes, validation)


def assemble(name: str, arrays: Arrays, shape: Shape, classes: int, validation: int = 0) -> DataSet:
    """Return ``arrays`` as a checked data set whose last ``validation`` training images are set apart."""
    x = as_images(arrays.x_train, shape, f"{name}, train")
    y = as_labels(arrays.y_train, f"{name}, train")
    test = Split(as_images(arrays.x_test, shape, f"{name}, test"), as_labels(arrays.y_test, f"{name}, test"))
    require(len(x) > 0, f"data set {name}, train: 0 images: expected at least 1; check the files or arrays", DataError)
    require(
        len(x) == len(y),
        f"data set {name}, train: {len(x)} images but {len(y)} labels: expected one label per image",
        DataError,
    )
    require(
        0 <= validation < len(x),
        f"data set {name}: validation {validation}: expected 0 to {len(x) - 1}, since {len(x)} training images are to be "
        f"split; lower it",
        DataError,
    )
    kept = len(x) - validation
    return DataSet(name, Split(x[:kept], y[:kept]), Split(x[kept:], y[kept:]), test, classes, shape)


def as_images(x: NDArray[Any], shape: Shape, where: str) -> NDArray[np.float32]:
    """Return ``x`` as (n, *shape) float32, C-contiguous.

    Flat images, images without their single channel, and images whose channels come last (Keras' files) are rearranged.
    """
    require(
        x.dtype.kind in "buif" and x.ndim >= 2,
        f"data set {where}: images {x.dtype} {x.shape}: expected real numbers of shape (n, ...); convert them",
        DataError,
    )
    if x.shape[1:] != shape and len(shape) == 3 and x.shape[1:] == (*shape[1:], shape[0]):
        x = np.moveaxis(x, -1, 1)
    rearrangeable = (shape, shape[1:], (math.prod(shape),)) if shape[0] == 1 else (shape, (math.prod(shape),))
    require(
        x.shape[1:] in rearrangeable,
        f"data set {where}: images of shape {x.shape[1:]}: expected {shape}; reshape them or name another data set",
        DataError,
    )
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinity, which DataSet reports
        return np.ascontiguousarray(x, dtype=np.float32).reshape(len(x), *shape)


def as_labels(y: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Return ``y``, (n,) or (n, 1) whole numbers of any numeric type, as (n,) int64."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]  # Keras stores CIFAR's labels so
    require(
        y.ndim == 1 and y.dtype.kind in "uif",
        f"data set {where}: labels {y.dtype} {y.shape}: expected whole numbers of shape (n,); give each image's class number",
        DataError,
    )
    whole = np.isfinite(y) & (np.trunc(y) == y)
    if not whole.all():
        at = int(np.flatnonzero(~whole)[0])
        raise DataError(f"data set {where}: label {y[at]} of image {at}: expected a whole number; check the labels")
    return y.astype(np.int64)
