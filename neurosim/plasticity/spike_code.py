"""A plasticity rule for spikes that come when they come: translated into the equations and events of Brian2's Synapses."""

from __future__ import annotations

import graphlib
import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sympy
from sympy.printing.str import StrPrinter

from neurosim.equations import FUNCTIONS, Quantity, parse, quantity
from neurosim.equations.dimensions import UnknownUnitError, dimensions_of
from neurosim.equations.quantities import TIME, unit_text, worded
from neurosim.equations.units import NONE, UNITS, Dimensions, measure
from neurosim.errors import EquationError, quoted, require
from neurosim.plasticity.event_code import SpikeCode
from neurosim.plasticity.rule import PlasticityRule, Rule
from neurosim.plasticity.short_term import TsodyksMarkram

EVENTS = ("pre", "post")
SPIKES = {side: sympy.Symbol(f"spike_{side}") for side in EVENTS}
RESERVED = {  # what Brian2's languages have a meaning for
    "t", "dt", "t_in_timesteps", "xi", "i", "j", "N", "N_incoming", "N_outgoing", "delay", "lastupdate", "lastspike",
    "not_refractory", "pi", "e", "inf", "w", "rand", "randn", "poisson", "exprel", "timestep", *FUNCTIONS, "bool", "char", "class",
    "const", "default", "delete", "do", "double", "float", "int", "long", "new", "private", "public", "short", "signed", "sizeof",
    "static", "struct", "switch", "this", "union", "unsigned", "void", "auto", "case", "extern", "goto", "inline", "operator",
    "register", "template", "typedef", "virtual", "volatile", "lambda",
}  # fmt: skip
UNIT = re.compile(  # of Brian2's, which has more of them than ``equations.units``
    r"\w{0,2}(metre|meter|gramm?e?|second|amp|ampere|kelvin|mole?|candle|volt|ohm|siemens|farad|coulomb|hertz|watt|joule|molar|becquerel"
    r"|gray|henry|katal|litre|liter|gramme|lumen|lux|newton|pascal|radian|sievert|steradian|tesla|weber|celsius|kilogramm?e?|kilogram)[23]?"
    r"|k?g|[cmu]m[23]?|[munp][VASF]|[mun]?M|[mu]s|[kM]?Hz"
)


def spike_code(
    rule: Rule | None,
    *,
    bounds: tuple[Any, Any] | None = None,
    into: str | None = None,
    short_term: TsodyksMarkram | None = None,
    units: Mapping[str, str] | None = None,
    timed: Collection[str] = (),
    dt: float | None = None,
) -> SpikeCode:
    """Translate a rule; None is one that keeps the weights as they are.

    bounds : (w_min, w_max), within which the weight is kept after every change; numbers are in the SI unit of w
    into : the variable that a spike adds to, such as ``I_post``; the line stands before the weight's change
    short_term : what a spike transmits of the weight
    units : of w and of the neurons' variables, by name: ``{"v_post": "volt"}``; the others have none
    timed : those modulators that are functions of the time, ``reward(t)``; the others are shared variables, which can be set
    dt : seconds of a tick, for a rule whose constants have no unit, and so count in ticks

    A term with the factor ``spike_pre`` becomes a statement of on_pre, one with ``spike_post`` one of on_post; in a spiking
    population, ``rate`` is ``spike``.  The rest of an equation goes on by itself.  A state that only decays, linearly and with
    constant coefficients, is event-driven: it is worked out exactly, and only when a spike needs it.  If the rest of dw, or of
    another such state, reads it, it is clock-driven like those: explicit Euler steps of dt.

    Order: at a spike all states take their increments, each from the values before.  Then w changes, and reads the states with
    their new values, as in a sweep.  So ``trace_post - spike_post``, times spike_post, reads the trace before its own increment;
    and ``dtrace/dt = (1 - trace) * spike_pre - trace / tau`` sets the trace to 1, so that it only knows the nearest spike.  If both
    neurons spike in one tick, all of the presynaptic spike comes before all of the postsynaptic one; in a sweep, all increments
    come before all changes.  Clock-driven parts go on before the tick's spikes, with what the tick before left.

    A time in the rule's constants stays a time.  In ``dw = ...`` a spike counts as a rate, one a tick; so what has no spike in it
    is a change of w a second, and its unit is checked.

    Raises
    ------
    EquationError
        What cannot be translated, quoted: a term that needs both spikes in one tick, an error of a pathway, a bias, a rule that is
        no equation; units that do not fit.
    """
    if rule is not None and not isinstance(rule, PlasticityRule):
        said = f"rule {quoted(rule.describe())} is no equation"
        raise EquationError(f"{said}: expected a PlasticityRule where spikes come when they come; give one")
    begun = SpikeCode("") if short_term is None else short_term.code()
    taken = {*begun.names.values(), *begun.constants}
    if rule is None:
        weight = _unit_of(units or {}, "w")
        made = SpikeCode(f"w : {unit_text(weight)}")
    else:
        try:
            made = _Translation(rule, bounds, units or {}, frozenset(timed), dt, taken).code()
        except EquationError as cause:
            raise EquationError(f"rule {quoted(rule.equation.text)}: {cause}") from cause
    transmitted = "" if into is None else f"{into} += {begun.amplitude}"
    return replace(
        made,
        model=_lines(made.model, begun.model),
        on_pre=_lines(begun.on_pre, transmitted, made.on_pre),
        amplitude=begun.amplitude,
        constants={**begun.constants, **made.constants},
        starts={**begun.starts, **made.starts},
        names={**begun.names, **made.names},
    )


