"""From an equation to matrix products.

Expanded, a separable right-hand side is a sum of terms c(w) * P(pre) * Q(post).  Summed over the batch, each term is one
matrix product of P, (batch, n_pre), with Q, (batch, n_post), times c, (n_pre, n_post).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import sympy

from neurosim.equations.functions import EXP
from neurosim.equations.language import PlasticityEquation
from neurosim.errors import LONGEST, EquationError, quoted

MOST_TERMS = 200
MOST_PRODUCTS = 50_000  # of two terms, in one equation: the time that takes

# base -> exponent, as a set of pairs; and the number before each such product
Monomial = frozenset[tuple[sympy.Expr, sympy.Expr]]
Polynomial = dict[Monomial, float]


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
        A sub-expression mixes the sides, such as ``tanh(rate_pre + rate_post)``; the message names it.  Or there are more than
        MOST_TERMS terms.
    """
    try:
        polynomial = _Expansion().of(equation.expression)
        return tuple(_term(monomial, number) for monomial, number in polynomial.items()) or (_term(frozenset(), 0.0),)
    except EquationError as cause:
        other_way = isinstance(cause, _InseparableError) and equation.target == "w"  # a bias has no synapses
        hint = ", or pass method='explicit' to evaluate it synapse by synapse" if other_way else ""
        raise EquationError(f"equation {quoted(equation.text)}: {cause}{hint}") from cause


class _InseparableError(EquationError):
    """An expression that is no sum of products of the two sides, or of too many."""


class _Expansion:
    """Multiplies out what mixes the sides, and leaves whole what does not.  Counts, and stops, before it takes long."""

    def __init__(self) -> None:
        self.products = 0

    def of(self, expression: sympy.Expr) -> Polynomial:
        """Return ``expression`` as a sum of products of factors that each touch one side."""
        if expression.is_Number:
            return {frozenset(): float(expression)} if expression != 0 else {}
        if expression.is_Mul:
            return self._product(self.of(factor) for factor in expression.args)
        if len(_sides(expression)) <= 1:
            known = expression.is_Pow and expression.exp.is_Number  # 2**rate_pre and 2**rate_post share a base, but no side
            base, exponent = (expression.base, expression.exp) if known else (expression, sympy.Integer(1))
            return {frozenset({(base, exponent)}): 1.0}
        if expression.is_Add:
            return self._sum(self.of(addend) for addend in expression.args)
        if expression.is_Pow and expression.exp.is_Integer and expression.exp > 0:
            return self._product([self.of(expression.base)] * int(expression.exp))
        if expression.is_Pow and expression.exp.is_Add:
            return self._product(self.of(sympy.Pow(expression.base, addend)) for addend in expression.exp.args)
        if isinstance(expression, EXP):
            return self._exponential(expression)
        raise _mixed(expression)

    def _exponential(self, expression: sympy.Expr) -> Polynomial:
        """Return exp(a + b) as exp(a) * exp(b)."""
        polynomial = self.of(expression.args[0])
        with np.errstate(over="ignore"):
            parts: list[Polynomial] = [{frozenset(): float(np.exp(polynomial.pop(frozenset(), 0.0)))}]
        for addend in (_multiplied(monomial, number) for monomial, number in polynomial.items()):
            if len(_sides(addend)) > 1:
                raise _mixed(expression)
            parts.append({frozenset({(EXP(addend), sympy.Integer(1))}): 1.0})
        return self._product(parts)

    def _sum(self, parts: Iterable[Polynomial]) -> Polynomial:
        total: Polynomial = {}
        for part in parts:
            for monomial, number in part.items():
                total[monomial] = total.get(monomial, 0) + number
        return self._counted(total)

    def _product(self, parts: Iterable[Polynomial]) -> Polynomial:
        total: Polynomial = {frozenset(): 1.0}
        for part in parts:
            self.products += len(total) * len(part)
            if self.products > MOST_PRODUCTS:
                raise _too_many()
            found: Polynomial = {}
            for one, first in total.items():
                for other, second in part.items():
                    monomial = _gathered(one, other)
                    found[monomial] = found.get(monomial, 0) + first * second
            total = self._counted(found)
        return total

    @staticmethod
    def _counted(polynomial: Polynomial) -> Polynomial:
        found = {monomial: number for monomial, number in polynomial.items() if number != 0}
        if len(found) > MOST_TERMS:
            raise _too_many()
        return found


def _gathered(one: Monomial, other: Monomial) -> Monomial:
    """Return the product of two monomials: exponents of equal bases are added."""
    exponents = dict(one)
    for base, exponent in other:
        exponents[base] = exponents[base] + exponent if base in exponents else exponent
    return frozenset((base, exponent) for base, exponent in exponents.items() if exponent != 0)


def _term(monomial: Monomial, number: float) -> Term:
    if not math.isfinite(number):
        raise EquationError("a factor of its terms is beyond floating point: expected finite numbers; use smaller constants")
    sides: dict[str, list[tuple[sympy.Expr, sympy.Expr]]] = {"own": [], "pre": [], "post": []}
    for base, exponent in monomial:
        (side,) = _sides(base)
        sides[side].append((base, exponent))
    return Term(_multiplied(sides["own"], number), _multiplied(sides["pre"], 1.0), _multiplied(sides["post"], 1.0))


def _multiplied(factors: Iterable[tuple[sympy.Expr, sympy.Expr]], number: float) -> sympy.Expr:
    """Return number * product of powers; sympy puts the factors into an order of its own, always the same."""
    value = sympy.Integer(int(number)) if number.is_integer() else sympy.Float(number)
    return sympy.Mul(value, *(sympy.Pow(base, exponent) for base, exponent in factors))


def _sides(expression: sympy.Expr) -> set[str]:
    return {_side(symbol.name) for symbol in expression.free_symbols}


def _side(name: str) -> str:
    if name.endswith("_pre"):
        return "pre"
    return "post" if name.endswith("_post") else "own"


def _mixed(expression: sympy.Expr) -> _InseparableError:
    text = str(expression)
    shown = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
    return _InseparableError(
        f"{shown} mixes {' and '.join(sorted(_sides(expression)))} variables and cannot be written as a product of the two sides; "
        "rewrite it"
    )


def _too_many() -> _InseparableError:
    return _InseparableError(
        f"has more than {MOST_TERMS} terms when multiplied out, each of them a matrix product: expected fewer; "
        "lower its powers"
    )
