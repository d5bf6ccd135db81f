"""The language of plasticity equations: the names, and what they may stand for.

``dw = eta * error_post * rate_pre``: the left side names what changes, the right side is written as in Brian2.  ``x_pre`` and
``x_post`` are variables of the two populations, ``w`` is the synapse's own weight, every other name is a constant given by keyword,
or one that a ``Scope`` lists: a state of the rule, or a modulator.  Nothing else resolves, and every function is one of numbers,
element by element (see ``equations.functions``): a rule that parses is local.  The text may come from a stranger's file, so no part
of it is ever evaluated as Python.
"""

from __future__ import annotations

import ast
import difflib
import functools
import math
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy

from neurosim.equations.building import build
from neurosim.equations.scanning import name_error, split, tree_of
from neurosim.errors import EquationError, quoted

DEFAULT_MODULATORS = frozenset({"reward"})  # what a rule may name without further ado, where a pathway delivers it
PREDEFINED = {"pi": math.pi, "e": math.e}  # unless given as constants
USUAL = ("rate_pre", "rate_post", "error_post", "drive_pre", "drive_post", "activation_pre", "activation_post")  # for advice only
LIKE_A_VARIABLE = re.compile(r"pre|post|rate|error|drive|activation|potential", re.IGNORECASE)
VARIABLE = re.compile(r".+_(pre|post)", re.DOTALL)


@dataclass(frozen=True)
class Scope:
    """What an equation may read beside its target and its constants.

    sides : which populations' variables, of ``pre`` and ``post``
    names : bare name -> the variable that it stands for (``theta`` -> ``theta_post`` in an equation of the postsynaptic side)
    states : those variables with a side that are states of the rule: one value a neuron, whatever the sample
    traces : those names that are states of the synapse of which each sample has its own
    modulators : names that stand for one value a sample, the same for all synapses; a constant of that name goes first
    """

    sides: frozenset[str] = frozenset({"pre", "post"})
    names: Mapping[str, str] = field(default_factory=dict)
    states: frozenset[str] = frozenset()
    traces: frozenset[str] = frozenset()
    modulators: frozenset[str] = frozenset()

    def __hash__(self) -> int:
        return hash((self.sides, frozenset(self.names.items()), self.states, self.traces, self.modulators))


@dataclass(frozen=True)
class PlasticityEquation:
    """A parsed equation ``d<target> = expression`` with its constants filled in.

    in_time : whether it is written ``d<target>/dt = expression``
    pre, post : the variables of either side that it reads, without their suffix; states of the rule are among them
    synapse : the synapse's own values that it reads: the target, and states of the synapse
    modulators : those that it reads
    states : see ``Scope``
    traces : see ``Scope``; those that are left in the expression
    """

    text: str
    target: str
    in_time: bool
    expression: sympy.Expr
    pre: frozenset[str]
    post: frozenset[str]
    synapse: frozenset[str]
    modulators: frozenset[str]
    states: frozenset[str]
    traces: frozenset[str]


def parse(text: str, constants: Mapping[str, float] | None = None, scope: Scope = Scope()) -> PlasticityEquation:
    """Parse ``text``, with ``constants`` and what ``scope`` allows for its names.

    Raises
    ------
    EquationError
        The form is not ``dx = expression``, the syntax is not the language's, a function is not in its table, a name resolves to
        nothing local, a constant is no finite number or is not used, a part is no finite number, or a limit is exceeded.
    """
    try:
        target, in_time, right = split(text)
        values = {name: _checked(name, value, target, scope) for name, value in (constants or {}).items()}
        # with its sign: 0.0 and -0.0 are one key
        expression, read, modulators = _built(right, target, tuple((*it, math.copysign(1, it[1])) for it in values.items()), scope)
    except EquationError as cause:
        raise EquationError(f"equation {quoted(text)}: {cause}") from cause
    return PlasticityEquation(
        text=text,
        target=target,
        in_time=in_time,
        expression=expression,
        pre=frozenset(name.removesuffix("_pre") for name in read if VARIABLE.fullmatch(name) and name.endswith("_pre")),
        post=frozenset(name.removesuffix("_post") for name in read if VARIABLE.fullmatch(name) and name.endswith("_post")),
        synapse=frozenset(name for name in read - modulators if not VARIABLE.fullmatch(name)),
        modulators=modulators,
        states=scope.states,
        traces=frozenset(name for name in scope.traces if sympy.Symbol(name) in expression.free_symbols),
    )


