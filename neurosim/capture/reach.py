"""What a step can read besides arrays: every attribute and item under the objects that take part in it.

A step is recorded once, so that numbers, strings and objects it read stand in the program as they were.  A ``Reach`` notes them,
tells whether any has changed since, and can put all back as it was.  What functions of the user's read besides (globals, closures,
defaults) is under the objects, too.
"""

from __future__ import annotations

import array
import copy
import functools
import operator
import sys
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.errors import NotCapturableError, quoted

MOST = 20_000  # attributes and items; a step that has more around it would spend its time comparing
PLAIN = (bool, int, float, complex, str, bytes, type(None), range, frozenset, np.generic, np.dtype)
SIMPLE = frozenset({bool, int, float, complex, str, bytes, type(None)})  # the most frequent of them, which hold nothing
ITEMS = (dict, list, deque, set, bytearray, array.array, types.MappingProxyType)
ORDERED = (list, bytearray, array.array)
WRAPPERS = (types.MethodType, staticmethod, classmethod, property, functools.cached_property, memoryview)
INSIDE = ("__func__", "__self__", "fget", "func", "obj")  # of a wrapper: what it calls or shows
COLLECTIONS = {"collections", "weakref", "_weakrefset"}  # whose classes hold their items in attributes
LIBRARIES = {"site-packages", "dist-packages"}  # folders
ABSENT = object()
OF_FUNCTIONS = ("__code__", "__defaults__", "__kwdefaults__")
CACHED = {"__slotnames__"}  # what copying and pickling note in a class, in whatever thread that happens
PYTHONS = CACHED | {
    "__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "__abstractmethods__", "_abc_impl", "__slots__",
}  # fmt: skip


