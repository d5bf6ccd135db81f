"""Reward-modulated plasticity with an eligibility trace: pairs of spikes are remembered, and reward turns them into a change."""

from __future__ import annotations

from typing import Any

from neurosim.plasticity.rule import PlasticityRule
from neurosim.plasticity.traces import trace


def reward_stdp(
    *,
    eta: Any = "1*Hz",
    A_plus: Any = 1.0,
    A_minus: Any = 1.0,
    tau_plus: Any = "20*ms",
    tau_minus: Any = "20*ms",
    tau_e: Any = "25*ms",
) -> PlasticityRule:
    """dw = eta * reward * eligibility, where pairs of spikes add to the eligibility as ``additive_stdp`` adds to a weight.

    eta : a rate, for a reward without a unit; tau_e : how long a pair is remembered

    Source: Florian 2007, equations 18 to 22 (MSTDPET); there the eligibility is divided by tau_e.
    """
    return PlasticityRule(
        "dw = eta * reward * eligibility",
        pre=trace("trace", "pre", "tau_plus"),
        post=trace("trace", "post", "tau_minus"),
        synapse={
            "eligibility": "deligibility/dt = A_plus * trace_pre * spike_post - A_minus * trace_post * spike_pre"
            " - eligibility / tau_e"
        },
        per_sample=("trace_pre", "trace_post", "eligibility"),
        eta=eta,
        A_plus=A_plus,
        A_minus=A_minus,
        tau_plus=tau_plus,
        tau_minus=tau_minus,
        tau_e=tau_e,
    )
