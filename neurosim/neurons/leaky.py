"""Leaky rate neurons: they take time to follow their input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.errors import quoted, require
from neurosim.neurons.neurons import RATE_VARIABLES, Neurons
from neurosim.neurons.tanh import Tanh
from neurosim.neurons.transfer import Transfer


class Leaky(Neurons):
    """tau du/dt = -u + a;  h = phi(u), by Euler's method in steps of one tick: u(t) = u(t - 1) + (a(t) - u(t - 1)) / tau.

    tau : in ticks, 1 or more; with 1 the neurons follow at once
    transfer : phi, a Transfer that is not drawn

    Raises
    ------
    InputError
        ``tau`` below 1, or a transfer that draws or has no slope of its own.
    """

    name = "leaky"
    variables = {**RATE_VARIABLES, "potential": "of the membrane, u"}
    argument = "potential"

    def __init__(self, *, tau: float = 10.0, transfer: Transfer | None = None) -> None:
        number = isinstance(tau, int | float) and not isinstance(tau, bool) and 1 <= tau < 1e6
        require(number, f"neurons 'leaky': tau {quoted(tau)}: expected 1 to 1,000,000 ticks; give one such as 10")
        self.tau = tau
        self.transfer = transfer or Tanh()
        usable = isinstance(self.transfer, Transfer) and not self.transfer.stochastic and not self.transfer.straight_through
        said = f"neurons 'leaky': transfer {quoted(getattr(self.transfer, 'name', self.transfer))}"
        require(usable, f"{said}: expected a Transfer with a slope of its own; use Tanh()")

    @property
    def curve(self) -> Transfer:
        return self.transfer

    def state(self) -> dict[str, float]:
        return {"potential": 0.0}

    def advance(
        self, backend: Backend, activation: Any, state: Mapping[str, Any], draws: Draws | None, stream: str
    ) -> tuple[Any, dict[str, Any]]:
        u = state["potential"] + (activation - state["potential"]) * activation.dtype.type(1 / self.tau)
        return self.transfer.rate(backend, u, None, stream), {"potential": u}

    def errors_back(
        self, backend: Backend, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Any
    ) -> tuple[Any, dict[str, Any]]:
        error = self.transfer.through_slope(backend, error_on_rate, activity.state["potential"], activity.rate)
        if "potential" in error_on_state:
            error = error + error_on_state["potential"]
        share = error.dtype.type(1 / self.tau)
        return error * share, {"potential": error * (1 - share)}
