"""Setting samples apart: in which order, and how many."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.targets import check_whole
from neurosim.errors import DataError, quoted, require, span

MOST_SEED = 2**32 - 1  # that RandomState takes


def even_order(y: NDArray[Any], seed: int) -> NDArray[np.intp]:
    """Return a permutation, decided by ``seed``, in which every stretch holds the classes in their overall proportions.

    Each class is shuffled, then spread evenly over the whole; where classes meet at one place, the shuffle decides as well.

    y : (n,) the classes; one class for all is a plain shuffle

    Raises DataError where ``seed`` is no whole number from 0 to 2**32 - 1.
    """
    check_whole("seed", seed)
    require(0 <= seed <= MOST_SEED, f"seed {quoted(seed)}: expected 0 to {MOST_SEED:,}; choose another", DataError)
    # RandomState, not Generator: NumPy promises never to change its streams, so the split outlives NumPy's versions.
    shuffled = np.random.RandomState(seed).permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]  # class after class, each in shuffled order
    _, first, counts = np.unique(y[by_class], return_index=True, return_counts=True)
    number = np.arange(len(y)) - np.repeat(first, counts)  # of each sample within its class
    place = np.empty(len(y))
    place[by_class] = (number + 0.5) / np.repeat(counts, counts)
    return shuffled[np.argsort(place[shuffled], kind="stable")]


def count_held_out(name: str, part: str, asked: float, size: int) -> int:
    """Return how many of ``size`` samples become the split ``part``: ``asked``, or where it is a float below 1, that share.

    Raises DataError where it is neither, or no sample is left.
    """
    of = "training images" if part == "validation" else "images"
    count = asked
    if isinstance(asked, float) and 0 <= asked < 1:
        count = round(asked * size)
        require(
            0 < count < size or (asked == 0 and part == "validation"),
            f"data set {name}: {part} {asked}: {count} of {size} {of}: expected at least one in either part; correct it",
            DataError,
        )
    else:
        check_whole(f"data set {name}: {part}", asked)
    least = 0 if part == "validation" else 1
    require(
        least <= count < size,
        f"data set {name}: {part} {quoted(asked)}: expected {span(least, size - 1)}, because {size} {of} are to be split; lower it",
        DataError,
    )
    return int(count)
