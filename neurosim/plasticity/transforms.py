"""Decay, clipping, schedules and constraints: links chained before or after an optimiser, so that none of them enters its file."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from neurosim.backends import Backend
from neurosim.errors import quoted, require
from neurosim.plasticity.optimisers import Constraint, State, Time, Update, is_number


class Decay(Update):
    """g <- g - rate * w: an L2 penalty, before the optimiser.  Biases, gains and shifts decay too, as in PyTorch."""

    name = "decay"

    def __init__(self, rate: float) -> None:
        _check(self, "rate", rate, is_number(rate) and rate >= 0, "a number of 0 or more; give one such as 1e-4")
        self.rate = rate

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        backend.kernel("g = g - rate * w")({"g": change, "w": weight}, {"rate": self.rate})


class Sparsity(Update):
    """g <- g - rate * sign(w): an L1 penalty on the weights, before the optimiser."""

    name = "sparsity"

    def __init__(self, rate: float) -> None:
        _check(self, "rate", rate, is_number(rate) and rate >= 0, "a number of 0 or more; give one such as 1e-4")
        self.rate = rate

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        change -= change.dtype.type(self.rate) * backend.xp.sign(weight)


class Clip(Update):
    """Every element of the change is kept within +-limit."""

    name = "clip"

    def __init__(self, limit: float) -> None:
        _check(self, "limit", limit, is_number(limit) and limit > 0, "a positive number; give one such as 1")
        self.limit = limit

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        backend.xp.clip(change, -self.limit, self.limit, out=change)


class Bounds(Constraint):
    """The weight is kept within [w_min, w_max].  In a stage's optimiser, biases, gains and shifts are kept there, too."""

    name = "bounds"

    def __init__(self, w_min: float, w_max: float) -> None:
        for name, bound in (("w_min", w_min), ("w_max", w_max)):
            _check(self, name, bound, isinstance(bound, numbers.Real), "a number; give one such as -1, or an infinity for no bound")
        require(w_min < w_max, f"transform 'bounds': w_min {quoted(w_min)} is not below w_max {quoted(w_max)}; swap them")
        self.w_min = w_min
        self.w_max = w_max

    def constrain(self, backend: Backend, weight: Any, state: State) -> None:
        backend.xp.clip(weight, self.w_min, self.w_max, out=weight)


class OneSign(Constraint):
    """Every weight keeps the sign it starts with, as a synapse of one transmitter does (Dale's law).

    A weight that would change its sign becomes 0, and goes on from there.  One that starts at 0 keeps the sign of its first change.
    Biases, gains and shifts are left alone.
    """

    name = "one_sign"
    memory = ("sign",)
    weights_only = True

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        sign = state["sign"]
        sign += (1 - abs(sign)) * backend.xp.sign(weight)  # those that have none yet take the weight's

    def constrain(self, backend: Backend, weight: Any, state: State) -> None:
        weight[...] = backend.xp.where(weight * state["sign"] < 0, backend.xp.zeros_like(weight), weight)


class NormaliseIncoming(Constraint):
    """All weights onto one neuron are scaled by one factor, so that their size stays as given.

    to : the size; of : ``sum`` of the absolute values, or ``norm``, the root of the sum of squares
    A neuron all of whose weights are 0 keeps them.  Biases, gains and shifts are left alone.

    Source: von der Malsburg 1973 (the sum).
    """

    name = "normalise_incoming"
    weights_only = True
    all_to_all_only = True

    def __init__(self, to: float, *, of: str = "sum") -> None:
        _check(self, "to", to, is_number(to) and to > 0, "a positive number; give one such as 1")
        _check(self, "of", of, isinstance(of, str) and of in ("sum", "norm"), "'sum' or 'norm'; pick one")
        self.to = to
        self.of = of

    def constrain(self, backend: Backend, weight: Any, state: State) -> None:
        largest = abs(weight).max(axis=0, keepdims=True)
        shares = weight / (largest + (largest == 0))  # neither their sum nor their squares can overflow, or vanish
        size = (abs(shares) if self.of == "sum" else shares * shares).sum(axis=0, keepdims=True)
        size = size if self.of == "sum" else backend.xp.sqrt(size)
        weight[...] = shares * (weight.dtype.type(self.to) / (size + (size == 0)))


class Milestones(Update):
    """The change is multiplied by ``factor`` at each milestone (a share of the stage's epochs); put it after the optimiser."""

    name = "milestones"

    def __init__(self, at: Sequence[float], *, factor: float) -> None:
        shares = isinstance(at, Sequence) and all(is_number(share) and 0 <= share < 1 for share in at)
        increasing = shares and list(at) == sorted(at)
        _check(self, "at", at, increasing, "an increasing list of shares in [0, 1); give one such as [0.5, 0.75]")
        _check(self, "factor", factor, is_number(factor) and factor > 0, "a positive number; give one such as 0.25")
        self.at = tuple(at)
        self.factor = factor

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        passed = sum(time.progress >= share for share in self.at)
        if passed:
            change *= change.dtype.type(self.factor**passed)


class StepDecay(Update):
    """The change is multiplied by ``factor`` after every ``every`` epochs; put it after the optimiser."""

    name = "step_decay"

    def __init__(self, every: int, *, factor: float) -> None:
        whole = isinstance(every, numbers.Integral) and every >= 1
        _check(self, "every", every, whole, "a positive number of epochs; give one such as 8")
        _check(self, "factor", factor, is_number(factor) and factor > 0, "a positive number; give one such as 0.5")
        self.every = every
        self.factor = factor

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        drops = time.epoch // self.every
        if drops:
            change *= change.dtype.type(self.factor**drops)


def _check(owner: Update, name: str, value: object, fits: bool, expected: str) -> None:
    require(fits, f"transform {owner.name!r}: {name} {quoted(value)} is not {expected}")