@dataclass
class _Part:
    """An equation taken apart.  rest : what goes on by itself; at : event -> what a spike adds"""

    rest: sympy.Expr
    at: dict[str, sympy.Expr]


class _Translation:
    """Translates one rule.

    parts : ``w`` and the rule's states -> their equations taken apart; known : the dimensions of every symbol
    """

    def __init__(
        self, rule: PlasticityRule, bounds: Any, units: Mapping[str, str], timed: frozenset[str], dt: float | None, taken: set[str]
    ) -> None:
        require(rule.bias_equation is None, "it changes a bias: expected neurons without one; give bias=None", EquationError)
        self.rule, self.timed = rule, timed
        self.constants: dict[str, float | Quantity] = dict(rule.constants)
        expressions = _expressions(rule)
        self.parts = {name: _taken_apart(expression) for name, expression in expressions.items()}
        symbols = {symbol.name for part in self.parts.values() for one in _all(part) for symbol in one.free_symbols}
        own = {*self.parts, *self.constants, *rule.modulators}
        self.reads = frozenset(symbols - own - {"w"})
        refused = sorted(name for name in self.reads if name == "error_post")
        said = "error_post comes from a feedback pathway, and there is none"
        require(not refused, f"{said}: expected variables of the neurons; use a sweep", EquationError)
        self.in_ticks = not rule.times
        self.dt = dt
        self.known = self._dimensions(units)
        self.bounds = None if bounds is None else tuple(self._bound(value) for value in bounds)
        self.names = self._renamed(taken)
        self.clocked = self._clocked()

    def code(self) -> SpikeCode:
        names = {name: self.names[name] for name in self.parts if name != "w"}
        constants = {self.names[name]: value for name, value in self.constants.items() if name in self.names}
        if self.bounds is not None:
            constants |= dict(zip(self._limits, self.bounds, strict=True))
        if self._tick in self.names.values() and self.dt is not None:
            constants[self._tick] = Quantity(self.dt, TIME, f"{self.dt!r}*second")
        return SpikeCode(
            model="\n".join(self._model()),
            on_pre="\n".join(self._event("pre")),
            on_post="\n".join(self._event("post")),
            constants=constants,
            starts={names[state.name]: state.start for state in self.rule.states if state.number},
            names=names,
            reads=self.reads,
            modulators={name: self.names[name] for name in sorted(self.rule.modulators)},
            method="euler" if self.clocked else None,
        )

    # ------------------------------------------------------------------ units

    def _dimensions(self, units: Mapping[str, str]) -> dict[str, Dimensions]:
        """Return the dimensions of every symbol, those of states as their equations have them; raise where units do not fit."""
        known = {name: _unit_of(units, name) for name in {*self.reads, *self.rule.modulators, "w"}}
        known |= {name: value.dimensions if isinstance(value, Quantity) else NONE for name, value in self.constants.items()}
        states = {state.name: state.start for state in self.rule.states}
        known |= {name: start.dimensions for name, start in states.items() if isinstance(start, Quantity)}
        missing = states.keys() - known.keys()
        found: dict[str, Dimensions] = {"": NONE}
        while missing and found:
            found = {name: of for name in missing if (of := self._found(self.parts[name], known)) is not None}
            known |= found
            missing -= found.keys()
        known |= dict.fromkeys(missing, NONE)
        for name, part in self.parts.items():
            for expression, expected in self._expected(part, known[name]):
                self._check(name, expression, expected, known)
        return known

    def _bound(self, value: Any) -> float | Quantity:
        of = self.known["w"]
        found = quantity(value, "bound of w")
        if found is None:
            return Quantity(float(value), of, f"{value!r}*{unit_text(of)}") if any(of) else float(value)
        said = f"bound {found!r} of w, which is {worded(of)}"
        require(found.dimensions == of, f"{said}: expected the same unit; change it", EquationError)
        return found

    def _time(self, of: Dimensions, times: int) -> Dimensions:
        """Return dimensions times a power of time, where it does not count in ticks."""
        return of if self.in_ticks else tuple(one + times * of_time for one, of_time in zip(of, TIME, strict=True))

    def _expected(self, part: _Part, of: Dimensions) -> Iterator[tuple[sympy.Expr, Dimensions]]:
        yield part.rest, self._time(of, -1)
        yield from ((expression, of) for expression in part.at.values())

    def _found(self, part: _Part, known: Mapping[str, Dimensions]) -> Dimensions | None:
        """Return the dimensions that a state has by what is added to it; None where that is not known yet."""
        for expression, times in [(part.rest, 1), *((one, 0) for one in part.at.values())]:
            for addend in sympy.Add.make_args(expression.expand()):
                try:
                    if addend != 0:
                        return self._time(dimensions_of(addend, known), times)
                except UnknownUnitError:
                    continue
        return None

    def _check(self, name: str, expression: sympy.Expr, expected: Dimensions, known: Mapping[str, Dimensions]) -> None:
        if expression == 0:
            return
        found = dimensions_of(expression, known)
        of = "1 / second" if unit_text(expected) == "hertz" else unit_text(expected) if any(expected) else "none"
        said = f"{_shown(expression)} is {worded(found)}"
        hint = "give a constant a unit, such as '20*ms' or '5*Hz'" if not any(found) else "change a constant's unit"
        require(tuple(found) == tuple(expected), f"{said}: expected {of}, as a change of {name}; {hint}", EquationError)

    # ------------------------------------------------------------------ what is worked out when

    def _clocked(self) -> set[str]:
        """Return those of w and the states that go on in every tick."""
        found = {name for name, part in self.parts.items() if not self._is_event_driven(name, part)}
        while True:
            read = {symbol.name for name in found for symbol in self.parts[name].rest.free_symbols}
            more = {name for name, part in self.parts.items() if name in read and part.rest != 0} - found
            if not more:
                return found
            found |= more

    def _is_event_driven(self, name: str, part: _Part) -> bool:
        """Return whether a state goes on by a linear equation of itself and constants, or not at all; w may only do the latter."""
        if part.rest == 0 or name == "w":
            return bool(part.rest == 0)
        symbol = sympy.Symbol(name)
        slope, offset = sympy.diff(part.rest, symbol), part.rest.subs(symbol, 0)
        return {one.name for one in slope.free_symbols | offset.free_symbols} <= self.constants.keys()

    # ------------------------------------------------------------------ text

    def _renamed(self, taken: set[str]) -> dict[str, str]:
        """Return symbol -> its name in the code: Brian2 has names of its own, and units."""
        used = {symbol.name for part in self.parts.values() for one in _all(part) for symbol in one.free_symbols}
        named = {name: name for name in self.reads} | {"w": "w"}
        taken = taken | set(named.values())
        sides = {state.name: state.side for state in self.rule.states}
        wanted = [(name, f"{side}_{name.removesuffix(f'_{side}')}" if side in EVENTS else name) for name, side in sides.items()]
        wanted += [(name, name) for name in [*self.constants, *sorted(self.rule.modulators)] if name in used]
        for name, wish in wanted:
            named[name] = _free(wish, taken)
            taken = taken | {named[name]}
        self._limits = tuple(_free(wish, taken) for wish in ("w_min", "w_max"))
        self._tick = _free("tick", taken)
        if self.in_ticks and any(part.rest != 0 for part in self.parts.values()):
            said = "its constants have no units, so it counts in ticks"
            require(self.dt is not None, f"{said}: expected to know how long one is; give dt, or units: '20*ms'", EquationError)
            named[""] = self._tick
        self._taken = taken | {self._tick, *self._limits}
        return named

    def _text(self, expression: sympy.Expr) -> str:
        renamed = {sympy.Symbol(name): sympy.Symbol(f"{new}(t)" if name in self.timed else new) for name, new in self.names.items()}
        return _Printer().doprint(expression.xreplace(renamed))

    def _model(self) -> Iterator[str]:
        for name, part in self.parts.items():
            called, of, rest = self.names[name], unit_text(self.known[name]), self._text(part.rest)
            if part.rest == 0:
                yield f"{called} : {of}"
                continue
            if self.in_ticks:
                rest = f"({rest}) / {self._tick}"
            if name == "w" and self.bounds is not None:  # what an Euler step of dt adds keeps it within its bounds
                rest = f"(clip(w + dt * ({rest}), {', '.join(self._limits)}) - w) / dt"
            yield f"d{called}/dt = {rest} : {of} ({'clock' if name in self.clocked else 'event'}-driven)"
        for name in sorted(self.rule.modulators - self.timed):
            yield f"{self.names[name]} : {unit_text(self.known[name])} (shared)"

    def _event(self, event: str) -> Iterator[str]:
        """Yield the statements of a spike: the states first, none reading what another has already taken."""
        changes = {name: part.at[event] for name, part in self.parts.items() if part.at[event] != 0}
        weight = changes.pop("w", None)
        reads = {name: {one.name for one in change.free_symbols} & changes.keys() - {name} for name, change in changes.items()}
        before = {name: {other for other in changes if name in reads[other]} for name in changes}
        try:
            for name in graphlib.TopologicalSorter(before).static_order():
                yield self._added(name, changes[name])
        except graphlib.CycleError:
            held = {name: _free(f"added_{self.names[name]}", self._taken) for name in changes}
            yield from (f"{held[name]} = {self._text(change)}" for name, change in changes.items())
            yield from (f"{self.names[name]} += {held[name]}" for name in changes)
        if weight is None:
            return
        less = weight.is_Mul and weight.could_extract_minus_sign()
        sign, change = ("-", self._text(-weight)) if less else ("+", self._text(weight))
        yield f"w {sign}= {change}" if self.bounds is None else f"w = clip(w {sign} {change}, {', '.join(self._limits)})"

    def _added(self, name: str, change: sympy.Expr) -> str:
        after = (sympy.Symbol(name) + change).expand()
        if sympy.Symbol(name) not in after.free_symbols:  # it is set, and what it was does not matter
            return f"{self.names[name]} = {self._text(after)}"
        return f"{self.names[name]} += {self._text(change)}"


