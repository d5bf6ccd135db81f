"""The delta rule of neurons in time: a presynaptic trace in place of the presynaptic rate."""

from __future__ import annotations

from typing import Any

from neurosim.errors import quoted, require
from neurosim.plasticity.rule import PlasticityRule

METHODS = ("exact", "euler")
SHARE = "(tau_syn * (1 - exp(-1 / tau_syn)) / (tau * (1 - exp(-1 / tau))))"


def error_driven_trace(*, eta: float = 1.0, tau: Any = 20.0, tau_syn: Any = None, method: str = "exact") -> PlasticityRule:
    """dw = eta * error_post * trace_pre, where the trace is the presynaptic rate, filtered as the postsynaptic neuron filters it.

    The membrane of a leaky neuron is the sum over its synapses of weight times trace, less what its resets took away.  So the
    trace is the derivative of the membrane with respect to the weight, its resets taken as they were, and ``error_post`` times it
    is minus that of the loss.  Nothing is remembered of earlier ticks but the trace, a number for each sample and presynaptic
    neuron.  The bias is a synapse from a neuron that is always at 1.

    tau : of the postsynaptic membrane, in ticks
    tau_syn : of its synaptic current, in ticks; the trace is then the difference of two.  None: the drive is the current
    method : how the postsynaptic neurons are integrated: ``exact``, as LIF, or ``euler``, as Leaky

    It is exact for LIF neurons that subtract their threshold, and for Leaky ones.  If a reset puts the membrane to 0, the trace
    still holds what the membrane has lost.

    Sources: Kaiser, Mostafa and Neftci 2020; Zenke and Ganguli 2018.
    """
    name = "rule 'error_driven_trace'"
    require(method in METHODS, f"{name}: method {quoted(method)}: expected 'exact' or 'euler'; pick one")
    if tau_syn is None:
        falls = {"trace": "trace * (1 - exp(-1 / tau))" if method == "exact" else "trace / tau"}
        together, times = "trace_{side}", {"tau": tau}
    else:
        require(method == "exact", f"{name}: tau_syn {quoted(tau_syn)} with method 'euler': expected none; leave one of them out")
        require(tau != tau_syn, f"{name}: tau_syn {quoted(tau_syn)}: expected another time than tau; change one of them a little")
        falls = {"slow": "slow * (1 - exp(-1 / tau))", "fast": "fast * (1 - exp(-1 / tau_syn))"}
        together, times = f"(slow_{{side}} - {SHARE} * fast_{{side}}) / (1 - {SHARE})", {"tau": tau, "tau_syn": tau_syn}
    return PlasticityRule(
        f"dw = eta * error_post * {together.format(side='pre')}",
        bias=f"db = eta * error_post * {together.format(side='post')}",
        pre={trace: f"d{trace}/dt = rate_pre - {fall}" for trace, fall in falls.items()},
        post={trace: f"d{trace}/dt = 1 - {fall}" for trace, fall in falls.items()},
        per_sample=[f"{trace}_{side}" for trace in falls for side in ("pre", "post")],
        eta=eta,
        **times,
    )
