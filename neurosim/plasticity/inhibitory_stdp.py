"""Plasticity of inhibitory synapses that brings the postsynaptic neuron to a target rate."""

from __future__ import annotations

from typing import Any

from neurosim.plasticity.rule import PlasticityRule
from neurosim.plasticity.traces import trace


def inhibitory_stdp(*, eta: Any = 0.01, rho: Any = "3*Hz", tau: Any = "20*ms") -> PlasticityRule:
    """Spikes of both sides near each other strengthen the synapse, in any order; each pre spike alone weakens it by 2 eta rho tau.

    eta : in the unit of w; rho : the target rate; tau : of both traces

    The weight of independent Poisson trains rests where the postsynaptic rate is rho: d<w>/dt = 2 eta tau r_pre (r_post - rho).

    Source: Vogels, Sprekeler, Zenke, Clopath and Gerstner 2011, equation 1; their alpha is 2 rho tau.
    """
    return PlasticityRule(
        "dw = eta * ((trace_post - 2 * rho * tau) * spike_pre + trace_pre * spike_post)",
        pre=trace("trace", "pre", "tau"),
        post=trace("trace", "post", "tau"),
        per_sample=("trace_pre", "trace_post"),
        eta=eta,
        rho=rho,
        tau=tau,
    )
