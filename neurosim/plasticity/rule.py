"""The contract of a plasticity rule, and the rule that is an equation."""

from __future__ import annotations

import abc
import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from neurosim.backends import Backend
from neurosim.catalogue import Stated
from neurosim.equations import Term, compile_expression, names_in, parse, separate
from neurosim.errors import EquationError, quoted, require

Variables = Mapping[str, Any]

log = logging.getLogger(__name__)


class Wiring(Protocol):
    """What a rule needs of a connectivity."""

    name: ClassVar[str]

    def correlate(self, backend: Backend, pre: Any, post: Any) -> Any:
        """Return for every synapse the sum over the batch of its ``pre``, (batch, *pre), times its ``post``, (batch, *post)."""


@dataclass(frozen=True)
class Synapses:
    """All a rule may see of one projection.

    w : the weights, shaped by ``connectivity``; b : the bias, (*post), or None; state : the rule's own synaptic state.
    """

    backend: Backend
    connectivity: Wiring
    w: Any
    b: Any
    state: Mapping[str, Any]

    @property
    def all_to_all(self) -> bool:
        """Whether the weights are a matrix, (n_pre, n_post)."""
        return self.connectivity.name == "all_to_all"


@dataclass(frozen=True)
class Proposal:
    """What a rule proposes: changes of the weights and the bias (None: unchanged), and its own next state."""

    dw: Any
    db: Any
    state: Mapping[str, Any]


