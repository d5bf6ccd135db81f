"""Reconstruction: the output should be the input, as in an auto-encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.tasks.regression import Regression
from neurosim.tasks.task import Sizes


class Reconstruction(Regression):
    """Squared error with the input itself as the target; labels and targets of the data set are ignored."""

    name = "reconstruction"

    @classmethod
    def of(cls, sizes: Sizes, **options: Any) -> Reconstruction:
        return cls(sizes.inputs, **options)

    def targets(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float32]:
        return x.reshape(len(x), -1)

    def answer(self, scores: NDArray[Any], sizes: Sizes) -> NDArray[Any]:
        """Return the inputs as the output has them, (n, *shape)."""
        return scores.reshape(len(scores), *sizes.shape)
