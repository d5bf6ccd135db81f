"""Drive -> rate: one transfer function a file, and batch normalisation."""

from __future__ import annotations

import sys
from typing import Any

from neurosim.catalogue import concrete, make
from neurosim.neurons.batch_normalisation import BatchNormalisation
from neurosim.neurons.transfer import Transfer

__all__ = ["BatchNormalisation", "Transfer", "transfer", "transfers"]


def transfers() -> dict[str, type[Transfer]]:
    """Return every transfer by name."""
    return concrete(sys.modules[__name__], Transfer)  # type: ignore[type-abstract]


def transfer(name: str | Transfer, **options: Any) -> Transfer:
    """Return the transfer called ``name`` (or ``name`` itself when it is one already)."""
    return name if isinstance(name, Transfer) else make("transfer", transfers(), name, options)
