"""The parameters of a study: values in a grid, values drawn at random, and when a parameter counts at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurosim.backends.base import generator
from neurosim.errors import quoted, require

Values = dict[str, Any]  # parameter -> its value in one point; a parameter that does not count is not among them

MOST_POINTS = 100_000
DISTRIBUTIONS = ("uniform", "log_uniform", "integers")


@dataclass(frozen=True)
class Parameter:
    """One key of a model file, and the values it takes.

    key : as after ``--set``, or ``scheme``
    values : those of a grid, or empty for one that is drawn
    distribution, low, high : of one that is drawn: ``uniform``, ``log_uniform``, or ``integers`` (both ends included)
    when : other parameter -> the values of it with which this one counts; with others it is left as the model has it

    Raises InputError where there are no values, two of them are equal, or bounds are not in order.
    """

    key: str
    values: tuple[Any, ...] = ()
    distribution: str | None = None
    low: float = math.nan
    high: float = math.nan
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        what = f"study: parameter {quoted(self.key)}"
        require(all(self.key.split(".")), f"{what}: expected a key of a model file, such as stages.0.batch; change it")
        require(self.key != "seed", f"{what}: every point runs from the same seeds: expected --seeds, or .seeds(...); give that")
        if self.distribution is None:
            require(bool(self.values), f"{what}: no values: expected at least one; give some, or drop it")
            twice = [value for number, value in enumerate(self.values) if _among(value, self.values[:number])]
            require(not twice, f"{what}: {quoted(twice[:1])[1:-1]} is there twice: expected each value once; drop one")
            return
        known = self.distribution in DISTRIBUTIONS
        require(known, f"{what}: distribution {quoted(self.distribution)}: expected one of {', '.join(DISTRIBUTIONS)}; pick one")
        numbers = all(isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) for end in self.ends)
        ordered = numbers and self.low < self.high
        drawn = f"{what}: {self.distribution} {quoted(list(self.ends))}"
        require(ordered, f"{drawn}: expected two numbers, the smaller one first; correct them")
        if self.distribution == "log_uniform":
            require(self.low > 0, f"{what}: log_uniform from {quoted(self.low)}: expected more than 0; raise it")
        if self.distribution == "integers":
            whole = all(float(end).is_integer() and abs(end) < 2**53 for end in self.ends)
            require(whole, f"{what}: integers {quoted(list(self.ends))}: expected whole numbers; round them")

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest value that may be drawn."""
        return self.low, self.high

    @property
    def is_drawn(self) -> bool:
        """Whether its values are drawn."""
        return self.distribution is not None

    def draw(self, generator: np.random.Generator) -> float | int:
        """Return one value."""
        if self.distribution == "integers":
            return int(generator.integers(int(self.low), int(self.high), endpoint=True))
        if self.distribution == "uniform":
            return float(generator.uniform(self.low, self.high))
        return float(np.exp(generator.uniform(math.log(self.low), math.log(self.high))))

    def counts(self, values: Values) -> bool:
        """Return whether it counts beside the ``values`` of the parameters before it."""
        return all(other in values and _among(values[other], allowed) for other, allowed in self.when.items())

    def stated(self) -> dict[str, Any]:
        """Return it as a table of a study file; ``of`` reads that."""
        found: dict[str, Any] = {"key": self.key}
        found |= {str(self.distribution): list(self.ends)} if self.is_drawn else {"values": list(self.values)}
        return found | ({"when": {other: list(allowed) for other, allowed in self.when.items()}} if self.when else {})

    @staticmethod
    def of(table: Mapping[str, Any]) -> Parameter:
        """Return the parameter of a table: ``key``, one of ``values`` and the distributions, and perhaps ``when``.

        Raises InputError, one line, where it is not of that form.
        """
        key = table.get("key")
        require(isinstance(key, str), f"study: parameter {quoted(dict(table))}: expected key = \"...\"; add it")
        assert isinstance(key, str)
        what = f"study: parameter {quoted(key)}"
        kinds = [kind for kind in ("values", *DISTRIBUTIONS) if kind in table]
        other = sorted(table.keys() - {"key", "when", *kinds})
        require(not other, f"{what}: {quoted(other[:1])[1:-1]}: expected values, {', '.join(DISTRIBUTIONS)}, or when; change it")
        require(len(kinds) == 1, f"{what}: {' and '.join(kinds) or 'nothing'}: expected values or one distribution; give one")
        given, when = table[kinds[0]], table.get("when", {})
        listed = isinstance(given, list | tuple)
        require(listed, f"{what}: {kinds[0]} {quoted(given)}: expected a list; put it in brackets")
        fits = isinstance(when, Mapping) and all(isinstance(allowed, list | tuple) for allowed in when.values())
        require(fits, f"{what}: when {quoted(when)}: expected lists of values by parameter, such as {{'scheme': ['backprop']}}")
        beside = {other: tuple(allowed) for other, allowed in when.items()}
        if kinds == ["values"]:
            return Parameter(key, tuple(given), when=beside)
        require(len(given) == 2, f"{what}: {kinds[0]} {quoted(given)}: expected two numbers, the smaller one first; give them")
        low, high = given
        return Parameter(key, (), kinds[0], low, high, beside)

    def describe(self) -> str:
        """Return the parameter as one line of text."""
        took = ", ".join(map(_short, self.values))
        if self.is_drawn:
            took = f"{self.distribution} from {self.low:g} to {self.high:g}"
        when = " and ".join(f"{other} is {' or '.join(map(_short, allowed))}" for other, allowed in self.when.items())
        return f"{self.key}: {took}{f', where {when}' if when else ''}"


