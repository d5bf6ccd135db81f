"""A run file opened for reading: metrics and alignment as pandas frames, recordings as lazy xarray arrays, checkpoints."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np

from neurosim.errors import NeurosimError, RunFileError, UnknownNameError, quoted, require
from neurosim.runfile import checkpoints, continual, digests, tables
from neurosim.runfile.checkpoints import Held
from neurosim.runfile.continual import Continual
from neurosim.runfile.guard import UNREADABLE, children, direct, readable, whole
from neurosim.runfile.locality_card import Card
from neurosim.runfile.opening import damaged, opened, plain
from neurosim.runfile.run_file import TEXTS as SIZES
from neurosim.runfile.tables import Table

if TYPE_CHECKING:
    import pandas
    import xarray

WHOLE = {"schema_version", "seed"}  # attributes that are whole numbers, and those that are text
TEXTS = {"neurosim_version", "created", "status", "reason", "altered", "backend", "device", "data_dir", "model_name", "versions"}
DESCRIBED = {"units", "description", "dims", "request"}  # attributes of a recorded variable, all of them text
PROBE = "probe"
RESPONSES = "responses/"
ELEMENT = ("neuron", "synapse", "pre", "post")  # what is told of each element that was recorded in time
PIECE = 2**24  # bytes of a recording that dask reads at once
SPIKES = {"time", "index", "trial", "step"}
COMPARED = ("epoch", "step", "angle", "cosine", "norm_ratio")
NEEDED = {
    "metrics": ("epoch", "step", "loss"),
    "tasks": ("epoch", "step", "error"),
    "alignment": COMPARED,
    "gauss_newton": COMPARED,
}
SECONDS = ("seconds", "alignment_seconds", "gauss_newton_seconds", "step_effect_seconds")
MOST = 10_000_000  # neurons of a population that spikes


WRONG = "wrong answers"  # what the error of a classification is, and of files that do not say


def error_name(score: object) -> str:
    """Return what an error in per cent is called, given what it is: ``error`` where it counts wrong answers.

    Text from a file comes back as one line of printable characters.
    """
    text = "".join(c if c.isprintable() else " " for c in str(score)[:60])
    return "error" if text == WRONG else text


class Run:
    """What a run file says.  Close it, or use it in a ``with`` statement: recordings are read when they are asked for.

    A file that is being written, or was left by a process that was killed, shows what was flushed when it was opened; ``refresh``
    looks again.  Files of older schema versions open too.

    path : the file
    attributes : schema_version, neurosim_version, created, status, reason, seed, backend, device, versions, git_commit, ...

    Raises
    ------
    RunFileError
        Where the file is missing, no run file, damaged, of a newer schema; and from everything that reads on, where what it reads
        is damaged or not to be trusted (see ``recording.guard``).
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file = opened(self.path)
        with self._damage_told():
            found = {name: plain(value) for name, value in digests.sealed(self._file).items()}
        self.attributes: Mapping[str, Any] = Attributes(self.path, found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        what = f"{self.attributes.get('model_name', '')} seed {self.attributes.get('seed', '')}"
        return f"<neurosim run {self.path}: {what}, {self.status}>"

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def refresh(self) -> Self:
        """Return the run as the file says it now."""
        self.close()
        return type(self)(self.path)

    # ------------------------------------------------------------------ what was run

    @property
    def error_name(self) -> str:
        """What the metric ``error`` is, in words: ``error`` for a classification, or such as ``unexplained variance``; per cent."""
        return error_name(self.attributes.get("score", WRONG))

    @property
    def status(self) -> str:
        """``running`` (or killed), ``complete``, ``failed`` or ``interrupted``."""
        return str(self.attributes["status"])

    @property
    def is_simulation(self) -> bool:
        """Whether a network ran in time, without a training: ``dt`` and ``duration``, seconds, and ``trials`` are told."""
        return tables.TIMED in self.attributes

    @cached_property
    def model(self) -> str:
        """The model file's text as run, every override applied; "" for a network built in Python."""
        with self._damage_told():
            return digests.model(self._file)

    @cached_property
    def cards(self) -> tuple[Card, ...]:
        """The locality card of each stage: what its changes depend on, measured when the run began; none in older files."""
        try:
            return tuple(map(Card.from_data, json.loads(str(self.attributes.get("locality", "[]")))))
        except (ValueError, TypeError, RecursionError):  # a stranger's text
            return ()

    # ------------------------------------------------------------------ what was measured

    @cached_property
    def metrics(self) -> pandas.DataFrame:
        """One row for each evaluation, indexed by (split, epoch).

        Columns: step, loss (in the task's unit, nats for classes), error (per cent, what ``error_name`` says), seconds (of train:
        spent in steps since the evaluation before), alignment_seconds, gauss_newton_seconds, step_effect_seconds (likewise, where
        these were recorded).
        """
        return self._frame("metrics", "split", "epoch", ["step", "loss", "error", *SECONDS])

    @cached_property
    def alignment(self) -> pandas.DataFrame:
        """One row for each comparison with the exact gradient, indexed by (projection, step).

        Columns: epoch, angle (degrees), cosine, norm_ratio (norm of the proposed change over that of the gradient).
        """
        return self._frame("alignment", "projection", "step", ["epoch", "angle", "cosine", "norm_ratio"])

    @cached_property
    def tasks(self) -> pandas.DataFrame:
        """One row for each evaluation of a task of a sequence, indexed by (task, epoch); no row where the data had no tasks.

        Tasks are counted from 1.  Columns: name, step, loss (in the task's unit), error (per cent), both of its test samples.  The
        test error of ``metrics`` is the mean over all tasks, those that are not learned yet among them.
        """
        frame, names = self._frame("tasks", "task", "epoch", ["step", "loss", "error"]), self._task_names
        known = {str(number): number for number in range(1, len(names) + 1)}
        for task in frame.index.unique("task"):
            told = f"run file {self.path}: {quoted(f'tasks/{task}')} is no task: expected one of {len(names)}; do not trust it"
            require(task in known, told, RunFileError)
        frame = frame.rename(index=known, level="task").sort_index()
        frame.insert(0, "name", [names[task - 1] for task in frame.index.get_level_values("task")])
        return frame

    @cached_property
    def continual(self) -> Continual | None:
        """What the tasks that were learned one after the other came to, as far as the run is; None where the data had no tasks, or
        nothing was evaluated yet."""
        errors = self.tasks["error"].unstack("task").dropna()  # a process that was killed may have left some of a row
        rows = [epoch for epoch in (0, *continual.known(self.attributes)) if epoch in errors.index]
        if rows[:1] != [0] or errors.shape[1] < len(self._task_names):
            return None
        return Continual(self._task_names, errors.loc[rows].to_numpy(dtype=float))

    @property
    def _task_names(self) -> tuple[str, ...]:
        return tuple(continual.known(self.attributes).values())

    @cached_property
    def gauss_newton(self) -> pandas.DataFrame:
        """One row for each comparison with Gauss and Newton's direction, indexed by (projection, step): as ``alignment``."""
        return self._frame("gauss_newton", "projection", "step", ["epoch", "angle", "cosine", "norm_ratio"])

    @cached_property
    def step_effect(self) -> pandas.DataFrame:
        """One row for each step that was tried, indexed by step; none where that was not recorded.

        Columns: epoch, before, after (the mean loss of the step's batch, in the unit of ``metrics``), decrease (before - after).
        """
        import pandas as pd

        columns = ["epoch", "before", "after"]
        with self._damage_told():
            there = "step_effect" in self._file
            found: dict[str, Any] = {name: [] for name in ("step", *columns)}
            if there:
                found = Table("step_effect", "", children(self._file, "step_effect")).numbers("step", *columns)
            frame = pd.DataFrame(found).set_index("step")[columns]
            told = f"run file {self.path}: step_effect has a step twice; do not trust it"
            require(frame.index.is_unique, told, RunFileError)
            return frame.assign(decrease=frame["before"] - frame["after"])

    def _frame(self, place: str, key: str, index: str, columns: list[str]) -> pandas.DataFrame:
        import pandas as pd

        with self._damage_told():
            parts = {}
            for name, group in (children(self._file, place) if place in self._file else {}).items():
                table = Table(f"{place}/{name}", "", children(self._file, group.name))
                parts[name] = pd.DataFrame(table.numbers(*NEEDED[place])).set_index(index)
                unique = parts[name].index.is_unique
                require(unique, f"run file {self.path}: {table.path} has an {index} twice; do not trust it", RunFileError)
        if not parts:
            empty = pd.MultiIndex.from_arrays([[], []], names=[key, index])
            return pd.DataFrame(columns=columns, index=empty, dtype=float)
        frame = pd.concat(parts, names=[key])
        return frame[[name for name in columns if name in frame.columns]]

    # ------------------------------------------------------------------ what was recorded

    @cached_property
    def recordings(self) -> Mapping[str, xarray.DataArray]:
        """Every recorded variable by name: ``hidden1.rate``, ``x__hidden1.w``, ``inverse/hidden2__hidden1.w``.

        Values are read when they are asked for (dask arrays).  The first dimension is ``recording``, with coordinates ``epoch`` and
        ``step``; a population's variables go on with ``sample`` (coordinates: the sample's number in its split, and its ``label``)
        and its own dimensions, a projection's with ``pre`` and ``post``.  Those of a simulation have ``time`` (seconds; coordinate:
        ``step``, the tick), ``trial``, and ``neuron`` or ``synapse`` (coordinates: ``pre``, ``post``).  Units and description are
        among the ``attrs``.
        """
        with self._damage_told():
            found = {}
            for table in self._tables():
                if table.variable and not table.path.startswith(RESPONSES):
                    found[_name(table)] = self._labelled(table)
            return found

    def recording(self, name: str) -> xarray.DataArray:
        """Return one recorded variable; an unknown name lists those that are there."""
        if name not in self.recordings:
            raise UnknownNameError(f"run file {self.path}: recording", name, self.recordings or ["(none)"])
        return self.recordings[name]

    @cached_property
    def spikes(self) -> Mapping[str, pandas.DataFrame]:
        """Every spike by population, one row each; empty for rate networks.

        Columns: time (seconds since the run began), index (of the neuron), trial (counted over the run), step (of training; in a
        simulation the tick).
        ``attrs["neurons"]`` is the population's size.
        """
        import pandas as pd

        with self._damage_told():
            found = {}
            for name, group in (children(self._file, "spikes") if "spikes" in self._file else {}).items():
                table = Table(f"spikes/{name}", "", children(self._file, group.name))
                found[name] = pd.DataFrame(table.numbers(*SPIKES))
                size = int(digests.sealed(table.columns["index"])["neurons"])
                known = set(found[name].columns) == SPIKES and found[name]["index"].between(0, size - 1).all() and size <= MOST
                require(known, f"run file {self.path}: spikes/{name} are not {size} neurons' {sorted(SPIKES)}", RunFileError)
                found[name].attrs["neurons"] = size
            return found

    @cached_property
    def probe(self) -> Mapping[str, np.ndarray]:
        """The fixed samples that were shown to record populations.

        ``sample``, (samples,) their numbers in the split; and ``label``, (samples,), or of real targets ``target``, (samples, ...).
        """
        with self._damage_told():
            if PROBE not in self._file:
                return {}
            return {name: whole(item) for name, item in children(self._file, PROBE).items()}

    @cached_property
    def responses(self) -> xarray.DataArray | None:
        """The output neuron of highest rate, for each sample of the probe whenever populations were shown that; -1 where none is.

        Dimensions: ``recording``, with coordinates ``epoch`` and ``step``, and ``sample``.  None in files of older schema versions,
        where no population was recorded, and for data without classes.
        """
        with self._damage_told():
            answers = [table for table in self._tables() if table.path.startswith(RESPONSES)]
            return self._labelled(answers[0]).rename("response").load() if answers else None

    def _tables(self) -> Iterator[Table]:
        if int(self.attributes["schema_version"]) > 1:
            yield from tables.found(self._file)
            return
        for place in ("populations", "projections"):  # the first schema had one clock for all variables of a group
            for name in children(self._file, place) if place in self._file else ():
                group = children(self._file, f"{place}/{name}")
                clock = {key: group.pop(key) for key in ("step", "epoch")}
                for variable, values in group.items():
                    yield Table(f"{place}/{name}", variable, {"values": values, **clock})

    def _labelled(self, table: Table) -> xarray.DataArray:
        import dask.array
        import xarray as xr

        rows = table.rows
        values = readable(table.columns["values"], rows)
        size = max(1, math.prod(values.shape[1:]) * values.dtype.itemsize)
        # whole recordings: dask keeps a note of every piece, and hands on to h5py what is sliced out of one
        pieces = (max(1, PIECE // size), *values.shape[1:])
        lazy = dask.array.from_array(_Lazy(self.path, values), chunks=pieces, name=False, lock=True)[:rows]
        attributes = {key: plain(value) for key, value in digests.sealed(values).items()}
        for key, value in attributes.items():
            is_text = key not in DESCRIBED or isinstance(value, str)
            told = f"attribute {quoted(key)} is {quoted(value)}: expected text; do not trust it"
            require(is_text, f"run file {self.path}: {quoted(values.name)}: {told}", RunFileError)
        dims = str(attributes.pop("dims", "")).split() or _first_dims(table.path.split("/")[0], values.ndim)
        clock = ("step", "time") if dims[0] == "time" else tables.CLOCK
        coordinates: dict[str, Any] = {key: (dims[0], column) for key, column in table.numbers(*clock).items()}
        if "sample" in dims and self.probe:
            coordinates |= {key: ("sample", numbers) for key, numbers in self.probe.items() if key != "target"}
        beside = {"neurons": dims[-1]} | ({"trial": "trial", **dict.fromkeys(ELEMENT, dims[-1])} if dims[0] == "time" else {})
        for name, dim in beside.items():
            numbers = f"{table.path}/{table.variable}.{name}"
            if numbers in self._file:
                coordinates[dim if name == "neurons" else name] = (dim, whole(direct(self._file, numbers)))
        return xr.DataArray(lazy, dims=dims, coords=coordinates, attrs=attributes, name=_name(table))

    # ------------------------------------------------------------------ checkpoints

    @property
    def checkpoints(self) -> list[int]:
        """The epochs, counted over all stages, after which the file holds the weights; see also ``checkpoint_steps``."""
        with self._damage_told():
            if int(self.attributes["schema_version"]) == 1:
                return [int(whole(direct(self._file, "checkpoint/position/total_epochs")))] if "checkpoint" in self._file else []
            return [held.epoch for held in checkpoints.written(self._file) if not held.within]

    @property
    def checkpoint_steps(self) -> list[int]:
        """The steps, counted over all stages, after which the file holds the weights, those within epochs too."""
        with self._damage_told():
            if int(self.attributes["schema_version"]) == 1:
                return [int(whole(direct(self._file, "checkpoint/position/steps")))] if "checkpoint" in self._file else []
            return [held.step for held in checkpoints.written(self._file)]

    @property
    def done(self) -> int:
        """The epochs, counted over all stages, that were done at the last checkpoint."""
        newest = self._newest
        return newest.epoch if newest else 0

    @property
    def within_epoch(self) -> bool:
        """Whether the last checkpoint lies within an epoch."""
        newest = self._newest
        return newest is not None and newest.within

    @property
    def _newest(self) -> Held | None:
        with self._damage_told():
            held = checkpoints.written(self._file) if int(self.attributes["schema_version"]) > 1 else []
            return held[-1] if held else None

    def checkpoint(self, epoch: int | None = None, *, step: int | None = None) -> dict[str, np.ndarray]:
        """Return all that a resumed run needs, flat ``group|name`` -> array, after so many epochs, or steps (None: the last).

        Raises RunFileError where there is no such checkpoint.
        """
        with self._damage_told():
            if int(self.attributes["schema_version"]) == 1 and self.checkpoints:
                return checkpoints.first_schema(self._file)
            return checkpoints.state(self._file, self.path, checkpoints.chosen(self._file, self.path, epoch, step))

    def weights(self, epoch: int | None = None, *, step: int | None = None) -> dict[str, np.ndarray]:
        """Return the network's and the pathway's arrays by name after so many epochs, or steps (None: the last there are)."""
        state = self.checkpoint(epoch, step=step)
        return {key.partition("|")[2]: value for key, value in state.items() if key.startswith(("network|", "pathway|"))}

    def _damage_told(self) -> DamageTold:
        return DamageTold(self.path)


class Attributes(dict[str, Any]):
    """What a run file says of itself; what it does not say is an error of one line."""

    def __init__(self, path: Path, found: Mapping[str, Any]) -> None:
        super().__init__(found)
        self.path = path
        for name, value in found.items():
            kind = int if name in WHOLE else str if name in TEXTS else object
            expected = "a whole number" if kind is int else "text"
            told = f"run file {path}: attribute {quoted(name)} is {quoted(value)}: expected {expected}; do not trust it"
            require(isinstance(value, kind), told, RunFileError)
            size = len(value) if name in SIZES else 0  # of what may be written in an error, or in a line on a terminal
            most = f"{size:,} characters long: expected at most {SIZES.get(name, 0):,}; do not trust it"
            require(size <= SIZES.get(name, size), f"run file {path}: attribute {quoted(name)} is {most}", RunFileError)

    def __missing__(self, name: str) -> Any:
        raise RunFileError(f"run file {self.path}: attribute {quoted(name)} is missing; restore it from a copy, or run again")


class DamageTold:
    """Turns what h5py raises into the error that says the file is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, UNREADABLE) and not isinstance(error, NeurosimError):
            raise damaged(self.path, error) from error


class _Lazy:
    """Values that dask reads when they are asked for; what cannot be read is an error of one line then."""

    def __init__(self, path: Path, values: h5py.Dataset) -> None:
        self.path, self.values = path, values
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __getitem__(self, piece: Any) -> np.ndarray:
        require(bool(self.values), f"run file {self.path}: closed by now; read recordings while it is open", RunFileError)
        with DamageTold(self.path):
            found: np.ndarray = self.values[piece]
            return found


def _name(table: Table) -> str:
    return f"{'/'.join(table.path.split('/')[1:])}.{table.variable}"


def _first_dims(place: str, count: int) -> list[str]:
    """Return the dimensions of a variable of the first schema, whose files do not tell them."""
    if place == "populations":
        return ["recording", "sample", "neuron", *(f"axis{k}" for k in range(3, count))][:count]
    return ["recording", "pre", "post"] if count == 3 else ["recording", "post"][:count]
