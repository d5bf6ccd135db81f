"""Which synapses a projection has, how signals pass through them, and what their weights start from."""

from __future__ import annotations

import sys

from neurosim.catalogue import concrete, make
from neurosim.connectivity.connectivity import Connectivity
from neurosim.connectivity.dense import Dense
from neurosim.connectivity.fixed_in_degree import FixedInDegree
from neurosim.connectivity.fixed_out_degree import FixedOutDegree
from neurosim.connectivity.fixed_probability import FixedProbability
from neurosim.connectivity.from_lists import FromLists
from neurosim.connectivity.from_matrix import FromMatrix
from neurosim.connectivity.initialisers import INITIALISERS, Initialiser
from neurosim.connectivity.one_to_one import OneToOne
from neurosim.connectivity.pattern import Pattern
from neurosim.errors import UnknownNameError

__all__ = [
    "INITIALISERS", "Connectivity", "Dense", "FixedInDegree", "FixedOutDegree", "FixedProbability", "FromLists", "FromMatrix",
    "Initialiser", "OneToOne", "Pattern", "connectivities", "connectivity", "initialiser",
]  # fmt: skip


def connectivities() -> dict[str, type[Connectivity]]:
    """Return every connectivity by name."""
    return concrete(sys.modules[__name__], Connectivity)  # type: ignore[type-abstract]


def connectivity(name: str | Connectivity) -> Connectivity:
    """Return the connectivity called ``name`` (or ``name`` itself when it is one already)."""
    return name if isinstance(name, Connectivity) else make("connectivity", connectivities(), name)


def initialiser(name: str) -> Initialiser:
    """Return the initialiser called ``name``."""
    if name not in INITIALISERS:
        raise UnknownNameError("initialiser", name, INITIALISERS)
    return INITIALISERS[name]
