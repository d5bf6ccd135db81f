"""What a rule remembers: of each presynaptic neuron, of each postsynaptic neuron, or of each synapse.

A state is one for all samples of a batch and goes on from step to step; or each sample has its own, which lives within a trial: it
begins with it, goes on from tick to tick, and ends with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from neurosim.equations import PlasticityEquation, Quantity, Scope, Term, name_error, names_in, parse, quantity, separate
from neurosim.errors import EquationError, quoted, require
from neurosim.plasticity.optimisers import is_number

FORMS = {
    "pre": "{'trace': 'dtrace/dt = rate_pre - trace / tau'}",
    "post": "{'theta': 'dtheta/dt = (rate_post**2 - theta) / tau'}",
    "synapse": "{'eligibility': 'deligibility/dt = rate_pre * rate_post - eligibility / tau'}",
}

Given = Mapping[str, str | tuple[str, Any]]  # state's name -> its equation, or its equation and its start value


class Shapes(NamedTuple):
    """The shapes of a projection: of its weights and of the two populations, without a batch."""

    w: tuple[int, ...]
    pre: tuple[int, ...]
    post: tuple[int, ...]


class Start(NamedTuple):
    """What one variable of a rule's state starts as: the same ``value`` everywhere.

    per_sample : whether each sample has its own, (batch, *shape), which begins with every trial
    """

    shape: tuple[int, ...]
    value: float = 0.0
    per_sample: bool = False


@dataclass(frozen=True)
class StateEquation:
    """One variable of a rule's state, and how it goes on: ``d<name>/dt = ...``, where ``dt`` is one step.

    name : as other equations write it: ``theta_post``, ``trace_pre``, ``eligibility``
    side : ``pre``, ``post`` or ``synapse``
    start : a number, or a quantity such as ``-70*mV``
    per_sample : whether each sample has its own; ``dt`` is then one tick
    terms : of a synapse's state, its equation as matrix products; empty where it is evaluated synapse by synapse
    """

    name: str
    side: str
    start: float | Quantity
    per_sample: bool
    equation: PlasticityEquation
    terms: tuple[Term, ...]

    @property
    def is_trace(self) -> bool:
        """Whether it is of each synapse and each sample, (batch, n_pre, n_post)."""
        return self.per_sample and self.side == "synapse"

    def first(self, shapes: Shapes) -> Start:
        """Return what it starts as; raise InputError where the synapses are not all to all and it is a trace."""
        label = f"rule state {quoted(self.name)} of each sample and synapse, with weights of shape {shapes.w}"
        require(not self.is_trace or len(shapes.w) == 2, f"{label}: expected all_to_all synapses; make the projection all_to_all")
        return Start(shapes.w if self.side == "synapse" else getattr(shapes, self.side), self.number, self.per_sample)

    @property
    def number(self) -> float:
        """What it starts as, in SI units."""
        return self.start.value if isinstance(self.start, Quantity) else float(self.start)

    @property
    def reads_samples(self) -> bool:
        """Whether its equation reads anything that differs from sample to sample; a factor of 0 may have taken it out."""
        read = {symbol.name for symbol in self.equation.expression.free_symbols}
        sides = {name for name in read if name.endswith(("_pre", "_post"))}
        return bool(sides - self.equation.states or read & self.equation.modulators)

    def describe(self) -> str:
        """Return its equation as text, with what the text does not tell."""
        shown = self.start.text if isinstance(self.start, Quantity) else f"{self.start:g}"
        start = f", from {shown}" if self.number else ""
        return f"{self.equation.text} ({self.side}{', per sample' if self.per_sample else ''}{start})"


@dataclass(frozen=True)
class States:
    """The state equations of one rule as they were given, checked in their form; ``equations`` parses them.

    given : (side, name, text, start) of each
    per_sample : those of which each sample has its own, as equations write them
    """

    given: tuple[tuple[str, str, str, float | Quantity], ...]
    modulators: frozenset[str]
    per_sample: frozenset[str]

    @staticmethod
    def of(sides: Mapping[str, Given | None], modulators: Sequence[str], per_sample: Sequence[str]) -> States:
        """Return the states of ``sides``: ``pre``, ``post`` and ``synapse`` -> what was given for it.

        Raises EquationError where one is not of the form, a name cannot be that of a state or a modulator, or ``per_sample`` names
        no state.
        """
        given = tuple(one for side, states in sides.items() for one in _checked(side, states))
        _check_per_sample(per_sample, [_full(side, name) for side, name, *_ in given])
        listed = isinstance(modulators, Sequence) and not isinstance(modulators, str)
        hint = "expected a list of names such as ('reward',) (no constant can have this name)"
        require(listed, f"rule modulators {quoted(modulators)}: {hint}", EquationError)
        for name in modulators:
            _check_name("modulator", name)
            taken = any(side == "synapse" and name == other for side, other, *_ in given)
            said = f"rule modulator {quoted(name)}: a state of the synapse has that name, too; rename one of the two"
            require(not taken, said, EquationError)
        return States(given, frozenset(modulators), frozenset(per_sample))

    def scope(self, side: str | None = None) -> Scope:
        """Return what an equation may read: the rule's own, or that of a state of ``side``."""
        names = {name: _full(of, name) for of, name, *_ in self.given if of == (side or "synapse")}
        if side == "synapse":
            names["w"] = "w"
        sides = frozenset({side} if side in ("pre", "post") else {"pre", "post"})
        steady = frozenset(_full(of, name) for of, name, *_ in self.given if of != "synapse") - self.per_sample
        traces = frozenset(name for of, name, *_ in self.given if of == "synapse" and name in self.per_sample)
        return Scope(sides, names, steady, traces, self.modulators)

    def equations(self, constants: Mapping[str, float], separable: bool) -> tuple[StateEquation, ...]:
        """Return the equations parsed, each with those of ``constants`` that it names."""
        return tuple(self._parsed(*one, constants, separable) for one in self.given)

    def _parsed(
        self, side: str, name: str, text: str, start: float | Quantity, constants: Mapping[str, float], separable: bool
    ) -> StateEquation:
        equation = parse(text, {key: constants[key] for key in constants.keys() & names_in(text)}, self.scope(side))
        fits = equation.target == name and equation.in_time
        require(fits, f"rule {side} state {quoted(name)}: {quoted(text)}: expected 'd{name}/dt = ...'; write it so", EquationError)
        full, own = _full(side, name), _full(side, name) in self.per_sample
        terms = separate(equation) if side == "synapse" and not own and separable else ()
        return StateEquation(full, side, start, own, equation, terms)


