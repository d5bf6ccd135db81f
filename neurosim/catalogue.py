"""Finding classes by walking the package, so that a new one needs no list of names to be extended elsewhere."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any, TypeVar

from neurosim.errors import UnknownNameError

T = TypeVar("T")


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
