"""Making an object from a name and options that a user wrote: names, presence and types checked against the signature."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from neurosim.errors import InputError, UnknownNameError, quoted, require


def construct(kind: str, makers: Mapping[str, Callable[..., Any]], name: str, options: Mapping[str, Any]) -> Any:
    """Return ``makers[name](**options)``.

    Raises
    ------
    UnknownNameError
        ``name`` or an option is unknown.
    InputError
        An option is missing, of the wrong type, or (from the class itself) out of its range.
    """
    if name not in makers:
        raise UnknownNameError(kind, name, makers)
    parameters = inspect.signature(makers[name], eval_str=True).parameters
    others = next((p for p in parameters.values() if p.kind is p.VAR_KEYWORD), None)
    for option, value in options.items():
        parameter = parameters.get(option, others)
        if parameter is None or option == getattr(others, "name", None):
            raise UnknownNameError(f"{kind} {name!r}: option", option, parameters or ["(none)"])
        check_type(f"{kind} {name!r}: {option}", value, parameter.annotation)
    for option, parameter in parameters.items():
        needed = parameter.default is parameter.empty and parameter is not others
        require(option in options or not needed, f"{kind} {name!r}: {option} is missing; give {option} = ...")
    return makers[name](**options)


def check_type(what: str, value: Any, annotation: Any) -> None:
    """Raise InputError unless ``value``, as TOML gives it, is of the annotated type; whole numbers count as numbers."""
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True))
        adapter.validate_json(json.dumps(value, default=str))  # in JSON a list may stand for a tuple
    except ValidationError as cause:
        in_files = [error for error in cause.errors() if error["type"] != "needs_python_object"]  # an object is not written there
        expected = " or ".join(dict.fromkeys(expectation(error) for error in in_files))
        raise InputError(f"{what} {quoted(value)}: expected {expected}; change it") from cause


EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "finite_number": "a finite number",
    "none_required": "nothing",
}


def expectation(error: Mapping[str, Any]) -> str:
    """Return what pydantic expected instead of the value it reports, in this package's words."""
    return EXPECTED.get(error["type"], str(error["msg"]).removeprefix("Input should be ").replace("\n", " "))
