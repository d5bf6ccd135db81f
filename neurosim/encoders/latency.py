"""One spike each, earlier where the sample is brighter."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.encoders.encoder import Encoder, Shape
from neurosim.errors import quoted, require


class Latency(Encoder):
    """x_t = 1 in the tick t = round((1 - x) last), once, where x > threshold, and 0 in all others.

    last : the tick of the spike for x = 0; values above 1 spike in tick 0
    threshold : values up to this never spike

    Raises
    ------
    InputError
        ``last`` is no whole number from 1, or a trial has no such tick.
    """

    name = "latency"

    def __init__(self, *, last: int = 10, threshold: float = 0.0) -> None:
        whole = isinstance(last, int) and not isinstance(last, bool) and last >= 1
        require(whole, f"encoder 'latency': last {quoted(last)}: expected a whole number from 1; give one such as 10")
        require(0 <= threshold < 1, f"encoder 'latency': threshold {quoted(threshold)}: expected a number in [0, 1); give 0")
        self.last = last
        self.threshold = threshold

    def shape(self, sample: Shape, ticks: int) -> Shape:
        said = f"encoder 'latency': last {self.last}: the trial has {ticks} ticks"
        require(self.last < ticks, f"{said}: expected less than that; change last, or the clock")
        return sample

    def encode(self, x: Any, tick: int) -> Any:
        at = np.floor((1 - np.minimum(x, 1)) * x.dtype.type(self.last) + x.dtype.type(0.5))
        spikes = np.logical_and(at == tick, x > x.dtype.type(self.threshold))
        return spikes.astype(x.dtype)
