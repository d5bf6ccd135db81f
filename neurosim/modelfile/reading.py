"""From a name or a path to the contents of a TOML file: where files lie, ``extends``, ``--set``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from neurosim.errors import InputError, UnknownNameError, meant, quoted, require, span

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "models", PACKAGE.parent / "models")  # installed with the package; beside it in a source checkout
NOT_INHERITED = ("paper", "measured")
DEEPEST = 20  # tables and lists within each other
LARGEST = 2**63 - 1  # a whole number of TOML, and of HDF5, has 64 bits
KEY = re.compile(r"""[^."']+|"[^"]+"|'[^']+'""")
LONGEST_FILE = 2**20  # characters; the longest that comes with the package has 6,000

Contents = dict[str, Any]


def folder() -> Path:
    """Return the folder of the model files that come with the package."""
    return next((place for place in PLACES if place.is_dir()), PLACES[0])


def installed() -> dict[str, Path]:
    """Return the files that come with the package by name."""
    return {path.stem: path for path in sorted(folder().glob("*.toml"))}


def models() -> dict[str, Contents]:
    """Return the contents of every model file that comes with the package (comparisons and simulations left out) by name."""
    found = {name: contents(path) for name, path in installed().items()}
    return {name: values for name, values in found.items() if "rows" not in values and "simulation" not in values}


def simulations() -> dict[str, Contents]:
    """Return the contents of every model file with a simulation that comes with the package by name."""
    found = {name: contents(path) for name, path in installed().items()}
    return {name: values for name, values in found.items() if "simulation" in values}


def locate(name: str | Path, beside: Path | None = None) -> Path:
    """Return the file called ``name``: a path, or the stem of a file in the folder ``beside`` or of one that is installed."""
    path = Path(name)
    if _is_file(path):
        return path
    if path.suffix == ".toml" or len(path.parts) != 1:
        what = f"model file {quoted(str(name))}"
        advice = "check the path, or give one of the names that neurosim models lists"
        raise InputError(f"{what}: no such file; {advice}{meant(path, [path.stem] if path.stem in installed() else [])}")
    if beside is not None and _is_file(beside / f"{name}.toml"):
        return beside / f"{name}.toml"
    if str(name) not in installed():
        raise UnknownNameError("model", str(name), installed())
    return installed()[str(name)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for one, or a folder that may not be searched
        return False


def contents(path: Path, children: tuple[Path, ...] = ()) -> Contents:
    """Return what the file holds, on top of what the file it ``extends`` holds.

    Raises InputError for a file that cannot be read, is no TOML, or extends itself.
    """
    path = path.resolve()
    through = quoted([child.name for child in children])
    require(path not in children, f"model file {path.name}: extends itself through {through}; end the circle")
    own = parsed(_text(path), f"model file {path}")
    if "extends" not in own:
        return own
    parent = own.pop("extends")
    said = f"{path.name}: extends = {quoted(parent)}"
    require(isinstance(parent, str), f"{said}: expected the name of a model file in quotes; change it")
    inherited = contents(locate(parent, beside=path.parent), (*children, path))
    return merged({key: value for key, value in inherited.items() if key not in NOT_INHERITED}, own)


def parsed(text: str, source: str) -> Contents:
    """Return ``text`` read as TOML; raise InputError naming ``source`` and the line where it is none."""
    require(len(text) <= LONGEST_FILE, f"{source}: over {LONGEST_FILE:,} characters: expected at most {LONGEST_FILE:,}; shorten it")
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as cause:
        raise InputError(f"{source}: {cause}: expected TOML; correct it") from cause
    check_values(found, source)
    return found


def check_values(values: Any, source: str, path: tuple[str, ...] = ()) -> None:
    """Raise InputError where TOML, or a run file, could not hold the contents of a model.

    That is: a whole number of more than 64 bits, text with half a character, or tables nested without end.
    """
    place = quoted(".".join(path))[1:-1]
    require(len(path) <= DEEPEST, f"{source}: {place}: expected at most {DEEPEST} tables within each other; make it flatter")
    if isinstance(values, int):
        fits = -LARGEST - 1 <= values <= LARGEST
        require(fits, f"{source}: {place} = {quoted(values)}: expected at most {LARGEST}, as TOML has it; change it")
    elif isinstance(values, str):
        whole = values.isascii() or values.encode("utf-8", "ignore").decode() == values
        require(whole, f"{source}: {place} = {quoted(values)}: expected text in UTF-8; change it")
    elif isinstance(values, dict):
        for key, value in values.items():
            check_values(str(key), source, (*path, "(a key)"))
            check_values(value, source, (*path, str(key)))
    elif isinstance(values, list):
        for number, value in enumerate(values):
            check_values(value, source, (*path, str(number)))


def beginning(path: Path) -> str:
    """Return the text in a file, of one that is too long as much as tells ``parsed`` so."""
    with path.open(encoding="utf-8") as file:
        return file.read(LONGEST_FILE + 1)


def _text(path: Path) -> str:
    try:
        return beginning(path)
    except (OSError, ValueError) as cause:
        why = quoted(str(cause))[1:-1]
        raise InputError(f"model file {path}: cannot be read ({why}); check the path, and that it is UTF-8 text") from cause


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
        said = f"--set {quoted(setting)}"
        require(bool(equals), f"{said}: expected key.path=value; write it like stages.0.epochs=3")
        values = _set(values, path.strip(), value_of(text.strip()), said)
    return values


def replaced(values: Contents, changes: Mapping[str, Any]) -> Contents:
    """Return ``values`` with each ``key.path`` of ``changes`` set to its value; raise InputError as ``override`` does."""
    for path, value in changes.items():
        values = _set(values, path, value, f"{quoted(path)} = {quoted(value)}")
    return values


def _set(values: Contents, path: str, value: Any, said: str) -> Contents:
    keys = _keys(path)
    require(all(keys) and bool(keys), f"{said}: expected key.path=value; write it like stages.0.epochs=3")
    require(len(keys) <= DEEPEST, f"{said}: {len(keys):,} keys: expected at most {DEEPEST}; change the path")
    changed: Contents = _replaced(values, keys, value, said)
    return changed


def _keys(path: str) -> list[str]:
    """Return the keys of a path; a key with a dot in it stands in quotes, as in TOML: ``simulation.initial."e.v"``."""
    keys = KEY.findall(path)
    return [key.strip("\"'") for key in keys] if ".".join(keys) == path else [""]


def recording(values: Contents, variables: Iterable[str], comparisons: Mapping[str, str | None]) -> Contents:
    """Return ``values`` with more variables to record, and with those of ``comparisons``, name -> when, that are given."""
    record = values.get("record", {})
    known = record.get("variables", []) if isinstance(record, dict) else None
    if not isinstance(known, list):  # what it is instead will be told when it is checked
        return values
    more = {name: when for name, when in comparisons.items() if when is not None}
    return values | {"record": record | {"variables": [*known, *variables]} | more}


def value_of(text: str) -> Any:
    """Return what a text says as TOML; the text itself where it is none."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if set(parsed) == {"value"} else text


def _link_with(chain: Any, key: str) -> list[str]:
    """Return the number of the one link of a chain of optimisers that has an option ``key``; nothing where it is no such chain."""
    links = chain if isinstance(chain, list) else []
    having = [str(k) for k, link in enumerate(links) if isinstance(link, dict) and key in link]
    return having if len(having) == 1 else []


def _replaced(values: Any, keys: list[str], value: Any, said: str) -> Any:
    """Return a copy of ``values`` with the item at the end of ``keys`` replaced; missing tables are made."""
    key, rest = keys[0], keys[1:]
    if isinstance(values, list):
        at = int(key) if key.isascii() and key.isdecimal() and len(key) < 10 else len(values)
        there = f"expected {span(0, len(values) - 1)}; change it" if values else "the list is empty; change the path"
        require(at < len(values), f"{said}: no item {quoted(key)} in a list of {len(values)} (items are counted from 0): {there}")
        return [*values[:at], _replaced(values[at], rest, value, said) if rest else value, *values[at + 1 :]]
    place = f"{said}: {quoted(key)} cannot be set inside {quoted(values)}"
    require(isinstance(values, dict), f"{place}, which is not a table; change the path")
    if rest and key.endswith("optimiser"):
        rest = [*_link_with(values.get(key), rest[0]), *rest]
    return values | {key: _replaced(values.get(key, {}), rest, value, said) if rest else value}
