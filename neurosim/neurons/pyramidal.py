"""Pyramidal cells of two compartments: a soma that spikes, and an apical dendrite that makes bursts of its spikes."""

from __future__ import annotations

from typing import Any

from neurosim.neurons.equations import Equations
from neurosim.neurons.surrogates import Surrogate

TEXT = """
dv/dt = -(v - E_L) / tau_s + (g_s * plateau + drive - w_s) / C_s : volt (unless refractory)
dw_s/dt = -w_s / tau_ws : amp
dv_d/dt = -(v_d - E_L) / tau_d + (g_d * plateau + c_d * pulse + I_d - w_d) / C_d : volt
dw_d/dt = (-w_d + a_d * (v_d - E_L)) / tau_wd : amp
dpulse/dt = -pulse / tau_b : 1
dI_d/dt = -I_d / tau_syn : amp
plateau = 1 / (1 + exp(-(v_d - E_d) / D_d)) : 1
drive : amp
"""
USUAL = {
    "E_L": "-70*mV", "tau_s": "16*ms", "C_s": "370*pF", "g_s": "1300*pA", "b": "200*pA", "tau_ws": "100*ms", "V_t": "-50*mV",
    "tau_d": "7*ms", "C_d": "170*pF", "g_d": "1200*pA", "c_d": "2600*pA", "a_d": "13*nS", "tau_wd": "30*ms", "E_d": "-38*mV",
    "D_d": "6*mV", "tau_b": "2*ms", "tau_syn": "5*ms",
}  # fmt: skip


class Pyramidal(Equations):
    """A soma v with adaptation w_s, and an apical dendrite v_d with a plateau current 1 / (1 + exp(-(v_d - E_d) / D_d)).

    dv/dt = -(v - E_L) / tau_s + (g_s plateau + drive - w_s) / C_s
    dv_d/dt = -(v_d - E_L) / tau_d + (g_d plateau + c_d pulse + I_d - w_d) / C_d

    A spike where v > V_t; then v = E_L, w_s + b, and a pulse travels back into the dendrite.  ``drive`` is a current into the
    soma, in A; projections ``into="I_d"`` add to a synaptic current into the dendrite when a spike arrives.  Drive alone makes
    single spikes; together with a current into the dendrite it makes bursts.  Integrated by Euler's method.

    The pulse is a current of 2 ms in the paper, and here one that decays within 2 ms and carries as much charge, because
    equations here do not read the time of the last spike.

    constants : E_L -70 mV, tau_s 16 ms, C_s 370 pF, g_s 1300 pA, b 200 pA, tau_ws 100 ms, V_t -50 mV, tau_d 7 ms, C_d 170 pF,
        g_d 1200 pA, c_d 2600 pA, a_d 13 nS, tau_wd 30 ms, E_d -38 mV, D_d 6 mV, tau_b 2 ms, tau_syn 5 ms, unless given.  These
        numbers have not been compared with the paper's: do so before you rely on them

    Naud and Sprekeler (2018). Sparse bursts optimize information transmission in a multiplexed neural code. Proceedings of the
    National Academy of Sciences 115, E6329-E6338.
    """

    name = "pyramidal"

    def __init__(
        self, *, refractory: str = "3*ms", surrogate: str | Surrogate = "fast_sigmoid", **constants: str | float
    ) -> None:
        values: dict[str, Any] = {**USUAL, **constants}
        super().__init__(
            TEXT,
            threshold="v > V_t",
            reset="v = E_L; w_s += b; pulse = 1",
            refractory=refractory,
            method="euler",
            start={"v": "E_L", "v_d": "E_L"},
            surrogate=surrogate,
            **values,
        )
