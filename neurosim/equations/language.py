"""The language of plasticity equations: the names, and what they may stand for.

``dw = eta * error_post * rate_pre``: the left side names what changes, the right side is written as in Brian2.  ``x_pre`` and
``x_post`` are variables of the two populations, ``w`` is the synapse's own weight, every other name is a constant given by keyword.
Nothing else resolves, and every function is one of numbers, element by element (see ``equations.functions``): a rule that parses is
local.  The text may come from a stranger's file, so no part of it is ever evaluated as Python.
"""

from __future__ import annotations

import ast
import difflib
import math
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass

import sympy

from neurosim.equations.building import build
from neurosim.equations.scanning import name_error, split, tree_of
from neurosim.errors import EquationError, quoted

PREDEFINED = {"pi": math.pi, "e": math.e}  # unless given as constants
USUAL = ("rate_pre", "rate_post", "error_post", "drive_pre", "drive_post", "potential_pre", "potential_post")  # for advice only
LIKE_A_VARIABLE = re.compile(r"pre|post|rate|error|drive|potential", re.IGNORECASE)
VARIABLE = re.compile(r".+_(pre|post)", re.DOTALL)


@dataclass(frozen=True)
class PlasticityEquation:
    """A parsed equation ``d<target> = expression`` with its constants filled in.

    pre, post : the population variables it reads, without their suffix.
    own : the target's name where the expression reads the synapse's own value (``{"w"}`` or empty).
    """

    text: str
    target: str
    expression: sympy.Expr
    pre: frozenset[str]
    post: frozenset[str]
    own: frozenset[str]


def parse(text: str, constants: Mapping[str, float] | None = None) -> PlasticityEquation:
    """Parse ``text``, with ``constants`` for its bare names.

    Raises
    ------
    EquationError
        The form is not ``dx = expression``, the syntax is not the language's, a function is not in its table, a name resolves to
        nothing local, a constant is no finite number or is not used, a part is no finite number, or a limit is exceeded.
    """
    try:
        target, right = split(text)
        values = {name: _checked(name, value, target) for name, value in (constants or {}).items()}
        tree = tree_of(right)
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}
        unused = sorted(values.keys() - names)
        symbols = {name: _resolved(name, target, values) for name in sorted(names)}
        if unused:
            raise EquationError(f"constant {unused[0]!r} does not occur in it; leave it out or name it there")
        expression = build(tree, symbols.__getitem__)
    except EquationError as cause:
        raise EquationError(f"equation {quoted(text)}: {cause}") from cause
    return PlasticityEquation(
        text=text,
        target=target,
        expression=expression,
        pre=frozenset(name.removesuffix("_pre") for name in names if VARIABLE.fullmatch(name) and name.endswith("_pre")),
        post=frozenset(name.removesuffix("_post") for name in names if VARIABLE.fullmatch(name) and name.endswith("_post")),
        own=frozenset(names & {target}),
    )


def _checked(name: str, value: object, target: str) -> float:
    """Return a constant as a number, or raise EquationError where name or value cannot be one."""
    if wrong := name_error(name):
        raise EquationError(f"constant {quoted(name)}: {wrong}")
    if name == target or VARIABLE.fullmatch(name):
        meaning = "the changing value itself" if name == target else "a variable of a population"
        raise EquationError(f"constant {quoted(name)} is {meaning}: expected another name for a constant; rename it")
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        number = float(value) if real else math.nan  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        hint = "; leave out the quotes" if isinstance(value, str) else f"; give one such as {_shown(name)} = 0.1"
        raise EquationError(f"constant {_shown(name)} = {quoted(value)}: expected a finite number{hint}")
    return number


def _resolved(name: str, target: str, constants: Mapping[str, float]) -> float | sympy.Symbol:
    """Return what a bare name stands for: a constant's number, or the symbol of a variable."""
    if name in constants:
        return constants[name]
    if name == target or VARIABLE.fullmatch(name):
        return sympy.Symbol(name)
    if name in PREDEFINED:
        return PREDEFINED[name]
    if name in ("inf", "nan"):
        raise EquationError(f"{name!r} is not finite: expected finite numbers; write a number, or pass {name}=<number>")
    known = ", ".join(map(_shown, [target, *sorted(constants)]))
    raise EquationError(
        f"name {quoted(name)} is not local to the synapse: expected one of {known}, a variable of either population (rate_pre, "
        f"rate_post, ...), or a constant given by keyword; {_advice(name, [target, *constants])}"
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
