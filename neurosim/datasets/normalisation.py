"""Shifting and scaling samples: x <- (x - mean) / std, per channel, or per feature where they are no images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.dataset import DataSet, Split
from neurosim.datasets.registry import Entry
from neurosim.errors import DataError, UnknownNameError, quoted, require

Numbers = float | Sequence[float]
Normalise = Literal["standard"] | tuple[Numbers, Numbers] | None


def normalised(data: DataSet, normalise: Normalise, entry: Entry | None = None) -> DataSet:
    """Return ``data`` with its samples shifted and scaled, all splits alike, and images' ``black`` set to what 0 became.

    Parameters
    ----------
    normalise : "standard" (``entry``'s published numbers, or else those of the training split, in which a feature that never
        changes has a std of 1), (mean, std), or None

    Raises
    ------
    DataError
        Neither one number nor one per channel or feature, not finite, or a std that is not positive.
    """
    if normalise is None:
        return data
    mean, std = _mean_and_std(data, normalise, entry)
    require(bool((std > 0).all()), f"normalise: std {std.tolist()}: expected numbers above 0; correct it", DataError)
    images = len(data.shape) == 3
    black = tuple(float(value) for value in np.broadcast_to(-mean / std, data.shape[0])) if images else data.black
    train, validation, test = (
        Split(_scaled(split.x, mean, std), split.y) for split in (data.train, data.validation, data.test)
    )
    return replace(data, train=train, validation=validation, test=test, black=black)


def _mean_and_std(data: DataSet, normalise: Any, entry: Entry | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(normalise, str):
        if normalise != "standard":
            raise UnknownNameError("normalise", normalise, ["standard"])
        if entry is None or entry.mean is None or entry.std is None:
            return _of_training_split(data.train.x)
        normalise = (entry.mean, entry.std)
    require(
        isinstance(normalise, Sequence) and len(normalise) == 2,
        f"normalise {quoted(normalise)}: expected 'standard' or a pair (mean, std); correct it",
        DataError,
    )
    mean, std = normalise
    return _per_channel("mean", mean, data.shape[0]), _per_channel("std", std, data.shape[0])


def _of_training_split(x: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation per channel, or per feature."""
    axes = (0, 2, 3) if x.ndim == 4 else (0,)
    mean, std = x.mean(axes, dtype=np.float64), x.std(axes, dtype=np.float64)
    return mean, np.where((std == 0) & (x.ndim == 2), 1.0, std)


def _per_channel(what: str, value: Any, channels: int) -> NDArray[np.float64]:
    """Return ``value`` as (1,) or (channels,)."""
    try:
        numbers = np.atleast_1d(np.asarray(value, np.float64))
    except (TypeError, ValueError):
        numbers = np.full(1, np.nan)
    require(
        numbers.shape in ((1,), (channels,)) and bool(np.isfinite(numbers).all()),
        f"normalise: {what} {quoted(value)}: expected one number, or {channels}, one per channel or feature; correct it",
        DataError,
    )
    return numbers


def _scaled(x: NDArray[np.float32], mean: NDArray[np.float64], std: NDArray[np.float64]) -> NDArray[np.float32]:
    shape = (-1,) + (1,) * (x.ndim - 2)  # beside the samples' first axis, the channels or features
    out = x - mean.astype(np.float32).reshape(shape)
    out /= std.astype(np.float32).reshape(shape)
    return out
