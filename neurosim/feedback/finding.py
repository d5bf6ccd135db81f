"""The schemes by their names.

These functions have a module of their own, so that type checkers do not take ``pathway`` for the module of that name.
"""

from __future__ import annotations

import sys
from typing import Any

from neurosim.catalogue import concrete, make
from neurosim.feedback.pathway import FeedbackPathway


def pathways() -> dict[str, type[FeedbackPathway]]:
    """Return every scheme by name."""
    return concrete(sys.modules["neurosim.feedback"], FeedbackPathway)  # type: ignore[type-abstract]


def pathway(name: str, **options: Any) -> FeedbackPathway:
    """Return the scheme called ``name``."""
    return make("scheme", pathways(), name, options)
