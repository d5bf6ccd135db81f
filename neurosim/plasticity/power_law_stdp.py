"""Spike-timing-dependent plasticity between additive and multiplicative: a power of the weight scales each change."""

from __future__ import annotations

from typing import Any

from neurosim.plasticity.rule import PlasticityRule
from neurosim.plasticity.traces import trace


def power_law_stdp(
    *,
    eta: Any = 0.005,
    alpha: Any = 1.05,
    mu: Any = 0.02,
    tau: Any = "20*ms",
    w_max: Any = 1.0,
    pairing: str = "all_to_all",
) -> PlasticityRule:
    """As ``additive_stdp``, with eta w_max (1 - w / w_max)**mu for A_plus, and eta w_max alpha (w / w_max)**mu for A_minus.

    mu : 0 is additive, 1 multiplicative; alpha : how much stronger depression is

    Source: Gutig, Aharonov, Rotter and Sompolinsky 2003, equation 1; their lambda is eta.
    """
    return PlasticityRule(
        "dw = eta * w_max * clip(1 - w / w_max, 0, 1)**mu * trace_pre * spike_post"
        " - eta * w_max * alpha * clip(w / w_max, 0, 1)**mu * trace_post * spike_pre",
        pre=trace("trace", "pre", "tau", pairing),
        post=trace("trace", "post", "tau", pairing),
        per_sample=("trace_pre", "trace_post"),
        eta=eta,
        alpha=alpha,
        mu=mu,
        tau=tau,
        w_max=w_max,
    )
