"""Plasticity rules, and what turns their proposals into weight changes."""

from __future__ import annotations

from collections.abc import Callable

from neurosim.catalogue import make
from neurosim.plasticity import optimisers, transforms
from neurosim.plasticity.bcm import bcm
from neurosim.plasticity.co_activation import CoActivationMemory
from neurosim.plasticity.covariance import covariance
from neurosim.plasticity.error_driven import error_driven
from neurosim.plasticity.error_driven_trace import error_driven_trace
from neurosim.plasticity.hebbian import hebbian
from neurosim.plasticity.oja import oja
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
from neurosim.plasticity.rule import PlasticityRule, Proposal, Rule, Synapses
from neurosim.plasticity.state import Shapes, Start
from neurosim.plasticity.three_factor import three_factor
from neurosim.plasticity.transforms import Bounds, Clip, Decay, Milestones, NormaliseIncoming, OneSign, Sparsity, StepDecay

__all__ = [
    "SGD", "Adam", "Bounds", "CentredRMSProp", "Chain", "Clip", "CoActivationMemory", "Constraint", "Decay", "Milestones",
    "Momentum", "Nesterov", "NormaliseIncoming", "OneSign", "PlasticityRule", "Proposal", "RMSProp", "Rule", "Shapes", "Sparsity",
    "Start", "StepDecay", "Synapses", "Time", "Update", "bcm", "chain", "covariance", "error_driven", "error_driven_trace",
    "hebbian", "oja", "rules", "three_factor", "update", "updates",
]  # fmt: skip


def rules() -> dict[str, Callable[..., Rule]]:
    """Return every named plasticity rule."""
    made = error_driven, error_driven_trace, hebbian, oja, bcm, covariance, three_factor
    return {make.__name__: make for make in made} | {"co_activation_memory": CoActivationMemory}


def updates() -> dict[str, type[Update]]:
    """Return every optimiser and transform by name."""
    members = {**vars(optimisers), **vars(transforms)}.values()
    classes = [c for c in members if isinstance(c, type) and issubclass(c, Update)]
    return {c.name: c for c in classes if hasattr(c, "name") and c is not Chain}


def update(name: str, **options: float) -> Update:
    """Return the optimiser or transform called ``name``."""
    return make("optimiser or transform", updates(), name, options)
