"""What a study runs: each point made a model file of its own, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurosim.catalogue import NO_IMPORTS, Imports
from neurosim.errors import InputError, quoted, require
from neurosim.experiments.comparison_plan import Plan, given_data
from neurosim.modelfile import reading
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.reading import Contents
from neurosim.studies.halving import Halving
from neurosim.studies.space import Parameter, Space, Values

SCHEME = "scheme"  # the parameter that chooses a comparison's row, or the scheme of a model with one stage


@dataclass(frozen=True)
class Base:
    """What every point changes: the model file of each scheme, or of none, "", where the schemes are not among the parameters.

    name : of the model file or the comparison
    """

    name: str
    models: dict[str, Contents]

    @staticmethod
    def load(
        name: str | Path,
        schemes: Sequence[str] = (),
        *,
        settings: Iterable[str] = (),
        data: str | Contents | None = None,
        imports: Imports = NO_IMPORTS,
    ) -> Base:
        """Return the base of a study of the model or comparison file ``name``.

        schemes : values of the parameter ``scheme``; of a comparison, its rows (default: all of them)
        settings : as after ``--set``; data : the name of another data set, or its [data] table

        Raises InputError, one line, where there is no such file, row or scheme, or it is no model.
        """
        path = reading.locate(name)
        if "rows" in reading.contents(path):
            plan = Plan.load(name, rows=list(schemes) or None, settings=settings, data=data, imports=imports)
            return Base(path.stem, {row: model.contents for row, model in plan.models.items()})
        changes = [*settings, *([f"data.name={data}"] if isinstance(data, str) else [])]
        contents = ModelFile.load(name, changes, imports=imports).contents
        contents = contents if data is None or isinstance(data, str) else contents | {"data": given_data(contents, data)}
        return Base(path.stem, {scheme: _under(scheme, contents, path.stem) for scheme in schemes} or {"": contents})

    def model(self, values: Values, label: str, imports: Imports = NO_IMPORTS) -> ModelFile:
        """Return the model file of a point; raise InputError, naming ``label``, where its values do not fit together."""
        try:
            return self._changed(values.get(SCHEME, ""), values, imports)
        except InputError as cause:
            raise InputError(f"study: {label}: {cause}{self._advice(values, imports)}") from cause

    def _changed(self, scheme: str, values: Values, imports: Imports) -> ModelFile:
        changes = {key: value for key, value in values.items() if key != SCHEME}
        return ModelFile.of(scheme or self.name, reading.replaced(self.models[scheme], changes), imports)

    def _advice(self, values: Values, imports: Imports) -> str:
        """Return what to do about values that are no model: name the keys that were meant, or the schemes beside which they fit."""
        meant = [place for key in values if key != SCHEME for place in _ends_in(self.models[values.get(SCHEME, "")], key)]
        if meant:
            return f"; did you mean {' or '.join(map(repr, meant))}?"
        fitting = []
        for scheme in self.models.keys() - {values.get(SCHEME)}:
            with suppress(InputError):
                fitting.append(self._changed(scheme, values, imports).name)
        return f"; it fits other schemes: add where scheme={','.join(sorted(fitting))}" if fitting else ""


def _ends_in(table: Any, key: str, above: str = "") -> list[str]:
    """Return the keys within a model file that end in ``key``, where it has none of that name itself."""
    inner = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
    if not above and key.partition(".")[0] in table:
        return []
    found = [place for name, value in inner for place in _ends_in(value, key, f"{above}{name}.")]
    return found + ([f"{above}{key}"] if above and isinstance(table, dict) and key in table else [])


def _under(scheme: str, contents: Contents, name: str) -> Contents:
    """Return a model of one stage under another scheme: with its optimisers, and without the options of the scheme it had."""
    stages = contents["stages"]
    several = f"study: scheme: model {name!r} has {len(stages)} stages: expected one; give stages.0.scheme and the like"
    require(len(stages) == 1, several)
    if stages[0].get("scheme") == scheme:
        return contents
    kept = {key: value for key, value in stages[0].items() if key != "options"}
    return contents | {"stages": [kept | {"scheme": scheme}]}


@dataclass(frozen=True)
class Point:
    """One point of a study.

    number : from 1, in the order of the points; seed : of this run
    values : parameter -> value; model : the model file it is
    """

    number: int
    seed: int
    values: Values
    model: ModelFile

    @property
    def name(self) -> str:
        """The stem of its run file."""
        return f"{self.number:05d}-seed{self.seed}"

    @property
    def label(self) -> str:
        """Its values in words."""
        return label_of(self.values)

    @property
    def epochs(self) -> int:
        """Those of all its stages together."""
        return sum(stage.epochs for stage in self.model.table.stages)


def label_of(values: Mapping[str, Any]) -> str:
    """Return the values of a point in words: ``scheme=backprop, step=0.1``."""
    shown = {key: value if isinstance(value, str) else quoted(value) for key, value in values.items()}
    return ", ".join(f"{key}={value}" for key, value in shown.items()) or "the model as it is"


@dataclass(frozen=True)
class StudyPlan:
    """A study ready to run.

    base, space : what is changed, and how; seeds : each point runs with every one of them
    points : one for each of these and each seed; halving : the rule by which some are stopped, or None
    """

    base: Base
    space: Space
    seeds: tuple[int, ...]
    points: tuple[Point, ...]
    halving: Halving | None = None

    @staticmethod
    def of(
        base: Base, space: Space, seeds: Sequence[int], imports: Imports = NO_IMPORTS, halving: Halving | None = None
    ) -> StudyPlan:
        """Return the plan of a study; raise InputError, one line, where a point is no model, or points cannot be halved."""
        require(bool(seeds), "study: seeds: none: expected at least one; give seeds=1")
        twice = sorted({seed for seed in seeds if list(seeds).count(seed) > 1})
        require(not twice, f"study: seeds {quoted(twice)}: there twice: expected each once; drop one")
        models = [(values, base.model(values, label_of(values), imports)) for values in values_of(base, space)]
        points = [Point(k, seed, values, model) for k, (values, model) in enumerate(models, start=1) for seed in seeds]
        plan = StudyPlan(base, space, tuple(seeds), tuple(points), halving)
        if halving is not None:
            lengths = sorted({point.epochs for point in points})
            said = f"study: halving: points of {' and '.join(map(str, lengths[:3]))} epochs: expected one length for all"
            require(len(lengths) == 1, f"{said}; drop the parameter that changes it")
            sequence = any(point.model.table.data.is_sequence for point in points)
            said = "study: halving: tasks in sequence: a rung would end before the later tasks are learned"
            require(not sequence, f"{said}: expected data that are learned as a whole; leave halving out")
            halving.lengths(lengths[0])
        return plan

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of what differs between points, in order."""
        return tuple(parameter.key for parameter in varied(self.base, self.space))

    @property
    def number_of_points(self) -> int:
        """How many there are, whatever their seeds."""
        return len(self.points) // len(self.seeds)

    @property
    def tasks(self) -> int:
        """How many times a worker gets a point to run, if none fails: one that goes on after a rung is one more."""
        counts = (self.number_of_points,) if self.halving is None else self.halving.counts(self.number_of_points)
        return sum(counts) * len(self.seeds)


def varied(base: Base, space: Space) -> tuple[Parameter, ...]:
    """Return what differs between points: the space's parameters, before them a comparison's rows where these do not name them."""
    rows = Parameter(SCHEME, tuple(base.models))
    return space.parameters if _names_schemes(base, space) else (rows, *space.parameters)


def values_of(base: Base, space: Space) -> list[Values]:
    """Return the values of every point: of a comparison without the parameter ``scheme``, beside each of its rows."""
    points = space.points()
    if _names_schemes(base, space):
        return points
    return [{SCHEME: scheme, **values} for scheme in base.models for values in points]


def _names_schemes(base: Base, space: Space) -> bool:
    """Return whether a point's own values say which of the base's models it is of."""
    return "" in base.models or any(parameter.key == SCHEME for parameter in space.parameters)