class Reach:
    """Everything under ``roots``, at any depth: attributes, and items of dictionaries, lists, tuples and sets.

    Objects of libraries other than this package (and of those that derive from it), of the classes ``outside``, functions that are
    not the user's and arrays are noted as they are, and not looked into.

    outsiders : objects of the classes ``outside`` that were met
    """

    def __init__(self, roots: Sequence[Any], outside: tuple[type, ...] = ()) -> None:
        self.roots, self.outside = roots, outside
        self.live: list[Any] = []  # what can change: dictionaries of attributes, dictionaries, lists, ...
        self.noted: list[Any] = []  # a copy of each
        self.named: list[tuple[_Names, dict[str, Any]]] = []  # what is no collection, and is asked for name by name
        self.functions: list[tuple[types.FunctionType, list[Any]]] = []
        self.outsiders: list[Any] = []
        self.classes: dict[type, dict[str, Any]] = {}
        self.owners: list[str] = []
        self._seen: dict[int, Any] = {}  # held, or a number could be given out twice
        self._left: list[tuple[Any, str]] = []
        self._globals: dict[int, tuple[_Attributes, dict[str, Any]]] = {}
        self._homes = {"neurosim", "__main__"}
        self._users = {"__main__"}
        self._users_classes: list[type] = []
        self._count = 0
        self._walk([(root, "the step") for root in roots])

    def __repr__(self) -> str:
        return f"<Reach of {self._count:,} values>"

    def again(self) -> Reach:
        """Return the same as it is now."""
        return Reach(self.roots, self.outside)

    # ------------------------------------------------------------------ looking

    def changed(self) -> bool:
        """Return whether anything has changed since: quickly, all but what was replaced by an equal object, and this package."""
        try:
            if self.live == self.noted and not any(names.read() != known for names, known in self.named):
                if not any(_attributes_of(cls) != self.classes[cls] for cls in self._users_classes):
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
        for names, known in self.named:
            name = _different(names.read(), known)
            if name is not None:
                return f"{name} of {names.title}"
        for function, own in self.functions:
            if any(getattr(function, name) is not value for name, value in zip(OF_FUNCTIONS, own, strict=True)):
                return f"code or a default of function {function.__qualname__}"
        for cls, known in self.classes.items():
            name = _different(_attributes_of(cls), known)
            if name is not None:
                return f"{name} of class {cls.__name__}"
        return None

    def values(self) -> Iterator[Any]:
        """Yield everything noted."""
        for noted in self.noted:
            yield from noted.values() if isinstance(noted, dict) else noted
        for known in (*(known for _, known in self.named), *self.classes.values()):
            yield from known.values()
        for _, own in self.functions:
            yield from own

    # ------------------------------------------------------------------ changing

    def replace(self, change: Callable[[Any, str], Any]) -> None:
        """Put ``change(value, its place in words)`` in place of every value noted that it makes another of."""
        for live, noted, owner in zip(self.live, self.noted, self.owners, strict=True):
            if isinstance(noted, dict | list | deque) and not isinstance(live, types.MappingProxyType):
                for key, value in noted.items() if isinstance(noted, dict) else enumerate(noted):
                    if type(value) in SIMPLE:
                        continue
                    new = change(value, f"{key!r} of {owner}")
                    if new is not value:
                        live[key] = new
        for names, known in self.named:
            for name, value in known.items():
                new = change(value, f"{name!r} of {names.title}")
                if new is not value:
                    names.write(name, new)
        for function, own in self.functions:
            for name, value in zip(OF_FUNCTIONS, own, strict=True):
                new = change(value, f"a default of function {function.__qualname__}")
                if new is not value:
                    setattr(function, name, new)
        for cls, known in self.classes.items():
            for name, value in known.items():
                if type(value) in SIMPLE or type(value) is types.FunctionType:
                    continue
                new = change(value, f"{name!r} of class {cls.__name__}")
                if new is not value:
                    setattr(cls, name, new)

    def restore(self) -> None:
        """Put everything back as it was noted."""
        for live, noted in zip(self.live, self.noted, strict=True):
            if isinstance(live, types.MappingProxyType) or _identical(live, noted):
                continue
            if isinstance(live, deque):
                live.clear()
                live.extend(noted)
            elif isinstance(live, ORDERED):
                live[:] = noted
            else:
                live.clear()
                live.update(noted)
        for names, known in self.named:
            now = names.read()
            for name in now.keys() - known.keys():
                names.drop(name)
            for name, value in known.items():
                if now.get(name, ABSENT) is not value:
                    names.write(name, value)
        for function, own in self.functions:
            for name, value in zip(OF_FUNCTIONS, own, strict=True):
                if getattr(function, name) is not value:
                    setattr(function, name, value)
        for cls, known in self.classes.items():
            for name in _attributes_of(cls).keys() - known.keys():
                delattr(cls, name)
            for name, value in known.items():
                if vars(cls).get(name, ABSENT) is not value:
                    setattr(cls, name, value)

    # ------------------------------------------------------------------ walking

    def _walk(self, pending: list[tuple[Any, str]]) -> None:
        while pending:
            value, owner = pending.pop()
            cls: type = type(value)
            if cls in SIMPLE or id(value) in self._seen or _kind_of(cls, ()) == "plain" and not hasattr(value, "__dict__"):
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
        cls: type = type(value)
        kind = _kind_of(cls, self.outside)
        if kind == "object" and value.__class__ is not cls:  # a proxy of another
            kind = _kind_of(value.__class__, self.outside)
        if kind == "function":
            return self._note_function(value) if self._is_users(value) else []
        if kind == "outside":
            self.outsiders.append(value)
            return []
        if kind == "class":
            return self._note_classes(value)
        if kind == "module":
            names = {name for name in vars(value) if not name.startswith("__")}
            return self._note_names(_Attributes(vars(value), f"module {value.__name__}", names)) if self._is_users(value) else []
        if kind == "partial":
            return self._note_names(_Partial(value, owner))
        if kind == "wrapper":
            return [(getattr(value, name), owner) for name in INSIDE if hasattr(value, name)]
        if kind == "reference":
            return [(value(), owner)]
        found: list[tuple[Any, str]] = []
        if kind == "tuple":
            found = [(item, owner) for item in value]
        elif kind == "items":
            found = self._note(value, owner)
        if not hasattr(value, "__dict__") and not hasattr(type(value), "__slots__"):
            return found
        if not self._is_ours(type(value)):
            self._left.append((value, owner))
            return found
        title = _title(value)
        if hasattr(value, "__dict__"):
            found += self._note(vars(value), title)
        slots = _Slots(value, title)
        if slots.read():
            found += self._note_names(slots)
        return found + self._note_classes(type(value))

    def _note_names(self, names: _Names) -> list[tuple[Any, str]]:
        known = names.read()
        self.named.append((names, known))
        self._count += len(known)
        return _placed(known, names.title)

    def _note_function(self, function: types.FunctionType) -> list[tuple[Any, str]]:
        title = f"function {function.__qualname__}"
        found = self._note(vars(function), title) if vars(function) else []
        if function.__closure__:
            found += self._note_names(_Closure(function, title))
        self.functions.append((function, [getattr(function, name) for name in OF_FUNCTIONS]))
        found += [(function.__defaults__, title), (function.__kwdefaults__, title)]
        return found + self._note_globals(function)

    def _note_globals(self, function: types.FunctionType) -> list[tuple[Any, str]]:
        """Note the globals that a function asks for, those of one module together."""
        values = function.__globals__
        if id(values) not in self._globals:
            names = _Attributes(values, f"module {function.__module__}", set())
            self._globals[id(values)] = names, {}
            self.named.append(self._globals[id(values)])
        names, known = self._globals[id(values)]
        new = {name: values[name] for name in _names_in(function.__code__) - names.names if name in values}
        names.names |= new.keys()
        known |= new
        return _placed(new, names.title)

    def _note(self, live: Any, owner: str) -> list[tuple[Any, str]]:
        noted = dict(live) if isinstance(live, dict | types.MappingProxyType) else copy.copy(live)
        if isinstance(live, list):
            noted = list(live)
        self.live.append(live)
        self.noted.append(noted)
        self.owners.append(owner)
        self._count += len(noted)
        if isinstance(noted, dict):
            return _placed(noted, owner)
        return [(item, owner) for item in noted]

    def _note_classes(self, cls: type) -> list[tuple[Any, str]]:
        found: list[tuple[Any, str]] = []
        for base in cls.__mro__:
            if base not in self.classes and self._is_ours(base):
                self._homes.add(_home(base))
                self.classes[base] = _attributes_of(base)
                if _home(base) != "neurosim":
                    self._users.add(_home(base))
                    self._users_classes.append(base)
                own = [(name, item) for name, item in vars(base).items() if name not in PYTHONS]  # what Python itself keeps there
                found += [(item, f"{name!r} of class {base.__name__}") for name, item in own if not _is_method_of_ours(item)]
        return found

    def _is_users(self, value: Any) -> bool:
        """Return whether a function or module is the user's."""
        module = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
        return isinstance(module, str) and (module.partition(".")[0] in self._users or _is_no_library(module))

    def _is_ours(self, cls: type) -> bool:
        return _is_followed(cls) or _home(cls) in self._homes


