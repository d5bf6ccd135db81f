"""Successive halving: all points train for a few epochs, the best of them for more, and so on; a rung is one such length.

Source: Jamieson and Talwalkar (2016), Non-stochastic best arm identification and hyperparameter optimization, AISTATS,
arXiv:1502.07943, with 1/eta for their half.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neurosim.errors import quoted, require


@dataclass(frozen=True)
class Rung:
    """One length.  number : from 1, ``of`` how many; epochs : after which it ends"""

    number: int
    of: int
    epochs: int

    def __str__(self) -> str:
        return f"rung {self.number} of {self.of}"


@dataclass(frozen=True)
class Halving:
    """After each rung but the last, the best 1/eta of its points go on, with about eta times the epochs.

    A point goes on where it was stopped, and comes to what it would have come to without halving; what depends on the length of a
    run, as a schedule does, goes by the whole length.  The best are those with the lowest validation error at the end of the rung,
    mean over seeds; of equal ones, those that come first.  A point with a seed that diverged or failed goes no further.

    rungs : how many; the last one is the whole length
    eta : of how many points one goes on

    Raises InputError where one of them is no whole number of 2 or more.
    """

    rungs: int
    eta: int = 3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            whole = isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= 1000
            require(whole, f"study: halving: {name} {quoted(value)}: expected a whole number of 2 or more; give one such as 3")

    @staticmethod
    def of(table: Mapping[str, Any]) -> Halving:
        """Return the rule of a table with ``rungs``, and perhaps ``eta``; raise InputError, one line, where it is none."""
        other = sorted(table.keys() - {"rungs", "eta"})
        said = f"study: halving: {quoted(dict(table))}: expected rungs, and perhaps eta; write it so"
        require("rungs" in table and not other, said)
        return Halving(**table)

    def lengths(self, epochs: int) -> tuple[int, ...]:
        """Return after how many epochs each rung ends, of points that train ``epochs`` in all.

        Rung k of K ends after epochs / eta**(K - k), rounded up.  Raises InputError where two would be equal.
        """
        found = tuple(-(-epochs // self.eta ** (self.rungs - k)) for k in range(1, self.rungs + 1))
        said = f"study: halving: {self.rungs} rungs with eta {self.eta}, of {epochs} epochs, would end after {quoted(list(found))}"
        apart = len(set(found)) == len(found)
        require(apart, f"{said}: expected each longer than the one before; give fewer rungs, or more epochs")
        return found

    def before_the_last(self, epochs: int) -> list[Rung]:
        """Return the rungs at whose end points are stopped, of points that train ``epochs`` in all."""
        return [Rung(number, self.rungs, length) for number, length in enumerate(self.lengths(epochs)[:-1], start=1)]

    def counts(self, points: int) -> tuple[int, ...]:
        """Return how many points each rung has, of ``points`` in the first, if none fails."""
        found = [points]
        while len(found) < self.rungs:
            found.append(self.kept(found[-1]))
        return tuple(found)

    def kept(self, points: int) -> int:
        """Return how many of a rung's points go on: one of eta, rounded down, and one at least."""
        return max(1, points // self.eta)

    def chosen(self, errors: Mapping[int, float]) -> list[int]:
        """Return the numbers of the points that go on, in order.

        errors : of all points of the rung by number, mean over seeds; NaN for those that go no further
        """
        known = sorted((error, number) for number, error in errors.items() if not math.isnan(error))
        return sorted(number for _, number in known[: self.kept(len(errors))])

    def describe(self, points: int, epochs: int) -> str:
        """Return what runs as one line of text."""
        counts, lengths = self.counts(points), self.lengths(epochs)
        later = [f"then {count:,} for {length}" for count, length in zip(counts[1:], lengths[1:], strict=True)]
        first = f"{points:,} point{'s' * (points > 1)} for {lengths[0]} epoch{'s' * (lengths[0] > 1)}"
        return f"successive halving by validation error: {', '.join([first, *later])}"

    def share(self, points: int, epochs: int) -> float:
        """Return what part of the steps of all points to their end is run."""
        ends = self.lengths(epochs)
        run = sum(count * (end - start) for count, start, end in zip(self.counts(points), (0, *ends[:-1]), ends, strict=True))
        return run / (points * epochs)
