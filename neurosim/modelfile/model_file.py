"""One experiment as a TOML file: data, network, stages of training, what to record, the paper's number and the one measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ValidationError

from neurosim.errors import InputError, pasteable, quoted, require, utf8
from neurosim.modelfile import reading
from neurosim.modelfile.options import expectation
from neurosim.modelfile.schema import ModelTable

Table = TypeVar("Table", bound=BaseModel)


@dataclass(frozen=True)
class ModelFile:
    """A checked model file.

    name : the file's stem; contents : what it holds, inherited keys and overrides included; table : the same, checked
    """

    name: str
    contents: reading.Contents
    table: ModelTable

    @staticmethod
    def of(name: str, contents: reading.Contents) -> ModelFile:
        """Return ``contents`` as a model file; raise InputError, one line with key, value and expectation, where they are none."""
        return ModelFile(name, contents, validated(ModelTable, contents, name))

    @staticmethod
    def load(
        name: str | Path, settings: Iterable[str] = (), *, record: Iterable[str] = (), alignment: str | None = None
    ) -> ModelFile:
        """Return the model file called ``name`` (a stem or a path) with every ``key.path=value`` of ``settings`` applied.

        record : variables to record beside the file's own; alignment : when to compare with backprop instead
        """
        path = reading.locate(name)
        contents = reading.recording(reading.override(reading.contents(path), settings), record, alignment)
        what = f"{path.stem}: a comparison file, not a model"
        require("rows" not in contents, f"{what}; use neurosim compare --file {pasteable(name)}")
        return ModelFile.of(utf8(path.stem), contents)

    @property
    def text(self) -> str:
        """The contents as TOML."""
        return tomli_w.dumps(self.contents)


def validated(kind: type[Table], contents: reading.Contents, source: str) -> Table:
    """Return ``contents`` as the table ``kind``; raise InputError naming ``source``, the key, the value and what was expected."""
    reading.check_values(contents, source)
    try:
        return kind.model_validate(contents)
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
