"""Unsupervised: no target; what the output has become is judged by a linear probe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends import Backend
from neurosim.errors import InputError
from neurosim.network import Activity, Population
from neurosim.tasks.classification import Classification
from neurosim.tasks.task import Sizes

RIDGE = 1e-3  # times the mean square of the features: the probe stays defined where neurons are silent or alike


class Unsupervised(Classification):
    """No teaching.  A linear readout, fitted by least squares to the output's rates on the training data, names the classes.

    size : how many classes the probe tells apart

    The probe is fitted anew for each evaluation, with a small ridge, and learns nothing into the network.  The loss is the probe's
    half squared distance from the one-hot label.
    """

    name = "unsupervised"
    score = "wrong answers of a linear probe"
    gives_target = False
    has_error = False

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.probe: NDArray[np.float64] | None = None  # (neurons + 1, size)

    @classmethod
    def of(cls, sizes: Sizes, **options: Any) -> Unsupervised:
        if not sizes.classes:
            raise InputError("task 'unsupervised': its probe tells classes, and the data have real targets; give data with labels")
        return cls(sizes.classes, **options)

    def check(self, owner: str, output: Population) -> None:
        """Every output will do."""

    def outcome(self, backend: Backend, output: Activity, target: Any, draws: Any) -> Any:
        """Return zeros: no label reaches a pathway."""
        return target * 0

    def error(self, population: Population, activity: Activity, outcome: Any) -> Any:
        raise InputError("task 'unsupervised': it has no error at the output; use a pathway that needs none, such as 'none'")

    def calibrate(self, rates: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> None:
        square: Any = 0
        product: Any = 0
        for rate, target in rates:
            features = _with_one(rate)
            square = square + features.T @ features
            product = product + features.T @ target.astype(np.float64)
        ridge = RIDGE * np.trace(square) / len(square)
        probe = np.linalg.solve(square + ridge * np.eye(len(square)), product)
        if self.probe is None or self.probe.shape != probe.shape:
            self.probe = probe
        self.probe[...] = probe  # in place: a step that was captured with this task need not be captured again

    def scores(self, backend: Backend, rate: Any) -> Any:
        if self.probe is None:
            raise InputError("task 'unsupervised': its probe is not fitted yet: expected a fit, or score(data), before it")
        flat = rate.reshape(len(rate), -1)
        weights, bias = (backend.asarray(values, flat.dtype) for values in (self.probe[:-1], self.probe[-1]))
        return backend.matmul(flat, weights) + bias

    def answer(self, scores: NDArray[Any], sizes: Sizes) -> NDArray[np.int64]:
        """Return the number of the class that the probe tells, as it was fitted at the last evaluation, (n,)."""
        return super().answer(scores, sizes)

    def loss(self, backend: Backend, rate: Any, target: Any) -> Any:
        distance = self.scores(backend, rate) - target
        return (distance * distance).sum() / (2 * len(rate))


def _with_one(rate: NDArray[Any]) -> NDArray[np.float64]:
    flat = rate.reshape(len(rate), -1).astype(np.float64)
    return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