def _full(side: str, name: str) -> str:
    return name if side == "synapse" else f"{name}_{side}"


def _checked(side: str, states: Given | None) -> Iterator[tuple[str, str, str, float | Quantity]]:
    """Yield (side, name, text, start) of every state given for one side."""
    form = f"expected equations by name, such as {FORMS[side]}"
    fits = states is None or isinstance(states, Mapping)
    require(fits, f"rule {side} {quoted(states)}: {form} (no constant can have this name)", EquationError)
    for name, value in (states or {}).items():
        _check_name(f"{side} state", name)
        text, start = (value, 0.0) if isinstance(value, str) else _pair(side, name, value)
        yield side, name, text, start


def _pair(side: str, name: str, value: Any) -> tuple[str, float | Quantity]:
    form = f"expected an equation, or an equation and a finite start value, such as ('d{name}/dt = ...', 0.5)"
    said = f"rule {side} state {quoted(name)}: {quoted(value)}: {form}; change it"
    require(isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[0], str), said, EquationError)
    start = quantity(value[1], f"rule {side} state {quoted(name)}: start")
    require(start is not None or is_number(value[1]), said, EquationError)
    return value[0], float(value[1]) if start is None else start


def _check_per_sample(names: Any, known: Sequence[str]) -> None:
    listed = isinstance(names, Sequence) and not isinstance(names, str) and all(isinstance(name, str) for name in names)
    hint = "expected a list of names of states, as equations write them, such as ('trace_pre',) (no constant can have this name)"
    require(listed, f"rule per_sample {quoted(names)}: {hint}", EquationError)
    for name in names:
        states = ", ".join(known) or "none"
        expected = f"expected one of the rule's states ({states}), as its equations write it; correct it"
        require(name in known, f"rule per_sample {quoted(name)}: {expected}", EquationError)


def _check_name(kind: str, name: object) -> None:
    what = f"rule {kind} {quoted(name)}"
    wrong = name_error(name) if isinstance(name, str) else "expected a text"
    require(not wrong, f"{what}: {wrong}", EquationError)
    assert isinstance(name, str)
    free = name not in ("w", "b") and not name.endswith(("_pre", "_post"))
    require(free, f"{what}: expected a name that is not 'w' or 'b' and does not end in _pre or _post; rename it", EquationError)
