"""Delays of synapses: ticks, or times that become ticks once the network's dt is known."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from neurosim.errors import InputError, quoted, require

LONGEST = 1000  # ticks; each is an array of rates to keep
SECONDS = {"s": 1.0, "second": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
TIME = re.compile(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*\*\s*([a-z]+)\s*")


def seconds(owner: str, value: Any) -> float:
    """Return a duration in seconds: a number of seconds, text such as ``1.5*ms``, or a quantity of Brian2.

    Raises InputError, naming ``owner``, where it is none, is negative, or is no finite number.
    """
    found = _seconds(value)
    fits = found is not None and found.ndim == 0 and bool(np.isfinite(found)) and bool(found >= 0)
    require(fits, f"{owner} {quoted(value)}: expected a time of 0 or more; give one such as '1.5*ms'")
    return float(found)  # type: ignore[arg-type]


def ticks_of(owner: str, delay: Any, dt: float | None) -> np.ndarray:
    """Return a delay in ticks, () or (synapses,).

    delay : ticks, or a time (text, or a quantity of Brian2); or an array of either
    dt : seconds of a tick, or None where there is no time

    Raises InputError, naming ``owner``, where it is none, is longer than LONGEST, or is shorter than dt and not 0.
    """
    where = f"{owner}: delay {quoted(delay)}"
    if _is_whole(delay):
        found = np.asarray(delay)
    else:
        times = None if isinstance(delay, bool | int | float) else _seconds(delay)
        fits = times is not None and times.ndim <= 1 and bool((times >= 0).all() and np.isfinite(times).all())
        require(fits, f"{where}: expected 0 to {LONGEST:,} ticks, or a time; give 1, or one such as '1.5*ms'")
        assert times is not None
        require(dt is not None, f"{where}: a time needs a network with dt; give Network(..., dt='0.1*ms'), or a number of ticks")
        short = times[(times > 0) & (times < dt * (1 - 1e-9))]
        said = f"{where}: {short.min() if len(short) else 0:g} s is shorter than a tick of {dt:g} s"
        require(not len(short), f"{said}: expected 0, or dt or more; lower the network's dt, or give 0")
        found = np.floor(times / dt + 0.5)  # to the nearest tick, as Brian2 does it
    fits = bool((found >= 0).all() and (found <= LONGEST).all())
    require(fits, f"{where}: expected 0 to {LONGEST:,} ticks; give 1")
    return found.astype(int)


def _is_whole(delay: Any) -> bool:
    """Return whether a delay is given in ticks."""
    if isinstance(delay, bool | str) or hasattr(delay, "dim"):
        return False
    try:
        found = np.asarray(delay)
    except ValueError:  # ragged
        return False
    return found.ndim <= 1 and found.dtype.kind in "iu" and found.size > 0


def _seconds(value: Any) -> np.ndarray | None:
    """Return a time, or an array of times, in seconds; None where it is none."""
    if isinstance(value, str):
        match = TIME.fullmatch(value)
        if match is None or match[2] not in SECONDS:
            return None
        try:
            return np.asarray(float(match[1]) * SECONDS[match[2]])
        except ValueError:
            return None
    dimension = getattr(value, "dim", None)
    if isinstance(value, bool) or (dimension is not None and str(dimension) != "s"):
        return None
    try:
        return np.asarray(value, float)
    except (TypeError, ValueError, InputError):
        return None
