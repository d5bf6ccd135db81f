"""What is to be recorded and when, as a user writes it: ``hidden*.rate[0:50] every 100 steps start 1000 stop 5000``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from neurosim.errors import InputError, UnknownNameError, quoted, require, span

UNITS = ("steps", "epochs")
LONGEST = 1000  # characters of a request
WHOLE = "[0-9]{1,18}"  # a whole number that fits into 64 bits
EVERY = re.compile(rf"(?:every\s+)?(?:({WHOLE})\s+)?(step|epoch)s?")
TEXT = re.compile(
    r"(?P<variable>\S+?)(?:\[(?P<neurons>[^\]]*)\])?"
    r"(?:\s+every\s+(?P<every>(?:[0-9]+\s+)?\w+))?"
    rf"(?P<limits>(?:\s+(?:start|stop)\s+{WHOLE})*)"
)
RANDOM = re.compile(rf"random\s+({WHOLE})(?:\s+seed\s+({WHOLE}))?")
SLICE = re.compile(rf"({WHOLE})?:({WHOLE})?(?::({WHOLE}))?")
INDICES = re.compile(rf"{WHOLE}(?:\s*,\s*{WHOLE})*")


@dataclass(frozen=True)
class Interval:
    """Every so many steps or epochs, counted from ``start``, up to and with ``stop`` (None: to the end).

    Raises InputError where ``every`` is not positive, the unit unknown, or ``stop`` comes before ``start``.
    """

    every: int = 1
    unit: str = "epochs"
    start: int = 0
    stop: int | None = None

    def __post_init__(self) -> None:
        require(self.unit in UNITS, f"interval: unit {quoted(self.unit)}: expected steps or epochs; change it")
        require(self.every >= 1, f"interval: every {quoted(self.every)} {self.unit}: expected 1 or more; change it")
        require(self.start >= 0, f"interval: start {quoted(self.start)}: expected 0 or more; change it")
        late = self.stop is not None and self.stop < self.start
        span = f"interval: stop {quoted(self.stop)} comes before start {quoted(self.start)}"
        require(not late, f"{span}: expected a later one; change it")

    @staticmethod
    def of(text: str, start: int = 0, stop: int | None = None) -> Interval:
        """Return the interval that ``text`` says: ``100 steps``, ``every 1 epoch``, ``epoch``."""
        said = EVERY.fullmatch(text.strip()) if len(text) <= LONGEST else None
        if said is None:
            example = "a number of steps or epochs, as in '100 steps' or '1 epoch'"
            ticks = re.search(r"\btick", text[:LONGEST])
            example = "steps or epochs, as of a trial the last tick is recorded" if ticks else example
            raise InputError(f"interval {quoted(text)}: expected {example}; change it")
        return Interval(int(said[1] or 1), f"{said[2]}s", start, stop)

    def due(self, unit: str, count: int) -> bool:
        """Return whether ``count`` steps or epochs are a moment of this interval."""
        within = self.start <= count and (self.stop is None or count <= self.stop)
        return unit == self.unit and within and (count - self.start) % self.every == 0

    def __str__(self) -> str:
        every = f"every {self.every} {self.unit if self.every > 1 else self.unit[:-1]}"
        return every + (f" start {self.start}" if self.start else "") + ("" if self.stop is None else f" stop {self.stop}")


@dataclass(frozen=True)
class Some:
    """Which neurons: their numbers, a slice's, or ``count`` drawn at random with ``seed``.

    text : as the user wrote it, or ``""`` for all
    """

    text: str = ""

    def __post_init__(self) -> None:
        known = not self.text or any(form.fullmatch(self.text) for form in (RANDOM, SLICE, INDICES))
        expected = "expected indices (1, 5, 9), a slice (0:50) or 'random 50 seed 1'; change it"
        require(known, f"{self._said}: {expected}")

    @property
    def _said(self) -> str:
        return f"neurons [{quoted(self.text)[1:-1]}]"

    def numbers(self, size: int) -> np.ndarray | None:
        """Return the chosen ones of ``size`` neurons, (k,) ascending, or None for all; raise InputError where one is missing."""
        if not self.text:
            return None
        if drawn := RANDOM.fullmatch(self.text):
            count = int(drawn[1])
            fits = 1 <= count <= size
            require(fits, f"{self._said}: {count} of {size} neurons: expected {span(1, size)}; change it")
            return np.sort(np.random.default_rng(int(drawn[2] or 0)).choice(size, count, replace=False))
        if cut := SLICE.fullmatch(self.text):
            first, last, step = (int(part) if part else None for part in cut.groups())
            require(step != 0, f"{self._said}: step 0: expected 1 or more; change it")
            found = np.arange(size)[first:last:step]
        else:
            found = np.unique([int(number) for number in self.text.split(",")])
        there = len(found) > 0 and found[-1] < size
        require(there, f"{self._said}: expected numbers of neurons, each {span(0, size - 1)}; change it")
        return found


@dataclass(frozen=True)
class Request:
    """Variables to record.

    variable : a name such as ``hidden1.rate`` or ``inverse/hidden2__hidden1.w``, or a pattern with ``*`` and ``?``
    interval : when
    neurons : which of a population's neurons; of a projection's, which postsynaptic ones
    """

    variable: str
    interval: Interval = Interval()
    neurons: Some = Some()

    @staticmethod
    def of(text: str) -> Request:
        """Return the request that ``text`` says: VARIABLE[NEURONS] every N steps|epochs start N stop N; all but VARIABLE optional.

        Raises InputError where it says none.
        """
        said = TEXT.fullmatch(text.strip()) if len(text) <= LONGEST else None
        if said is None:
            example = "VARIABLE every N steps or epochs, as in 'hidden*.rate every 1 epoch'"
            raise InputError(f"record {quoted(text)}: expected {example}; change it")
        limits = {key: int(value) for key, value in re.findall(r"(start|stop)\s+(\d+)", said["limits"])}
        return Request(said["variable"], Interval.of(said["every"] or "1 epoch", **limits), Some((said["neurons"] or "").strip()))

    def __str__(self) -> str:
        return f"{self.variable}{f'[{self.neurons.text}]' if self.neurons.text else ''} {self.interval}"


def chosen(requests: Iterable[Request], known: Iterable[str]) -> dict[str, Request]:
    """Return the request of each variable that any of them names, the last one that does, by variable in the order of ``known``.

    Raises UnknownNameError where a request names nothing that is ``known``.
    """
    known = list(known)
    found: dict[str, Request] = {}
    for request in requests:
        names = fnmatch.filter(known, request.variable)
        if not names:
            raise UnknownNameError("record: variable", request.variable, known, "neurosim show MODEL --recordable")
        found |= dict.fromkeys(names, request)
    return {name: found[name] for name in known if name in found}
