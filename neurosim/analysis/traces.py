"""Courses of variables that were recorded in time, few enough to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from neurosim import reprs
from neurosim.analysis.courses import evenly

TRACES = 3  # elements of a recorded variable that are drawn
DOTS = 4000  # points of a trace


@dataclass(frozen=True)
class Trace:
    """Courses of one recorded variable.

    time : (times,), seconds; values : (times, elements); names : of each element; unit : "" for none
    """

    time: np.ndarray
    values: np.ndarray
    names: Sequence[str]
    unit: str

    __repr__ = reprs.fields

    def thinned(self) -> Trace:
        """Return every so many points, DOTS at most: of each stretch its lowest and its highest value, in their order."""
        count = len(self.time)
        every = -(-2 * count // DOTS)
        if every <= 2:
            return self
        kept = count // every * every
        blocks = self.values[:kept].reshape(-1, every, self.values.shape[1])
        ends = np.sort(np.stack([blocks.argmin(axis=1), blocks.argmax(axis=1)], axis=1), axis=1)
        values = np.take_along_axis(blocks, ends, axis=1).reshape(-1, self.values.shape[1])
        time = np.repeat(self.time[:kept:every], 2)
        time[1::2] += (self.time[1] - self.time[0]) * (every / 2)
        return Trace(time, values, self.names, self.unit)


def trace_of(one: xr.DataArray, trial: int = 0, most: int = TRACES) -> Trace:
    """Return the courses of at most ``most`` elements of a recording in time, (time, trial, element), in one trial."""
    chosen = evenly(one.shape[-1], most)
    values = np.asarray(one[:, trial, chosen].compute(scheduler="synchronous"), float)
    numbers = one[one.dims[-1]].values[chosen] if one.dims[-1] in one.coords else chosen
    unit = str(one.attrs.get("units", ""))
    return Trace(one["time"].values, values, [str(number) for number in numbers], "" if unit == "1" else unit)
