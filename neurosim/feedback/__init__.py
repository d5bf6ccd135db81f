"""The credit-assignment schemes: one file each, named as in its paper."""

from __future__ import annotations

import sys
from typing import Any

from neurosim.catalogue import concrete, make
from neurosim.feedback.pathway import Claims, FeedbackPathway, Phase, Proposals

__all__ = ["Claims", "FeedbackPathway", "Phase", "Proposals", "pathway", "pathways"]


def pathways() -> dict[str, type[FeedbackPathway]]:
    """Return every scheme by name."""
    return concrete(sys.modules[__name__], FeedbackPathway)  # type: ignore[type-abstract]


def pathway(name: str, **options: Any) -> FeedbackPathway:
    """Return the scheme called ``name``."""
    return make("scheme", pathways(), name, options)
