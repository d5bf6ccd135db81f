"""What a simulation leaves: spikes, recordings, and the state at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.runfile import Run


@dataclass(frozen=True, repr=False)
class SpikeTrains:
    """Spikes of one group, in the order of trial, time and neuron.

    index : (spikes,), the neuron; tick : (spikes,), the tick; trial : (spikes,), the trial; dt : seconds of a tick
    """

    index: np.ndarray
    tick: np.ndarray
    trial: np.ndarray
    dt: float

    @property
    def time(self) -> np.ndarray:
        """When each spike was, (spikes,), seconds."""
        return self.tick * self.dt

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        trials = len(np.unique(self.trial))
        return f"SpikeTrains({len(self):,} spikes in {trials:,} {'trial' if trials == 1 else 'trials'})"


@dataclass(frozen=True, repr=False)
class States:
    """What a monitor recorded.

    time : (times,), seconds; elements : (n,), which neurons or synapses; values : variable -> (batch, times, n), SI units
    """

    time: np.ndarray
    elements: np.ndarray
    values: Mapping[str, np.ndarray]

    def __getitem__(self, variable: str) -> np.ndarray:
        return self.values[variable]

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {values.shape}" for name, values in self.values.items())
        return f"States({shapes})"


@dataclass(frozen=True, repr=False)
class Simulated:
    """What a simulation left.

    spikes : group -> its spikes; states : monitor -> what it recorded
    final : ``group.variable`` -> its values after the last tick, (batch, n), SI units
    path : of the run file from which spikes and states are read when they are asked for; None where they are in memory
    left : what each trial left, for a run that goes on from here; empty where nothing can
    """

    spikes: Mapping[str, SpikeTrains]
    states: Mapping[str, States]
    final: Mapping[str, np.ndarray]
    left: Sequence[Any] = ()
    path: Path | None = None

    def __repr__(self) -> str:
        if self.path is not None:
            names = [f"spikes[{name!r}]" for name in self.spikes] + [f"states[{name!r}]" for name in self.states]
            return f"Simulated, in {self.path}: {', '.join(names) or 'nothing recorded'}"
        lines = [f"  spikes[{name!r}]: {len(trains):,} spikes" for name, trains in self.spikes.items()]
        lines += [f"  states[{name!r}]: {', '.join(states.values)}" for name, states in self.states.items()]
        return "\n".join(["Simulated", *lines])


class LastValues(Mapping[str, np.ndarray]):
    """``group.variable`` -> its values after the last tick, (batch, n), put together when they are asked for first.

    states : ``group.variable`` -> its values, (n,), of each trial
    """

    def __init__(self, states: Sequence[Mapping[str, np.ndarray]]) -> None:
        self.states = states
        self._found: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._found:
            self._found[name] = np.stack([state[name] for state in self.states])
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.states[0])

    def __len__(self) -> int:
        return len(self.states[0])

    def __repr__(self) -> str:
        return f"<last values of {', '.join(self) or 'nothing'}>"


class KeptSpikes(Mapping[str, SpikeTrains]):
    """Spikes that a run file holds, read when they are asked for.  names : of the groups; dt : seconds of a tick"""

    def __init__(self, path: Path, names: Sequence[str], dt: float) -> None:
        self.path, self.names, self.dt = path, tuple(names), dt

    def __getitem__(self, name: str) -> SpikeTrains:
        if name not in self.names:
            raise KeyError(name)
        with Run(self.path) as run:
            found = run.spikes[name].sort_values("trial", kind="stable")
        index, tick, trial = (found[key].to_numpy() for key in ("index", "step", "trial"))
        return SpikeTrains(index, tick, trial, self.dt)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"<spikes of {', '.join(self.names) or 'nothing'} in {self.path}>"


class KeptStates(Mapping[str, States]):
    """Recordings that a run file holds, read when they are asked for.  monitors : what was recorded"""

    def __init__(self, path: Path, monitors: Sequence[Any]) -> None:
        self.path, self.monitors = path, {one.name: one for one in monitors}

    def __getitem__(self, name: str) -> States:
        monitor = self.monitors[name]
        with Run(self.path) as run:
            found = {variable: run.recordings[f"{monitor.group}.{variable}"] for variable in monitor.units}
            values = {variable: one.values.swapaxes(0, 1) for variable, one in found.items()}
            time = next((one["time"].values for one in found.values()), np.zeros(0))
        return States(time, monitor.elements, values)

    def __iter__(self) -> Iterator[str]:
        return iter(self.monitors)

    def __len__(self) -> int:
        return len(self.monitors)

    def __repr__(self) -> str:
        return f"<recordings {', '.join(self.monitors) or 'of nothing'} in {self.path}>"