@functools.lru_cache(maxsize=4096)  # to ask each value anew takes most of a walk
def _kind_of(cls: type, outside: tuple[type, ...]) -> str:
    """Return as what an instance of ``cls`` is looked into."""
    if cls is types.FunctionType:
        return "function"
    kinds: dict[str, Any] = {
        "outside": outside, "plain": PLAIN, "class": type, "module": types.ModuleType, "partial": functools.partial,
        "wrapper": WRAPPERS, "reference": weakref.ref, "tuple": tuple, "items": ITEMS, "object": object,
    }  # fmt: skip
    return next(kind for kind, classes in kinds.items() if issubclass(cls, classes))


def _placed(values: dict[Any, Any], owner: str) -> list[tuple[Any, str]]:
    """Return values with their places: a collection is named by what it stands under."""
    return [(item, f"{name!r} of {owner}" if isinstance(item, ITEMS) else owner) for name, item in values.items()]


def _home(cls: type) -> str:
    return cls.__module__.partition(".")[0]


@functools.cache
def _is_followed(cls: type) -> bool:
    """Return whether instances of ``cls`` are looked into: this package's and what derives from it, and whatever is no library."""
    if cls in (types.SimpleNamespace, threading.local) or cls.__module__ in COLLECTIONS:
        return True
    return any(_home(base) == "neurosim" for base in cls.__mro__) or _is_no_library(cls.__module__)


