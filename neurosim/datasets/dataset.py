"""What a data set is once it is in memory: three splits that fit one shape and one kind of target."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim import reprs
from neurosim.errors import DataError, quoted, require, span

MOST_CLASSES = 2**20  # each has a name, and a column of the one-hot targets


@dataclass(frozen=True, eq=False)
class Split:
    """Samples (images, as a rule) and their targets.

    Attributes
    ----------
    x : (n, *shape) float32, C-contiguous
    y : (n,) int64, the class of each sample; or (n, *target_shape) float32, its real target
    """

    x: NDArray[np.float32]
    y: NDArray[Any]
    _checked_for: int | None = field(default=None, init=False, repr=False)  # how many classes its values were checked for

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"<Split of {len(self):,} samples: x {reprs.array(self.x)}, y {reprs.array(self.y)}>"


@dataclass(frozen=True, eq=False)
class DataSet:
    """Training, validation and test samples of one task.

    Shapes and types are checked whenever a DataSet is built.  The values of each Split are checked once: ``dataclasses.replace``
    does not check the splits that it takes over again, so it does not notice what was written into their arrays in between.

    Attributes
    ----------
    train, validation, test : Split; only ``validation`` may be empty
    classes : how many classes there are; labels run from 0 to ``classes - 1``.  It is 0 if targets are real
    shape : the shape of one sample, ``(n_features,)`` or ``(channels, height, width)``
    black : per channel, the value a black pixel has here (0 before normalisation); the ``fill`` of a crop
    scale : the scale of the pixels in the files, and what was done to them before normalisation
    content : how samples and targets compare with those published under this name; for a user's own file, its digest
    folder : the folder of the files, or ""
    loaded : what ``load`` was asked for: name, validation (a share), normalise, limit, and of the user's own file test (a share)
        and targets; empty for the caller's own arrays
    target_shape : the shape of one real target; () if targets are labels
    labels : the names of the classes, one text for each; by default their numbers
    tasks : data sets of the same kind that a trainer learns one after the other, as ``sequences.in_sequence`` says; () for data
        that are learned as a whole

    Raises
    ------
    DataError
        A split is empty, holds NaN, infinity or a label outside the classes, or its arrays do not fit each other; or there are
        neither classes nor a shape of targets, or both, or more or fewer names than classes.
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
    target_shape: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    tasks: tuple[DataSet, ...] = ()

    def __post_init__(self) -> None:
        require(
            len(self.shape) in (1, 3) and math.prod(self.shape) > 0,
            f"data set {self.name}: shape {self.shape}: expected (n_features,) or (channels, height, width), "
            f"each at least 1; reshape the images",
            DataError,
        )
        self._check_kind()
        if not self.labels:
            object.__setattr__(self, "labels", tuple(map(str, range(self.classes))))
        self._check_labels()
        for part in ("train", "validation", "test"):
            split: Split = getattr(self, part)
            where = f"data set {self.name}, {part}"
            if part != "validation":
                require(len(split) > 0, f"{where}: 0 images: expected at least 1; check the files or arrays", DataError)
            _check_arrays(where, split, self.shape, self.target_shape)
            if split._checked_for != self.classes:
                check_values(where, split, self.classes)
                object.__setattr__(split, "_checked_for", self.classes)

    def __repr__(self) -> str:
        parts = (f"{len(getattr(self, part)):,} {part}" for part in ("train", "validation", "test") if len(getattr(self, part)))
        numbered = self.labels == tuple(map(str, range(self.classes)))
        kind = f"{self.classes} classes{'' if numbered else f' ({reprs.listed(self.labels)})'}"
        kind = kind if self.classes else f"real targets of shape {self.target_shape}"
        sequence = f", {len(self.tasks)} tasks in sequence" if self.tasks else ""
        return f"<DataSet {self.name!r}: {', '.join(parts)} samples of shape {self.shape}, {kind}{sequence}>"

    def _check_kind(self) -> None:
        """Raise DataError unless targets are either labels or real."""
        require(
            0 <= self.classes <= MOST_CLASSES,
            f"data set {self.name}: classes {quoted(self.classes)}: expected 1 to {MOST_CLASSES:,}; correct it",
            DataError,
        )
        require(
            bool(self.classes) != bool(self.target_shape) and math.prod(self.target_shape) > 0,
            f"data set {self.name}: {self.classes} classes, targets of shape {self.target_shape}: expected 1 class or more for "
            "labels, or 0 classes and a shape such as (1,) for real targets; correct one",
            DataError,
        )

    def _check_labels(self) -> None:
        """Raise DataError unless each class has a name, and another one than the others."""
        names = self.labels
        require(
            len(set(names)) == len(names) == self.classes and all(isinstance(name, str) for name in names),
            f"data set {self.name}: labels {quoted(names)}: expected {self.classes} different texts, one for each class; "
            "correct them, or leave them out to name classes by their numbers",
            DataError,
        )

    @property
    def samples(self) -> tuple[int, int, int]:
        """How many samples there are to train, to validate and to test on."""
        return len(self.train), len(self.validation), len(self.test)

    def during(self, epoch: int, epochs: int) -> DataSet:
        """Return what is learned in ``epoch``, counted from 0, of so many: a task, each for as many epochs; or these data.

        In epochs beyond, the last task goes on.
        """
        return self.tasks[min(epoch * len(self.tasks) // epochs, len(self.tasks) - 1)] if self.tasks else self

    def parts(self, name: str) -> Sequence[Split]:
        """Return the split ``name`` of each task; of data that are learned as a whole, the one that there is."""
        return [getattr(one, name) for one in self.tasks or (self,)]

    def digest(self) -> str:
        """Return a fingerprint of all samples and targets, those of its tasks too; the names of classes have no part in it."""
        total = hashlib.blake2b(digest_size=16)
        for data in (self, *self.tasks):
            for split in (data.train, data.validation, data.test):
                total.update(split.x.data)
                total.update(split.y.data)
        return total.hexdigest()


def _check_arrays(where: str, split: Split, shape: tuple[int, ...], target_shape: tuple[int, ...]) -> None:
    x, y = split.x, split.y
    require(x.shape[1:] == shape, f"{where}: images {x.shape[1:]}: expected {shape}, the data set's shape; reshape them", DataError)
    require(
        x.dtype == np.float32 and x.flags.c_contiguous,
        f"{where}: images {x.dtype}: expected float32, C-contiguous; build the data set with from_arrays",
        DataError,
    )
    if target_shape:
        what, expected = "target", f"float32, C-contiguous, (n, {', '.join(map(str, target_shape))})"
        fits = y.dtype == np.float32 and y.flags.c_contiguous and y.ndim > 0 and y.shape[1:] == target_shape
    else:
        what, expected, fits = "label", "int64 (n,)", y.dtype == np.int64 and y.ndim == 1
    require(fits, f"{where}: {what}s {y.dtype} {y.shape}: expected {expected}; build the data set with from_arrays", DataError)
    require(len(x) == len(y), f"{where}: {len(x)} images but {len(y)} {what}s: expected one {what} per image", DataError)


def check_values(where: str, split: Split, classes: int) -> None:
    """Raise DataError, naming the sample, where a value is not finite or a label is no class; ``classes`` 0: targets are real."""
    check_finite(where, "image", split.x)
    if not classes:
        check_finite(where, "target of image", split.y)
        return
    outside = np.flatnonzero((split.y < 0) | (split.y >= classes))
    if outside.size:
        at, low, high = outside[0], split.y.min(), split.y.max()
        advice = "subtract 1 from all labels" if (low, high) == (1, classes) else "check the labels"
        found = f"label {split.y[at]} of image {at}"
        raise DataError(f"{where}: {found}: expected {span(0, classes - 1)}, but the labels go from {low} to {high}; {advice}")


def check_finite(where: str, what: str, values: NDArray[Any], first: int = 0) -> None:
    """Raise DataError, naming the sample, where a value is not finite; ``first`` : the number of the first of ``values``."""
    finite = np.isfinite(values)
    if not finite.all():
        at = np.argwhere(~finite)[0]
        found = values[tuple(at)]
        raise DataError(f"{where}: {what} {at[0] + first} holds {found}: expected finite numbers; remove or repair that image")
