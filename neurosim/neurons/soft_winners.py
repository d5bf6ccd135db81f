"""Neurons that compete softly: the more one is driven, the more of the learning is its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.errors import quoted, require, require_number
from neurosim.neurons.neurons import RATE_VARIABLES, Neurons
from neurosim.neurons.softmax import Softmax

LOSERS = ("anti_hebbian", "hebbian")


class SoftWinners(Neurons):
    """h = max(a - mean(a), 0)**power, over the population; beside it y = softmax(inverse_temperature * a), for rules to read.

    losers : ``anti_hebbian``: y is negative for all neurons but the one that is driven most (Journe 2023); ``hebbian``: it is
        positive for all (Moraitis 2022)

    Both functions read all neurons of the population, as inhibition between them would make them.  The competition y changes
    nothing in this tick, so no error passes back through it.

    Raises InputError for an inverse temperature or a power that is not positive, and other losers.

    Sources: Moraitis, Toichkin, Journe, Chua and Guo 2022, SoftHebb; Journe, Garcia Rodriguez, Guo and Moraitis 2023, Hebbian deep
    learning without feedback; the rate is the triangle of Coates, Lee and Ng 2011.
    """

    name = "soft_winners"
    variables = {**RATE_VARIABLES, "competition": "the neuron's share of the learning, negative for those that unlearn"}

    def __init__(self, *, inverse_temperature: float = 1.0, losers: str = "anti_hebbian", power: float = 1.0) -> None:
        for name, value in (("inverse_temperature", inverse_temperature), ("power", power)):
            require_number("neurons 'soft_winners'", name, value, 1)
            said = f"neurons 'soft_winners': {name} {quoted(value)}: expected a positive number below 1,000,000; give one such as 1"
            require(0 < value < 1e6, said)
        said = f"neurons 'soft_winners': losers {quoted(losers)}: expected 'anti_hebbian' or 'hebbian'; pick one"
        require(losers in LOSERS, said)
        self.inverse_temperature = inverse_temperature
        self.losers = losers
        self.power = power

    def advance(
        self, backend: Backend, activation: Any, state: Mapping[str, Any], draws: Draws | None, stream: str
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        share = Softmax().rate(backend, activation * activation.dtype.type(self.inverse_temperature), draws, stream)
        if self.losers == "anti_hebbian":
            largest = activation.max(axis=_neurons(activation), keepdims=True)
            share = backend.xp.where(activation == largest, share, -share)
        return backend.xp.maximum(_above(activation), 0) ** activation.dtype.type(self.power), {}, {"competition": share}

    def errors_back(
        self, backend: Backend, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Any
    ) -> tuple[Any, dict[str, Any]]:
        number, above = error_on_rate.dtype.type, _above(activity.activation)
        slope = number(self.power) * backend.xp.where(above > 0, above, 1) ** number(self.power - 1) * (above > 0)
        error = error_on_rate * slope
        return error - error.mean(axis=_neurons(error), keepdims=True), {}


def _neurons(values: Any) -> tuple[int, ...]:
    """Return the axes of the neurons."""
    return tuple(range(1, values.ndim))


def _above(activation: Any) -> Any:
    """Return by how much each neuron's activation is above the population's mean."""
    return activation - activation.mean(axis=_neurons(activation), keepdims=True)
