"""Making an object from a name and options that a user wrote: names, presence and types checked against the signature."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from neurosim.catalogue import NO_IMPORTS, Imports
from neurosim.errors import InputError, NeurosimError, UnknownNameError, quoted, require


def construct(
    kind: str,
    makers: Mapping[str, Callable[..., Any]],
    name: str,
    options: Mapping[str, Any],
    base: type = object,
    imports: Imports = NO_IMPORTS,
) -> Any:
    """Return ``makers[name](**options)``; a name ``module:Class`` is one of ``imports``.

    base : what is made is one of these

    Raises
    ------
    UnknownNameError
        ``name`` or an option is unknown.
    InputError
        An option is missing, of the wrong type, or (from the class itself) out of its range; or ``name`` is of a module that was
        not named, or stands for something else than a ``base``.
    """
    outside = name not in makers and ":" in name
    if name not in makers and not outside:
        raise UnknownNameError(kind, name, makers)
    label = f"{kind} {quoted(name)}"
    maker = _outside(kind, name, base, imports) if outside else makers[name]
    parameters = _parameters(maker)
    others = next((p for p in parameters.values() if p.kind is p.VAR_KEYWORD), None)
    for option, value in options.items():
        parameter = parameters.get(option, others)
        if parameter is None or option == getattr(others, "name", None):
            raise UnknownNameError(f"{label}: option", option, parameters or ["(none)"])
        check_type(f"{label}: {option}", value, parameter.annotation)
    for option, parameter in parameters.items():
        needed = parameter.default is parameter.empty and parameter is not others and parameter.kind is not parameter.VAR_POSITIONAL
        require(option in options or not needed, f"{label}: {option} is missing; give {option} = ...")
    if not outside:
        return maker(**options)
    try:
        made = maker(**options)
    except NeurosimError:
        raise
    except Exception as cause:  # of a user's own code
        why = f"{type(cause).__name__}: {quoted(str(cause))[1:-1]}"
        raise InputError(f"{label}: cannot be made ({why}): expected a {base.__name__}; correct it, or its options") from cause
    require(isinstance(made, base), f"{label}: makes a {type(made).__name__}: expected a {base.__name__}; correct it")
    return made


def _outside(kind: str, name: str, base: type, imports: Imports) -> Callable[..., Any]:
    """Return a user's class, or a function that says it returns a ``base``: what a file may call is nothing else."""
    maker: Callable[..., Any] = imports.find(kind, name)
    label = f"{kind} {quoted(name)}"
    if isinstance(maker, type):
        require(issubclass(maker, base), f"{label}: no {base.__name__}: expected a class derived from that; name another")
        lacks = ", ".join(sorted(getattr(maker, "__abstractmethods__", ())))
        require(not lacks, f"{label}: has no {lacks}: expected all that a {base.__name__} needs; add it")
        return maker
    returned = _signature(maker).return_annotation if inspect.isfunction(maker) else None
    given = name in imports.objects and inspect.isfunction(maker)
    fits = given or isinstance(returned, type) and issubclass(returned, base)
    what = f"a class, or a function that says what it returns, as def {getattr(maker, '__name__', 'make')}() -> {base.__name__}"
    require(fits, f"{label}: expected {what}; change it")
    return maker


def _signature(maker: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(maker, eval_str=True)
    except NameError:  # an annotation that only a type checker can read
        return inspect.signature(maker)


def _parameters(maker: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return _signature(maker).parameters


def check_type(what: str, value: Any, annotation: Any) -> None:
    """Raise InputError unless ``value``, as TOML gives it, is of the annotated type; whole numbers count as numbers.

    Without an annotation, or with one that is no data's (both of users' classes only), any value will do.
    """
    if annotation is inspect.Parameter.empty:
        return
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False))
    except (PydanticUserError, NameError):
        return
    try:
        adapter.validate_json(json.dumps(value, default=str))  # in JSON a list may stand for a tuple
    except ValidationError as cause:
        expected = " or ".join(dict.fromkeys(expectation(error) for error in cause.errors()))
        raise InputError(f"{what} {quoted(value)}: expected {expected}; change it") from cause


EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "finite_number": "a finite number",
    "none_required": "nothing",
}


def expectation(error: Mapping[str, Any]) -> str:
    """Return what pydantic expected instead of the value it reports, in this package's words."""
    return EXPECTED.get(error["type"], str(error["msg"]).removeprefix("Input should be ").replace("\n", " "))
