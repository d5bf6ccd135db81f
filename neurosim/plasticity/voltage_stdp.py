"""Plasticity that the postsynaptic voltage decides: a spike of the presynaptic neuron meets a depolarised cell, or does not."""

from __future__ import annotations

from typing import Any

from neurosim.plasticity.rule import PlasticityRule


def voltage_stdp(
    *,
    A_LTD: Any = "14e-5/mV",
    A_LTP: Any = "8e-5/mV**2",
    theta_minus: Any = "-70.6*mV",
    theta_plus: Any = "-45.3*mV",
    tau_x: Any = "15*ms",
    tau_minus: Any = "10*ms",
    tau_plus: Any = "7*ms",
    tau_mean: Any = "1*second",
    u_ref2: Any = "60*mV**2",
    v_rest: Any = "-70.6*mV",
) -> PlasticityRule:
    """dw = -A_LTD (mean**2 / u_ref2) spike_pre [u_minus - theta_minus]+ + A_LTP trace_pre [v - theta_plus]+ [u_plus - theta_minus]+

    The rule reads the postsynaptic ``v_post``, in volts.  u_minus and u_plus are low-passes of it, mean is the slow average of what
    is above v_rest: it keeps the rate of a neuron in bounds.  trace_pre is a low-pass of the spikes, in spikes a second.
    The neuron needs the shape of a spike: v has to stay above theta_plus for a while.

    Defaults: visual cortex.  Source: Clopath, Busing, Vasilaki and Gerstner 2010, equations 1 to 3, and their table 1.
    """
    return PlasticityRule(
        "dw = A_LTP * trace_pre * int(v_post > theta_plus) * (v_post - theta_plus)"
        " * int(u_plus_post > theta_minus) * (u_plus_post - theta_minus)"
        " - A_LTD * mean_post**2 / u_ref2 * int(u_minus_post > theta_minus) * (u_minus_post - theta_minus) * spike_pre",
        pre={"trace": "dtrace/dt = (spike_pre - trace) / tau_x"},
        post={
            "u_minus": ("du_minus/dt = (v_post - u_minus) / tau_minus", v_rest),
            "u_plus": ("du_plus/dt = (v_post - u_plus) / tau_plus", v_rest),
            "mean": "dmean/dt = (v_post - v_rest - mean) / tau_mean",
        },
        per_sample=("trace_pre", "u_minus_post", "u_plus_post", "mean_post"),
        A_LTD=A_LTD,
        A_LTP=A_LTP,
        theta_minus=theta_minus,
        theta_plus=theta_plus,
        tau_x=tau_x,
        tau_minus=tau_minus,
        tau_plus=tau_plus,
        tau_mean=tau_mean,
        u_ref2=u_ref2,
        v_rest=v_rest,
    )
