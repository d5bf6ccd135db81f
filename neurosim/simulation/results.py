"""What a simulation leaves: spikes, recordings, and the state at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


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
    left : what each trial left, for a run that goes on from here; empty where nothing can
    """

    spikes: Mapping[str, SpikeTrains]
    states: Mapping[str, States]
    final: Mapping[str, np.ndarray]
    left: Sequence[Any] = ()

    def __repr__(self) -> str:
        lines = [f"  spikes[{name!r}]: {len(trains):,} spikes" for name, trains in self.spikes.items()]
        lines += [f"  states[{name!r}]: {', '.join(states.values)}" for name, states in self.states.items()]
        return "\n".join(["Simulated", *lines])
