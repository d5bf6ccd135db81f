"""Studies as text: ``--grid`` and ``--draw`` of the command line, and study files."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from neurosim.errors import quoted, require
from neurosim.modelfile.model_file import validated
from neurosim.modelfile.reading import contents, locate, value_of
from neurosim.modelfile.schema import StudyFile
from neurosim.studies.halving import Halving
from neurosim.studies.space import DISTRIBUTIONS, Parameter
from neurosim.studies.study import Study

WHERE = " where "


def load(name: str | Path) -> Study:
    """Return the study of a study file, or one without parameters of a model or comparison file, by its name or path."""
    path = locate(name)
    held = contents(path)
    if "model" not in held:
        return Study(name)
    table = validated(StudyFile, held, path.stem)
    model = locate(table.model, beside=path.parent)
    study = Study(model, data=table.data, settings=tuple(table.settings))
    study = replace(study, parameters=tuple(Parameter.of(one) for one in table.parameters))
    study = replace(study, rule=None if table.halving is None else Halving.of(table.halving))
    return study.draws(table.draws, seed=table.draw_seed).seeds(table.seeds)


def parse_grid(text: str) -> Parameter:
    """Return the parameter of ``KEY=V1,V2,... [where OTHER=V,... and ...]``; raise InputError, one line, where it is none."""
    key, listed, when = _parts("--grid", text, "KEY=V1,V2")
    return Parameter(key, tuple(_values(listed)), when=when)


def parse_draw(text: str) -> Parameter:
    """Return the parameter of ``KEY=DISTRIBUTION:LOW:HIGH [where ...]``; raise InputError, one line, where it is none."""
    key, drawn, when = _parts("--draw", text, "KEY=log_uniform:0.001:0.1")
    kind, *ends = [part.strip() for part in drawn.split(":")]
    said = f"--draw {quoted(text)}: expected KEY=DISTRIBUTION:LOW:HIGH, the distribution {' or '.join(DISTRIBUTIONS)}"
    require(kind in DISTRIBUTIONS and len(ends) == 2, f"{said}; write it like rate=log_uniform:0.001:0.1")
    low, high = (value_of(end) for end in ends)
    return Parameter(key, (), kind, low, high, when)


def parse_halving(text: str) -> Halving:
    """Return the rule of ``RUNGS`` or ``RUNGS:ETA``; raise InputError, one line, where it is none."""
    numbers = [part.strip() for part in text.split(":")]
    fits = len(numbers) <= 2 and all(number.isdecimal() and len(number) < 9 for number in numbers)
    require(fits, f"--halving {quoted(text)}: expected RUNGS or RUNGS:ETA; write it like 3 or 4:2")
    return Halving(*map(int, numbers))


def _parts(option: str, text: str, form: str) -> tuple[str, str, dict[str, tuple[Any, ...]]]:
    """Return key, values as text, and condition."""
    said, _, condition = text.partition(WHERE)
    key, equals, listed = said.partition("=")
    label = f"{option} {quoted(text)}"
    require(bool(equals and key.strip() and listed.strip()), f"{label}: expected {form}; write it so")
    when: dict[str, tuple[Any, ...]] = {}
    for part in filter(None, condition.split(" and ")):
        other, equals, allowed = part.partition("=")
        require(bool(equals), f"{label}: {quoted(part.strip())}: expected where OTHER=VALUE; write it so")
        when[other.strip()] = tuple(_values(allowed))
    return key.strip(), listed, when


def _values(text: str) -> list[Any]:
    """Return the values of a list as one types it: TOML, or words without quotes, separated by commas."""
    try:
        found = tomllib.loads(f"v = [{text}]")
    except (ValueError, RecursionError):
        return [value_of(word.strip()) for word in text.split(",")]
    return found["v"] if set(found) == {"v"} else [text]
