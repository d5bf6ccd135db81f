"""From the targets a user has, of whatever kind, to numbers of classes or to real numbers.

The kind is decided over all splits together:

- texts and truth values are labels;
- whole numbers in one column, (n,) or (n, 1), are labels, also where they are stored as floating-point numbers;
- floating-point numbers of which one has a fraction are real targets;
- ``targets="real"`` makes real targets of any numbers, ``targets="labels"`` refuses fractions.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import DataError, UnknownNameError, quoted, require, utf8

KINDS = ("labels", "real")
NUMBERS = "uif"
TEXTS = "USOT"
NO_TEXT = "expected text that UTF-8 can hold; decode the labels first"
SAY_REAL = "targets='real' if they are measurements"


class Targets(NamedTuple):
    """The targets of all parts: (n,) int64 and as many ``classes``, or (n, *shape) float32 and no class.

    labels : the classes' names
    """

    parts: dict[str, NDArray[Any]]
    classes: int
    shape: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()


def as_targets(
    name: str,
    given: Mapping[str, NDArray[Any]],
    targets: str | None = None,
    classes: int | None = None,
    labels: Sequence[Any] | None = None,
) -> Targets:
    """Return what ``given``, one array for each part of the data set called ``name``, comes to.

    targets : "labels", "real", or None: decided as the module says
    classes, labels : as in ``from_arrays``

    Raises
    ------
    DataError
        Targets are of different kinds in different parts, no numbers or texts, or labels that are not classes.
    """
    if targets is not None and targets not in KINDS:
        raise UnknownNameError("targets", quoted(targets)[1:-1], KINDS)
    if classes is not None:
        check_whole("classes", classes)
        require(classes >= 1, f"data set {name}: classes {quoted(classes)}: expected 1 or more; correct it", DataError)
    require(
        targets != "real" or (classes is None and labels is None),
        f"data set {name}: targets='real' with classes or labels: expected one or the other; real targets have no classes",
        DataError,
    )
    if targets == "real" or (targets is None and classes is None and labels is None and _have_fractions(given)):
        return _real(name, given)
    texts = {part: _texts(y, f"{name}, {part}") for part, y in given.items()}
    if any(each is not None for each in texts.values()):
        return _named(name, texts, classes, labels)
    if all(y.dtype.kind == "b" for y in given.values()):
        given = {part: y.astype(np.int64) for part, y in given.items()}
        classes = 2 if classes is None else classes
        labels = ("False", "True") if labels is None and classes == 2 else labels
    parts = {part: as_labels(y, f"{name}, {part}") for part, y in given.items()}
    if labels is not None:
        return _numbered(name, parts, classes, labels)
    return Targets(parts, _count(name, parts) if classes is None else classes)


# ---------------------------------------------------------------------- real targets


def _have_fractions(given: Mapping[str, NDArray[Any]]) -> bool:
    """Return whether all are real numbers and one of them has a fraction; one that is not finite has none."""
    if not all(y.dtype.kind in NUMBERS for y in given.values()):
        return False
    floats = [y for y in given.values() if y.dtype.kind == "f"]
    return any(bool((np.isfinite(y) & (np.trunc(y) != y)).any()) for y in floats)


def _real(name: str, given: Mapping[str, NDArray[Any]]) -> Targets:
    """Return ``given`` as (n, *shape) float32, all of one shape; a target that is one number has shape (1,)."""
    parts = {part: _real_part(y, f"{name}, {part}") for part, y in given.items()}
    first, *others = parts
    shape = parts[first].shape[1:]
    for part in others:
        require(
            parts[part].shape[1:] == shape,
            f"data set {name}, {part}: targets of shape {parts[part].shape[1:]}: expected {shape}, as in {first}; reshape them",
            DataError,
        )
    return Targets(parts, 0, shape)


def _real_part(y: NDArray[Any], where: str) -> NDArray[np.float32]:
    require(
        y.dtype.kind in f"b{NUMBERS}" and y.ndim >= 1,
        f"data set {where}: targets {y.dtype} {y.shape}: expected real numbers of shape (n,) or (n, ...); convert them",
        DataError,
    )
    require(
        0 not in y.shape[1:],
        f"data set {where}: targets of shape {y.shape[1:]}: expected at least one number for each sample; reshape them",
        DataError,
    )
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinity, which DataSet reports
        return np.ascontiguousarray(y[:, None] if y.ndim == 1 else y, dtype=np.float32)


# ---------------------------------------------------------------------- labels that are texts


class _Texts(NamedTuple):
    """The texts that occur, sorted, and for each sample the number of its text among them, (n,)."""

    names: list[str]
    numbers: NDArray[Any]


def _texts(y: NDArray[Any], where: str) -> _Texts | None:
    """Return labels that are texts, None where they are none."""
    if y.dtype.kind not in TEXTS or y.ndim not in (1, 2) or y.shape[1:] not in ((), (1,)):
        return None
    if y.dtype.kind in "US":
        kinds, numbers = np.unique(y.ravel(), return_inverse=True)
        _check_characters(kinds, where)
        found = kinds.tolist() if y.dtype.kind == "U" else [_decoded(each, where) for each in kinds.tolist()]
    else:
        values = y.ravel().tolist()
        if not any(isinstance(each, str) for each in values):
            return None
        wrong = next((at for at, each in enumerate(values) if not isinstance(each, str)), None)
        if wrong is not None:
            raise _no_label(where, values[wrong], wrong)
        found = sorted(set(values))
        place = {each: k for k, each in enumerate(found)}
        numbers = np.array([place[each] for each in values], np.intp)
    if "" in found:
        raise _no_label(where, "", int(np.flatnonzero(numbers == found.index(""))[0]))
    for label in found:
        require(utf8(label) == label, f"data set {where}: label {quoted(label)}: {NO_TEXT}", DataError)
    return _Texts(found, numbers.reshape(-1))


def _check_characters(texts: NDArray[Any], where: str) -> None:
    """Raise DataError where an array of texts, from a damaged file, holds what is no character: Python would not read it."""
    if texts.dtype.kind == "U" and texts.dtype.itemsize and texts.size:
        codes = np.ascontiguousarray(texts, texts.dtype.newbyteorder("=")).view(np.uint32)
        require(int(codes.max()) <= sys.maxunicode, f"data set {where}: labels of no characters: {NO_TEXT}", DataError)


def _no_label(where: str, label: Any, at: int) -> DataError:
    return DataError(f"data set {where}: label {quoted(label)} of image {at}: expected a text for each; fill it in")


def _decoded(label: bytes, where: str) -> str:
    try:
        return label.decode()
    except UnicodeDecodeError:
        raise DataError(f"data set {where}: label {quoted(label)}: {NO_TEXT}") from None


def _named(name: str, texts: Mapping[str, _Texts | None], classes: int | None, labels: Sequence[Any] | None) -> Targets:
    """Return labels that are texts as numbers of classes: in the order of ``labels``, by default that of the sorted texts."""
    found = {part: each for part, each in texts.items() if each is not None}
    for part in texts:
        require(
            part in found,
            f"data set {name}, {part}: labels that are no texts: expected texts, as other splits have; give one kind in all",
            DataError,
        )
    occur = sorted({each for kinds, _ in found.values() for each in kinds})
    names = occur if labels is None else _distinct(name, labels)
    numbers = {each: k for k, each in enumerate(names)}
    missing = [each for each in occur if each not in numbers]
    require(
        not missing,
        f"data set {name}: label {quoted((missing or [''])[0])}: expected one of labels {quoted(names)}; add or correct it",
        DataError,
    )
    require(bool(names), f"data set {name}: no labels: expected at least 1; check the files or arrays", DataError)
    _check_count(name, len(names), classes)
    parts = {part: np.array([numbers[each] for each in kinds], np.int64)[order] for part, (kinds, order) in found.items()}
    return Targets(parts, len(names), labels=tuple(names))


def _check_count(name: str, labels: int, classes: int | None) -> None:
    require(
        classes in (None, labels),
        f"data set {name}: {labels} labels, classes {classes}: expected as many; name all classes by labels=[...]",
        DataError,
    )


def _distinct(name: str, labels: Sequence[Any]) -> list[Any]:
    """Return ``labels`` as a list of different values, all texts or all whole numbers."""
    try:
        found = [] if isinstance(labels, str | bytes) else np.asarray(labels).tolist()
    except ValueError:
        found = []
    one_kind = isinstance(found, list) and (_all(found, str) or _all(found, int))
    require(
        one_kind and bool(found) and len(set(found)) == len(found),
        f"data set {name}: labels {quoted(labels)}: expected the classes in order, different texts or whole numbers; correct them",
        DataError,
    )
    return list(found)


def _all(values: list[Any], kind: type) -> bool:
    return all(type(each) is kind for each in values)


# ---------------------------------------------------------------------- labels that are numbers


def _numbered(name: str, parts: dict[str, NDArray[np.int64]], classes: int | None, labels: Sequence[Any]) -> Targets:
    """Return whole numbers as numbers of classes: their place in ``labels``, or themselves where ``labels`` are texts."""
    names = _distinct(name, labels)
    _check_count(name, len(names), classes)
    if isinstance(names[0], int):
        numbers = {each: k for k, each in enumerate(names)}
        for part, y in parts.items():
            unknown = [int(each) for each in np.unique(y) if int(each) not in numbers]
            if unknown:
                at = int(np.flatnonzero(y == unknown[0])[0])
                found = f"label {unknown[0]} of image {at}"
                raise DataError(f"data set {name}, {part}: {found}: expected one of labels {quoted(names)}; add or correct it")
        parts = {part: np.array([numbers[each] for each in y.tolist()], np.int64) for part, y in parts.items()}
    return Targets(dict(parts), len(names), labels=tuple(map(str, names)))


def _count(name: str, parts: Mapping[str, NDArray[np.int64]]) -> int:
    """Return how many classes the labels tell of; each has to occur, or they are no numbers of classes."""
    occur = np.unique(np.concatenate(list(parts.values())))
    if not occur.size or occur[0] < 0:
        return 1  # DataSet says what is wrong
    largest = int(occur[-1])
    if len(occur) <= largest:
        first = int(np.flatnonzero(occur != np.arange(len(occur)))[0])
        advice = "subtract 1" if len(occur) == largest and occur[0] == 1 else "number the classes from 0"
        ways = f"give classes={largest + 1} if some never occur, labels=[{occur[0]}, ...] to name those that do"
        raise DataError(
            f"data set {name}: labels {occur[0]} to {largest} of {len(occur)} kinds, none is {first}: expected every class from 0 "
            f"to the largest; {advice}, or {ways}, or {SAY_REAL}"
        )
    return largest + 1


def as_labels(y: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Return ``y``, (n,) or (n, 1) whole numbers of any numeric type, as (n,) int64."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]  # Keras stores CIFAR's labels so
    advice = f"give y.argmax(1) if they are one-hot, or {SAY_REAL}" if y.ndim > 1 else "give each image's class number"
    require(
        y.ndim == 1 and y.dtype.kind in NUMBERS,
        f"data set {where}: labels {y.dtype} {y.shape}: expected whole numbers of shape (n,); {advice}",
        DataError,
    )
    whole = np.isfinite(y) & (np.trunc(y) == y) & (np.abs(y.astype(np.float64)) < 2.0**53)
    if not whole.all():
        at = int(np.flatnonzero(~whole)[0])
        raise DataError(f"data set {where}: label {y[at]} of image {at}: expected a whole number from 0; check the labels")
    return y.astype(np.int64)


def check_whole(what: str, value: Any) -> None:
    """Raise DataError where ``value`` is no whole number."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    require(whole, f"{what} {quoted(value)}: expected a whole number; correct it", DataError)
