"""The delta rule: a synapse changes by its presynaptic rate times the error of its postsynaptic neuron."""

from __future__ import annotations

from neurosim.plasticity.rule import PlasticityRule


def error_driven(*, eta: float = 1.0) -> PlasticityRule:
    """dw = eta * error_post * rate_pre (Widrow and Hoff 1960); the bias is a synapse from a neuron that is always at 1.

    Every weight update of the five papers is this rule, with its own ``error``; only AM-mem solves for its hidden weights instead.
    """
    return PlasticityRule("dw = eta * error_post * rate_pre", bias="db = eta * error_post", eta=eta)
