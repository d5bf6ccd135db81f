"""Hebb's rule: cells that fire together wire together."""

from __future__ import annotations

from neurosim.plasticity.rule import PlasticityRule


def hebbian(*, eta: float = 1.0) -> PlasticityRule:
    """dw = eta * rate_post * rate_pre (Hebb 1949)."""
    return PlasticityRule("dw = eta * rate_post * rate_pre", eta=eta)
