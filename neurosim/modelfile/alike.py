"""Whether two objects are alike in all that decides what they do; and what an object has beside its class."""

from __future__ import annotations

import numbers
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np


def alike(one: Any, other: Any) -> bool:
    """Return whether two values are equal: numbers, texts, arrays, collections of them, and objects by their attributes.

    Attributes that begin with an underscore are kept for speed and not compared; a list is like a tuple of the same items.
    """
    return _alike(one, other, set())


def _alike(one: Any, other: Any, under_way: set[tuple[int, int]]) -> bool:
    pair = id(one), id(other)
    if one is other or pair in under_way:
        return True
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(one[key], other[key], under_way | {pair}) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_alike(*two, under_way | {pair}) for two in zip(one, other, strict=True))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return type(one) is type(other) and np.array_equal(one, other)
    if isinstance(one, numbers.Number | str | None) or _compares(type(one)):
        return bool(one == other)
    if type(one) is not type(other):
        return False
    if isinstance(one, types.FunctionType):
        return one.__code__ is other.__code__
    own, others = _attributes(one), _attributes(other)
    return own.keys() == others.keys() and _alike(own, others, under_way | {pair})


def _compares(kind: type) -> bool:
    return kind.__eq__ is not object.__eq__ and not issubclass(kind, Sequence)


def _attributes(made: Any) -> dict[str, Any]:
    return {name: value for name, value in getattr(made, "__dict__", {}).items() if not name.startswith("_")}


def replaced(made: Any) -> Iterator[str]:
    """Yield the names of an object's own attributes that hide what its class has: methods, and what all objects of it share."""
    for name in getattr(made, "__dict__", {}):
        found = getattr(type(made), name, None)
        if callable(found) or found is not None and name not in _fields(type(made)):
            yield name


def _fields(kind: type) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(kind, "__dataclass_fields__", {})
    return found


def plain_attributes(made: Any) -> dict[str, Any]:
    """Return an object's numbers, texts and truth values, by name."""
    return {name: value for name, value in _attributes(made).items() if isinstance(value, numbers.Real | str) and name != "name"}
