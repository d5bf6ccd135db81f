"""A three-factor rule: coincidence leaves a trace in the synapse, and reward turns the trace into a change."""

from __future__ import annotations

from neurosim.plasticity.rule import PlasticityRule


def three_factor(*, eta: float = 0.01, tau: float = 10.0) -> PlasticityRule:
    """dw = eta * reward * eligibility, where each synapse's eligibility adds up rate_pre * rate_post and decays.

    tau : over how many steps (batches) the eligibility decays

    The eligibility is one for all samples of a batch, and so meets the batch's mean reward.

    Sources: Izhikevich 2007, with rates for spikes and reward for dopamine; Fremaux and Gerstner 2016.
    """
    return PlasticityRule(
        "dw = eta * reward * eligibility",
        synapse={"eligibility": "deligibility/dt = rate_pre * rate_post - eligibility / tau"},
        eta=eta,
        tau=tau,
    )
