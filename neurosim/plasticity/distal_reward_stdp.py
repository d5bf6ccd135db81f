"""The distal reward problem: a reward that comes seconds later still finds the synapses that earned it."""

from __future__ import annotations

from typing import Any

from neurosim.plasticity.rule import PlasticityRule
from neurosim.plasticity.traces import trace


def distal_reward_stdp(
    *,
    eta: Any = "1*Hz",
    release: Any = "500*Hz",
    A_plus: Any = 0.1,
    A_minus: Any = 0.15,
    tau_plus: Any = "20*ms",
    tau_minus: Any = "20*ms",
    tau_e: Any = "1*second",
    tau_dopamine: Any = "200*ms",
) -> PlasticityRule:
    """dw = eta * dopamine * eligibility: the eligibility lives for seconds, and so does, in part, the dopamine of a reward.

    release : how much dopamine a reward of 1 brings a second; a reward of 1 for 1 ms brings 0.5 by default

    Source: Izhikevich 2007: tau_e is their tau_c, and the area of A_minus is 1.5 times that of A_plus, as there.
    """
    return PlasticityRule(
        "dw = eta * dopamine_post * eligibility",
        pre=trace("trace", "pre", "tau_plus"),
        post=trace("trace", "post", "tau_minus")
        | {"dopamine": "ddopamine/dt = release * reward - dopamine / tau_dopamine"},
        synapse={
            "eligibility": "deligibility/dt = A_plus * trace_pre * spike_post - A_minus * trace_post * spike_pre"
            " - eligibility / tau_e"
        },
        per_sample=("trace_pre", "trace_post", "dopamine_post", "eligibility"),
        eta=eta,
        release=release,
        A_plus=A_plus,
        A_minus=A_minus,
        tau_plus=tau_plus,
        tau_minus=tau_minus,
        tau_e=tau_e,
        tau_dopamine=tau_dopamine,
    )