def _expressions(rule: PlasticityRule) -> dict[str, sympy.Expr]:
    """Return the right sides of w and of the states, with constants as symbols, and with a rate as a spike."""
    constants = {name: name for name in rule.constants}

    def of(text: str, side: str | None) -> sympy.Expr:
        scope = rule.scope(side)
        expression = parse(text, {}, replace(scope, names={**scope.names, **constants})).expression
        return expression.xreplace({sympy.Symbol(f"rate_{event}"): spike for event, spike in SPIKES.items()})

    return {"w": of(rule.equation.text, None)} | {state.name: of(state.equation.text, state.side) for state in rule.states}


def _taken_apart(expression: sympy.Expr) -> _Part:
    """Return what of an equation goes on by itself, and what each spike adds.

    A spike is 0 or 1.  So an expression is its value without spikes, and what either spike adds to that; raise EquationError where
    both together add something else.
    """
    rest, at = sympy.Integer(0), dict.fromkeys(EVENTS, sympy.Integer(0))
    for addend in sympy.Add.make_args(expression):
        read = [event for event, spike in SPIKES.items() if spike in addend.free_symbols]
        alone = _at(addend)
        rest += alone
        added = {event: _at(addend, event) for event in read}
        if alone != 0:
            added = {event: (value - alone).expand() for event, value in added.items()}
        for event, value in added.items():
            at[event] += value
        if len(read) == 2:
            both = (_at(addend, *EVENTS) - alone - sum(added.values())).expand()
            said = f"{_shown(addend)} needs both spikes in one tick: expected terms with one of spike_pre and spike_post"
            require(both == 0, f"{said}; read a trace of the other", EquationError)
    return _Part(rest, at)


