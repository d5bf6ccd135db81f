"""Plasticity rules, and what turns their proposals into weight changes."""

from __future__ import annotations

from collections.abc import Callable

from neurosim.catalogue import make
from neurosim.plasticity import optimisers, transforms
from neurosim.plasticity.additive_stdp import additive_stdp
from neurosim.plasticity.anti_hebbian import anti_hebbian
from neurosim.plasticity.bcm import bcm
from neurosim.plasticity.co_activation import CoActivationMemory
from neurosim.plasticity.covariance import covariance
from neurosim.plasticity.distal_reward_stdp import distal_reward_stdp
from neurosim.plasticity.error_driven import error_driven
from neurosim.plasticity.error_driven_trace import error_driven_trace
from neurosim.plasticity.event_code import SpikeCode
from neurosim.plasticity.hebbian import hebbian
from neurosim.plasticity.inhibitory_stdp import inhibitory_stdp
from neurosim.plasticity.intrinsic_homeostasis import intrinsic_homeostasis
from neurosim.plasticity.multiplicative_stdp import multiplicative_stdp
from neurosim.plasticity.normalised_hebb import NormalisedHebb
from neurosim.plasticity.oja import oja
from neurosim.plasticity.oja_subspace import OjaSubspace
from neurosim.plasticity.optimisers import (
    SGD,
    Adam,
    CentredRMSProp,
    Chain,
    Constraint,
    Momentum,
    Nesterov,
    RMSProp,
    Time,
    Update,
    chain,
)
from neurosim.plasticity.power_law_stdp import power_law_stdp
from neurosim.plasticity.reward_stdp import reward_stdp
from neurosim.plasticity.rule import PlasticityRule, Proposal, Rule, Synapses
from neurosim.plasticity.sanger import Sanger
from neurosim.plasticity.short_term import TsodyksMarkram
from neurosim.plasticity.soft_hebb import soft_hebb
from neurosim.plasticity.spike_code import spike_code
from neurosim.plasticity.state import Shapes, Start
from neurosim.plasticity.synaptic_scaling import synaptic_scaling
from neurosim.plasticity.three_factor import three_factor
from neurosim.plasticity.transforms import Bounds, Clip, Decay, Milestones, NormaliseIncoming, OneSign, Sparsity, StepDecay
from neurosim.plasticity.triplet_stdp import triplet_stdp
from neurosim.plasticity.voltage_stdp import voltage_stdp

__all__ = [
    "Adam", "Bounds", "CentredRMSProp", "Chain", "Clip", "CoActivationMemory", "Constraint", "Decay", "Milestones",
    "Momentum", "Nesterov", "NormaliseIncoming", "NormalisedHebb", "OjaSubspace", "OneSign", "PlasticityRule", "Proposal",
    "RMSProp", "Rule", "SGD", "Sanger", "Shapes", "Sparsity", "SpikeCode", "Start", "StepDecay", "Synapses", "Time",
    "TsodyksMarkram", "Update", "additive_stdp", "anti_hebbian", "bcm", "chain", "covariance", "distal_reward_stdp",
    "error_driven", "error_driven_trace", "hebbian", "inhibitory_stdp", "intrinsic_homeostasis", "multiplicative_stdp",
    "oja", "power_law_stdp", "reward_stdp", "rules", "short_terms", "soft_hebb", "spike_code", "spiking_rules",
    "synaptic_scaling", "three_factor", "triplet_stdp", "update", "updates", "voltage_stdp",
]  # fmt: skip


def rules() -> dict[str, Callable[..., Rule]]:
    """Return every named plasticity rule."""
    rate = error_driven, error_driven_trace, hebbian, oja, bcm, covariance, three_factor
    made = *rate, anti_hebbian, intrinsic_homeostasis, soft_hebb
    no_equations: dict[str, type[Rule]] = {
        "co_activation_memory": CoActivationMemory,
        "normalised_hebb": NormalisedHebb,
        "oja_subspace": OjaSubspace,
        "sanger": Sanger,
    }
    return {**{make.__name__: make for make in made}, **no_equations}


def spiking_rules() -> dict[str, Callable[..., PlasticityRule]]:
    """Return every named rule that reads spikes."""
    pairs = additive_stdp, multiplicative_stdp, power_law_stdp, triplet_stdp, inhibitory_stdp
    made = *pairs, reward_stdp, distal_reward_stdp, voltage_stdp, synaptic_scaling
    return {make.__name__: make for make in made}


def short_terms() -> dict[str, type[TsodyksMarkram]]:
    """Return every short-term plasticity by name."""
    return {TsodyksMarkram.name: TsodyksMarkram}


def updates() -> dict[str, type[Update]]:
    """Return every optimiser and transform by name."""
    members = {**vars(optimisers), **vars(transforms)}.values()
    classes = [c for c in members if isinstance(c, type) and issubclass(c, Update)]
    return {c.name: c for c in classes if hasattr(c, "name") and c is not Chain}


def update(name: str, **options: float) -> Update:
    """Return the optimiser or transform called ``name``."""
    return make("optimiser or transform", updates(), name, options)