@functools.cache
def _is_no_library(module: str) -> bool:
    home = module.partition(".")[0]
    if home in ("builtins", "neurosim") or home.startswith("namedtuple_") or home in sys.stdlib_module_names and home != "__main__":
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or LIBRARIES.isdisjoint(Path(file).parts)


class _Names:
    """What stands under names and is no collection of its own."""

    title: str

    def read(self) -> dict[str, Any]:
        raise NotImplementedError

    def write(self, name: str, value: Any) -> None:
        raise NotImplementedError

    def drop(self, name: str) -> None:
        """Take away what was not there when it was noted."""
        raise NotImplementedError


@functools.cache
def _slots_of(cls: type) -> tuple[str, ...]:
    """Return the names of a class's slots, its bases' included: they are what they were when it was made."""
    classes = [base for base in cls.__mro__ if "__slots__" in vars(base)]
    found = {name: slot for base in classes for name, slot in vars(base).items()}
    return tuple(name for name, slot in found.items() if isinstance(slot, types.MemberDescriptorType))


class _Slots(_Names):
    """An object's slots, by the names under which it is asked for them: a private one's begins with its class's."""

    def __init__(self, item: Any, title: str) -> None:
        self.item, self.title = item, title
        cls: type = type(item)
        self.slots = _slots_of(cls)

    def read(self) -> dict[str, Any]:
        found = {name: getattr(self.item, name, ABSENT) for name in self.slots}
        return {name: value for name, value in found.items() if value is not ABSENT}

    def write(self, name: str, value: Any) -> None:
        object.__setattr__(self.item, name, value)

    def drop(self, name: str) -> None:
        object.__delattr__(self.item, name)


class _Attributes(_Names):
    """A module's attributes, or the globals that a function asks for."""

    def __init__(self, values: dict[str, Any], title: str, names: set[str]) -> None:
        self.values, self.title, self.names = values, title, names

    def read(self) -> dict[str, Any]:
        return {name: self.values[name] for name in self.names if name in self.values}

    def write(self, name: str, value: Any) -> None:
        self.values[name] = value

    def drop(self, name: str) -> None:
        del self.values[name]


class _Closure(_Names):
    """What a function closes over."""

    def __init__(self, function: types.FunctionType, title: str) -> None:
        self.title = title
        self.cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))

    def read(self) -> dict[str, Any]:
        return {name: cell.cell_contents for name, cell in self.cells.items() if _is_filled(cell)}

    def write(self, name: str, value: Any) -> None:
        self.cells[name].cell_contents = value

    def drop(self, name: str) -> None:
        del self.cells[name].cell_contents


class _Partial(_Names):
    """What a ``functools.partial`` calls, and with what."""

    def __init__(self, made: functools.partial[Any], title: str) -> None:
        self.made, self.title = made, title

    def read(self) -> dict[str, Any]:
        return {"func": self.made.func, "args": self.made.args, "keywords": self.made.keywords}

    def write(self, name: str, value: Any) -> None:
        self.made.__setstate__((*(self.read() | {name: value}).values(), vars(self.made)))  # type: ignore[attr-defined]


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 asking is all there is
    except ValueError:
        return False
    return True


@functools.cache
def _names_in(code: types.CodeType) -> frozenset[str]:
    """Return every name that a function asks for, and the functions within it."""
    inner = [_names_in(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    return frozenset(code.co_names).union(*inner)


def _is_method_of_ours(item: Any) -> bool:
    """Return whether an attribute of a class is a method or property of this package: most are, and none is looked into."""
    item = item.fget if type(item) is property else item
    return type(item) is types.FunctionType and str(item.__module__).partition(".")[0] == "neurosim"


def _attributes_of(cls: type) -> dict[str, Any]:
    return {name: value for name, value in vars(cls).items() if name not in CACHED}


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
