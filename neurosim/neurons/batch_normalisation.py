"""Batch normalisation: every neuron's drive brought to mean 0 and variance 1 over the batch.

Source: Ioffe and Szegedy 2015; the form and defaults of the released code of the five papers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from neurosim.backends import Backend
from neurosim.catalogue import Stated
from neurosim.errors import require, require_number


@dataclass(frozen=True)
class BatchNormalisation(Stated):
    """Normalisation of a population's drive, with an optional learned gain and shift.

    affine : whether the neurons have a gain and a shift of their own, learned like weights.
    epsilon : added to the variance.
    momentum : share of a new batch in the running mean and variance, which replace the batch's own in evaluation.
    """

    affine: bool = True
    epsilon: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        for name in ("epsilon", "momentum"):
            require_number("batch normalisation", name, getattr(self, name), getattr(type(self), name))
        require(0 < self.epsilon < math.inf, f"batch normalisation: epsilon {self.epsilon} is not positive and finite; use 1e-5")
        require(0 < self.momentum <= 1, f"batch normalisation: momentum {self.momentum} is not in (0, 1]; use 0.1")

    def normalise(self, backend: Backend, drive: Any, mean: Any, variance: Any) -> tuple[Any, Any]:
        """Return the normalised drive, (batch, *shape), and the neurons' inverse standard deviation, (*shape)."""
        inverse_std = 1 / backend.xp.sqrt(variance + drive.dtype.type(self.epsilon))
        return (drive - mean) * inverse_std, inverse_std

    def error_through(self, error: Any, normalised: Any, inverse_std: Any, batch_statistics: bool) -> Any:
        """Return the error on the drive given the error on the normalised drive, both (batch, *shape).

        With the batch's own statistics each sample also moved the mean and the variance, which gives the two extra terms.
        """
        if not batch_statistics:
            return error * inverse_std
        centred = error - error.mean(axis=0)
        return (centred - normalised * (error * normalised).mean(axis=0)) * inverse_std
