"""Decay, clipping, bounds and schedules: links chained before or after an optimiser, so that none of them enters its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurosim.backends import Backend
from neurosim.errors import require
from neurosim.plasticity.optimisers import State, Time, Update


class Decay(Update):
    """g <- g - rate * w: an L2 penalty, before the optimiser.  Biases, gains and shifts decay too, as in PyTorch."""

    name = "decay"

    def __init__(self, rate: float) -> None:
        require(rate >= 0, f"transform 'decay': rate {rate} is negative; give 0 or more")
        self.rate = rate

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        backend.kernel("g = g - rate * w")({"g": change, "w": weight}, {"rate": self.rate})


class Sparsity(Update):
    """g <- g - rate * sign(w): an L1 penalty on the weights, before the optimiser."""

    name = "sparsity"

    def __init__(self, rate: float) -> None:
        require(rate >= 0, f"transform 'sparsity': rate {rate} is negative; give 0 or more")
        self.rate = rate

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        change -= change.dtype.type(self.rate) * backend.xp.sign(weight)


class Clip(Update):
    """Every element of the change kept within +-limit."""

    name = "clip"

    def __init__(self, limit: float) -> None:
        require(limit > 0, f"transform 'clip': limit {limit} is not positive; give one such as 1")
        self.limit = limit

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        backend.xp.clip(change, -self.limit, self.limit, out=change)


class Bounds(Update):
    """The weight kept within [w_min, w_max]; put it last."""

    name = "bounds"

    def __init__(self, w_min: float, w_max: float) -> None:
        require(w_min < w_max, f"transform 'bounds': w_min {w_min} is not below w_max {w_max}; swap them")
        self.w_min = w_min
        self.w_max = w_max

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        change += weight
        backend.xp.clip(change, self.w_min, self.w_max, out=change)
        change -= weight


class Milestones(Update):
    """The change multiplied by ``factor`` once for each milestone passed (a share of the stage's epochs); put it after the rate."""

    name = "milestones"

    def __init__(self, at: Sequence[float], *, factor: float) -> None:
        require(
            all(0 <= share < 1 for share in at) and list(at) == sorted(at),
            f"transform 'milestones': at {list(at)} is not an increasing list of shares in [0, 1); give one such as [0.5, 0.75]",
        )
        require(factor > 0, f"transform 'milestones': factor {factor} is not positive; give one such as 0.25")
        self.at = tuple(at)
        self.factor = factor

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        passed = sum(time.progress >= share for share in self.at)
        if passed:
            change *= change.dtype.type(self.factor**passed)


class StepDecay(Update):
    """The change multiplied by ``factor`` every ``every`` epochs; put it after the optimiser."""

    name = "step_decay"

    def __init__(self, every: int, *, factor: float) -> None:
        require(every >= 1, f"transform 'step_decay': every {every} is not a positive number of epochs; give one such as 8")
        require(factor > 0, f"transform 'step_decay': factor {factor} is not positive; give one such as 0.5")
        self.every = every
        self.factor = factor

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        drops = time.epoch // self.every
        if drops:
            change *= change.dtype.type(self.factor**drops)
