"""What objects print as: the call that makes them where that is short, and arrays by their shape.

A repr is read by people, in a console and in error messages: one or a few lines, no address in memory, and it never raises.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

LONGEST = 100  # characters of one value
MOST = 6  # items of a collection
PLAIN = (bool, int, float, complex, str, bytes, type(None))


def brief(value: Any) -> str:
    """Return a value in one line of at most about LONGEST characters."""
    try:
        return _cut(" ".join(_text(value).split()))
    except Exception:  # a half-made object, or a stranger's repr that raises
        return f"<{type(value).__name__}>"


def call(name: str, args: Iterable[Any] = (), options: Mapping[str, Any] | None = None) -> str:
    """Return the call of ``name`` with these arguments, as text."""
    return f"{name}({', '.join([*map(brief, args), *(f'{key}={brief(value)}' for key, value in (options or {}).items())])})"


def making(made: Any, args: Iterable[Any], options: Mapping[str, Any]) -> str:
    """Return the call that made an object with these arguments: those left at their defaults are not in it.

    A number or a text that the object keeps under the argument's own name is shown as it is now.
    """
    signature = inspect.signature(type(made))
    given = signature.bind_partial(*args, **options).arguments
    first: list[Any] = []
    named: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            first += given.get(name, ())
        elif parameter.kind is parameter.VAR_KEYWORD:
            named |= given.get(name, {})
        else:
            value = _now(made, name, given.get(name, parameter.default))
            if _same(value, parameter.default):
                continue
            if parameter.default is parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY:
                first.append(value)
            else:
                named[name] = value
    return call(type(made).__name__, first, named)


def fields(made: Any) -> str:
    """Return a dataclass's name and its fields, those left at their defaults left out; to be its ``__repr__``."""
    shown = {
        field.name: getattr(made, field.name, None)
        for field in dataclasses.fields(made)
        if field.repr and not _is_default(field, getattr(made, field.name, None))
    }
    return call(type(made).__name__, (), shown)


def array(value: Any) -> str:
    """Return an array's type and shape, as ``float32 (20, 64)``."""
    return f"{value.dtype} {tuple(value.shape)}"


def listed(items: Iterable[str], most: int = MOST) -> str:
    """Return texts joined by commas; of many, the first and the last ones."""
    texts = list(items)
    if len(texts) > most:
        texts = [*texts[: most // 2], "...", *texts[-(most // 2) :]]
    return ", ".join(texts)


def _text(value: Any) -> str:
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(getattr(value, "shape", None), tuple) and not isinstance(value, type):
        if hasattr(value, "dtype"):
            return repr(value.item()) if value.shape == () and hasattr(value, "item") else f"<{array(value)}>"
        return f"<{type(value).__name__} {tuple(value.shape)}>"
    if isinstance(value, Mapping):
        return "{" + listed(f"{brief(key)}: {brief(one)}" for key, one in value.items()) + "}"
    if type(value) in (list, tuple, set, frozenset):
        inner = listed(map(brief, value))
        left, right = "[]" if isinstance(value, list) else "()" if isinstance(value, tuple) else "{}"
        return left + inner + ("," if type(value) is tuple and len(value) == 1 else "") + right
    if isinstance(value, type) or inspect.isroutine(value):
        return str(value.__qualname__)
    text = repr(value)
    return f"<{type(value).__name__}>" if " at 0x" in text else text


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]}...{text[-1]}"


def _now(made: Any, name: str, value: Any) -> Any:
    now = getattr(made, name, value)
    kinds: tuple[tuple[type, ...], ...] = ((bool,), (int, float), (str,))
    return now if any(type(now) in kind and type(value) in kind for kind in kinds) else value


def _same(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, (*PLAIN, tuple)) and type(value) is type(default) and bool(value == default))


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    missing, factory = dataclasses.MISSING, field.default_factory
    if field.default is not missing:
        return _same(value, field.default)
    made: Callable[[], Any] | None = None if factory is missing else factory
    return made is not None and isinstance(value, Mapping) and not value
