"""Rectification: h = max(a, 0), and its leaky form."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.errors import quoted, require
from neurosim.neurons.transfer import Transfer


class Relu(Transfer):
    """h = max(a, 0), slope 1 where a > 0 and 0 elsewhere."""

    name = "relu"

    def rate(self, backend: Backend, activation: Any, draws: Draws | None, stream: str) -> Any:
        return backend.xp.maximum(activation, 0)

    def through_slope(self, backend: Backend, error_on_rate: Any, activation: Any, rate: Any) -> Any:
        return error_on_rate * (activation > 0)


class LeakyRelu(Transfer):
    """h = a where a > 0 and ``slope`` * a elsewhere.

    Raises
    ------
    InputError
        ``slope`` is not in [0, 1].
    """

    name = "leaky_relu"

    def __init__(self, *, slope: float = 0.01) -> None:
        require(0 <= slope <= 1, f"transfer 'leaky_relu': slope {quoted(slope)} is not in [0, 1]; give a slope such as 0.01")
        self.slope = slope

    def rate(self, backend: Backend, activation: Any, draws: Draws | None, stream: str) -> Any:
        return backend.xp.maximum(activation, self.slope * activation)

    def through_slope(self, backend: Backend, error_on_rate: Any, activation: Any, rate: Any) -> Any:
        return backend.xp.where(activation > 0, error_on_rate, self.slope * error_on_rate)
