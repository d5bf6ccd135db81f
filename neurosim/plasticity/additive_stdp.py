"""Additive spike-timing-dependent plasticity: each pair of spikes changes the weight by an amount that only its timing decides."""

from __future__ import annotations

from typing import Any

from neurosim.plasticity.rule import PlasticityRule
from neurosim.plasticity.traces import trace


def additive_stdp(
    *,
    A_plus: Any = 0.005,
    A_minus: Any = 0.00525,
    tau_plus: Any = "20*ms",
    tau_minus: Any = "20*ms",
    pairing: str = "all_to_all",
) -> PlasticityRule:
    """Pre before post by s: dw = A_plus exp(-s / tau_plus); post before pre by s: dw = -A_minus exp(-s / tau_minus).

    pairing : ``all_to_all`` pairs of spikes, or ``nearest``: each spike with the last one of the other side
    Weights go to one of their bounds, which this rule needs: give the projection's optimiser ``Bounds``.

    For independent Poisson trains, d<w>/dt = r_pre r_post (A_plus tau_plus - A_minus tau_minus).  Defaults: Song, Miller and Abbott
    2000, in units of the largest weight.
    """
    return PlasticityRule(
        "dw = A_plus * trace_pre * spike_post - A_minus * trace_post * spike_pre",
        pre=trace("trace", "pre", "tau_plus", pairing),
        post=trace("trace", "post", "tau_minus", pairing),
        per_sample=("trace_pre", "trace_post"),
        A_plus=A_plus,
        A_minus=A_minus,
        tau_plus=tau_plus,
        tau_minus=tau_minus,
    )
