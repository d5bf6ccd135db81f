"""Classification: one of several classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends import Backend
from neurosim.errors import DataError, InputError, require, span
from neurosim.network import Activity, Population
from neurosim.tasks.task import Sizes, Task


class Classification(Task):
    """Softmax and cross-entropy: loss -sum_k y_k log h_k, error y - h on the softmax's argument.

    size : how many classes; the target is one-hot
    """

    name = "classification"
    score = "wrong answers"
    guess = "always giving the commonest class"
    readout = "softmax"

    @classmethod
    def of(cls, sizes: Sizes, **options: Any) -> Classification:
        if not sizes.classes:
            raise InputError("task 'classification': the data have real targets and no classes; use 'regression'")
        return cls(sizes.classes, **options)

    def targets(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float32]:
        return one_hot(y, self.size)

    def check(self, owner: str, output: Population) -> None:
        curve = getattr(output.neurons.curve, "name", None)
        found = f"transfer {output.neurons.name!r}" if curve == output.neurons.name else f"neurons {output.neurons.name!r}"
        require(
            curve == "softmax" and output.normalisation is None,
            f"{owner}: output population {output.name!r} has {found}{' with normalisation' if output.normalisation else ''}: "
            "expected a plain 'softmax', or 'leaky' neurons with it; change the model",
        )
        require(
            output.size == self.size,
            f"output population {output.name!r} has {output.size} neurons: expected one for each of the {self.size} classes; "
            "change its size",
        )

    def error(self, population: Population, activity: Activity, outcome: Any) -> Any:
        return outcome - activity.rate

    def losses(self, backend: Backend, rate: Any, outcome: Any) -> Any:
        return -(outcome * backend.xp.log(rate + rate.dtype.type(1e-30))).sum(axis=1)

    def answer(self, scores: NDArray[Any], sizes: Sizes) -> NDArray[np.int64]:
        """Return the number of the class with the highest score, (n,)."""
        return scores.argmax(axis=1).astype(np.int64)

    def loss(self, backend: Backend, rate: Any, target: Any) -> Any:
        """Return the mean cross-entropy in nats."""
        return self.losses(backend, rate, target).sum() / len(rate)

    def missed(self, scores: Any, target: Any) -> Any:
        return (scores.argmax(axis=1) != target.argmax(axis=1)).sum()

    def most(self, target: NDArray[Any]) -> float:
        return len(target)

    def chance(self, target: NDArray[Any]) -> float:
        return float(100 * (1 - target.sum(axis=0).max() / len(target)))


def one_hot(y: NDArray[Any], classes: int) -> NDArray[np.float32]:
    """Return (n, classes) float32: 1 at each row's label, 0 elsewhere.

    y : (n,) whole numbers; raises DataError where one lies outside 0 to ``classes - 1``
    """
    if y.size and not 0 <= y.min() <= y.max() < classes:
        raise DataError(f"labels {y.min()} to {y.max()}: expected {span(0, classes - 1)}; check the labels or the classes")
    rows: NDArray[np.float32] = np.eye(classes, dtype=np.float32)[y]  # (n, classes)
    return rows
