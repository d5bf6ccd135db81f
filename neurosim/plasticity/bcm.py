"""The BCM rule: Hebb's, with a threshold between strengthening and weakening that slides with the neuron's own activity."""

from __future__ import annotations

from neurosim.errors import require_number
from neurosim.plasticity.rule import PlasticityRule


def bcm(*, eta: float = 0.01, tau: float = 100.0, theta: float = 0.0) -> PlasticityRule:
    """dw = eta * rate_post * (rate_post - theta_post) * rate_pre, with the threshold theta at the mean of rate_post**2.

    tau : over how many steps (batches) the threshold averages; theta : what it starts as

    Sources: Bienenstock, Cooper and Munro 1982; the threshold in the form of Intrator and Cooper 1992 (the square's mean).
    """
    require_number("rule 'bcm'", "theta", theta, 0.0)
    return PlasticityRule(
        "dw = eta * rate_post * (rate_post - theta_post) * rate_pre",
        post={"theta": ("dtheta/dt = (rate_post**2 - theta) / tau", theta)},
        eta=eta,
        tau=tau,
    )
