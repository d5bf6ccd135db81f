"""The covariance rule: Hebb's, with both rates measured from their running means."""

from __future__ import annotations

from neurosim.plasticity.rule import PlasticityRule


def covariance(*, eta: float = 0.01, tau: float = 100.0) -> PlasticityRule:
    """dw = eta * (rate_post - mean_post) * (rate_pre - mean_pre) (Sejnowski 1977).

    tau : over how many steps (batches) the means average; they start at 0
    """
    mean = "dmean/dt = (rate_{side} - mean) / tau"
    return PlasticityRule(
        "dw = eta * (rate_post - mean_post) * (rate_pre - mean_pre)",
        pre={"mean": mean.format(side="pre")},
        post={"mean": mean.format(side="post")},
        eta=eta,
        tau=tau,
    )
