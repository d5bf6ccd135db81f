"""Stochastic binary transmission: h ~ Bernoulli(sigmoid(a))."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.neurons.sigmoid import logistic
from neurosim.neurons.transfer import Transfer


class Bernoulli(Transfer):
    """h = 1 with probability p = sigmoid(a) and 0 otherwise; without random draws (evaluation) the mean rate p.

    The error passes through the sample as though the rate had been p: slope p (1 - p), the straight-through estimator
    (Lee et al. 2015, equation 34 of the first version).
    """

    name = "bernoulli"
    stochastic = True
    straight_through = True

    def rate(self, backend: Backend, activation: Any, draws: Draws | None, stream: str) -> Any:
        probability = logistic(backend, activation)
        if draws is None:
            return probability
        sample = draws.uniform(f"{stream}/bernoulli", activation.shape, activation.dtype) < probability
        return backend.xp.where(probability == probability, sample, probability).astype(activation.dtype)  # NaN stays NaN

    def through_slope(self, backend: Backend, error_on_rate: Any, activation: Any, rate: Any) -> Any:
        probability = logistic(backend, activation)
        return error_on_rate * probability * (1 - probability)
