"""Leaky integrate-and-fire neurons with currents as synapses."""

from __future__ import annotations

from typing import Any

from neurosim.neurons.equations import Equations
from neurosim.neurons.surrogates import Surrogate

TEXT = """
dv/dt = (E_l - v + R * (I + drive)) / tau_m : volt (unless refractory)
dI/dt = -I / tau_s : amp
drive : amp
"""
USUAL = {"E_l": "-70*mV", "R": "100*Mohm", "tau_m": "20*ms", "tau_s": "5*ms", "V_t": "-50*mV", "V_r": "-60*mV"}


class LIFCurrent(Equations):
    """tau_m dv/dt = E_l - v + R (I + drive);  tau_s dI/dt = -I;  integrated exactly.

    A spike where v > V_t; then v = V_r, and v stands still while the neuron is refractory.  ``drive`` is a current, in A.
    Projections ``into="I"`` add to the synaptic current when a spike arrives.

    constants : E_l -70 mV, R 100 Mohm, tau_m 20 ms, tau_s 5 ms, V_t -50 mV, V_r -60 mV, unless given

    Lapicque (1907). Recherches quantitatives sur l'excitation electrique des nerfs traitee comme une polarisation. Journal de
    Physiologie et de Pathologie Generale 9, 620-635.
    """

    name = "lif_current"

    def __init__(
        self, *, refractory: str | None = "2*ms", surrogate: str | Surrogate = "fast_sigmoid", **constants: str | float
    ) -> None:
        values: dict[str, Any] = {**USUAL, **constants}
        super().__init__(
            TEXT,
            threshold="v > V_t",
            reset="v = V_r",
            refractory=refractory,
            method="exact",
            start={"v": "E_l"},
            surrogate=surrogate,
            **values,
        )
