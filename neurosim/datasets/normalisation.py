"""Shifting and scaling pixels: x <- (x - mean) / std, per channel."""

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


def normalised(data: DataSet, normalise: Normalise, entry: Entry) -> DataSet:
    """Return ``data`` with its pixels shifted and scaled, all splits alike, and ``black`` set to what 0 became.

    Parameters
    ----------
    normalise : "standard" (``entry``'s published numbers, or else the training split's own), (mean, std), or None

    Raises
    ------
    DataError
        Neither one number nor one per channel, not finite, or a std that is not positive.
    """
    if normalise is None:
        return data
    mean, std = _mean_and_std(data, normalise, entry)
    require(bool((std > 0).all()), f"normalise: std {std.tolist()}: expected numbers above 0; correct it", DataError)
    black = tuple(float(value) for value in np.broadcast_to(-mean / std, data.shape[0]))
    train, validation, test = (
        Split(_scaled(split.x, mean, std), split.y) for split in (data.train, data.validation, data.test)
    )
    return replace(data, train=train, validation=validation, test=test, black=black)


def _mean_and_std(data: DataSet, normalise: Any, entry: Entry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(normalise, str):
        if normalise != "standard":
            raise UnknownNameError("normalise", normalise, ["standard"])
        if entry.mean is None or entry.std is None:
            x = data.train.x
            return x.mean((0, 2, 3), dtype=np.float64), x.std((0, 2, 3), dtype=np.float64)
        normalise = (entry.mean, entry.std)
    require(
        isinstance(normalise, Sequence) and len(normalise) == 2,
        f"normalise {quoted(normalise)}: expected 'standard' or a pair (mean, std); correct it",
        DataError,
    )
    mean, std = normalise
    return _per_channel("mean", mean, data.shape[0]), _per_channel("std", std, data.shape[0])


def _per_channel(what: str, value: Any, channels: int) -> NDArray[np.float64]:
    """Return ``value`` as (1,) or (channels,)."""
    try:
        numbers = np.atleast_1d(np.asarray(value, np.float64))
    except (TypeError, ValueError):
        numbers = np.full(1, np.nan)
    require(
        numbers.shape in ((1,), (channels,)) and bool(np.isfinite(numbers).all()),
        f"normalise: {what} {quoted(value)}: expected one number, or {channels}, one per channel; correct it",
        DataError,
    )
    return numbers


def _scaled(x: NDArray[np.float32], mean: NDArray[np.float64], std: NDArray[np.float64]) -> NDArray[np.float32]:
    out = x - mean.astype(np.float32)[:, None, None]
    out /= std.astype(np.float32)[:, None, None]
    return out
