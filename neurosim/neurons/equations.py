"""Spiking neurons, written as equations in Brian2's language."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.backends import Backend, Draws
from neurosim.equations.differential import DRIVE, NUMBERS, NeuronText, read, substituted
from neurosim.equations.neuron_code import METHODS, NeuronCode, as_quantity, compile_neurons
from neurosim.equations.stability import check_step
from neurosim.equations.straight import Straight
from neurosim.equations.units import NONE, SECOND, UNITS, measure, of_tree, seconds, written
from neurosim.errors import EquationError, InputError, UnknownNameError, quoted, require
from neurosim.neurons.neurons import Neurons
from neurosim.neurons.surrogates import Surrogate, surrogate

LONG_AGO = 1e7  # ticks: what neurons that never spiked have behind them
SINCE, MAY_SPIKE = "since_spike", "not_refractory"
ABOVE = (ast.Gt, ast.GtE)
BELOW = (ast.Lt, ast.LtE)


class Equations(Neurons):
    """Neurons that are differential equations with a threshold and a reset, as in Brian2.

    equations : one a line: ``dv/dt = formula : unit (unless refractory)``, ``I = formula : unit``, ``drive : unit``
    threshold : the condition for a spike, such as ``v > v_thresh``; reset : assignments, such as ``v = v_reset; w += b``
    refractory : how long a neuron that spiked cannot spike again, such as ``2*ms``, or a condition under which it still cannot
    method : the integrator, ``exact``, ``exponential_euler``, ``euler``, ``rk2``, ``rk4`` or ``heun``; by default Brian2 chooses
    start : variable -> its value when a trial begins: a number, a quantity, or text that may name constants; 0 by default
    surrogate : the slope of a spike for errors, a name or a Surrogate
    through_spike : variables of which an error goes back through the spike that changed them, too, such as an adaptation
    constants : by keyword: a number, a quantity of Brian2's, or text such as ``-65*mV``

    ``drive`` in the equations is the summed input of the tick, without a unit or in the one that ``drive : unit`` says.
    Projections into another variable add to it when a spike arrives.  In a tick: what arrives is added; the variables are
    integrated; whoever is above threshold, and not refractory, spikes; these are reset.  With ``unless refractory`` a variable
    neither moves nor takes input while its neuron is refractory.  The network says how long a tick is: ``Network(..., dt="1*ms")``.

    Errors go back through the equations by their own derivatives, and through a spike by the surrogate's slope; a reset is taken
    as it was, whatever an error says of the spike, but for variables in ``through_spike``.

    Raises
    ------
    InputError
        The text holds what has no place in equations, a name stands for nothing, units do not match, a method does not fit.
    """

    name = "equations"
    emits = "spike"
    adds_into_states = True
    needs_dt = True

    def __init__(
        self,
        equations: str,
        *,
        threshold: str,
        reset: str | None = None,
        refractory: str | None = None,
        method: str | None = None,
        start: Mapping[str, Any] | None = None,
        surrogate: str | Surrogate = "fast_sigmoid",
        through_spike: Sequence[str] = (),
        **constants: Any,
    ) -> None:
        self._label = f"neurons {self.name!r}"
        self.equations, self.threshold, self.reset, self.method = equations, threshold, reset, method
        self.refractory = None if refractory is None else as_time(refractory, f"{self._label}: refractory")
        known = method is None or method in METHODS
        require(known, f"{self._label}: method {quoted(method)}: expected one of {', '.join(METHODS)}, or None; change it")
        self.start = dict(start or {})
        self.surrogate: Surrogate = _surrogate(surrogate)
        label = f"{self._label}: constant "
        self._measures = {name: measure(value, label + quoted(name)[1:-1]) for name, value in constants.items()}
        try:
            self._text: NeuronText = read(equations, threshold, reset, self.refractory, self._measures)
            self._check_refractory()
            self._code: NeuronCode = compile_neurons(self._text, self._measures, method)
        except InputError as cause:
            raise EquationError(f"{self._label}: {cause}") from cause
        self._numbers: dict[str, Any] = {}
        self.states = self._text.states
        self.through_spike = self._check_through_spike(through_spike)
        self.inputs = (DRIVE, *self.states)  # type: ignore[misc]
        self.reads_drive = self._text.has_drive  # type: ignore[misc]
        self._starts = self._numbers_at_start()
        self._distance, self._scale = self._to_threshold()
        self.variables = self._described()  # type: ignore[misc]

    # ------------------------------------------------------------------ what they are

    @property
    def constants(self) -> dict[str, Any]:
        """The constants by name: Brian2's quantities, and plain numbers where they have no unit."""
        return {name: as_quantity(one) for name, one in self._measures.items()}

    @property
    def integrator(self) -> str:
        """The method of integration: the one asked for, or Brian2's choice."""
        return self._code.method

    def group_options(self) -> dict[str, Any]:
        """Return what Brian2's NeuronGroup takes for these neurons; its text is what was read, and nothing else."""
        text = self._text
        condition, pause = (None if part is None else ast.unparse(part) for part in (text.threshold, text.refractory))
        reset = "\n".join(f"{name} {operator} {ast.unparse(tree)}" for name, operator, tree in text.reset)
        return {
            "model": "\n".join(line.text for line in text.lines),
            "threshold": condition,
            "reset": reset or None,
            "refractory": False if pause is None else pause,
            "method": self.integrator,
            "namespace": self.constants,
        }

    def unit_of(self, variable: str) -> str:
        """Return the unit of a variable or of the drive, as text; ``1`` where it has none."""
        return next(line.unit for line in self._text.lines if line.name == variable)

    @property
    def starts(self) -> dict[str, float]:
        """What each variable is when a trial begins, by name, in SI units."""
        return dict(self._starts)

    def options(self) -> dict[str, Any]:
        """Return the options that make these neurons again; quantities as text."""
        found = super().options()
        return {name: _as_written(value) for name, value in found.items()}

    def _check_refractory(self) -> None:
        if self._text.refractory is None:
            return
        try:
            found = of_tree(self._text.refractory, {**UNITS, **self._measures})
        except EquationError:
            return  # a condition, or of each neuron its own
        said = f"refractory {quoted(self.refractory)}"
        require(found.dimensions == SECOND.dimensions, f"{said}: no time: expected one such as '2*ms', or a condition; change it")
        require(found.value >= 0, f"{said}: negative: expected a time such as '2*ms'; change it")

    def _check_through_spike(self, names: Sequence[str]) -> tuple[str, ...]:
        listed = isinstance(names, list | tuple)
        require(listed, f"{self._label}: through_spike {quoted(names)}: expected a list of variables; give one such as ['a']")
        changed = [] if self._code.reset is None else [name for name in self.states if name in self._code.reset.after]
        for name in names:
            if name not in changed:
                raise UnknownNameError(f"{self._label}: through_spike: variable that a spike changes", name, changed or ["(none)"])
        return tuple(names)

    def _numbers_at_start(self) -> dict[str, float]:
        """Return each variable's value when a trial begins, in SI units."""
        for name in self.start:
            if name not in self.states:
                raise UnknownNameError(f"{self._label}: start: variable", name, self.states)
        units = {line.name: of_tree(ast.parse(line.unit, mode="eval").body, UNITS) for line in self._text.lines}
        found = {}
        for name in self.states:
            value = self.start.get(name, 0)
            at = measure(value, f"{self._label}: start of {name}", self._measures)
            fits = at.dimensions == units[name].dimensions or (at.value == 0 and at.dimensions == NONE)
            require(fits, f"{self._label}: start of {name} {quoted(value)}: expected a value in its own unit; change it")
            found[name] = at.value
        return found

    def _to_threshold(self) -> tuple[Straight | None, float]:
        """Return the code of the distance to the threshold, and its size at the start; no code where there are more conditions."""
        tree = self._text.threshold
        if not isinstance(tree, ast.Compare) or not isinstance(tree.ops[0], ABOVE + BELOW):
            return None, 1.0
        sides = tree.left, tree.comparators[0]
        high, low = sides if isinstance(tree.ops[0], ABOVE) else sides[::-1]
        lines = {line.name: line for line in self._text.lines}
        away = substituted(lines, ast.BinOp(high, ast.Sub(), low))
        code = Straight("threshold", (("distance", away),), {}, frozenset({*self.states, DRIVE}))
        known = self._known(np.float64) | {name: np.float64(value) for name, value in self._starts.items()}
        known[DRIVE] = np.float64(0)
        with np.errstate(all="ignore"):
            size = abs(float(code.run(known, np.float64)["distance"]))
        return code, size if 0 < size < np.inf else 1.0

    def _described(self) -> dict[str, str]:
        found = {DRIVE: "summed synaptic input", "rate": "spikes", "spike": "1 in a tick with a spike, 0 otherwise"}
        units = {line.name: line.unit for line in self._text.lines}
        found |= {name: f"{name} of the equations, {'without unit' if units[name] == '1' else units[name]}" for name in self.states}
        return found if self._distance is None else found | {"slope": "slope of the spike, by the surrogate"}

    def at(self, dt: float | None, owner: str) -> Equations:
        if dt is None:
            said = f"{owner}: {self._label} are equations in time: expected a network that says how long a tick is"
            raise InputError(f"{said}; give Network(..., dt='0.1*ms'), in a model file dt = \"0.1*ms\" under [network]")
        check_step(f"{owner}: {self._label}", self._text, self._known(np.float64) | self._starts, self._code.method, dt)
        made = copy.copy(self)
        with np.errstate(all="ignore"):
            made._numbers = self._code.numbers(dt)
        for value in made._numbers.values():
            finite = f"{owner}: {self._label}: method {self._code.method!r} divides by 0: expected time constants that differ"
            require(bool(np.isfinite(value)), f"{finite}; change one a little, or give method='exponential_euler'")
        return made

    # ------------------------------------------------------------------ one tick

    def state(self) -> dict[str, float]:
        pause = {} if self._code.timed is None else {SINCE: LONG_AGO} if self._code.timed else {MAY_SPIKE: 1.0}
        return self._starts | pause

    def advance(
        self,
        backend: Backend,
        activation: Any,
        state: Mapping[str, Any],
        draws: Draws | None,
        stream: str,
        **inputs: Any,
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        tick, number = self._tick(activation, state, inputs), activation.dtype.type
        spike, after = tick.spike, {}
        for name in self.states:
            value = tick.moved[name]
            after[name] = np.where(spike, tick.reset[name], value) if name in tick.reset else value
        if self._code.timed:
            after[SINCE] = np.where(spike, number(0), tick.since)
        elif self._code.timed is False:
            after[MAY_SPIKE] = np.logical_and(tick.may_spike, np.logical_not(spike)).astype(activation.dtype)
        passing = {} if self._distance is None else {"slope": self._slope(tick)}
        return spike.astype(activation.dtype), after, passing

    def _tick(self, activation: Any, state: Mapping[str, Any], inputs: Mapping[str, Any]) -> _Tick:
        """Return all values of a tick: a captured step computes once what both ways of an error and of activity need."""
        number = activation.dtype.type
        known = self._known(number)
        before = {name: self._arrived(name, state, inputs.get(name), number) for name in self.states}
        since = state[SINCE] + number(1) if self._code.timed else None
        values = known | before | {DRIVE: activation, "lastspike": number(0)}
        if since is not None:
            values["t"] = since * number(self._numbers["dt"])
        if self._code.timed is False:
            values["not_refractory"] = state[MAY_SPIKE] != 0
        values = self._code.update.run(values, number)
        may_spike = None if self._code.timed is None else self._code.update.last("not_refractory", values)
        moved = {name: self._code.update.last(name, values) for name in self.states}
        here = known | moved | {DRIVE: activation} | ({} if may_spike is None else {"not_refractory": may_spike})
        assert self._code.threshold is not None
        spike = self._code.threshold.last("_cond", self._code.threshold.run(here, number))
        ended = here if self._code.reset is None else self._code.reset.run(here, number)
        reset = {} if self._code.reset is None else {name: ended[last] for name, last in self._code.reset.after.items()}
        return _Tick(values, here, ended, moved, reset, spike, since, may_spike)

    def _known(self, number: Any) -> dict[str, Any]:
        """Return the numbers that are the same for all neurons, as numbers of an array's type."""
        if not self._numbers:  # before a network says how long a tick is
            plain = {name: one.value for name, one in {**UNITS, **self._measures}.items()} | NUMBERS
            return {name: number(value) for name, value in plain.items()}
        if number is np.float64:
            return dict(self._numbers)
        return {name: value if isinstance(value, np.bool_) else number(value) for name, value in self._numbers.items()}

    def _arrived(self, name: str, state: Mapping[str, Any], arriving: Any, number: Any) -> Any:
        """Return a variable with what arrives for it; one that stands still while its neuron is refractory takes nothing then."""
        if arriving is None:
            return state[name]
        added = state[name] + arriving
        return np.where(self._open(state, number), added, state[name]) if name in self._code.guarded else added

    def _open(self, state: Mapping[str, Any], number: Any) -> Any:
        """Return whether neurons were not refractory at the end of the tick before."""
        if self._code.timed is False:
            return state[MAY_SPIKE] != 0
        values = self._known(number) | {name: state[name] for name in self.states}
        values |= {"t": state[SINCE] * number(self._numbers["dt"]), "lastspike": number(0), DRIVE: number(0)}
        return self._code.update.last("not_refractory", self._code.update.run(values, number))

    def _slope(self, tick: _Tick) -> Any:
        """Return the surrogate's slope with respect to the distance to the threshold."""
        assert self._distance is not None
        number = tick.spike_type
        x = self._distance.run(tick.here, number)["distance"] * number(1 / self._scale)
        slope = self.surrogate.slope(x) * number(1 / self._scale)
        return slope if tick.may_spike is None else np.where(tick.may_spike, slope, number(0))

    # ------------------------------------------------------------------ errors

    def errors_back(
        self, backend: Backend, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Any
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        if self._distance is None:
            said = f"{self._label}: threshold {quoted(self.threshold)} has no slope: expected one comparison, such as v > v_thresh"
            raise InputError(f"{said}, where errors go back; write it so")
        tick, number = self._tick(activity.activation, activity.before, activity.inputs), error_on_rate.dtype.type
        later = {name: error_on_state[name] for name in self.states if name in error_on_state}
        errors = {name: np.where(tick.spike, number(0), error) if name in tick.reset else error for name, error in later.items()}
        if self._code.reset is not None:
            through = {name: np.where(tick.spike, error, number(0)) for name, error in later.items() if name in tick.reset}
            errors = self._add(errors, self._code.reset.errors_back(tick.ended, through, number))
        on_spike = error_on_rate
        for name in self.through_spike:
            if name in later:
                on_spike = on_spike + later[name] * (tick.reset[name] - tick.moved[name])
        by_spike = {"distance": on_spike * self._slope(tick)}
        errors = self._add(errors, self._distance.errors_back(tick.here, by_spike, number))
        found = self._code.update.errors_back(tick.values, errors, number)
        nothing = backend.xp.zeros_like(error_on_rate)
        on_state = {name: found.get(name, nothing) for name in self.states}
        on_inputs = dict(on_state)
        for name in self._code.guarded:
            on_inputs[name] = np.where(self._open(activity.before, number), on_state[name], number(0))
        return found.get(DRIVE, nothing), on_state, on_inputs

    def _add(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
        """Return the sum of errors on variables, and on the drive."""
        found = dict(one)
        for name in (*self.states, DRIVE):
            if name in other:
                found[name] = found[name] + other[name] if name in found else other[name]
        return found


@dataclass(frozen=True)
class _Tick:
    """The values of one tick.

    values : of the update's code; here : before the reset; ended : of the reset's code
    moved : variable -> its value before the reset; reset : variable -> its value after it
    since : ticks since the last spike, before this one; may_spike : whether not refractory
    """

    values: Mapping[str, Any]
    here: Mapping[str, Any]
    ended: Mapping[str, Any]
    moved: Mapping[str, Any]
    reset: Mapping[str, Any]
    spike: Any
    since: Any
    may_spike: Any

    @property
    def spike_type(self) -> Any:
        return next(iter(self.moved.values())).dtype.type


def as_time(value: Any, label: str) -> str:
    """Return a time as the text of a quantity; a number is one of seconds.  Raises InputError, with ``label`` first."""
    return value if isinstance(value, str) else f"{seconds(value, label)!r}*second"


def _as_written(value: Any) -> Any:
    """Return an option as text holds it: quantities, and those within a dictionary, as a number times a unit."""
    if isinstance(value, Mapping):
        return {name: _as_written(one) for name, one in value.items()}
    return written(measure(value, "quantity")) if hasattr(value, "dim") else value


_surrogate = surrogate  # the constructor's argument of the same name hides it there
