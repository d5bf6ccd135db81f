"""Multiplicative spike-timing-dependent plasticity: a strong synapse gains less and loses more."""

from __future__ import annotations

from typing import Any

from neurosim.plasticity.rule import PlasticityRule
from neurosim.plasticity.traces import trace


def multiplicative_stdp(
    *,
    A_plus: Any = 0.005,
    A_minus: Any = 0.00525,
    tau_plus: Any = "20*ms",
    tau_minus: Any = "20*ms",
    w_max: Any = 1.0,
    pairing: str = "all_to_all",
) -> PlasticityRule:
    """As ``additive_stdp``, with A_plus (w_max - w) and A_minus w in place of A_plus and A_minus.

    For independent Poisson trains the mean weight rests at w_max A_plus tau_plus / (A_plus tau_plus + A_minus tau_minus).

    Sources: van Rossum, Bi and Turrigiano 2000; Rubin, Lee and Sompolinsky 2001.
    """
    return PlasticityRule(
        "dw = A_plus * (w_max - w) * trace_pre * spike_post - A_minus * w * trace_post * spike_pre",
        pre=trace("trace", "pre", "tau_plus", pairing),
        post=trace("trace", "post", "tau_minus", pairing),
        per_sample=("trace_pre", "trace_post"),
        A_plus=A_plus,
        A_minus=A_minus,
        tau_plus=tau_plus,
        tau_minus=tau_minus,
        w_max=w_max,
    )
