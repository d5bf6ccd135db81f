"""One spike a neuron and trial, the earlier the larger its input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosim.backends import Backend, Draws
from neurosim.equations.units import SECOND, measure
from neurosim.errors import InputError, quoted, require
from neurosim.neurons.spike_source import SpikeSource

ELAPSED = "elapsed"


class LatencySpikes(SpikeSource):
    """A neuron of input x in (0, 1] spikes once, ``(1 - x) * longest`` after the trial began; one of input 0 does not.

    longest : text such as ``50*ms`` or a quantity of Brian2's

    An error does not pass back: the spike is there, whenever it is.  Raises InputError for a time that is none, and where a network
    has no dt.
    """

    name = "latency_spikes"

    def __init__(self, longest: Any = "50*ms") -> None:
        found = measure(longest, f"neurons {self.name!r}: longest")
        fits = found.dimensions == SECOND.dimensions and found.value > 0
        require(fits, f"neurons {self.name!r}: longest {quoted(longest)}: expected a time above 0; give one such as '50*ms'")
        self.longest = found.value  # seconds
        self.ticks = 0.0

    def at(self, dt: float | None, owner: str) -> LatencySpikes:
        where = f"{owner}: neurons {self.name!r}"
        if dt is None:
            raise InputError(f"{where} have a time: expected to know how long a tick is; give Network(..., dt='0.1*ms')")
        made = LatencySpikes(f"{self.longest!r}*second")
        made.ticks = self.longest / dt
        return made

    def state(self) -> dict[str, float]:
        return {ELAPSED: 0.0}

    def latency(self, x: Any) -> Any:
        """Return after how many ticks neurons of input ``x`` spike."""
        return np.floor((1 - x) * x.dtype.type(self.ticks) + x.dtype.type(0.5))

    def advance(
        self, backend: Backend, activation: Any, state: Mapping[str, Any], draws: Draws | None, stream: str
    ) -> tuple[Any, dict[str, Any]]:
        now = state[ELAPSED]
        spike = np.logical_and(self.latency(activation) == now, activation > 0)
        return spike.astype(activation.dtype), {ELAPSED: now + activation.dtype.type(1)}

    def errors_back(
        self, backend: Backend, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Any
    ) -> tuple[Any, dict[str, Any]]:
        nothing = backend.xp.zeros_like(error_on_rate)
        return nothing, {ELAPSED: nothing}
