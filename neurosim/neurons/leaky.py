"""Leaky rate neurons: they take time to follow their input."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.equations.units import SECOND, measure, seconds
from neurosim.errors import InputError, quoted, require, require_number
from neurosim.neurons.neurons import RATE_VARIABLES, Neurons
from neurosim.neurons.transfer import Transfer


class Leaky(Neurons):
    """tau du/dt = -u + R a;  h = phi(u), by Euler's method in steps of one tick: u(t) = u(t - 1) + (R a(t) - u(t - 1)) / tau.

    tau : in ticks, 1 or more; with 1 the neurons follow at once.  Or a time as text, ``20*ms``, in a network that has a dt
    resistance : R, a positive number; with R = tau, u adds up its input, and forgets 1 / tau of it in a tick
    transfer : phi, a Transfer that is not drawn, or the name of one; tanh by default

    Raises
    ------
    InputError
        ``tau`` below 1 tick, a time in a network without dt, a resistance that is not positive, or a transfer that draws or has no
        slope of its own.
    """

    name = "leaky"
    variables = {**RATE_VARIABLES, "potential": "of the membrane, u"}
    argument = "potential"

    def __init__(self, *, tau: float | str = 10.0, resistance: float = 1.0, transfer: str | Transfer | None = None) -> None:
        self.tau = tau
        self.ticks = 0.0  # that tau lasts, once it is known
        if isinstance(tau, str):
            timed = measure(tau, "neurons 'leaky': tau").dimensions == SECOND.dimensions
            said = f"neurons 'leaky': tau {quoted(tau)}: no time: expected text such as '20*ms', or a number of ticks; change it"
            require(timed, said)
        else:
            number = isinstance(tau, int | float) and not isinstance(tau, bool)
            self.ticks = _checked(tau if number else 0.0, f"neurons 'leaky': tau {quoted(tau)}")
        require_number("neurons 'leaky'", "resistance", resistance, 1.0)
        said = f"neurons 'leaky': resistance {quoted(resistance)}: expected a positive number below 1,000,000; give one such as 1"
        require(0 < resistance < 1e6, said)
        self.resistance = resistance
        self.transfer = _curve("tanh" if transfer is None else transfer)
        usable = not self.transfer.stochastic and not self.transfer.straight_through
        said = f"neurons 'leaky': transfer {quoted(self.transfer.name)}"
        require(usable, f"{said}: expected one with a slope of its own; give one such as 'tanh'")

    def at(self, dt: float | None, owner: str) -> Leaky:
        if not isinstance(self.tau, str):
            return self
        said = f"{owner}: neurons 'leaky': tau {quoted(self.tau)}"
        if dt is None:
            expected = "expected a network that says how long a tick is"
            raise InputError(f"{said}: {expected}; give Network(..., dt='1*ms'), or tau in ticks")
        made = copy.copy(self)
        made.ticks = _checked(seconds(self.tau, said) / dt, said)
        return made

    @property
    def curve(self) -> Transfer:
        return self.transfer

    def state(self) -> dict[str, float]:
        return {"potential": 0.0}

    def advance(
        self, backend: Backend, activation: Any, state: Mapping[str, Any], draws: Draws | None, stream: str
    ) -> tuple[Any, dict[str, Any]]:
        reached = activation if self.resistance == 1 else activation * activation.dtype.type(self.resistance)
        u = state["potential"] + (reached - state["potential"]) * activation.dtype.type(1 / self.ticks)
        return self.transfer.rate(backend, u, None, stream), {"potential": u}

    def errors_back(
        self, backend: Backend, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Any
    ) -> tuple[Any, dict[str, Any]]:
        error = self.transfer.through_slope(backend, error_on_rate, activity.state["potential"], activity.rate)
        if "potential" in error_on_state:
            error = error + error_on_state["potential"]
        share = error.dtype.type(1 / self.ticks)
        return error * error.dtype.type(self.resistance / self.ticks), {"potential": error * (1 - share)}


def _checked(ticks: float, said: str) -> float:
    require(1 <= ticks < 1e6, f"{said}: expected 1 to 1,000,000 ticks; give one such as 10")
    return ticks


def _curve(named: str | Transfer) -> Transfer:
    """Return the transfer that is named, or given."""
    from neurosim.neurons import transfer  # which knows them all, and this module

    said = f"neurons 'leaky': transfer {quoted(named)}"
    require(isinstance(named, str | Transfer), f"{said}: expected a name; give one such as 'tanh'")
    return transfer(named)
