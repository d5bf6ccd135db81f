"""What a step can read besides arrays: every attribute and item under the objects that take part in it.

A step is recorded once, so that numbers, strings and objects it read stand in the program as they were.  A ``Reach`` notes them,
tells whether any has changed since, and can put all back as it was.
"""

from __future__ import annotations

import functools
import operator
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.errors import NotCapturableError, quoted

MOST = 20_000  # attributes and items; a step that has more around it would spend its time comparing
PLAIN = (bool, int, float, complex, str, bytes, type(None), range, frozenset, np.generic, np.dtype)
ITEMS = (dict, list, deque, set, types.MappingProxyType)
LIBRARIES = {"site-packages", "dist-packages"}  # folders
ABSENT = object()


class Reach:
    """Everything under ``roots``, at any depth: attributes, and items of dictionaries, lists, tuples and sets.

    Objects of libraries other than this package (and of those that derive from it), of the classes ``outside``, functions and
    arrays are noted as they are, and not looked into.
    """

    def __init__(self, roots: Sequence[Any], outside: tuple[type, ...] = ()) -> None:
        self.outside = outside
        self.live: list[Any] = []  # what can change: dictionaries of attributes, dictionaries, lists, ...
        self.noted: list[Any] = []  # a copy of each
        self.slotted: list[tuple[Any, dict[str, Any]]] = []
        self.classes: dict[type, dict[str, Any]] = {}
        self.owners: list[str] = []
        self._seen: dict[int, Any] = {}  # held, or a number could be given out twice
        self._left: list[tuple[Any, str]] = []
        self._homes = {"neurosim", "__main__"}
        self._count = 0
        self._walk([(root, "the step") for root in roots])

    # ------------------------------------------------------------------ looking

    def changed(self) -> bool:
        """Return whether anything has changed since: quickly, all but what was replaced by an equal object, and classes."""
        try:
            if self.live == self.noted and not (self.slotted and any(_slots_of(item) != known for item, known in self.slotted)):
                return False
        except Exception:  # arrays that were replaced do not compare to one truth value; a dictionary may grow meanwhile
            return True
        return self.difference() is not None

    def difference(self) -> str | None:
        """Return the name of something that has changed since, or None: numbers and texts by value, all else by identity."""
        for at, (live, noted) in enumerate(zip(self.live, self.noted, strict=True)):
            name = _different(live, noted)
            if name is not None:
                return f"{name} of {self.owners[at]}"
        for item, known in self.slotted:
            name = _different(_slots_of(item), known)
            if name is not None:
                return f"{name} of {_title(item)}"
        for cls, known in self.classes.items():
            name = _different(vars(cls), known)
            if name is not None:
                return f"{name} of class {cls.__name__}"
        return None

    def values(self) -> Iterator[Any]:
        """Yield everything noted."""
        for noted in self.noted:
            yield from noted.values() if isinstance(noted, dict) else noted
        for _, known in self.slotted:
            yield from known.values()

    # ------------------------------------------------------------------ changing

    def replace(self, change: Callable[[Any, str], Any]) -> None:
        """Put ``change(value, its place in words)`` in place of every value noted that it makes another of."""
        for live, noted, owner in zip(self.live, self.noted, self.owners, strict=True):
            if isinstance(noted, dict | list) and not isinstance(live, types.MappingProxyType):
                for key, value in noted.items() if isinstance(noted, dict) else enumerate(noted):
                    new = change(value, f"{key!r} of {owner}")
                    if new is not value:
                        live[key] = new
        for item, known in self.slotted:
            for name, value in known.items():
                new = change(value, f"{name!r} of {_title(item)}")
                if new is not value:
                    object.__setattr__(item, name, new)

    def restore(self) -> None:
        """Put everything back as it was noted."""
        for live, noted in zip(self.live, self.noted, strict=True):
            if isinstance(live, types.MappingProxyType) or _identical(live, noted):
                continue
            live.clear()
            live.extend(noted) if isinstance(live, list | deque) else live.update(noted)
        for item, known in self.slotted:
            for name in _slots_of(item).keys() - known.keys():
                object.__delattr__(item, name)
            for name, value in known.items():
                if getattr(item, name, ABSENT) is not value:
                    object.__setattr__(item, name, value)
        for cls, known in self.classes.items():
            for name in vars(cls).keys() - known.keys():
                delattr(cls, name)
            for name, value in known.items():
                if vars(cls).get(name, ABSENT) is not value:
                    setattr(cls, name, value)

    # ------------------------------------------------------------------ walking

    def _walk(self, pending: list[tuple[Any, str]]) -> None:
        while pending:
            value, owner = pending.pop()
            if id(value) in self._seen or isinstance(value, PLAIN):
                continue
            self._seen[id(value)] = value
            pending += self._look_into(value, owner)
            if self._count > MOST:
                raise NotCapturableError(f"the objects around the step hold more than {MOST:,} values; keep records elsewhere")
            if not pending:
                pending, self._left = [x for x in self._left if self._is_ours(type(x[0]))], [
                    x for x in self._left if not self._is_ours(type(x[0]))
                ]
                for again, _ in pending:
                    del self._seen[id(again)]

    def _look_into(self, value: Any, owner: str) -> list[tuple[Any, str]]:
        """Note what ``value`` holds, and return what is to be looked into next."""
        if isinstance(value, tuple):
            return [(item, owner) for item in value]
        if isinstance(value, self.outside) or isinstance(value, type | types.ModuleType):
            return []
        if isinstance(value, ITEMS):
            return self._note(value, owner)
        if not hasattr(value, "__dict__") and not hasattr(type(value), "__slots__"):
            return []
        if not self._is_ours(type(value)):
            self._left.append((value, owner))
            return []
        title = _title(value)
        found = self._note(vars(value), title) if hasattr(value, "__dict__") else []
        slots = _slots_of(value)
        if slots:
            self.slotted.append((value, slots))
            found += [(item, title) for item in slots.values()]
        return found + self._note_classes(type(value))

    def _note(self, live: Any, owner: str) -> list[tuple[Any, str]]:
        noted = dict(live) if isinstance(live, dict | types.MappingProxyType) else type(live)(live)
        if isinstance(live, list):
            noted = list(live)
        self.live.append(live)
        self.noted.append(noted)
        self.owners.append(owner)
        self._count += len(noted)
        if isinstance(noted, dict):
            return [(item, f"{name!r} of {owner}" if isinstance(item, ITEMS) else owner) for name, item in noted.items()]
        return [(item, owner) for item in noted]

    def _note_classes(self, cls: type) -> list[tuple[Any, str]]:
        found: list[tuple[Any, str]] = []
        for base in cls.__mro__:
            if base not in self.classes and self._is_ours(base):
                self._homes.add(_home(base))
                self.classes[base] = dict(vars(base))
                own = [(name, item) for name, item in vars(base).items() if isinstance(item, ITEMS) and not name.startswith("__")]
                found += [(item, f"{name!r} of class {base.__name__}") for name, item in own]
        return found

    def _is_ours(self, cls: type) -> bool:
        return _is_followed(cls) or _home(cls) in self._homes


