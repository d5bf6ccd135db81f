"""Plasticity rules, and what turns their proposals into weight changes."""

from __future__ import annotations

from collections.abc import Callable

from neurosim.catalogue import make
from neurosim.plasticity import optimisers, transforms
from neurosim.plasticity.co_activation import CoActivationMemory
from neurosim.plasticity.error_driven import error_driven
from neurosim.plasticity.hebbian import hebbian
from neurosim.plasticity.oja import oja
from neurosim.plasticity.optimisers import SGD, Adam, CentredRMSProp, Chain, Momentum, Nesterov, RMSProp, Time, Update, chain
from neurosim.plasticity.rule import PlasticityRule, Proposal, Rule, Synapses
from neurosim.plasticity.transforms import Bounds, Clip, Decay, Milestones, Sparsity, StepDecay

__all__ = [
    "SGD", "Adam", "Bounds", "CentredRMSProp", "Chain", "Clip", "CoActivationMemory", "Decay", "Milestones", "Momentum", "Nesterov",
    "PlasticityRule", "Proposal", "RMSProp", "Rule", "Sparsity", "StepDecay", "Synapses", "Time", "Update", "chain", "error_driven",
    "hebbian", "oja", "rules", "update", "updates",
]  # fmt: skip


def rules() -> dict[str, Callable[..., Rule]]:
    """Return every named plasticity rule."""
    return {"error_driven": error_driven, "hebbian": hebbian, "oja": oja, "co_activation_memory": CoActivationMemory}


def updates() -> dict[str, type[Update]]:
    """Return every optimiser and transform by name."""
    members = {**vars(optimisers), **vars(transforms)}.values()
    classes = [c for c in members if isinstance(c, type) and issubclass(c, Update)]
    return {c.name: c for c in classes if hasattr(c, "name") and c is not Chain}


def update(name: str, **options: float) -> Update:
    """Return the optimiser or transform called ``name``."""
    return make("optimiser or transform", updates(), name, options)
