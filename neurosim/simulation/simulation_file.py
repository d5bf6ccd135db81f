"""The run file of a simulation, as it is written: spikes and recordings as they come; the layout is in ``docs/run-files.md``."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from neurosim import reprs
from neurosim.circuit import Record
from neurosim.runfile import Background, Layout, RunFile, Series, provenance
from neurosim.runfile.background import Work
from neurosim.runfile.checkpoints import State
from neurosim.runfile.ending import to_the_end

BUFFER = 64 << 20  # bytes of spikes and recordings that may wait for the disk
FLUSHED = 1.0  # seconds between two flushes, at least
SHARE = 0.01  # of the time that a run has taken: it is flushed no more often
CHECKPOINTS = 20  # times as long as writing one takes, at least, a run goes on before the next checkpoint
ROWS = 4096  # recordings that come between two flushes, at most: that many small ones share a chunk

Spikes = Mapping[str, tuple[np.ndarray, ...]]
Rows = Mapping[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class Monitor:
    """What is recorded in time.

    name : of the recording; group : its place in the file; elements : (n,), which neurons or synapses
    units : variable -> SI unit; every : ticks; sides : of synapses, ``pre`` and ``post`` of each, (n,)
    """

    name: str
    group: str
    elements: np.ndarray
    units: Mapping[str, str]
    every: int = 1
    sides: Mapping[str, np.ndarray] | None = None

    __repr__ = reprs.fields

    @staticmethod
    def of(one: Record) -> Monitor:
        """Return what a circuit's action records."""
        units = {name: one.units.get(name, "1") for name in one.variables}
        sides = None if one.pre is None or one.post is None else {"pre": one.pre[one.elements], "post": one.post[one.elements]}
        group = one.name.removesuffix("." + next(iter(one.variables), ""))
        return Monitor(one.name, group, one.elements, units, one.every, sides)

    @property
    def dim(self) -> str:
        """What its elements are."""
        return "neuron" if self.sides is None else "synapse"


