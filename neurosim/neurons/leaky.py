"""Leaky rate neurons: they take time to follow their input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.errors import quoted, require, require_number
from neurosim.neurons.neurons import RATE_VARIABLES, Neurons
from neurosim.neurons.transfer import Transfer


class Leaky(Neurons):
    """tau du/dt = -u + R a;  h = phi(u), by Euler's method in steps of one tick: u(t) = u(t - 1) + (R a(t) - u(t - 1)) / tau.

    tau : in ticks, 1 or more; with 1 the neurons follow at once
    resistance : R, a positive number; with R = tau, u adds up its input, and forgets 1 / tau of it in a tick
    transfer : phi, a Transfer that is not drawn, or the name of one; tanh by default

    Raises
    ------
    InputError
        ``tau`` below 1, a resistance that is not positive, or a transfer that draws or has no slope of its own.
    """

    name = "leaky"
    variables = {**RATE_VARIABLES, "potential": "of the membrane, u"}
    argument = "potential"

    def __init__(self, *, tau: float = 10.0, resistance: float = 1.0, transfer: str | Transfer | None = None) -> None:
        number = isinstance(tau, int | float) and not isinstance(tau, bool) and 1 <= tau < 1e6
        require(number, f"neurons 'leaky': tau {quoted(tau)}: expected 1 to 1,000,000 ticks; give one such as 10")
        self.tau = tau
        require_number("neurons 'leaky'", "resistance", resistance, 1.0)
        said = f"neurons 'leaky': resistance {quoted(resistance)}: expected a positive number below 1,000,000; give one such as 1"
        require(0 < resistance < 1e6, said)
        self.resistance = resistance
        self.transfer = _curve("tanh" if transfer is None else transfer)
        usable = not self.transfer.stochastic and not self.transfer.straight_through
        said = f"neurons 'leaky': transfer {quoted(self.transfer.name)}"
        require(usable, f"{said}: expected one with a slope of its own; give one such as 'tanh'")

    @property
    def curve(self) -> Transfer:
        return self.transfer

    def state(self) -> dict[str, float]:
        return {"potential": 0.0}

    def advance(
        self, backend: Backend, activation: Any, state: Mapping[str, Any], draws: Draws | None, stream: str
    ) -> tuple[Any, dict[str, Any]]:
        reached = activation if self.resistance == 1 else activation * activation.dtype.type(self.resistance)
        u = state["potential"] + (reached - state["potential"]) * activation.dtype.type(1 / self.tau)
        return self.transfer.rate(backend, u, None, stream), {"potential": u}

    def errors_back(
        self, backend: Backend, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Any
    ) -> tuple[Any, dict[str, Any]]:
        error = self.transfer.through_slope(backend, error_on_rate, activity.state["potential"], activity.rate)
        if "potential" in error_on_state:
            error = error + error_on_state["potential"]
        share = error.dtype.type(1 / self.tau)
        return error * error.dtype.type(self.resistance / self.tau), {"potential": error * (1 - share)}


def _curve(named: str | Transfer) -> Transfer:
    """Return the transfer that is named, or given."""
    from neurosim.neurons import transfer  # which knows them all, and this module

    said = f"neurons 'leaky': transfer {quoted(named)}"
    require(isinstance(named, str | Transfer), f"{said}: expected a name; give one such as 'tanh'")
    return transfer(named)
