"""The contract of a plasticity rule, and the rule that is an equation."""

from __future__ import annotations

import abc
import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from neurosim import reprs
from neurosim.backends import Backend
from neurosim.capture import Recorded
from neurosim.catalogue import Stated
from neurosim.equations import DEFAULT_MODULATORS, PlasticityEquation, Quantity, Scope, names_in, parse, quantity, separate
from neurosim.equations.quantities import TIME
from neurosim.errors import EquationError, NotCapturableError, quoted, require
from neurosim.plasticity.products import Compiled, Program, Values, compile_term, mean_bias_change, mean_change
from neurosim.plasticity.state import Given, Shapes, Start, StateEquation, States

Variables = Mapping[str, Any]

log = logging.getLogger(__name__)


class Wiring(Protocol):
    """What a rule needs of a connectivity."""

    name: ClassVar[str]
    matrix: ClassVar[bool]

    def correlate(self, backend: Backend, pre: Any, post: Any) -> Any:
        """Return for every synapse the sum over the batch of its ``pre``, (batch, *pre), times its ``post``, (batch, *post)."""


@dataclass(frozen=True)
class Synapses:
    """All a rule may see of one projection, beside the variables of its two populations.

    w : the weights, shaped by ``connectivity``; b : the bias, (*post), or None
    state : what the rule remembers, by name; of each sample where its Start says so, (batch, *shape)
    modulators : what reaches all synapses alike, such as ``reward``: name -> (batch,)
    """

    backend: Backend
    connectivity: Wiring
    w: Any
    b: Any
    state: Mapping[str, Any]
    modulators: Mapping[str, Any] = field(default_factory=dict)

    __repr__ = reprs.fields

    @property
    def all_to_all(self) -> bool:
        """Whether the weights are a matrix, (n_pre, n_post)."""
        return self.connectivity.matrix


@dataclass(frozen=True)
class Proposal:
    """What a rule proposes: changes of the weights and the bias (None: unchanged), and its own next state."""

    dw: Any
    db: Any
    state: Mapping[str, Any]

    __repr__ = reprs.fields


class Rule(Stated, abc.ABC):
    """Computes a change of the weights from presynaptic variables, postsynaptic variables and the synapse's own values.

    ``delta`` is pure: it changes nothing, and gives the same answer for the same arguments.  It gets the variables that ``pre``
    and ``post`` name, and nothing else.

    local : whether each synapse changes by what its own two neurons and itself have, and by modulators; measured for every rule
        of the package
    solves : the proposal is the final weight change, and not a direction for an optimiser to scale
    scale_matters : the terms of the change balance each other, so an optimiser that rescales the change of each weight, such as
        Adam, turns it into another rule
    modulators : the names of the modulators that it reads
    """

    local = True
    solves = False
    scale_matters = False
    pre: frozenset[str]
    post: frozenset[str]
    modulators: frozenset[str] = frozenset()

    @abc.abstractmethod
    def initial_state(self, shapes: Shapes) -> dict[str, Start]:
        """Return what each variable of the rule's state starts as, by name; {} for a rule that remembers nothing."""

    @abc.abstractmethod
    def delta(self, pre: Variables, post: Variables, synapses: Synapses) -> Proposal:
        """Return the change proposed by one batch, averaged over it.

        pre, post : variable name -> (batch, *shape of that population)
        """

    @abc.abstractmethod
    def describe(self) -> str:
        """Return the rule as one line of text."""


