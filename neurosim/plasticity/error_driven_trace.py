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
    is minus that of the loss.  It needs no memory of earlier ticks but the trace: one number for each sample and presynaptic neuron.
    The bias is a synapse from a neuron that is always at 1.

    tau : of the postsynaptic membrane, in ticks
    tau_syn : of its synaptic current, in ticks; it has two traces then, slow_pre - share * fast_pre.  None: the drive is the current
    method : how the postsynaptic neurons are integrated: ``exact``, as LIF, or ``euler``, as Leaky

    It is exact for LIF neurons that subtract their threshold, and for Leaky ones.  If a reset puts the membrane to 0, the trace
    still holds what the membrane has lost.

    Sources: Kaiser, Mostafa and Neftci 2020; Zenke and Ganguli 2018.
    """
    name = "rule 'error_driven_trace'"
    require(method in METHODS, f"{name}: method {quoted(method)}: expected 'exact' or 'euler'; pick one")
    if tau_syn is None:
        fall = "(1 - exp(-1 / tau)) * {}" if method == "exact" else "{} / tau"
        return _rule("{0}", {"trace": fall}, eta=eta, tau=tau)
    require(method == "exact", f"{name}: tau_syn {quoted(tau_syn)} with method 'euler': expected none; leave one of them out")
    require(tau != tau_syn, f"{name}: tau_syn {quoted(tau_syn)}: expected another time than tau; change one of them a little")
    falls = {"slow": "(1 - exp(-1 / tau)) * {}", "fast": "(1 - exp(-1 / tau_syn)) * {}"}
    return _rule(f"({{0}} - {SHARE} * {{1}}) / (1 - {SHARE})", falls, eta=eta, tau=tau, tau_syn=tau_syn)


def _rule(sum_of: str, falls: dict[str, str], **constants: Any) -> PlasticityRule:
    """Return the rule of some traces.  sum_of : how the membrane adds them up; falls : name -> by how much each falls in a tick"""
    pre, post = ([f"{name}_{side}" for name in falls] for side in ("pre", "post"))
    return PlasticityRule(
        f"dw = eta * error_post * {sum_of.format(*pre)}",
        bias=f"db = eta * error_post * {sum_of.format(*post)}",
        pre={name: f"d{name}/dt = rate_pre - {fall.format(name)}" for name, fall in falls.items()},
        post={name: f"d{name}/dt = 1 - {fall.format(name)}" for name, fall in falls.items()},
        per_sample=(*pre, *post),
        **constants,
    )
