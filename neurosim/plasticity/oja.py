"""Oja's rule: Hebb's, with the decay that keeps the weight vector at unit length."""

from __future__ import annotations

from neurosim.plasticity.rule import PlasticityRule


def oja(*, eta: float = 1.0) -> PlasticityRule:
    """dw = eta * rate_post * (rate_pre - rate_post * w) (Oja 1982, equation 3): w turns to the first principal component."""
    return PlasticityRule("dw = eta * rate_post * (rate_pre - rate_post * w)", eta=eta)
