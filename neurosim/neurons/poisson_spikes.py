"""Independent Poisson spikes, whose rate is the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.equations.units import SECOND, measure
from neurosim.errors import InputError, quoted, require
from neurosim.neurons.spike_source import SpikeSource

HERTZ = tuple(-k for k in SECOND.dimensions)


class PoissonSpikes(SpikeSource):
    """A neuron of input x spikes in a tick with probability ``x * rate * dt``; without random draws (evaluation), it sends that.

    rate : of an input of 1, text such as ``63.75*Hz`` or a quantity of Brian2's

    Raises InputError for a rate that is none; where a network has no dt, or one in which an input of 1 would spike more than once.
    """

    name = "poisson_spikes"
    stochastic = True

    def __init__(self, rate: Any = "100*Hz") -> None:
        found = measure(rate, f"neurons {self.name!r}: rate")
        fits = tuple(found.dimensions) == HERTZ and found.value >= 0
        require(fits, f"neurons {self.name!r}: rate {quoted(rate)}: expected a rate of 0 or more; give one such as '100*Hz'")
        self.hertz = found.value
        self.chance = 0.0  # of a spike in a tick, for an input of 1

    def at(self, dt: float | None, owner: str) -> PoissonSpikes:
        where = f"{owner}: neurons {self.name!r}"
        if dt is None:
            raise InputError(f"{where} have a rate: expected to know how long a tick is; give Network(..., dt='0.1*ms')")
        said = f"{where}: {self.hertz:g} Hz in ticks of {dt:g} s"
        require(self.hertz * dt <= 1, f"{said} is more than a spike in each tick: expected less; lower rate, or dt")
        made = PoissonSpikes(f"{self.hertz!r}*Hz")
        made.chance = self.hertz * dt
        return made

    def advance(
        self, backend: Backend, activation: Any, state: Mapping[str, Any], draws: Draws | None, stream: str
    ) -> tuple[Any, dict[str, Any]]:
        chance = activation * activation.dtype.type(self.chance)
        if draws is None:
            return chance, {}
        return (draws.uniform(f"{stream}/poisson", chance.shape, chance.dtype) < chance).astype(chance.dtype), {}

    def errors_back(
        self, backend: Backend, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Any
    ) -> tuple[Any, dict[str, Any]]:
        return error_on_rate * error_on_rate.dtype.type(self.chance), {}
