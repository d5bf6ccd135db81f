"""The 442 patients that come with scikit-learn: ten measurements, and how far the disease had gone a year later; real targets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.arrays import Arrays
from neurosim.datasets.registry import DIABETES
from neurosim.datasets.splitting import even_order

SCALE = "features and target: mean 0 and standard deviation 1 over all samples that are not in the test split"


def read_diabetes() -> Arrays:
    """Return 342 training and 100 test samples in a fixed shuffled order: x (n, 10), y (n, 1), float32.

    scikit-learn's raw numbers are taken, not those it scales, whose scale the test samples have a part in.  Here mean and standard
    deviation are those of the 342 training samples; so the error of always answering the mean is 1 on them.
    """
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True, scaled=False)
    order = even_order(np.zeros(len(y), np.int64), 0)
    train = DIABETES.train
    x, y = (_standardised(values[order], train) for values in (x, y[:, None]))
    return Arrays(x[:train], y[:train], x[train:], y[train:])


def _standardised(values: NDArray[np.float64], train: int) -> NDArray[np.float32]:
    """Return ``values`` with mean 0 and standard deviation 1, per column, over the first ``train`` rows."""
    mean, std = values[:train].mean(0), values[:train].std(0)
    return ((values - mean) / std).astype(np.float32)
