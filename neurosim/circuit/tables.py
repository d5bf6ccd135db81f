"""What the actions of a circuit read and nobody changes: lists of synapses, spikes to replay, distributions."""

from __future__ import annotations

import numpy as np
from scipy import stats

from neurosim.circuit.circuit import Action, Deliver, Record, Replay, Update

FINEST = 2.0**-33  # half of what 32 random bits tell apart


def tables_of(action: Action) -> dict[str, np.ndarray]:
    """Return the tables of an action by name; the action's own name is part of each."""
    found: dict[str, np.ndarray] = {}
    if isinstance(action, Update | Record | Deliver) and action.pre is not None and action.post is not None:
        found |= {"pre": action.pre, "post": action.post}
    if isinstance(action, Record):
        found["elements"] = action.elements
    if isinstance(action, Replay):
        found |= replayed(action.starts, action.indices)
    else:
        found |= {f"binomial {name}": cumulative(*of) for name, of in action.block.binomial.items()}
        found |= {f"timed {name}": np.asarray(of.values, np.float64) for name, of in action.block.timed.items()}
    if isinstance(action, Deliver):
        for k, lag in enumerate(action.lags):
            found |= {f"starts {k}": lag.starts, f"synapses {k}": lag.synapses}
    return {f"{name} {action.name}": np.ascontiguousarray(values) for name, values in found.items()}


def replayed(starts: np.ndarray, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Return the tables of spikes to replay.  starts : (ticks + 1,), where each tick's begin; indices : (spikes,)"""
    return {"starts": starts, "indices": indices, "ticks": np.array([len(starts) - 1], np.int32)}


def cumulative(n: int, p: float) -> np.ndarray:
    """Return the probabilities of at most 0, 1, 2, ... of ``n`` events, as far as 32 random bits tell them apart, and a last 1."""
    most = int(stats.binom.isf(FINEST, n, p)) + 1
    return np.append(stats.binom.cdf(np.arange(most), n, p), 1.0)
