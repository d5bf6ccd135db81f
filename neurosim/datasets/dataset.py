"""What a data set is once it is in memory: three splits that fit one shape and one set of classes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import DataError, require


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels.

    Attributes
    ----------
    x : (n, *shape) float32, C-contiguous
    y : (n,) int64, the class of each image
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class DataSet:
    """Training, validation and test images of one task, checked when it is built.

    Attributes
    ----------
    train, validation, test : Split; ``validation`` may hold no image, the other two may not
    classes : how many classes; labels run from 0 to ``classes - 1``
    shape : of one image, ``(n_features,)`` or ``(channels, height, width)``
    black : per channel, the value a black pixel has here (0 before normalisation); the ``fill`` of a crop
    scale : what the pixels were written in, and what was done to them before normalisation
    content : how the images and labels compare with those published under this name
    folder : where the files lay, or ""
    loaded : what ``load`` was asked for: name, validation (a share), normalise, limit; empty for the caller's own arrays

    Raises
    ------
    DataError
        A split is empty, holds NaN, infinity or a label outside the classes, or its arrays do not fit each other.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int
    shape: tuple[int, ...]
    black: tuple[float, ...] = (0.0,)
    scale: str = "as given"
    content: str = "the user's own"
    folder: str = ""
    loaded: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            len(self.shape) in (1, 3) and math.prod(self.shape) > 0,
            f"data set {self.name}: shape {self.shape}: expected (n_features,) or (channels, height, width), "
            f"each at least 1; reshape the images",
            DataError,
        )
        for part in ("train", "validation", "test"):
            split: Split = getattr(self, part)
            where = f"data set {self.name}, {part}"
            if part != "validation":
                require(len(split) > 0, f"{where}: 0 images: expected at least 1; check the files or arrays", DataError)
            _check_arrays(where, split, self.shape)
            _check_values(where, split, self.classes)

    def digest(self) -> str:
        """Return a fingerprint of all images and labels."""
        total = hashlib.blake2b(digest_size=16)
        for split in (self.train, self.validation, self.test):
            total.update(split.x.data)
            total.update(split.y.data)
        return total.hexdigest()


def _check_arrays(where: str, split: Split, shape: tuple[int, ...]) -> None:
    x, y = split.x, split.y
    require(
        x.shape[1:] == shape, f"{where}: images {x.shape[1:]}: expected {shape}, the data set's shape; reshape them", DataError
    )
    require(
        x.dtype == np.float32 and x.flags.c_contiguous,
        f"{where}: images {x.dtype}: expected float32, C-contiguous; build the data set with from_arrays",
        DataError,
    )
    require(
        y.dtype == np.int64 and y.ndim == 1,
        f"{where}: labels {y.dtype} {y.shape}: expected int64 (n,); build the data set with from_arrays",
        DataError,
    )
    require(len(x) == len(y), f"{where}: {len(x)} images but {len(y)} labels: expected one label per image", DataError)


def _check_values(where: str, split: Split, classes: int) -> None:
    finite = np.isfinite(split.x)
    if not finite.all():
        at = np.argwhere(~finite)[0]
        found = split.x[tuple(at)]
        raise DataError(f"{where}: image {at[0]} holds {found}: expected finite numbers; remove or repair that image")
    outside = np.flatnonzero((split.y < 0) | (split.y >= classes))
    if outside.size:
        at, low, high = outside[0], split.y.min(), split.y.max()
        advice = "subtract 1 from all labels" if (low, high) == (1, classes) else "check the labels"
        found = f"label {split.y[at]} of image {at}"
        raise DataError(f"{where}: {found}: expected 0 to {classes - 1}, and labels run from {low} to {high}; {advice}")

