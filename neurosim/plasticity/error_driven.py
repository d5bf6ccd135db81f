"""The delta rule: a synapse changes by its presynaptic rate times the error its postsynaptic neuron is told."""

from __future__ import annotations

from neurosim.plasticity.rule import PlasticityRule


def error_driven(*, eta: float = 1.0) -> PlasticityRule:
    """dw = eta * error_post * rate_pre (Widrow and Hoff 1960); the bias is a synapse from a neuron that is always at 1.

    Every one of the five papers' weight updates is this rule; they differ in what ``error`` is.
    """
    return PlasticityRule("dw = eta * error_post * rate_pre", bias="db = eta * error_post", eta=eta)
