"""Hyperbolic tangent: h = tanh(a)."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.neurons.transfer import Transfer


class Tanh(Transfer):
    """h = tanh(a), slope 1 - h**2."""

    name = "tanh"

    def rate(self, backend: Backend, activation: Any, draws: Draws | None, stream: str) -> Any:
        return backend.xp.tanh(activation)

    def through_slope(self, backend: Backend, error_on_rate: Any, activation: Any, rate: Any) -> Any:
        return error_on_rate * (1 - rate * rate)
