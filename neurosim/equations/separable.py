"""From an equation to matrix products.

Expanded, a separable right-hand side is a sum of terms c(w) * P(pre) * Q(post).  Summed over the batch, each term is one
matrix product of P, (batch, n_pre), with Q, (batch, n_post), times c, (n_pre, n_post).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy

from neurosim.equations.language import PlasticityEquation
from neurosim.errors import EquationError


@dataclass(frozen=True)
class Term:
    """One product c(w) * P(pre) * Q(post); a side that does not occur is the number 1."""

    own: sympy.Expr
    pre: sympy.Expr
    post: sympy.Expr


def separate(equation: PlasticityEquation) -> tuple[Term, ...]:
    """Return the terms of ``equation``.

    Raises
    ------
    EquationError
        A sub-expression mixes the sides, such as ``tanh(rate_pre + rate_post)``; the message names it.
    """
    expanded = sympy.expand(equation.expression)
    return tuple(_term(equation, addend) for addend in sympy.Add.make_args(expanded))


def _term(equation: PlasticityEquation, addend: sympy.Expr) -> Term:
    sides: dict[str, sympy.Expr] = {"own": sympy.Integer(1), "pre": sympy.Integer(1), "post": sympy.Integer(1)}
    for factor in sympy.Mul.make_args(addend):
        touched = {_side(symbol.name) for symbol in factor.free_symbols}
        if len(touched) > 1:
            raise EquationError(
                f"equation {equation.text!r}: {factor} mixes {' and '.join(sorted(touched))} variables and cannot be written "
                "as a product of the two sides; rewrite it, or pass method='explicit' to evaluate it synapse by synapse"
            )
        side = touched.pop() if touched else "own"
        sides[side] = sides[side] * factor
    return Term(**sides)


def _side(name: str) -> str:
    if name.endswith("_pre"):
        return "pre"
    return "post" if name.endswith("_post") else "own"


def compile_expression(expression: sympy.Expr, xp: Any) -> Any:
    """Return a function of a mapping name -> array that evaluates ``expression`` with the array module ``xp``."""
    symbols = sorted(expression.free_symbols, key=lambda symbol: symbol.name)
    names = [symbol.name for symbol in symbols]
    if expression.is_Symbol:
        return lambda values: values[names[0]]
    if expression.is_number:
        number = float(expression)
        return lambda values: number
    function = sympy.lambdify(symbols, expression, modules=[xp.__name__])
    return lambda values: function(*(values[name] for name in names))
