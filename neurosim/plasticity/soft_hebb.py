"""SoftHebb: Hebb's rule among neurons that compete, with the decay that brings each weight vector to unit length."""

from __future__ import annotations

from neurosim.plasticity.rule import PlasticityRule


def soft_hebb(*, eta: float = 1.0) -> PlasticityRule:
    """dw = eta * competition_post * (rate_pre - drive_post * w), with the competition y of the neurons ``soft_winners``.

    At rest w = <y x> / <y u>, u = w x the drive, so w has length 1.  It is stable where <y u> is positive.  Start with longer
    weights: those of a neuron that wins shrink, so that all neurons win in turn.  The projection needs no bias.

    The released code divides each change by its largest entry, and scales eta with the root of the distance from length 1; here
    the equation stands as it is.

    Sources: Moraitis, Toichkin, Journe, Chua and Guo 2022; Journe, Garcia Rodriguez, Guo and Moraitis 2023 (losers unlearn).
    """
    return PlasticityRule("dw = eta * competition_post * (rate_pre - drive_post * w)", eta=eta)
