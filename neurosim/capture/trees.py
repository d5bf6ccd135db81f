"""Values in dictionaries, tuples, lists and frozen dataclasses, at any depth: taken apart into leaves, and put together again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator
from types import MappingProxyType
from typing import Any

LEAF = "leaf"


def leaves(tree: Any) -> list[Any]:
    """Return what is in a tree, depth first."""
    parts = _parts(tree)
    return [tree] if parts is None else [leaf for part in parts for leaf in leaves(part)]


def form(tree: Any) -> Hashable:
    """Return how a tree is built, so that trees of one form have leaves that correspond."""
    parts = _parts(tree)
    if parts is None:
        return LEAF
    names = tuple(tree) if isinstance(tree, dict | MappingProxyType) else None
    return type(tree), names, tuple(form(part) for part in parts)


def rebuilt(tree: Any, values: Iterable[Any]) -> Any:
    """Return a tree of the same form with other leaves."""
    return _rebuilt(tree, iter(values))


def mapped(tree: Any, change: Callable[[Any], Any]) -> Any:
    """Return a tree of the same form, whose leaves are what ``change`` makes of them."""
    return rebuilt(tree, map(change, leaves(tree)))


def _parts(tree: Any) -> list[Any] | None:
    """Return the branches of a tree, or None of a leaf; what is derived from a dictionary may hold more, and is a leaf."""
    if type(tree) is dict or isinstance(tree, MappingProxyType):
        return list(tree.values())
    if type(tree) is list or isinstance(tree, tuple):
        return list(tree)
    if _is_frozen(tree):
        return [getattr(tree, field.name) for field in dataclasses.fields(tree)]
    return None


def _rebuilt(tree: Any, values: Iterator[Any]) -> Any:
    parts = _parts(tree)
    if parts is None:
        return next(values)
    made = [_rebuilt(part, values) for part in parts]
    if isinstance(tree, dict | MappingProxyType):
        pairs = dict(zip(tree, made, strict=True))
        return MappingProxyType(pairs) if isinstance(tree, MappingProxyType) else pairs
    if isinstance(tree, list):
        return made
    if isinstance(tree, tuple):
        return type(tree)(*made) if hasattr(tree, "_fields") else tuple(made)
    return type(tree)(**{field.name: part for field, part in zip(dataclasses.fields(tree), made, strict=True)})


def _is_frozen(tree: Any) -> bool:
    fits = dataclasses.is_dataclass(tree) and not isinstance(tree, type)
    return fits and tree.__dataclass_params__.frozen and all(field.init for field in dataclasses.fields(tree))
