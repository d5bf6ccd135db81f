"""Neurons with a basal and an apical dendrite that the soma does not hear, which spike at random with a rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.errors import quoted, require, require_number
from neurosim.neurons.neurons import RATE_VARIABLES, Neurons
from neurosim.neurons.sigmoid import logistic

TAU_S, TAU_L = 3.0, 10.0  # ticks: rise and fall of a postsynaptic potential


class Segregated(Neurons):
    """dV/dt = -g_leak V + g_basal (V_b - V);  V_b: the drive, filtered;  a spike in a tick with probability max_rate sigma(V).

    The filter is the postsynaptic potential (exp(-t / 10) - exp(-t / 3)) / 7, t in ticks; so V_b is the sum over synapses of
    weight times potential, and the bias.  V goes by Euler's method in steps of one tick.  The apical dendrite has no way to the
    soma, the paper's g_A = 0: what it gets is the pathway's (``segregated_dendrites``).  In evaluation the neurons send the
    probability itself.

    An error on the spikes is one on the drive by the slope of the rate at rest: max_rate sigma'(V) g_basal / (g_leak + g_basal).

    g_leak, g_basal : in 1 / tick; max_rate : spikes in a tick

    Raises
    ------
    InputError
        A conductance that is not positive or makes a step of a tick unstable, or a rate out of (0, 1].

    Guerguiev, Lillicrap and Richards (2017). Towards deep learning with segregated dendrites. eLife 6, e22901.
    """

    name = "segregated"
    emits = "spike"
    stochastic = True
    straight_through = True
    variables = {
        **RATE_VARIABLES,
        "spike": "1 in a tick with a spike, 0 otherwise",
        "potential": "of the soma, V",
        "slow": "of the drive, falls with 10 ticks",
        "fast": "of the drive, falls with 3 ticks",
    }

    def __init__(self, *, g_leak: float = 0.1, g_basal: float = 0.6, max_rate: float = 0.2) -> None:
        for name, value in (("g_leak", g_leak), ("g_basal", g_basal)):
            require_number(f"neurons {self.name!r}", name, value, 0.1)
            require(value > 0, f"neurons {self.name!r}: {name} {quoted(value)}: expected a positive number; give one such as 0.1")
        said = f"neurons {self.name!r}: g_leak + g_basal {g_leak + g_basal}: expected below 2, for steps of a tick; lower one"
        require(g_leak + g_basal < 2, said)
        require_number(f"neurons {self.name!r}", "max_rate", max_rate, 0.2)
        said = f"neurons {self.name!r}: max_rate {quoted(max_rate)}: expected spikes in a tick, in (0, 1]; give one such as 0.2"
        require(0 < max_rate <= 1, said)
        self.g_leak, self.g_basal, self.max_rate = g_leak, g_basal, max_rate

    def state(self) -> dict[str, float]:
        return {"potential": 0.0, "slow": 0.0, "fast": 0.0}

    def advance(
        self, backend: Backend, activation: Any, state: Mapping[str, Any], draws: Draws | None, stream: str
    ) -> tuple[Any, dict[str, Any]]:
        number = activation.dtype.type
        slow, fast, basal = filtered(activation, state["slow"], state["fast"])
        v = state["potential"]
        v = v + number(self.g_basal) * basal - number(self.g_leak + self.g_basal) * v
        chance = number(self.max_rate) * logistic(backend, v)
        if draws is not None:
            spikes = draws.uniform(f"{stream}/spikes", v.shape, v.dtype) < chance
            chance = backend.xp.where(chance == chance, spikes, chance).astype(v.dtype)  # NaN stays NaN
        return chance, {"potential": v, "slow": slow, "fast": fast}

    def errors_back(
        self, backend: Backend, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Any
    ) -> tuple[Any, dict[str, Any]]:
        number = error_on_rate.dtype.type
        at = logistic(backend, activity.state["potential"])
        share = number(self.max_rate * self.g_basal / (self.g_leak + self.g_basal))
        return error_on_rate * at * (number(1) - at) * share, {}


def filtered(arriving: Any, slow: Any, fast: Any) -> tuple[Any, Any, Any]:
    """Return the traces after a tick in which something arrives, and the postsynaptic potential: their difference."""
    number = arriving.dtype.type
    slow = slow * number(math.exp(-1 / TAU_L)) + arriving
    fast = fast * number(math.exp(-1 / TAU_S)) + arriving
    return slow, fast, (slow - fast) * number(1 / (TAU_L - TAU_S))
