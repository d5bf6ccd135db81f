"""Delays of synapses: ticks, or times that become ticks once the network's dt is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.equations.units import NONE, SECOND, measure
from neurosim.errors import InputError, quoted, require

LONGEST = 1000  # ticks; each is an array of rates to keep


def is_time(value: object) -> bool:
    """Return whether a value is text, or has a unit."""
    return isinstance(value, str) or hasattr(value, "dim")


def duration(value: Any, label: str) -> float:
    """Return a time of 0 or more in seconds: a number of seconds, text such as ``350*ms``, or a quantity of Brian2.

    Raises InputError, with ``label`` first, where it is none.
    """
    found = measure(value, label)
    fits = found.dimensions in (NONE, SECOND.dimensions) and found.value >= 0
    require(fits, f"{label} {quoted(value)}: expected a time of 0 or more; give seconds, or text such as '350*ms'")
    return found.value


def ticks_of(owner: str, delay: Any, dt: float | None) -> np.ndarray:
    """Return a delay in ticks, () or (synapses,).

    delay : ticks, or a time (text, or a quantity of Brian2); or an array of either
    dt : seconds of a tick, or None where there is no time

    Raises InputError, naming ``owner``, where it is none, is longer than LONGEST, or is shorter than dt and not 0.
    """
    where = f"{owner}: delay {quoted(delay)}"
    expected = f"expected 0 to {LONGEST:,} ticks, or a time; give 1, or one such as '1.5*ms'"
    if is_time(delay):
        times = _times(where, delay, expected)
        require(dt is not None, f"{where}: a time needs a network with dt; give Network(..., dt='0.1*ms'), or a number of ticks")
        assert dt is not None
        short = times[(times > 0) & (times < dt * (1 - 1e-9))]
        said = f"{where}: {short.min() if len(short) else 0:g} s is shorter than a tick of {dt:g} s"
        require(not len(short), f"{said}: expected 0, or dt or more; lower the network's dt, or give 0")
        found = np.floor(times / dt + 0.5)  # to the nearest tick, as Brian2 does it
    else:
        found = _whole(delay)
        require(found.ndim <= 1 and found.size > 0, f"{where}: {expected}")
    require(bool((found >= 0).all() and (found <= LONGEST).all()), f"{where}: {expected}")
    return found.astype(int)


def _whole(delay: Any) -> np.ndarray:
    """Return whole numbers as an array; an empty one where they are none."""
    try:
        found = np.asarray(delay)
    except ValueError:  # ragged
        return np.empty(0)
    return found if found.dtype.kind in "iu" and not isinstance(delay, bool) else np.empty(0)


def _times(where: str, delay: Any, expected: str) -> np.ndarray:
    """Return times in seconds, () or (synapses,)."""
    if isinstance(delay, str) or getattr(delay, "shape", None) == ():
        try:
            found = measure(delay, where)
        except InputError as cause:
            raise InputError(f"{where}: {expected}") from cause
        require(found.dimensions == SECOND.dimensions and found.value >= 0, f"{where}: {expected}")
        return np.asarray(found.value)
    times = np.asarray(delay, float)
    timely = tuple(getattr(delay.dim, "_dims", NONE)) == SECOND.dimensions and times.ndim == 1 and times.size > 0
    require(timely and bool(np.isfinite(times).all() and (times >= 0).all()), f"{where}: {expected}")
    return times