def _home(cls: type) -> str:
    return cls.__module__.partition(".")[0]


@functools.cache
def _is_followed(cls: type) -> bool:
    """Return whether instances of ``cls`` are looked into: this package's and what derives from it, and whatever is no library."""
    if cls is types.SimpleNamespace or any(_home(base) == "neurosim" for base in cls.__mro__):
        return True
    if cls.__module__ == "builtins" or _home(cls) in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return file is None or LIBRARIES.isdisjoint(Path(file).parts)


def _slots_of(value: Any) -> dict[str, Any]:
    names = [name for base in type(value).__mro__ for name in _names(vars(base).get("__slots__", ()))]
    found = {name: getattr(value, name, ABSENT) for name in names if name not in ("__dict__", "__weakref__")}
    return {name: item for name, item in found.items() if item is not ABSENT}


def _names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _title(value: Any) -> str:
    name = getattr(value, "name", None)
    return f"{type(value).__name__} {name!r}" if isinstance(name, str) else type(value).__name__


def _identical(live: Any, noted: Any) -> bool:
    """Return whether two collections hold the same objects in the same order (sets: equal ones)."""
    if isinstance(noted, set):
        return bool(live == noted)
    if not isinstance(noted, dict):
        return len(live) == len(noted) and all(map(operator.is_, live, noted))
    return list(live) == list(noted) and all(map(operator.is_, live.values(), noted.values()))


def _different(live: Any, noted: Any) -> str | None:
    """Return the first key under which two collections differ, as text, or None."""
    if _identical(live, noted):
        return None
    if isinstance(noted, set):
        return "a member"
    if not isinstance(noted, dict):
        same = len(live) == len(noted) and all(map(_same, live, noted))
        return None if same else "an item"
    for key in [*noted, *(key for key in live if key not in noted)]:
        if not _same(live.get(key, ABSENT), noted.get(key, ABSENT)):
            return quoted(key)
    return None


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, PLAIN) and bool(one == other or (one != one and other != other))
