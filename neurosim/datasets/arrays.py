"""From arrays, of whatever type and layout, to a data set: convert, reshape, set validation and test samples apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.dataset import DataSet, Split, check_values
from neurosim.datasets.splitting import count_held_out, even_order
from neurosim.datasets.targets import Targets, as_labels, as_targets
from neurosim.errors import DataError, quoted, require

Shape = tuple[int, ...]
MOST_CHANNELS = 4  # red, green, blue, and how opaque
TEST_SHARE = 0.2  # of samples that are not split yet, where nothing else is asked for
NO_IMAGE = "0 images: expected at least 1; check the files or arrays"
PARTS = ("train", "validation", "test")


class Arrays(NamedTuple):
    """Images and labels as their files or their owner hold them, before any conversion."""

    x_train: NDArray[Any]
    y_train: NDArray[Any]
    x_test: NDArray[Any]
    y_test: NDArray[Any]


def from_arrays(
    x_train: Any,
    y_train: Any,
    x_test: Any = None,
    y_test: Any = None,
    *,
    x_validation: Any = None,
    y_validation: Any = None,
    name: str = "arrays",
    validation: float = 0,
    test: float | None = None,
    seed: int = 0,
    classes: int | None = None,
    targets: str | None = None,
    labels: Sequence[Any] | None = None,
) -> DataSet:
    """Return a data set made from your own arrays; values are not changed or scaled.

    ``from_arrays(x, y)`` splits the samples itself: they are shuffled, the last ones become the test split, and the last of the
    others the validation split.  If targets are labels, the splits are stratified: each class is shuffled and then spread evenly,
    so every split, and every part of the training samples, has the classes in the same proportions.

    Images whose channels come last, (n, height, width, 1 to 4) with sides longer than 4, are rearranged.  Arrays that are already
    float32, C-contiguous and in the right order are not copied.

    Parameters
    ----------
    x_train, x_test, x_validation : (n, n_features), (n, height, width) or (n, channels, height, width), real numbers
    y_train, y_test, y_validation : labels, (n,) or (n, 1): texts, truth values, or whole numbers from 0; or real targets, (n,),
        which become (n, 1), or (n, ...).  Without ``targets``, floating-point numbers are real targets if one of them, in any
        split, has a fraction, and labels if all are whole
    validation : without ``x_validation``: how many of the last training samples, or their share, as a float below 1
    test : without ``x_test``: how many of all samples, or their share, as a float below 1; 0.2 by default
    seed : decides the shuffle, without ``x_test``; one seed gives the same split in every version
    classes : how many classes there are; by default the labels decide, and then each label from 0 to the largest has to occur
    targets : "labels" or "real": what the targets are, instead of the guess above
    labels : the classes in order.  Either those that occur in the arrays, as texts or whole numbers (with labels=range(1, 11), 1 is
        class 0); or, if the arrays contain 0, 1, ..., texts as names for them.  By default texts are sorted

    Raises
    ------
    DataError
        Empty, masked, NaN, infinite or non-numeric arrays, shapes that do not match, labels that are not classes, or a split that
        is given both as arrays and as a size.
    UnknownNameError
        ``targets`` is another word.
    """
    given = {"x_train": x_train, "y_train": y_train, "x_validation": x_validation, "y_validation": y_validation}
    given |= {"x_test": x_test, "y_test": y_test}
    arrays = {key: to_array(value, f"{name}, {key}") for key, value in given.items() if value is not None or "train" in key}
    return build(name, arrays, validation, test, seed, classes=classes, targets=targets, labels=labels)


def build(
    name: str, arrays: Mapping[str, NDArray[Any]], validation: float, test: float | None, seed: int = 0, **kinds: Any
) -> DataSet:
    """Return a checked data set made of ``arrays``: x_train, y_train, and by the same names those of other splits there are.

    validation, test, seed : as in ``from_arrays``; kinds : its classes, targets and labels
    """
    check_parts(name, arrays, validation, test)
    shape = check_samples(name, arrays)
    given = [part for part in PARTS if f"x_{part}" in arrays]
    found = as_targets(name, {part: arrays[f"y_{part}"] for part in given}, **kinds)
    splits = {part: Split(as_images(arrays[f"x_{part}"], shape, f"{name}, {part}"), found.parts[part]) for part in given}
    train = splits["train"]
    if "test" not in splits:
        check_values(f"data set {name}", train, found.classes)  # before the shuffle: a message names the user's own sample
        order = even_order(train.y if found.classes else np.zeros(len(train), np.int64), seed)
        kept = len(train) - count_held_out(name, "test", TEST_SHARE if test is None else test, len(train))
        splits["test"] = Split(train.x[order[kept:]], train.y[order[kept:]])
        train = Split(train.x[order[:kept]], train.y[order[:kept]])
    return _data_set(name, train, splits.get("validation"), splits["test"], validation, shape, found)


def check_parts(name: str, arrays: Mapping[str, Any], validation: float, test: float | None) -> None:
    """Raise DataError where a split lacks its samples or targets, or is given as arrays and as a size."""
    for part in PARTS[1:]:
        require(
            (f"x_{part}" in arrays) == (f"y_{part}" in arrays),
            f"data set {name}: x_{part} or y_{part} alone: expected both or neither; give the other",
            DataError,
        )
    require(
        "x_validation" not in arrays or "x_test" in arrays,
        f"data set {name}: x_validation without x_test: expected all three splits; give the test split, or validation= as a share",
        DataError,
    )
    for part, size in (("validation", validation or None), ("test", test)):
        require(
            f"x_{part}" not in arrays or size is None,
            f"data set {name}: {part} {quoted(size)}: its samples are given as arrays: expected one or the other; leave {part} out",
            DataError,
        )


def check_samples(name: str, arrays: Mapping[str, NDArray[Any]]) -> Shape:
    """Return the data set's shape; raise DataError where samples are no images or features, or not as many as targets."""
    shape = sample_shape(arrays["x_train"].shape[1:])
    for part in (part for part in PARTS if f"x_{part}" in arrays):
        arranged(arrays[f"x_{part}"], shape, f"{name}, {part}")
        check_lengths(arrays[f"x_{part}"], arrays[f"y_{part}"], f"{name}, {part}")
    require(len(arrays["x_train"]) > 0, f"data set {name}, train: {NO_IMAGE}", DataError)
    return shape