@dataclass(frozen=True)
class Space:
    """All points of a study: every combination of the grid's values, each with ``draws`` draws of what is drawn.

    draws : how many draws, where anything is drawn
    seed : decides the draws.  The k-th draw of a parameter has the same value beside every combination of the grid, so that schemes
        are compared at equal values, and more draws leave earlier ones as they were

    Raises InputError where a condition names no parameter that stands before it, one key lies within another, nothing is drawn
    though draws are asked, or there are too many points.
    """

    parameters: tuple[Parameter, ...]
    draws: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        keys: list[str] = []
        listed: list[str] = []  # the grid's, which conditions may name
        for parameter in self.parameters:
            what = f"study: parameter {quoted(parameter.key)}"
            require(parameter.key not in keys, f"{what} is there twice: expected each once; join their values")
            for other in keys:
                apart = not f"{parameter.key}.".startswith(f"{other}.") and not f"{other}.".startswith(f"{parameter.key}.")
                require(apart, f"{what} and {quoted(other)}: one lies within the other, and would replace it; keep one of the two")
            for other in parameter.when:
                known = f"expected a parameter with listed values that stands before it ({', '.join(listed) or 'there is none'})"
                require(other in listed, f"{what}: where {quoted(other)} has some value: {known}; add that first")
            keys.append(parameter.key)
            listed += [] if parameter.is_drawn else [parameter.key]
        whole = isinstance(self.draws, int) and not isinstance(self.draws, bool) and self.draws >= 1
        require(whole, f"study: draws {quoted(self.draws)}: expected 1 or more; give a whole number")
        drawn = any(parameter.is_drawn for parameter in self.parameters)
        require(drawn or self.draws == 1, f"study: {self.draws} draws of nothing: expected a parameter that is drawn; add one")

    def points(self) -> list[Values]:
        """Return the values of each point, each combination once."""
        found: list[Values] = []
        for combination in self._combinations((), {}):
            for draw in range(self.draws if self._draws_beside(combination) else 1):
                found.append(self._drawn(combination, draw))
                said = f"study: more than {MOST_POINTS:,} points: expected at most {MOST_POINTS:,}; give fewer values or draws"
                require(len(found) <= MOST_POINTS, said)
        return found

    def _combinations(self, done: tuple[Parameter, ...], values: Values) -> Iterator[Values]:
        """Yield the grid's combinations, the last parameter's value changing fastest."""
        rest = self.parameters[len(done) :]
        for number, parameter in enumerate(rest, start=1):
            if parameter.is_drawn or not parameter.counts(values):
                continue
            for value in parameter.values:
                yield from self._combinations((*done, *rest[:number]), {**values, parameter.key: value})
            return
        yield values

    def _draws_beside(self, values: Values) -> bool:
        return any(parameter.is_drawn and parameter.counts(values) for parameter in self.parameters)

    def _drawn(self, values: Values, draw: int) -> Values:
        """Return ``values`` with those that are drawn, in the order of the parameters."""
        found: Values = {}
        for parameter in self.parameters:
            if not parameter.is_drawn and parameter.key in values:
                found[parameter.key] = values[parameter.key]
            elif parameter.is_drawn and parameter.counts(values):
                found[parameter.key] = parameter.draw(generator(self.seed, f"study/{parameter.key}", draw))
        return found


def _among(value: Any, others: Sequence[Any]) -> bool:
    """Return whether a value is one of others; to TOML, True, 1 and 1.0 are three values."""
    return any(type(value) is type(other) and value == other for other in others)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else quoted(value)
