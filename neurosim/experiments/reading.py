"""From a name or a path to the contents of a TOML file: where files lie, ``extends``, ``--set``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from neurosim.errors import InputError, UnknownNameError, require

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "models", PACKAGE.parent / "models")  # installed with the package; beside it in a source checkout
NOT_INHERITED = ("paper", "measured")

Contents = dict[str, Any]


def folder() -> Path:
    """Return the folder of the model files that come with the package."""
    return next((place for place in PLACES if place.is_dir()), PLACES[0])


def installed() -> dict[str, Path]:
    """Return the files that come with the package by name."""
    return {path.stem: path for path in sorted(folder().glob("*.toml"))}


def models() -> dict[str, Contents]:
    """Return the contents of every model file that comes with the package (comparison files left out) by name."""
    found = {name: contents(path) for name, path in installed().items()}
    return {name: values for name, values in found.items() if "rows" not in values}


def locate(name: str | Path, beside: Path | None = None) -> Path:
    """Return the file called ``name``: a path, or the stem of a file in the folder ``beside`` or of one that is installed."""
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix == ".toml" or len(path.parts) != 1:
        raise InputError(f"model file {name}: no such file; check the path, or give one of the names that neurosim models lists")
    if beside is not None and (beside / f"{name}.toml").is_file():
        return beside / f"{name}.toml"
    if str(name) not in installed():
        raise UnknownNameError("model", str(name), installed())
    return installed()[str(name)]


def contents(path: Path, children: tuple[Path, ...] = ()) -> Contents:
    """Return what the file holds, on top of what the file it ``extends`` holds.

    Raises InputError for a file that cannot be read, is no TOML, or extends itself.
    """
    path = path.resolve()
    require(path not in children, f"model file {path.name}: extends itself through {[p.name for p in children]}; end the circle")
    own = parsed(_text(path), f"model file {path}")
    if "extends" not in own:
        return own
    parent = own.pop("extends")
    require(isinstance(parent, str), f"{path.name}: extends = {parent!r}: expected the name of a model file in quotes; change it")
    inherited = contents(locate(parent, beside=path.parent), (*children, path))
    return merged({key: value for key, value in inherited.items() if key not in NOT_INHERITED}, own)


def parsed(text: str, source: str) -> Contents:
    """Return ``text`` read as TOML; raise InputError naming ``source`` and the line where it is none."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as cause:
        raise InputError(f"{source}: {cause}: expected TOML; correct it") from cause


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as cause:
        raise InputError(f"model file {path}: cannot be read ({cause}); check the path, and that it is UTF-8 text") from cause


def merged(under: Contents, over: Contents) -> Contents:
    """Return ``under`` with ``over`` laid on top: tables merge, everything else is replaced."""
    both = {key for key in under if isinstance(under[key], dict) and isinstance(over.get(key), dict)}
    return under | over | {key: merged(under[key], over[key]) for key in both}


def override(values: Contents, settings: Iterable[str]) -> Contents:
    """Return ``values`` with each ``key.path=value`` set; a value that is no TOML is taken as text.

    Raises InputError for a setting without ``=``, a path through something that is no table, or a number past a list's end.
    """
    for setting in settings:
        path, equals, text = setting.partition("=")
        keys = path.strip().split(".")
        require(bool(equals) and all(keys), f"--set {setting!r}: expected key.path=value; write it like stages.0.epochs=3")
        values = _replaced(values, keys, _value(text.strip()), setting)
    return values


def recording(values: Contents, variables: Iterable[str], alignment: str | None) -> Contents:
    """Return ``values`` with more variables to record, and with ``alignment`` where one is given."""
    record = dict(values.get("record", {}))
    record["variables"] = [*record.get("variables", []), *variables]
    return values | {"record": record | ({} if alignment is None else {"alignment": alignment})}


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if set(parsed) == {"value"} else text


def _replaced(values: Any, keys: list[str], value: Any, setting: str) -> Any:
    """Return a copy of ``values`` with the item at the end of ``keys`` replaced; missing tables are made."""
    key, rest = keys[0], keys[1:]
    if isinstance(values, list):
        fits = key.isascii() and key.isdecimal() and int(key) < len(values)
        require(fits, f"--set {setting!r}: no item {key!r} in a list of {len(values)}: expected 0 to {len(values) - 1}; change it")
        at = int(key)
        return [*values[:at], _replaced(values[at], rest, value, setting) if rest else value, *values[at + 1 :]]
    require(isinstance(values, dict), f"--set {setting!r}: {key!r} lies within {values!r}, which is no table; change the path")
    return values | {key: _replaced(values.get(key, {}), rest, value, setting) if rest else value}
