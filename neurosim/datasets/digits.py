"""The 1,797 digits that come with scikit-learn: small, offline, and split the same way everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.arrays import Arrays
from neurosim.datasets.registry import DIGITS


def read_digits() -> Arrays:
    """Return 1,297 training and 500 test images, (n, 64) float32 in [0, 1], in the fixed order of ``stratified_order``."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = stratified_order(labels)
    x = (images[order] / 16).astype(np.float32)  # (1797, 64); pixels count 0 to 16 ink dots
    y = labels[order]
    return Arrays(x[: DIGITS.train], y[: DIGITS.train], x[DIGITS.train :], y[DIGITS.train :])


def stratified_order(y: NDArray[Any]) -> NDArray[np.intp]:
    """Return a fixed permutation in which every stretch holds the classes in their overall proportions.

    Each class is shuffled, then spread evenly over the whole; so the first 1,297, the last 500, and the last k of the
    training images are all stratified, whatever k.
    """
    # RandomState, not Generator: NumPy promises never to change its streams, so the split outlives NumPy's versions.
    shuffled = np.random.RandomState(0).permutation(len(y))
    place = np.empty(len(y))
    for label in np.unique(y):
        members = shuffled[y[shuffled] == label]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(place, kind="stable")
