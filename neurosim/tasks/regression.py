"""Regression: a real vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends import Backend
from neurosim.errors import require
from neurosim.network import Activity, Population
from neurosim.tasks.task import Sizes, Task


class Regression(Task):
    """Squared error: loss sum_k (y_k - h_k)**2 / 2, error (y - h) * phi'(a).

    size : the length of a target; the score is the share of the targets' variance that stays unexplained
    """

    name = "regression"
    score = "unexplained variance"
    guess = "always giving the mean target"
    readout = "linear"

    @classmethod
    def of(cls, sizes: Sizes, **options: Any) -> Regression:
        where = f"task {cls.name!r}: the data have {sizes.classes} classes and no real targets"
        require(not sizes.classes, f"{where}; use 'classification', or give real targets")
        return cls(sizes.targets, **options)

    def targets(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float32]:
        return np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float32)

    def check(self, owner: str, output: Population) -> None:
        made, curve = output.neurons, output.neurons.curve or output.neurons
        usable = not curve.state() and not curve.stochastic and not curve.straight_through and curve.name != "softmax"
        found = f"{owner}: output population {output.name!r} has transfer {made.name!r}"
        require(usable, f"{found}: expected one that reaches every target, with a slope of its own; use 'linear'")
        require(
            output.size == self.size,
            f"output population {output.name!r} has {output.size} neurons: expected {self.size}, one for each number of a target; "
            "change its size",
        )

    def error(self, population: Population, activity: Activity, outcome: Any) -> Any:
        return population.error_on_argument(outcome.reshape(activity.rate.shape) - activity.rate, activity)

    def losses(self, backend: Backend, rate: Any, outcome: Any) -> Any:
        distance = outcome - rate.reshape(outcome.shape)
        return (distance * distance).sum(axis=1) / 2

    def answer(self, scores: NDArray[Any], sizes: Sizes) -> NDArray[Any]:
        """Return the real targets, (n, *target_shape)."""
        return scores.reshape(len(scores), *sizes.target_shape)

    def loss(self, backend: Backend, rate: Any, target: Any) -> Any:
        """Return the mean over samples of half the squared distance."""
        return self.losses(backend, rate, target).sum() / len(rate)

    def missed(self, scores: Any, target: Any) -> Any:
        distance = (target - scores.reshape(target.shape)).astype(np.float64)
        return (distance * distance).sum()

    def most(self, target: NDArray[Any]) -> float:
        """Return the targets' own scatter around their mean; where they do not vary, how many numbers they are."""
        centred = target.astype(np.float64) - target.mean(axis=0, dtype=np.float64)
        return float((centred * centred).sum()) or float(target.size)

    def chance(self, target: NDArray[Any]) -> float:
        return 100.0
