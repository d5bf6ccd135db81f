"""Logistic sigmoid: h = 1 / (1 + exp(-a))."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.neurons.transfer import Transfer


def logistic(backend: Backend, activation: Any) -> Any:
    """1 / (1 + exp(-a)), written with tanh because that neither overflows nor loses the small side."""
    return 0.5 * (1 + backend.xp.tanh(0.5 * activation))


class Sigmoid(Transfer):
    """h = 1 / (1 + exp(-a)), slope h (1 - h)."""

    name = "sigmoid"

    def rate(self, backend: Backend, activation: Any, draws: Draws | None, stream: str) -> Any:
        return logistic(backend, activation)

    def through_slope(self, backend: Backend, error_on_rate: Any, activation: Any, rate: Any) -> Any:
        return error_on_rate * rate * (1 - rate)
