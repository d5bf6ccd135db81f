"""Synaptic scaling: all weights onto a neuron grow or shrink by one factor, until it fires as often as it should."""

from __future__ import annotations

from typing import Any

from neurosim.plasticity.rule import PlasticityRule


def synaptic_scaling(*, beta: Any = 4e-5, gamma: Any = "1e-7*Hz", rho: Any = "5*Hz", tau: Any = "10*second") -> PlasticityRule:
    """dw = beta w (rho - average_post) + gamma w lack_post, where lack_post adds up (rho - average_post).

    rho : the target rate; tau : over how long the rate is averaged; gamma : of the part that brings the rate to rho exactly
    The ratios of the weights onto a neuron stay as they are.

    Source: van Rossum, Bi and Turrigiano 2000, equation 3; beta and gamma are theirs.
    """
    return PlasticityRule(
        "dw = beta * w * (rho - average_post) + gamma * w * lack_post",
        post={
            "average": ("daverage/dt = (spike_post - average) / tau", rho),
            "lack": "dlack/dt = rho - average",
        },
        beta=beta,
        gamma=gamma,
        rho=rho,
        tau=tau,
    )
