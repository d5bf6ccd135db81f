"""What populations are made of: rate neurons, one kind a file, and batch normalisation of their drive."""

from __future__ import annotations

import sys
from typing import Any

from neurosim.catalogue import concrete, make
from neurosim.neurons.batch_normalisation import BatchNormalisation
from neurosim.neurons.equations import Equations
from neurosim.neurons.given_spikes import GivenSpikes
from neurosim.neurons.latency_spikes import LatencySpikes
from neurosim.neurons.leaky import Leaky
from neurosim.neurons.neurons import DRIVE, Neurons, check_inputs
from neurosim.neurons.poisson_spikes import PoissonSpikes
from neurosim.neurons.soft_winners import SoftWinners
from neurosim.neurons.spike_source import SpikeSource
from neurosim.neurons.surrogates import Surrogate, surrogate, surrogates
from neurosim.neurons.transfer import Transfer

__all__ = [
    "DRIVE",
    "BatchNormalisation",
    "Equations",
    "GivenSpikes",
    "LatencySpikes",
    "Leaky",
    "Neurons",
    "PoissonSpikes",
    "SoftWinners",
    "SpikeSource",
    "Surrogate",
    "Transfer",
    "check_inputs",
    "neurons",
    "neurons_by_name",
    "surrogate",
    "surrogates",
    "transfer",
    "transfers",
]


def transfers() -> dict[str, type[Transfer]]:
    """Return every transfer by name."""
    return concrete(sys.modules[__name__], Transfer)  # type: ignore[type-abstract]


def neurons_by_name() -> dict[str, type[Neurons]]:
    """Return all kinds of neurons by name, transfers included."""
    return concrete(sys.modules[__name__], Neurons)  # type: ignore[type-abstract]


def neurons(name: str | Neurons, **options: Any) -> Neurons:
    """Return the neurons called ``name`` (or ``name`` itself when it is made already)."""
    return name if isinstance(name, Neurons) else make("neurons", neurons_by_name(), name, options)


def transfer(name: str | Transfer, **options: Any) -> Transfer:
    """Return the transfer called ``name`` (or ``name`` itself when it is one already)."""
    return name if isinstance(name, Transfer) else make("transfer", transfers(), name, options)