@functools.lru_cache(maxsize=256)  # a network of many projections, and each of its copies, has the same few texts
def _built(
    right: str, target: str, constants: tuple[tuple[str, float, float], ...], scope: Scope
) -> tuple[sympy.Expr, frozenset[str], frozenset[str]]:
    """Return the right side as an expression, the symbols in it, and those names that are modulators."""
    known, values = {target: target} | dict(scope.names), {name: value for name, value, _ in constants}
    tree = tree_of(right)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}
    unused = sorted(values.keys() - names)
    symbols = {name: _resolved(name, known, values, scope) for name in sorted(names)}
    if unused:
        raise EquationError(f"constant {unused[0]!r} does not occur in it; leave it out or name it there")
    expression = build(tree, symbols.__getitem__)
    read = frozenset(symbol.name for symbol in symbols.values() if isinstance(symbol, sympy.Symbol))
    return expression, read, frozenset(name for name in names & scope.modulators if isinstance(symbols[name], sympy.Symbol))


def _checked(name: str, value: object, target: str, scope: Scope) -> float:
    """Return a constant as a number, or raise EquationError where name or value cannot be one."""
    if wrong := name_error(name):
        raise EquationError(f"constant {quoted(name)}: {wrong}")
    if name == target or name in scope.names or VARIABLE.fullmatch(name):
        meaning = "the changing value itself" if name == target else "a variable of a population"
        meaning = "a state of the rule" if name in scope.names else meaning
        raise EquationError(f"constant {quoted(name)} is {meaning}: expected another name for a constant; rename it")
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        number = float(value) if real else math.nan  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        quotes = "; leave out the quotes, or give it a unit as in '20*ms'"
        hint = quotes if isinstance(value, str) else f"; give one such as {_shown(name)} = 0.1"
        raise EquationError(f"constant {_shown(name)} = {quoted(value)}: expected a finite number{hint}")
    return number


def _resolved(name: str, known: Mapping[str, str], constants: Mapping[str, float], scope: Scope) -> float | sympy.Symbol:
    """Return what a name stands for: a constant's number, or the symbol of a variable."""
    if name in constants:
        return constants[name]
    if name in known:
        return sympy.Symbol(known[name])
    if VARIABLE.fullmatch(name) and name.rpartition("_")[2] in scope.sides or name in scope.modulators:
        return sympy.Symbol(name)
    if name in PREDEFINED:
        return PREDEFINED[name]
    if name in ("inf", "nan"):
        raise EquationError(f"{name!r} is not finite: expected finite numbers; write a number, or pass {name}=<number>")
    names = [*known, *sorted(constants), *sorted(scope.modulators - DEFAULT_MODULATORS)]
    listed = ", ".join(map(_shown, names))
    if len(scope.sides) == 1:
        (side,) = scope.sides
        raise EquationError(
            f"name {quoted(name)} is not local to the {side}synaptic neuron: expected one of {listed}, a variable of "
            f"that neuron (rate_{side}, ...), or a constant given by keyword; make what reads both sides a state of the synapse"
        )
    raise EquationError(
        f"name {quoted(name)} is not local to the synapse: expected one of {listed}, a variable of either population "
        f"(rate_pre, rate_post, ...), or a constant given by keyword; {_advice(name, names)}"
    )


def _advice(name: str, known: list[str]) -> str:
    """Return what to do about an unknown name: a misspelt variable is to be corrected, not passed as a constant."""
    near = difflib.get_close_matches(name, [*USUAL, *known], n=1, cutoff=0.7)
    if near:
        return f"did you mean {_shown(near[0])}?"
    if LIKE_A_VARIABLE.search(name):
        return "write a variable of one of its own two populations, such as rate_pre, rate_post or error_post"
    return f"pass {_shown(name)}=<number>"


def _shown(name: str) -> str:
    """Return a name as a message shows it without quotes."""
    return quoted(name)[1:-1]
