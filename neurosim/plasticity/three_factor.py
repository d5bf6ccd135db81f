"""A three-factor rule: coincidence leaves a trace in the synapse, and reward turns the trace into a change."""

from __future__ import annotations

from neurosim.plasticity.rule import PlasticityRule


def three_factor(*, eta: float = 0.01, tau: float = 10.0, per_sample: bool = False) -> PlasticityRule:
    """dw = eta * reward * eligibility, where each synapse's eligibility adds up rate_pre * rate_post and decays.

    tau : over how many ticks the eligibility decays; in a static network these are steps (batches)
    per_sample : whether each sample has an eligibility of its own, which begins with its trial and meets its own reward; otherwise
        it is one for all samples, goes on from step to step, and meets the batch's mean reward

    Sources: Izhikevich 2007, with rates for spikes and reward for dopamine; Fremaux and Gerstner 2016.
    """
    return PlasticityRule(
        "dw = eta * reward * eligibility",
        synapse={"eligibility": "deligibility/dt = rate_pre * rate_post - eligibility / tau"},
        per_sample=("eligibility",) if per_sample else (),
        eta=eta,
        tau=tau,
    )
