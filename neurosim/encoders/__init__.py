"""How a sample becomes an input for each tick of a trial; one encoder a file."""

from __future__ import annotations

import sys
from typing import Any

from neurosim.catalogue import concrete, make
from neurosim.encoders.constant import Constant
from neurosim.encoders.encoder import Encoder
from neurosim.encoders.latency import Latency
from neurosim.encoders.poisson import Poisson
from neurosim.encoders.sequence import Sequence

__all__ = ["Constant", "Encoder", "Latency", "Poisson", "Sequence", "encoder", "encoders"]


def encoders() -> dict[str, type[Encoder]]:
    """Return every encoder by name."""
    return concrete(sys.modules[__name__], Encoder)  # type: ignore[type-abstract]


def encoder(name: str, **options: Any) -> Encoder:
    """Return the encoder called ``name``."""
    return make("encoder", encoders(), name, options)
