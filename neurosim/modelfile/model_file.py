"""One experiment as a TOML file: data, network, stages of training, what to record, the paper's number and the one measured."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ValidationError

from neurosim import reprs
from neurosim.catalogue import NO_IMPORTS, Imports
from neurosim.errors import InputError, pasteable, quoted, require, utf8
from neurosim.modelfile import reading
from neurosim.modelfile.options import expectation
from neurosim.modelfile.schema import ModelTable

log = logging.getLogger(__name__)

Table = TypeVar("Table", bound=BaseModel)


@dataclass(frozen=True)
class ModelFile:
    """A checked model file.

    name : the file's stem; table : the contents, checked
    contents : what it holds, inherited keys and overrides included, and the modules that it needs under ``modules``
    """

    name: str
    contents: reading.Contents
    table: ModelTable

    __repr__ = reprs.fields

    @staticmethod
    def of(name: str, contents: reading.Contents, imports: Imports = NO_IMPORTS) -> ModelFile:
        """Return ``contents`` as a model file; raise InputError, one line with key, value and expectation, where they are none.

        imports : the modules that ``module:Class`` in it may be of.  The log says so where one has changed since the contents,
            those of a run file, noted it.
        """
        what = f"{name}: a model with a simulation, not a training; use neurosim run"
        require("simulation" not in contents, what)
        table = validated(ModelTable, contents, name, imports)
        return ModelFile(name, with_modules(contents, table.modules, name, imports), table)

    @staticmethod
    def load(
        name: str | Path,
        settings: Iterable[str] = (),
        *,
        record: Iterable[str] = (),
        comparisons: Mapping[str, str | None] | None = None,
        imports: Imports = NO_IMPORTS,
    ) -> ModelFile:
        """Return the model file called ``name`` (a stem or a path) with every ``key.path=value`` of ``settings`` applied.

        record : variables to record beside the file's own; comparisons : when to compare instead, as ``{"alignment": "1 epoch"}``
        imports : the modules that ``module:Class`` in it may be of
        """
        path = reading.locate(name)
        contents = reading.recording(reading.override(reading.contents(path), settings), record, comparisons or {})
        what = f"{path.stem}: a comparison file, not a model"
        require("rows" not in contents, f"{what}; use neurosim compare --file {pasteable(name)}")
        return ModelFile.of(utf8(path.stem), contents, imports)

    @property
    def text(self) -> str:
        """The contents as TOML."""
        return tomli_w.dumps(self.contents)


def with_modules(contents: reading.Contents, noted: Mapping[str, str], source: str, imports: Imports) -> reading.Contents:
    """Return ``contents`` with the modules that they need, each with a digest: the one that was ``noted`` before, or today's."""
    rest = {key: value for key, value in contents.items() if key != "modules"}
    needed = imports.needed(rest)
    for module, digest in needed.items():
        if noted.get(module, digest) != digest:
            said = "%s: module %r has changed since the run was started; the run continues with the module as it is now"
            log.warning(said, source, module)
    return rest | ({"modules": {module: noted.get(module, digest) for module, digest in needed.items()}} if needed else {})


def validated(kind: type[Table], contents: reading.Contents, source: str, imports: Imports = NO_IMPORTS) -> Table:
    """Return ``contents`` as the table ``kind``; raise InputError naming ``source``, the key, the value and what was expected."""
    reading.check_values(contents, source)
    try:
        return kind.model_validate(contents, context={"imports": imports})
    except ValidationError as cause:
        raise InputError(_line(cause, contents, source)) from cause


def _line(cause: ValidationError, contents: reading.Contents, source: str) -> str:
    """Return one line for the first error; the members of a union are told together."""
    errors = cause.errors(include_url=False)
    places = [_place(error, contents) for error in errors]
    within = [k for k, (keys, _) in enumerate(places) if keys[: len(places[0][0])] == places[0][0]]
    deepest = max(within, key=lambda k: len(places[k][0]))  # of a union's members, the one that fits best is the one to correct
    first, (keys, value) = errors[deepest], places[deepest]
    place = quoted(".".join(keys))[1:-1]
    own = first.get("ctx", {}).get("error")
    if isinstance(own, Exception):
        return f"{source}: {place + ': ' if place else ''}{own}"
    if first["type"] == "missing":
        return f"{source}: {place} is missing; add it"
    together = [error for error, (other, _) in zip(errors, places, strict=True) if other == keys]
    expected = " or ".join(dict.fromkeys(expectation(error) for error in together))
    return f"{source}: {place} = {quoted(value)}: expected {expected}; change it there, or with --set {place}=..."


def _place(error: Mapping[str, Any], contents: Any) -> tuple[list[str], Any]:
    """Return the keys that lead to an error and the value there; pydantic's names of union members, which are no keys, left out."""
    path, value, loc = [], contents, error["loc"]
    for k, key in enumerate(loc):
        if isinstance(value, dict) and key in value or isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        elif error["type"] != "missing" or k < len(loc) - 1:
            continue
        path.append(str(key))
    return path, value
