"""Hodgkin-Huxley neurons, with conductances as synapses."""

from __future__ import annotations

from typing import Any

from neurosim.neurons.equations import Equations
from neurosim.neurons.surrogates import Surrogate

TEXT = """
dv/dt = (g_l * (E_l - v) + g_e * (E_e - v) + g_i * (E_i - v)
         - g_Na * (m * m * m) * h * (v - E_Na) - g_Kd * (n * n * n * n) * (v - E_K) + drive) / C : volt
dm/dt = alpha_m * (1 - m) - beta_m * m : 1
dn/dt = alpha_n * (1 - n) - beta_n * n : 1
dh/dt = alpha_h * (1 - h) - beta_h * h : 1
dg_e/dt = -g_e / tau_e : siemens
dg_i/dt = -g_i / tau_i : siemens
alpha_m = 0.32 * 4 / exprel((13 * mV - v + V_T) / (4 * mV)) / ms : Hz
beta_m = 0.28 * 5 / exprel((v - V_T - 40 * mV) / (5 * mV)) / ms : Hz
alpha_h = 0.128 * exp((17 * mV - v + V_T) / (18 * mV)) / ms : Hz
beta_h = 4 / (1 + exp((40 * mV - v + V_T) / (5 * mV))) / ms : Hz
alpha_n = 0.032 * 5 / exprel((15 * mV - v + V_T) / (5 * mV)) / ms : Hz
beta_n = 0.5 * exp((10 * mV - v + V_T) / (40 * mV)) / ms : Hz
drive : amp
"""
USUAL = {
    "C": "200*pF", "g_l": "10*nS", "E_l": "-60*mV", "g_Na": "20*uS", "E_Na": "50*mV", "g_Kd": "6*uS", "E_K": "-90*mV",
    "V_T": "-63*mV", "E_e": "0*mV", "E_i": "-80*mV", "tau_e": "5*ms", "tau_i": "10*ms",
}  # fmt: skip


class HodgkinHuxley(Equations):
    """C dv/dt = g_l (E_l - v) + g_e (E_e - v) + g_i (E_i - v) - g_Na m^3 h (v - E_Na) - g_Kd n^4 (v - E_K) + drive.

    A spike where v > -20 mV; a neuron spikes no more within ``refractory``, and nothing is reset.  ``drive`` is a current, in A.
    Projections ``into="g_e"`` and ``into="g_i"`` add to the conductances when a spike arrives.  Integrated by exponential Euler.

    constants : C 200 pF, g_l 10 nS, E_l -60 mV, g_Na 20 uS, E_Na 50 mV, g_Kd 6 uS, E_K -90 mV, V_T -63 mV, E_e 0 mV, E_i -80 mV,
        tau_e 5 ms, tau_i 10 ms, unless given: a cell of 20,000 um^2 (benchmark 3)

    Traub and Miles (1991), Neuronal networks of the hippocampus; as in Brette et al. (2007). Simulation of networks of spiking
    neurons: a review of tools and strategies. Journal of Computational Neuroscience 23, 349-398, benchmark 3.
    """

    name = "hodgkin_huxley"

    def __init__(
        self, *, refractory: str = "3*ms", surrogate: str | Surrogate = "fast_sigmoid", **constants: str | float
    ) -> None:
        values: dict[str, Any] = {**USUAL, **constants}
        super().__init__(
            TEXT,
            threshold="v > -20*mV",
            refractory=refractory,
            method="exponential_euler",
            start={"v": "E_l"},
            surrogate=surrogate,
            **values,
        )
