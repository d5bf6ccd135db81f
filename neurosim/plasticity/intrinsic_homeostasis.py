"""Intrinsic homeostasis: a neuron's threshold drifts until its mean rate is what it should be."""

from __future__ import annotations

from neurosim.errors import require_number
from neurosim.plasticity.rule import PlasticityRule


def intrinsic_homeostasis(*, eta: float = 0.01, target: float = 0.1, weights: str = "dw = 0") -> PlasticityRule:
    """db = eta * (target - rate_post): the bias, minus the threshold, comes to rest where the mean rate is ``target``.

    weights : the equation of the weights beside it, with numbers for its constants; by default they stay as they are

    The projection needs a bias.  A linear neuron's mean rate is ``target + (its first - target) * (1 - eta)**step``.

    Source: Foldiak 1990, the rule for thresholds.
    """
    for name, value in (("eta", eta), ("target", target)):
        require_number("rule 'intrinsic_homeostasis'", name, value, 0.1)
    return PlasticityRule(weights, bias="db = eta * (target - rate_post)", eta=eta, target=target)
