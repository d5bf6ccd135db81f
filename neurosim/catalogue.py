"""Finding classes by walking the package, so that a new one needs no list of names to be extended elsewhere; and their options."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import numbers
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from neurosim.errors import InputError, UnknownNameError, quoted, require_number

T = TypeVar("T")

KINDS: dict[str, tuple[Any, str]] = {  # by their annotation: what fits, in Python and in words
    "float": (numbers.Real, "a number"),
    "int": (numbers.Real, "a number"),
    "bool": (bool | np.bool_, "True or False"),
    "None": (type(None), "None"),
    "Mapping": (Mapping, "a dictionary"),
    "Sequence": (Iterable, "a list"),
}


class Stated:
    """Remembers the options an object was made with, so that a run file can state how to make it again."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _remembering(cls.__init__)  # type: ignore[method-assign]

    def options(self) -> dict[str, Any]:
        """Return the options that make this object again, by name; those left at their defaults may not be there."""
        if dataclasses.is_dataclass(self):
            return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        args, options = vars(self).get("_given", ((), {}))
        signature = inspect.signature(type(self))
        found: dict[str, Any] = {}
        for name, value in signature.bind(*args, **options).arguments.items():
            found = value | found if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD else found | {name: value}
        return found


def _remembering(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def remember(self: Any, /, *args: Any, **options: Any) -> None:
        outermost = "_given" not in vars(self)  # that of the class itself; those above it are called from there
        vars(self).setdefault("_given", (args, options))
        try:
            init(self, *args, **options)  # a class's own message says more
        except (TypeError, OverflowError):
            _check_options(self, init, args, options)
            raise
        if outermost:
            _check_options(self, init, args, options)

    return remember


def _check_options(made: Any, init: Callable[..., None], args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Raise InputError where one of the package's own classes is given something else than it annotates."""
    if type(made).__module__.partition(".")[0] != __name__.partition(".")[0]:
        return
    signature = inspect.signature(init)
    try:
        given = signature.bind(made, *args, **options).arguments
    except TypeError:  # Python says it better
        return
    owner = getattr(made, "name", type(made).__name__)
    for name, value in given.items():
        parameter = signature.parameters[name]
        kinds = [kind.partition("[")[0] for kind in str(parameter.annotation).split(" | ")]
        if parameter.kind is inspect.Parameter.VAR_KEYWORD or not set(kinds) <= KINDS.keys():
            continue
        if not any(isinstance(value, KINDS[kind][0]) for kind in kinds) or isinstance(value, str):
            words = " or ".join(KINDS[kind][1] for kind in kinds)
            raise InputError(f"{owner}: {name} {quoted(value)}: expected {words}; give one, or leave {name} out")
        if isinstance(value, numbers.Real):
            require_number(owner, name, value, 1)


def concrete(package: ModuleType, base: type[T]) -> dict[str, type[T]]:
    """Return the concrete subclasses of ``base`` defined in ``package``'s modules, by their ``name`` attribute."""
    found: dict[str, type[T]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for _, value in inspect.getmembers(module, inspect.isclass):
            if value.__module__ == module.__name__ and issubclass(value, base) and not inspect.isabstract(value):
                found[value.name] = value  # type: ignore[attr-defined]
    return dict(sorted(found.items()))


def make(kind: str, classes: dict[str, type[T]], name: str, options: dict[str, Any] | None = None) -> T:
    """Return ``classes[name](**options)``.

    Raises
    ------
    UnknownNameError
        ``name``, or one of the options, is unknown; the message lists what is known.
    """
    if name not in classes:
        raise UnknownNameError(kind, name, classes)
    options = options or {}
    known = [p for p in inspect.signature(classes[name]).parameters]
    for option in options:
        if option not in known:
            raise UnknownNameError(f"{kind} {name}: option", option, known or ["(none)"])
    return classes[name](**options)
