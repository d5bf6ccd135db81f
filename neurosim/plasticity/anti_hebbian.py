"""The anti-Hebbian rule: lateral synapses weaken where both neurons are active, until their activities are uncorrelated."""

from __future__ import annotations

from neurosim.plasticity.rule import PlasticityRule


def anti_hebbian(*, eta: float = 0.01, target: float = 0.0) -> PlasticityRule:
    """dw = -eta * (rate_pre * rate_post - target): w comes to rest where the mean of rate_pre * rate_post is ``target``.

    target : 0 for rates whose mean is 0; p**2 for neurons that are active with probability p, independently (Foldiak's)

    Between the neurons of one population, take a delay of a tick, and a connectivity without a neuron's synapse onto itself.
    Foldiak's weights are inhibitory: ``Bounds(-inf, 0)`` after the optimiser.

    Sources: Barlow and Foldiak 1989; Foldiak 1990, the rule for lateral connections.
    """
    return PlasticityRule("dw = -eta * (rate_pre * rate_post - target)", eta=eta, target=target)