class PlasticityRule(Rule):
    """A rule given by its equation, averaged over the batch.

    PlasticityRule("dw = eta * rate_post * (rate_pre - rate_post * w)", eta=0.01)
    PlasticityRule("dw = eta * rate_post * (rate_post - theta_post) * rate_pre",
                   post={"theta": "dtheta/dt = (rate_post**2 - theta) / tau"}, eta=0.01, tau=100)
    PlasticityRule("dw = eta * error_post * trace_pre",
                   pre={"trace": "dtrace/dt = (rate_pre - trace) / tau"}, per_sample=("trace_pre",), eta=0.01, tau=10)

    equation : ``dw = ...``, written as in Brian2 (see ``neurosim.equations.language``)
    bias : ``db = ...`` for the postsynaptic neurons' bias; without it the bias stays as it is
    pre, post, synapse : states of each presynaptic neuron, of each postsynaptic neuron, and of each synapse: name -> equation, or
        (equation, start value); the default start value is 0
    per_sample : the states of which each sample has its own, written as in equations (``trace_pre``, ``eligibility``); they start
        again with each trial.  Such a state of the synapse takes, for each sample, as much memory as the weights, and needs an
        all-to-all projection
    modulators : names of signals that reach all synapses alike, one value for each sample
    method : ``separable`` (matrix products) or ``explicit`` (synapse by synapse; only for all-to-all projections)
    constants : values of all other names in the equations; each is a finite number, or has a unit: ``"20*ms"``, or a quantity of
        Brian2's.  Start values may have units, too

    In each tick, all states take one explicit Euler step of dt = 1 from their old values.  States of each sample use the right
    side of their equation; the others use its mean over the batch.  Then the changes of weight and bias are computed with the new
    values.  Constants with a time in their unit are first turned into ticks (``in_ticks``); in ``spike_code`` they stay times.

    Raises
    ------
    EquationError
        A name that is not local, an unknown function, a syntax error, a number that is not finite, an equation that is too large,
        an inseparable expression (the message quotes it), a state with a malformed equation, or a name in ``per_sample`` that is
        not a state.
    """

    def __init__(
        self,
        equation: str,
        /,
        *,
        bias: str | None = None,
        pre: Given | None = None,
        post: Given | None = None,
        synapse: Given | None = None,
        per_sample: Sequence[str] = (),
        modulators: Sequence[str] = tuple(DEFAULT_MODULATORS),
        method: str = "separable",
        **constants: Any,
    ) -> None:
        require(
            isinstance(method, str) and method in ("separable", "explicit"),
            f"rule method {quoted(method)}: expected 'separable' or 'explicit'; pick one (no constant can have this name)",
        )
        require(
            bias is None or isinstance(bias, str),
            f"rule bias {quoted(bias)}: expected an equation such as 'db = eta * error_post' (no constant can have this name)",
        )
        options: dict[str, Any] = {"pre": pre, "post": post, "synapse": synapse, "per_sample": per_sample, **constants}
        self._rebuilt = functools.partial(type(self), bias=bias, modulators=modulators, method=method, **options)
        states = States.of({"pre": pre, "post": post, "synapse": synapse}, modulators, per_sample)
        self.constants = {name: _measured(name, value) for name, value in constants.items()}
        constants = {name: value.value if isinstance(value, Quantity) else value for name, value in self.constants.items()}
        others = [text for _, _, text, _ in states.given] + ([bias] if bias else [])
        elsewhere = {name for text in others for name in names_in(text)}
        # a constant in none of the equations goes to the first, whose parser reports it
        for_weight = {name: value for name, value in constants.items() if name not in elsewhere or name in names_in(equation)}
        self.equation = parse(equation, for_weight, states.scope())
        for_bias = {name: constants[name] for name in constants.keys() & (names_in(bias) if bias else set())}
        self.bias_equation = parse(bias, for_bias, states.scope("bias")) if bias else None
        self._check_targets()
        self._states = states
        self.states = states.equations(constants, method == "separable")
        self.method = method
        self.terms = separate(self.equation) if method == "separable" else ()
        self.bias_terms = separate(self.bias_equation) if self.bias_equation else ()
        equations = [self.equation, *([self.bias_equation] if self.bias_equation else []), *(one.equation for one in self.states)]
        remembered = {state.name for state in self.states}
        self.pre = frozenset(name for one in equations for name in one.pre if f"{name}_pre" not in remembered)
        self.post = frozenset(name for one in equations for name in one.post if f"{name}_post" not in remembered)
        self.modulators = frozenset(name for one in equations for name in one.modulators)
        self.scale_matters = _balances(self.equation)
        self._programs: dict[str, Program] = {}
        self._announced = False

    def scope(self, side: str | None = None) -> Scope:
        """Return what the rule's equation may read, or that of a state of ``side``."""
        return self._states.scope(side)

    @property
    def times(self) -> dict[str, Quantity]:
        """The constants and start values with a time in their unit, by name."""
        given = self.constants | {state.name: state.start for state in self.states}
        return {name: value for name, value in given.items() if isinstance(value, Quantity) and value.time}

    def in_ticks(self, dt: float | None, owner: str = "") -> PlasticityRule:
        """Return the rule as it is in a sweep, with time counted in ticks of ``dt`` seconds; itself where it has no times in it.

        A constant of 20 ms becomes 200 ticks of 0.1 ms, a rate of 5 Hz becomes 0.0005 a tick.

        Raises InputError, naming ``owner``, where there is no dt, or a time is shorter than it.
        """
        times = self.times
        if not times:
            return self
        name, first = next(iter(times.items()))
        said = f"{owner or 'rule'}: {name} = {first!r} of rule {quoted(self.equation.text)}"
        require(dt is not None, f"{said}: expected to know how long a tick is; give Network(..., dt='0.1*ms')")
        assert dt is not None
        for name, value in times.items():
            fits = value.dimensions != TIME or value.in_ticks(dt) >= 1
            said = f"{owner or 'rule'}: {name} = {value!r} of rule {quoted(self.equation.text)} is shorter than a tick of {dt:g} s"
            require(fits, f"{said}: expected a time of one tick or more; give a smaller dt, or a longer {name}")
        options: dict[str, Any] = {
            name: value.in_ticks(dt) if isinstance(value, Quantity) else value for name, value in self.constants.items()
        }
        for side in ("pre", "post", "synapse"):
            options[side] = {
                name: (text, start.in_ticks(dt) if isinstance(start, Quantity) else start)
                for of, name, text, start in self._states.given
                if of == side
            }
        return self._rebuilt(self.equation.text, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle a rule as its text: what is compiled from it has no pickled form."""
        return self._rebuilt, (self.equation.text,)

    def _check_targets(self) -> None:
        if self.equation.target != "w" or self.equation.in_time:
            raise EquationError(f"equation {quoted(self.equation.text)}: expected 'dw = ...'")
        bias = self.bias_equation
        if bias and (bias.target != "b" or bias.in_time or bias.pre):
            text = quoted(bias.text)
            raise EquationError(f"bias equation {text}: expected 'db = ...' of postsynaptic variables and b only")

    def initial_state(self, shapes: Shapes) -> dict[str, Start]:
        return {state.name: state.first(shapes) for state in self.states}

    def delta(self, pre: Variables, post: Variables, synapses: Synapses) -> Proposal:
        program = self._program(synapses)
        pre, post = {name: pre[name] for name in self.pre}, {name: post[name] for name in self.post}
        before = {state.name: synapses.state[state.name] for state in self.states}
        own = [state.name for state in self.states if state.per_sample]
        values, state = Values.of(pre, post, synapses, before, own), {}
        if self.states:
            state = {one.name: self._advanced(one, program, values) for one in self.states}
            values = Values.of(pre, post, synapses, state, own)
        dw = self._change(program.weight, values)
        db = mean_bias_change(program.bias_terms, values) if program.bias_terms and synapses.b is not None else None
        return Proposal(dw, db, state)

    def describe(self) -> str:
        texts = [self.equation.text, *([self.bias_equation.text] if self.bias_equation else [])]
        return "; ".join(texts + [state.describe() for state in self.states])

    def _program(self, synapses: Synapses) -> Program:
        """Return the equations as functions of variables; compiled once, since sympy is slow to ask anything of in a step."""
        xp = synapses.backend.xp
        if xp.__name__ not in self._programs:
            self._check_ticks()
            self._programs[xp.__name__] = Program(
                Compiled.of(self.equation, self.terms, xp),
                [compile_term(term, xp) for term in self.bias_terms],
                {state.name: Compiled.of(state.equation, state.terms, xp) for state in self.states},
            )
        return self._programs[xp.__name__]

    def _check_ticks(self) -> None:
        said = f"rule {quoted(self.equation.text)} has times in it, {', '.join(self.times)}"
        require(not self.times, f"{said}: expected them in ticks; take rule.in_ticks(dt)")

    def _advanced(self, state: StateEquation, program: Program, values: Values) -> Any:
        """Return a state's next value: one explicit Euler step of dt = 1, of each sample or by the batch's mean."""
        equation, before = program.states[state.name], values.state[state.name]
        if state.is_trace:
            return before + equation.whole(values.of_samples())
        if state.side == "synapse":
            return before + self._change(equation, values)
        change = equation.whole(values.pre if state.side == "pre" else values.post)
        return before + (change.mean(axis=0) if state.reads_samples and not state.per_sample else change)

    def _change(self, equation: Compiled, values: Values) -> Any:
        if equation.reads_traces:
            return equation.whole(values.of_samples()).mean(axis=0)
        return mean_change(equation.terms, values) if self.method == "separable" else self._explicit(equation.whole, values)

    def _explicit(self, function: Any, values: Values) -> Any:
        """Evaluate an equation for every synapse, one sample at a time."""
        synapses = values.synapses
        require(synapses.all_to_all, "rule method 'explicit' needs an all_to_all projection; use one")
        if isinstance(synapses.w, Recorded):  # a program would hold the equation once for every sample
            raise NotCapturableError(f"rule {quoted(self.describe())} is evaluated synapse by synapse, one sample after another")
        total = synapses.backend.xp.zeros_like(synapses.w)
        for k in range(values.batch):
            total += function(values.of_sample(k))
        if not self._announced:
            self._announced = True
            size = 3 * synapses.w.nbytes / 2**20  # the sum, the sample's values, one intermediate
            log.warning("rule %r, synapse by synapse: about %.1f MiB and %d passes a batch", self.describe(), size, values.batch)
        return total / total.dtype.type(values.batch)


def _measured(name: str, value: Any) -> Any:
    """Return a constant as a quantity where it has a unit; what it is otherwise, the parser checks."""
    found = quantity(value, f"constant {quoted(name)[1:-1]} =")
    return value if found is None else found


def _balances(equation: PlasticityEquation) -> bool:
    """Return whether a change reads the weight or a lasting state of the rule, and so comes to rest where its terms balance."""
    read = {f"{name}_pre" for name in equation.pre} | {f"{name}_post" for name in equation.post}
    return bool(equation.synapse - equation.traces or read & equation.states)
