"""Softmax over a population: h_k = exp(a_k) / sum_j exp(a_j)."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.neurons.transfer import Transfer


class Softmax(Transfer):
    """h = softmax(a) over all neurons of the population; its derivative is the full Jacobian diag(h) - h h'."""

    name = "softmax"

    def rate(self, backend: Backend, activation: Any, draws: Draws | None, stream: str) -> Any:
        flat = activation.reshape(len(activation), -1)
        shifted = backend.xp.exp(flat - flat.max(axis=1, keepdims=True))  # the shift cancels, and keeps exp finite
        shifted /= shifted.sum(axis=1, keepdims=True)
        return shifted.reshape(activation.shape)

    def through_slope(self, backend: Backend, error_on_rate: Any, activation: Any, rate: Any) -> Any:
        axes = tuple(range(1, rate.ndim))
        return rate * (error_on_rate - (error_on_rate * rate).sum(axis=axes, keepdims=True))