def check_lengths(x: NDArray[Any], y: NDArray[Any], where: str) -> None:
    """Raise DataError where there are more or fewer targets than samples; targets without a first axis are found by their kind."""
    require(
        y.ndim == 0 or len(x) == len(y),
        f"data set {where}: {len(x)} images but {len(y) if y.ndim else 0} labels: expected one label per image; match them",
        DataError,
    )


def _data_set(
    name: str, train: Split, held_out: Split | None, test: Split, validation: float, shape: Shape, found: Targets
) -> DataSet:
    """Return the data set of these splits; without ``held_out``, the last of ``train`` are set apart for validation."""
    if held_out is None:
        kept = len(train) - count_held_out(name, "validation", validation, len(train))
        train, held_out = Split(train.x[:kept], train.y[:kept]), Split(train.x[kept:], train.y[kept:])
    return DataSet(name, train, held_out, test, found.classes, shape, target_shape=found.shape, labels=found.labels)


def assemble(name: str, arrays: Arrays, shape: Shape, classes: int, validation: float = 0, target_shape: Shape = ()) -> DataSet:
    """Return ``arrays`` as a checked data set whose last ``validation`` training images, or share of them, are set apart.

    classes : of labels; 0 where targets are real, of ``target_shape``
    """
    splits = []
    for part, x, y in (("train", arrays.x_train, arrays.y_train), ("test", arrays.x_test, arrays.y_test)):
        where = f"{name}, {part}"
        images = as_images(x, shape, where)
        splits.append(Split(images, y.astype(np.float32) if target_shape else as_labels(y, where)))
        check_lengths(images, splits[-1].y, where)
    require(len(splits[0]) > 0, f"data set {name}, train: {NO_IMAGE}", DataError)
    return _data_set(name, splits[0], None, splits[1], validation, shape, Targets({}, classes, target_shape))


def sample_shape(shape: Shape) -> Shape:
    """Return the data set's shape for samples that come in ``shape``: images get their channels, and get them first."""
    if len(shape) == 2:
        return (1, *shape)
    return (shape[-1], *shape[:-1]) if channels_last(shape) else shape


def to_array(values: Any, where: str) -> NDArray[Any]:
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


def as_images(x: NDArray[Any], shape: Shape, where: str) -> NDArray[np.float32]:
    """Return ``x``, see ``arranged``, as (n, *shape) float32, C-contiguous."""
    x = arranged(x, shape, where)
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinity, which DataSet reports
        return np.ascontiguousarray(x, dtype=np.float32).reshape(len(x), *shape)


def arranged(x: NDArray[Any], shape: Shape, where: str) -> NDArray[Any]:
    """Return a view of ``x`` whose values are in the order of (n, *shape); raise DataError where it can be none.

    Flat images, images without their single channel, and images whose channels come last (Keras' files) are rearranged.
    """
    require(
        x.dtype.kind in "buif" and x.ndim >= 2,
        f"data set {where}: images {x.dtype} {x.shape}: expected real numbers of shape (n, ...); convert them",
        DataError,
    )
    if x.shape[1:] != shape and len(shape) == 3 and x.shape[1:] == (*shape[1:], shape[0]):
        x = np.moveaxis(x, -1, 1)
    flat = (math.prod(shape),)
    require(
        x.shape[1:] in ((shape, shape[1:], flat) if shape[0] == 1 else (shape, flat)),
        f"data set {where}: images of shape {x.shape[1:]}: expected {shape}; reshape them or name another data set",
        DataError,
    )
    return x