class Rule(Stated, abc.ABC):
    """Turns presynaptic variables, postsynaptic variables and the synapse's own values into a change.

    ``delta`` is pure: it changes nothing, and given the same arguments answers the same.  It is handed the variables that
    ``pre`` and ``post`` name and nothing else.

    solves : the proposal is the weight change itself, not a direction for an optimiser to scale.
    """

    solves = False
    pre: frozenset[str]
    post: frozenset[str]

    @abc.abstractmethod
    def initial_state(self, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Return the shape of each variable of synaptic state, all starting at zero, for weights of ``shape``."""

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

    equation : ``dw = ...``, written as in Brian2 (see ``neurosim.equations.language``).
    bias : ``db = ...`` for the postsynaptic neurons' bias; without it the bias stays as it is.
    method : ``separable`` (matrix products) or ``explicit`` (synapse by synapse; only for all-to-all projections).
    constants : the equation's bare names, finite numbers each.

    Raises
    ------
    EquationError
        A name that is not local, a function that is not in the table, a syntax error, a constant or a part that is no finite
        number, an equation beyond the limits, an inseparable expression (with the sub-expression's text).
    """

    def __init__(
        self, equation: str, /, *, bias: str | None = None, method: str = "separable", **constants: float
    ) -> None:
        require(
            isinstance(method, str) and method in ("separable", "explicit"),
            f"rule method {quoted(method)}: expected 'separable' or 'explicit'; pick one (no constant can have this name)",
        )
        require(
            bias is None or isinstance(bias, str),
            f"rule bias {quoted(bias)}: expected an equation such as 'db = eta * error_post' (no constant can have this name)",
        )
        self._rebuilt = functools.partial(type(self), bias=bias, method=method, **constants)
        for_bias = {name: constants[name] for name in constants.keys() & (names_in(bias) if bias else set())}
        # a constant in neither equation goes to the first, whose parser reports it
        for_weight = {name: value for name, value in constants.items() if name not in for_bias or name in names_in(equation)}
        self.equation = parse(equation, for_weight)
        self.bias_equation = parse(bias, for_bias) if bias else None
        self._check_targets()
        self.method = method
        self.terms = separate(self.equation) if method == "separable" else ()
        self.bias_terms = separate(self.bias_equation) if self.bias_equation else ()
        self.pre = self.equation.pre
        self.post = self.equation.post | (self.bias_equation.post if self.bias_equation else frozenset())
        self._programs: dict[str, Program] = {}
        self._announced = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle a rule as its text: what is compiled from it has no pickled form."""
        return self._rebuilt, (self.equation.text,)

    def _check_targets(self) -> None:
        if self.equation.target != "w":
            raise EquationError(f"equation {quoted(self.equation.text)}: expected 'dw = ...'")
        if self.bias_equation and (self.bias_equation.target != "b" or self.bias_equation.pre):
            text = quoted(self.bias_equation.text)
            raise EquationError(f"bias equation {text}: expected 'db = ...' of postsynaptic variables and b only")

    def initial_state(self, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {}

    def delta(self, pre: Variables, post: Variables, synapses: Synapses) -> Proposal:
        values = {f"{name}_pre": pre[name] for name in self.pre} | {f"{name}_post": post[name] for name in self.post}
        change = self._separable if self.method == "separable" else self._explicit
        dw = change(values, synapses)
        db = self._bias(values, synapses) if self.bias_terms and synapses.b is not None else None
        return Proposal(dw, db, {})

    def describe(self) -> str:
        return self.equation.text + (f"; {self.bias_equation.text}" if self.bias_equation else "")

    def _program(self, xp: Any) -> Program:
        """Return the equations as functions of variables; compiled once, since sympy is slow to ask anything of in a step."""
        if xp.__name__ not in self._programs:
            self._programs[xp.__name__] = Program(
                [_compiled(term, xp) for term in self.terms],
                [_compiled(term, xp) for term in self.bias_terms],
                compile_expression(self.equation.expression, xp),
            )
        return self._programs[xp.__name__]

    def _separable(self, values: Variables, synapses: Synapses) -> Any:
        own = {"w": synapses.w}
        total: Any = 0.0
        batch = _batch(values)
        for number, (factor, pre, post) in enumerate(self._program(synapses.backend.xp).terms):
            part = factor(own)
            if pre or post:
                product = _summed(pre and pre(values), post and post(values), synapses)
                product *= product.dtype.type(1 / batch)
                part = product if isinstance(part, int | float) and part == 1 else part * product
            total = part if number == 0 else total + part
        if isinstance(total, int | float):
            return synapses.backend.xp.full_like(synapses.w, total)
        # one side alone is one row or column of the weights; and optimisers write into what is proposed
        whole = total.shape == synapses.w.shape and total is not synapses.w
        return total if whole else synapses.backend.xp.zeros_like(synapses.w) + total

    def _explicit(self, values: Variables, synapses: Synapses) -> Any:
        """Evaluate the equation for every synapse, one sample at a time."""
        require(synapses.all_to_all, "rule method 'explicit' needs an all_to_all projection; use one")
        function = self._program(synapses.backend.xp).whole
        batch = _batch(values)
        total = synapses.backend.xp.zeros_like(synapses.w)
        for k in range(batch):
            sample = {n: (v[k].reshape(-1, 1) if n.endswith("_pre") else v[k].reshape(1, -1)) for n, v in values.items()}
            total += function({"w": synapses.w, **sample})
        if not self._announced:  # at the end, which a step that is only being recorded does not reach
            self._announced = True
            size = 3 * synapses.w.nbytes / 2**20  # the sum, the sample's values, one intermediate
            log.warning("rule %r, synapse by synapse: about %.1f MiB and %d passes a batch", self.describe(), size, batch)
        return total / total.dtype.type(batch)

    def _bias(self, values: Variables, synapses: Synapses) -> Any:
        xp, total = synapses.backend.xp, synapses.backend.xp.zeros_like(synapses.b)
        for factor, _, post in self._program(xp).bias_terms:
            own = factor({"b": synapses.b})
            total += own * post(values).mean(axis=0) if post else own
        return total


def _summed(pre: Any, post: Any, synapses: Synapses) -> Any:
    """Return the sum over the batch of pre times post, shaped to go with the weights; None is a side that does not occur."""
    if pre is not None and post is not None:
        return synapses.connectivity.correlate(synapses.backend, pre, post)
    total = (post if pre is None else pre).sum(axis=0)
    if not synapses.all_to_all:
        return total
    return total.reshape(-1, 1) if post is None else total.reshape(1, -1)


def _batch(values: Variables) -> int:
    """Return how many samples there are; a rule that reads no population has one."""
    return len(next(iter(values.values()))) if values else 1


class Program(NamedTuple):
    """A rule's equations for one array module: terms as (factor of own values, pre side, post side), and the expression whole."""

    terms: list[tuple[Any, Any, Any]]
    bias_terms: list[tuple[Any, Any, Any]]
    whole: Any


def _compiled(term: Term, xp: Any) -> tuple[Any, Any, Any]:
    """Return a term's three functions of a mapping name -> array; None for a side that does not occur."""
    pre, post = (None if side.is_number else compile_expression(side, xp) for side in (term.pre, term.post))
    return compile_expression(term.own, xp), pre, post
