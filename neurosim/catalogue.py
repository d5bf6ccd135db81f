"""Finding classes by walking the package, so that a new one needs no list of names to be extended elsewhere; and their options."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from neurosim.errors import UnknownNameError

T = TypeVar("T")


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
        vars(self).setdefault("_given", (args, options))  # of the class itself; those above it are called from there
        init(self, *args, **options)

    return remember


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