class SimulationFile:
    """Writes what a simulation leaves.  At most BUFFER bytes wait for the disk; use it in a ``with`` statement.

    groups : group -> how many neurons; monitors : what is recorded; batch : how many trials; dt : seconds of a tick
    file : the run file, open for writing

    Spikes and recordings are handed over by ``take``, ticks ascending within each trial.
    """

    def __init__(self, file: RunFile, groups: Mapping[str, int], monitors: Sequence[Monitor], batch: int, dt: float) -> None:
        self.file, self.groups, self.batch, self.dt = file, groups, batch, dt
        self.monitors = {one.name: one for one in monitors}
        self.background = Background(BUFFER)
        self.began = self.flushed = self.checked = time.monotonic()
        self.cost = 0.0  # seconds that the last checkpoint took

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        groups: Mapping[str, int],
        monitors: Sequence[Monitor],
        *,
        batch: int,
        dt: float,
        duration: float,
        seed: int,
        simulator: str,
        notes: Mapping[str, Any] | None = None,
        model: str = "",
        state: State | None = None,
        overwrite: bool = False,
    ) -> Self:
        """Return the file of a new simulation.

        duration : seconds; simulator : what computes it; notes : other attributes, such as ``model_name``
        model : a model file's text; state : name -> shape and dtype of what checkpoints hold (None: there are none)

        Raises RunFileError where ``path`` exists (without ``overwrite``) or cannot be written.
        """
        said = {
            "seed": seed, "simulator": simulator, "dt": dt, "duration": duration, "trials": batch,
            "backend": "numpy", "device": "CPU", "model_name": "network", "data_dir": "", **provenance(), **(notes or {}),
        }  # fmt: skip
        file = RunFile.create(
            Path(path),
            model=model,
            attributes=said,
            series=series(groups, monitors, batch),
            constants=constants(monitors, batch),
            checkpoint=layout(state),
            overwrite=overwrite,
        )
        return cls(file, groups, monitors, batch, dt)

    def __repr__(self) -> str:
        return f"<SimulationFile {self.file.path}: {', '.join(self.groups) or 'no spikes'}; {len(self.monitors)} recordings>"

    # ------------------------------------------------------------------ writing

    def take(self, spikes: Spikes, rows: Rows, first: Mapping[str, int]) -> None:
        """Hand over spikes and recordings; they are written by another thread, in the order of their ticks.

        spikes : group -> (tick, index, trial), (spikes,) each; rows : (monitor, variable) -> (rows, batch, elements)
        first : monitor -> the number of its first row, counted from the run's beginning
        """
        for name, (tick, index, trial) in spikes.items():
            if len(tick):
                self._put(sum(part.nbytes for part in (tick, index, trial)), self._spikes, name, tick, index, trial)
        for (name, variable), values in rows.items():
            if len(values):
                self._put(values.nbytes, self._rows, self.monitors[name], variable, values, first[name])
        now = time.monotonic()
        if now - self.flushed > max(FLUSHED, SHARE * (now - self.began)):
            self.flushed = now
            self._put(0, self.file.flush)

    def _put(self, size: int, work: Any, *given: Any) -> None:
        def prepare() -> Work:
            return functools.partial(work, *given)

        self.background.put(size, prepare)

    def _spikes(self, name: str, tick: np.ndarray, index: np.ndarray, trial: np.ndarray) -> None:
        order = np.argsort(tick, kind="stable")  # each trial's are in order
        tick = tick[order].astype(np.int64)
        self.file.extend(f"spikes/{name}", {"time": tick * self.dt, "index": index[order], "trial": trial[order], "step": tick})

    def _rows(self, monitor: Monitor, variable: str, values: np.ndarray, first: int) -> None:
        ticks = (first + np.arange(len(values))) * monitor.every
        columns = {variable: values, f"{variable}.step": ticks, f"{variable}.time": ticks * self.dt}
        self.file.extend(f"recordings/{monitor.group}", columns)

    def wants_checkpoint(self) -> bool:
        """Return whether it is time for one: they take a small part of the run's time."""
        return time.monotonic() - self.checked > max(CHECKPOINTS * self.cost, 10 * FLUSHED)

    def checkpoint(self, tick: int, state: Mapping[str, np.ndarray]) -> None:
        """Write the state after so many ticks, ``group|name`` -> array, behind all that was handed over; return when it is safe."""
        self.background.wait()
        started = time.monotonic()
        self.file.checkpoint(0, 0, tick, state, number=tick + 1)
        self.checked = time.monotonic()
        self.cost = self.checked - started

    # ------------------------------------------------------------------ how it ends

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Write what waits, say in the file how the run ended, and close it (see ``runfile.ending``)."""
        failures = to_the_end(functools.partial(self._end, error))
        if failures and error is None:
            raise failures[0]

    def _end(self, error: BaseException | None) -> None:
        try:
            failure: BaseException | None = None
            try:
                self.background.wait()
            except Exception as cause:
                failure = cause
            if isinstance(error, KeyboardInterrupt):
                self.file.set_status("interrupted", "by the user")
            elif told := error or failure:
                self.file.set_status("failed", str(told) or type(told).__name__)
            else:
                self.file.set_status("complete")
            if failure is not None:
                raise failure
        finally:
            self.background.close()
            self.file.close()


# ---------------------------------------------------------------------- the layout


def series(groups: Mapping[str, int], monitors: Sequence[Monitor], batch: int) -> list[Series]:
    """Return every column that a simulation's file grows by."""
    found = []
    for name, size in groups.items():
        columns: dict[str, tuple[Any, dict[str, str]]] = {
            "time": (np.float64, {"units": "s", "description": "when each spike was"}),
            "index": (np.int32, {"units": "1", "description": "the neuron", "neurons": str(size)}),
            "trial": (np.int32, {"units": "1", "description": "the trial, counted from 0"}),
            "step": (np.int64, {"units": "1", "description": "the tick, counted from 0"}),
        }
        found += [Series(f"spikes/{name}/{key}", (), np.dtype(kind), said, long=True) for key, (kind, said) in columns.items()]
    for one in monitors:
        for variable, unit in one.units.items():
            place = f"recordings/{one.group}/{variable}"
            said = {"units": unit, "description": f"{variable} of {one.group}", "dims": f"time trial {one.dim}"}
            found.append(Series(place, (batch, len(one.elements)), np.dtype(np.float64), said, rows=ROWS))
            found.append(Series(f"{place}.step", (), np.dtype(np.int64), {"units": "1", "description": "the tick"}, long=True))
            found.append(Series(f"{place}.time", (), np.dtype(np.float64), {"units": "s", "description": "when"}, long=True))
    return found


def constants(monitors: Sequence[Monitor], batch: int) -> dict[str, np.ndarray]:
    """Return what is known of each recording before it begins: its trials, and which neurons or synapses."""
    found: dict[str, np.ndarray] = {}
    for one in monitors:
        for variable in one.units:
            place = f"recordings/{one.group}/{variable}"
            found |= {f"{place}.trial": np.arange(batch), f"{place}.{one.dim}": np.asarray(one.elements, np.int64)}
            found |= {f"{place}.{side}": np.asarray(numbers, np.int64) for side, numbers in (one.sides or {}).items()}
    return found


def layout(state: State | None) -> Layout:
    """Return what checkpoints hold: the newest one of the state."""
    return Layout({0: state} if state else {}, 1)
