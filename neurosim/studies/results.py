"""What a study came to, read from ``study.toml`` and ``study.csv`` alone, which strangers may have made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim import reprs
from neurosim.errors import InputError, RunFileError, quoted, require
from neurosim.modelfile.reading import Contents
from neurosim.studies import table
from neurosim.studies.folder import stated
from neurosim.studies.halving import Halving
from neurosim.studies.plan import SCHEME, Base, values_of, varied
from neurosim.studies.point import COMPLETE, STOPPED
from neurosim.studies.space import Parameter, Space, Values

if TYPE_CHECKING:
    import pandas

SPLITS = ("validation", "test")
MOST_BYTES = 2**28  # of study.csv
MOST_RUNS = 1_000_000
MOST_PARAMETERS = 100
MOST_VALUES = 10_000  # of all parameters together
YOURSELF = "no page is made of so many; read study.csv yourself"
RESTORE = "restore it from a copy, or resume the study"
LARGEST = 1e30  # a metric beyond it is none: its square would still be a number, and that of its square
WORDS = ("status", "reason", "score", "neurosim", "commit", "backend", "created")
COLUMNS = (*table.FIRST, "seed", *table.STATUS)  # that a table must have


@dataclass(frozen=True)
class Results:
    """A study and its table.

    name : of the model or comparison; models : of each scheme, or of none, "", before parameters changed them
    parameters : what differs between points, in order; points : the values of each, the first is number 1
    runs : a row for each point and seed, indexed by both; numbers that are not there are NaN, texts ""
    backend, data_dir : what every run was started with; halving : the rule by which some were stopped, or None
    modules : that ``module:Class`` in some point is of
    """

    name: str
    models: dict[str, Contents]
    parameters: tuple[Parameter, ...]
    points: list[Values]
    seeds: tuple[int, ...]
    runs: pandas.DataFrame
    backend: str
    data_dir: str
    halving: Halving | None = None
    modules: tuple[str, ...] = ()

    __repr__ = reprs.fields

    @cached_property
    def means(self) -> pandas.DataFrame:
        """A row for each point, indexed by its number.

        Columns: ``complete``, how many runs are; ``counted``, how many are that, or were stopped at the same rung, which is the
        last that one of them came to; ``epochs`` of those; and over them ``<split>_mean``, ``_std``, ``_min`` and ``_max`` of the
        error.
        """
        import pandas as pd

        done, epochs = self.runs["status"] == COMPLETE, self.runs["epochs"]
        counted = done
        if self.halving is not None:
            ended = done | (self.runs["status"] == STOPPED)
            counted = ended & (epochs == epochs.where(ended).groupby(level="point").transform("max"))
        found = {"complete": done.groupby(level="point").sum(), "counted": counted.groupby(level="point").sum()}
        found["epochs"] = epochs.where(counted).groupby(level="point").max()
        for split in SPLITS:
            errors = self.runs[f"{split}_error"][counted].groupby(level="point")
            found |= {f"{split}_{name}": getattr(errors, name)() for name in ("mean", "std", "min", "max")}
        return pd.DataFrame(found).reindex(range(1, len(self.points) + 1))

    @cached_property
    def whole(self) -> pandas.DataFrame:
        """The rows of ``means`` of points all of whose runs are complete: those that may be chosen, and are drawn."""
        return self.means[self.means["complete"] == len(self.seeds)]

    @property
    def splits(self) -> list[str]:
        """Those of SPLITS that the study has errors on."""
        return [split for split in SPLITS if self.whole[f"{split}_mean"].notna().any()]

    @property
    def is_validated(self) -> bool:
        """Whether there is something to choose points by."""
        return "validation" in self.splits

    @cached_property
    def best(self) -> int | None:
        """The number of the point that is best by validation; None where nothing may be chosen."""
        return table.best(self.runs.reset_index())


def read(folder: Path) -> Results:
    """Return what the study in ``folder`` came to.

    Raises RunFileError, one line, where its ``study.toml`` or ``study.csv`` is missing, damaged, too large, or of another study.
    """
    started = stated(folder)
    said = folder / "study.toml"
    require(len(started.parameters) <= MOST_PARAMETERS, f"{said}: over {MOST_PARAMETERS} parameters; {YOURSELF}", RunFileError)
    listed = [given for one in started.parameters for given in one.values() if isinstance(given, list)]
    require(sum(map(len, listed)) <= MOST_VALUES, f"{said}: over {MOST_VALUES:,} values of parameters; {YOURSELF}", RunFileError)
    seeds = tuple(started.seeds)
    require(len(set(seeds)) == len(seeds), f"{said}: a seed is there twice; restore it from a copy", RunFileError)
    base = Base(started.name, started.models)
    try:
        space = Space(tuple(map(Parameter.of, started.parameters)), started.draws, started.draw_seed)
        points, parameters = values_of(base, space), varied(base, space)
        halving = None if started.halving is None else Halving.of(started.halving)
    except InputError as cause:
        raise RunFileError(f"{said}: {cause}") from cause
    require(len(points) * len(seeds) <= MOST_RUNS, f"{said}: over {MOST_RUNS:,} runs; {YOURSELF}", RunFileError)
    runs = _runs(folder / "study.csv", parameters, points, seeds)
    facts = (started.backend, started.data_dir, halving, tuple(started.modules))
    return Results(started.name, started.models, parameters, points, seeds, runs, *facts)


def _runs(path: Path, parameters: Sequence[Parameter], points: list[Values], seeds: tuple[int, ...]) -> pandas.DataFrame:
    """Return the table of runs as ``Results.runs`` has it."""
    import pandas as pd

    texts = _texts(path)
    keys = [parameter.key for parameter in parameters]
    lacking = [name for name in (*COLUMNS, *keys) if name not in texts]
    require(not lacking, f"{path}: no column {quoted(lacking[:1])[1:-1]}; {RESTORE}", RunFileError)
    whole = pd.MultiIndex.from_product([range(1, len(points) + 1), seeds], names=["point", "seed"])
    own = _index(texts, len(points), seeds)
    fits = own.is_unique and bool(own.isin(whole).all())
    rows, numbers = _firsts(own)
    for key in keys if fits else ():
        cells = texts[key].iloc[rows].tolist()
        fits = fits and all(_agrees(cell, points[number - 1].get(key)) for cell, number in zip(cells, numbers, strict=True))
    require(fits, f"{path}: of another study than study.toml beside it; restore both from a copy", RunFileError)
    metrics = [name for name in table.METRICS if name not in (*WORDS, "threads", "file")]
    found: dict[str, Any] = {name: _numbers(texts[name]) if name in texts else math.nan for name in metrics}
    found |= {name: texts[name].to_numpy() if name in texts else "" for name in WORDS}
    frame = pd.DataFrame(found, index=own).reindex(whole)
    return frame.fillna({name: table.MISSING if name == "status" else "" for name in WORDS})


def _index(texts: pandas.DataFrame, points: int, seeds: Sequence[int]) -> pandas.MultiIndex:
    """Return the point and seed of each row; -1 for one that the study does not have."""
    import pandas as pd

    known = {"point": range(1, points + 1), "seed": seeds}
    columns = [texts[name].map({str(number): number for number in numbers}).fillna(-1) for name, numbers in known.items()]
    return pd.MultiIndex.from_arrays([column.astype("int64") for column in columns], names=list(known))


def _texts(path: Path) -> pandas.DataFrame:
    """Return a CSV file as texts."""
    import pandas as pd

    there = f"{path}: no such file: expected a study with a run that ended; resume it"
    require(path.is_file(), there, RunFileError)  # a pipe has no size, and no end
    large = path.stat().st_size > MOST_BYTES
    require(not large, f"{path}: over {MOST_BYTES / 2**20:,.0f} MiB: expected at most that; read it yourself", RunFileError)
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", na_filter=False, index_col=False)
    except (OSError, ValueError, MemoryError) as cause:  # pandas' own errors are ValueErrors
        raise RunFileError(f"{path}: cannot be read ({quoted(str(cause))[1:-1]}); {RESTORE}") from cause


def _numbers(texts: pandas.Series) -> np.ndarray:
    """Return texts as numbers, NaN for what is none."""
    import pandas as pd

    found = pd.to_numeric(texts, errors="coerce").to_numpy(float)
    return np.where(np.abs(found) <= LARGEST, found, np.nan)


def _firsts(index: pandas.MultiIndex) -> tuple[list[int], list[int]]:
    """Return the first row of each point, and which point it is of."""
    points = index.get_level_values("point")
    rows = np.flatnonzero(~points.duplicated())
    return rows.tolist(), points[rows].tolist()


def _agrees(text: str, value: Any) -> bool:
    """Return whether a cell says the value; a whole number beside cells that are empty has become a fraction there."""
    if value is None:
        return text == ""
    said = table.cell_of(value)
    if isinstance(said, str) or isinstance(said, bool):
        return "".join(text.split()) == "".join(str(said).split())
    try:
        return float(text) == said or math.isclose(float(text), said, rel_tol=1e-9) or said != said
    except (ValueError, OverflowError):
        return False


def series(parameters: Sequence[Parameter]) -> str:
    """Return the key of what each line is of: the scheme; "" where it is not among the parameters."""
    keys = [parameter.key for parameter in parameters]
    stages = [key for key in keys if key.endswith(".scheme")]
    return SCHEME if SCHEME in keys else stages[0] if stages else ""
