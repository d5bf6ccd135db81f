"""Leaky integrate-and-fire neurons with conductances as synapses."""

from __future__ import annotations

from typing import Any

from neurosim.neurons.equations import Equations
from neurosim.neurons.surrogates import Surrogate

TEXT = """
dv/dt = (g_l * (E_l - v) + g_e * (E_e - v) + g_i * (E_i - v) + drive) / C : volt (unless refractory)
dg_e/dt = -g_e / tau_e : siemens
dg_i/dt = -g_i / tau_i : siemens
drive : amp
"""
USUAL = {
    "C": "200*pF", "g_l": "10*nS", "E_l": "-60*mV", "E_e": "0*mV", "E_i": "-80*mV", "tau_e": "5*ms", "tau_i": "10*ms",
    "V_t": "-50*mV", "V_r": "-60*mV",
}  # fmt: skip


class LIFConductance(Equations):
    """C dv/dt = g_l (E_l - v) + g_e (E_e - v) + g_i (E_i - v) + drive;  tau_e dg_e/dt = -g_e;  tau_i dg_i/dt = -g_i.

    A spike where v > V_t; then v = V_r, and v stands still while the neuron is refractory.  ``drive`` is a current, in A.
    Projections ``into="g_e"`` and ``into="g_i"`` add to the conductances when a spike arrives.  Integrated by exponential Euler.

    constants : C 200 pF, g_l 10 nS, E_l -60 mV, E_e 0 mV, E_i -80 mV, tau_e 5 ms, tau_i 10 ms, V_t -50 mV, V_r -60 mV, unless given

    Brette et al. (2007). Simulation of networks of spiking neurons: a review of tools and strategies. Journal of Computational
    Neuroscience 23, 349-398, benchmark 1.
    """

    name = "lif_conductance"

    def __init__(
        self, *, refractory: str | None = "5*ms", surrogate: str | Surrogate = "fast_sigmoid", **constants: str | float
    ) -> None:
        values: dict[str, Any] = {**USUAL, **constants}
        super().__init__(
            TEXT,
            threshold="v > V_t",
            reset="v = V_r",
            refractory=refractory,
            method="exponential_euler",
            start={"v": "E_l"},
            surrogate=surrogate,
            **values,
        )