def _at(expression: sympy.Expr, *events: str) -> sympy.Expr:
    """Return the value of an expression in a tick with these spikes, and no others."""
    return expression.subs({spike: int(event in events) for event, spike in SPIKES.items()})


def _all(part: _Part) -> list[sympy.Expr]:
    return [part.rest, *part.at.values()]


def _unit_of(units: Mapping[str, str], name: str) -> Dimensions:
    """Return the dimensions of a variable by the text of its unit."""
    return measure(units.get(name, 1.0), f"unit of {name}").dimensions


def _free(wish: str, taken: Collection[str]) -> str:
    """Return a name like ``wish`` that Brian2 has no meaning for and nothing else has; to Brian2, a last _ is no part of a name."""
    plain = re.sub(r"\W", "x", wish, flags=re.ASCII).strip("_").lstrip("0123456789") or "x"
    plain = f"x{plain}" if plain.startswith("xi_") else plain
    names = itertools.chain([plain], (f"{plain}_{k}" for k in itertools.count(1)))
    return next(name for name in names if name not in {*taken, *RESERVED} and not UNIT.fullmatch(name) and name not in UNITS)


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _shown(expression: sympy.Expr) -> str:
    return quoted(_Printer().doprint(expression))[1:-1]


class _Printer(StrPrinter):  # type: ignore[misc]
    """Sympy's text of an expression, with all digits of its numbers; sympy asks for them by this name."""

    def _print_Float(self, number: sympy.Float) -> str:  # noqa: N802
        return repr(float(number))
