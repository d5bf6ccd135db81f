"""From arrays, of whatever type and layout, to a data set: convert, reshape, set validation images apart."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.dataset import DataSet, Split
from neurosim.errors import DataError, quoted, require

Shape = tuple[int, ...]
MOST_CHANNELS = 4  # red, green, blue, and how opaque


class Arrays(NamedTuple):
    """Images and labels as their files or their owner hold them, before any conversion."""

    x_train: NDArray[Any]
    y_train: NDArray[Any]
    x_test: NDArray[Any]
    y_test: NDArray[Any]


def from_arrays(
    x_train: Any,
    y_train: Any,
    x_test: Any,
    y_test: Any,
    *,
    name: str = "arrays",
    validation: float = 0,
    classes: int | None = None,
) -> DataSet:
    """Return a data set made of the user's own arrays; values are taken as they are, unscaled.

    Images whose channels come last, (n, height, width, 1 to 4) with sides longer than 4, are rearranged.  What is float32,
    C-contiguous and in order already is not copied.

    Parameters
    ----------
    x_train, x_test : (n, n_features), (n, height, width) or (n, channels, height, width), real numbers
    y_train, y_test : (n,) whole numbers from 0
    validation : how many of the last training images become the validation split, or a float below 1: the share of them
    classes : how many there are; by default the labels tell, and then each from 0 to the largest has to occur

    Raises
    ------
    DataError
        Empty, masked, NaN, infinite or non-numeric arrays, shapes that do not match, labels that are not classes.
    """
    given = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    arrays = Arrays(*(_plain(value, f"{name}, {key}") for key, value in given.items()))
    shape = arrays.x_train.shape[1:]
    if len(shape) == 2:
        shape = (1, *shape)
    elif channels_last(shape):
        shape = (shape[-1], *shape[:-1])
    return assemble(name, arrays, shape, _classes(name, arrays) if classes is None else classes, validation)


def _plain(values: Any, where: str) -> NDArray[Any]:
    """Return ``values`` as an array, or say in one line why it is none."""
    if isinstance(values, np.ma.MaskedArray):
        masked = int(np.ma.count_masked(values))
        require(
            masked == 0,
            f"data set {where}: {masked:,} masked values: expected none; fill them (x.filled(0)) or leave those samples out",
            DataError,
        )
    require(
        not (hasattr(values, "toarray") and not hasattr(values, "__array__")),
        f"data set {where}: a sparse {type(values).__name__}: expected an array; give x.toarray()",
        DataError,
    )
    try:
        return np.asarray(values)
    except Exception as error:  # ragged lists; tensors on a GPU or with a gradient; whatever a stranger's __array__ does
        reason = quoted(str(error))[1:-1]
        raise DataError(
            f"data set {where}: a {type(values).__name__} that makes no array ({reason}): expected numbers, as many for each "
            "sample; convert it to a NumPy array"
        ) from None


def channels_last(shape: Shape) -> bool:
    """Return whether images of ``shape`` have their channels last: grey to RGBA, and sides too long to be channels."""
    return len(shape) == 3 and shape[-1] <= MOST_CHANNELS < min(shape[:-1])


def _classes(name: str, arrays: Arrays) -> int:
    """Return how many classes the labels of both splits tell of; each has to occur, or they are no numbers of classes."""
    train, test = as_labels(arrays.y_train, f"{name}, train"), as_labels(arrays.y_test, f"{name}, test")
    occur = np.unique(np.concatenate([train, test]))
    if not occur.size or occur[0] < 0:
        return 1  # DataSet says what is wrong
    largest = int(occur[-1])
    if len(occur) <= largest:
        first = int(np.flatnonzero(occur != np.arange(len(occur)))[0])
        advice = "subtract 1" if len(occur) == largest and occur[0] == 1 else "number the classes from 0"
        raise DataError(
            f"data set {name}: labels {occur[0]} to {largest} of {len(occur)} kinds, none is {first}: expected every class from 0 "
            f"to the largest; {advice}, or give classes={largest + 1} if some never occur"
        )
    return largest + 1


def assemble(name: str, arrays: Arrays, shape: Shape, classes: int, validation: float = 0) -> DataSet:
    """Return ``arrays`` as a checked data set whose last ``validation`` training images, or share of them, are set apart."""
    check_whole("classes", classes)
    require(classes >= 1, f"data set {name}: classes {classes}: expected 1 or more; correct it", DataError)
    x = as_images(arrays.x_train, shape, f"{name}, train")
    y = as_labels(arrays.y_train, f"{name}, train")
    test = Split(as_images(arrays.x_test, shape, f"{name}, test"), as_labels(arrays.y_test, f"{name}, test"))
    require(len(x) > 0, f"data set {name}, train: 0 images: expected at least 1; check the files or arrays", DataError)
    require(
        len(x) == len(y),
        f"data set {name}, train: {len(x)} images but {len(y)} labels: expected one label per image",
        DataError,
    )
    kept = len(x) - _held_out(name, validation, len(x))
    return DataSet(name, Split(x[:kept], y[:kept]), Split(x[kept:], y[kept:]), test, classes, shape)


def _held_out(name: str, validation: float, size: int) -> int:
    """Return how many of ``size`` training images become the validation split."""
    count = validation
    if isinstance(validation, float) and 0 <= validation < 1:
        count = round(validation * size)
        require(
            0 < count < size or validation == 0,
            f"data set {name}: validation {validation}: {count} of {size} training images: expected at least one in either part; "
            "correct it",
            DataError,
        )
    else:
        check_whole(f"data set {name}: validation", validation)
    require(
        0 <= count < size,
        f"data set {name}: validation {validation}: expected 0 to {size - 1}, since {size} training images are to be split; "
        "lower it",
        DataError,
    )
    return int(count)


def check_whole(what: str, value: Any) -> None:
    """Raise DataError where ``value`` is no whole number."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    require(whole, f"{what} {quoted(value)}: expected a whole number; correct it", DataError)


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
    advice = "give y.argmax(1) if they are one-hot" if y.ndim == 2 else "give each image's class number"
    require(
        y.ndim == 1 and y.dtype.kind in "uif",
        f"data set {where}: labels {y.dtype} {y.shape}: expected whole numbers of shape (n,); {advice}",
        DataError,
    )
    whole = np.isfinite(y) & (np.trunc(y) == y) & (np.abs(y.astype(np.float64)) < 2.0**53)
    if not whole.all():
        at = int(np.flatnonzero(~whole)[0])
        raise DataError(f"data set {where}: label {y[at]} of image {at}: expected a whole number from 0; check the labels")
    return y.astype(np.int64)
