"""From an equation to matrix products.

Expanded, a separable right-hand side is a sum of terms c(w) * P(pre) * Q(post).  Summed over the batch, each term is one
matrix product of P, (batch, n_pre), with Q, (batch, n_post), times c, (n_pre, n_post).

A state of one side, (n_pre) or (n_post), is the same for all samples: it goes with its side where that side is there, and else with
c(w).  A modulator, (batch,), is the same for all synapses: it goes with either side, or is averaged where there is none.  A state
of one side of which each sample has its own, (batch, n_pre), is a variable of that side like any other.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

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
    """One product c(w) * P(pre) * Q(post) * M(modulators); what does not occur is the number 1.

    synapse : of the synapse's own values, and of states of the two neurons
    modulators : only where neither side occurs
    """

    synapse: sympy.Expr
    pre: sympy.Expr
    post: sympy.Expr
    modulators: sympy.Expr = field(default_factory=lambda: sympy.Integer(1))


@functools.lru_cache(maxsize=256)
def separate(equation: PlasticityEquation) -> tuple[Term, ...]:
    """Return the terms of ``equation``; none where it reads ``traces``, which no product of two sides holds.

    Raises
    ------
    EquationError
        A sub-expression mixes the sides, such as ``tanh(rate_pre + rate_post)``; the message names it.  Or there are more than
        MOST_TERMS terms.
    """
    if equation.traces:
        return ()
    try:
        reads = _Reads(equation.states, equation.modulators)
        polynomial = _Expansion(reads).of(equation.expression)
        return tuple(_term(monomial, number, reads) for monomial, number in polynomial.items() or [(frozenset(), 0.0)])
    except EquationError as cause:
        other_way = isinstance(cause, _InseparableError) and equation.target != "b"  # a bias has no synapses
        hint = ", or pass method='explicit' to evaluate it synapse by synapse" if other_way else ""
        raise EquationError(f"equation {quoted(equation.text)}: {cause}{hint}") from cause


class _InseparableError(EquationError):
    """An expression that is no sum of products of the two sides, or of too many."""


@dataclass(frozen=True)
class _Reads:
    """Which part of a term an expression belongs to, by the variables in it.

    states : those variables with a side that are the same for all samples; modulators : those the same for all synapses
    """

    states: frozenset[str]
    modulators: frozenset[str]

    def parts(self, expression: sympy.Expr) -> set[str]:
        """Return where its variables stand: ``pre``, ``post``, ``synapse``, ``modulators``."""
        return {self._part(symbol.name) for symbol in expression.free_symbols}

    def _part(self, name: str) -> str:
        return "modulators" if name in self.modulators else _side(name)

    def changing(self, expression: sympy.Expr) -> set[str]:
        """Return ``parts`` of those variables that differ from sample to sample."""
        return {self._part(s.name) for s in expression.free_symbols if s.name not in self.states} - {"synapse"}

    def place(self, expression: sympy.Expr) -> str | None:
        """Return the one part that a factor belongs to, or None where it belongs to several.

        ``state_pre`` and ``state_post`` are factors of a side that are the same for all samples.
        """
        parts, changing = self.parts(expression), self.changing(expression)
        if not changing:
            return f"state_{parts.pop()}" if parts in ({"pre"}, {"post"}) else "synapse"
        (*sides,) = parts - {"modulators"}
        if not sides:
            return "modulators"
        return sides[0] if len(sides) == 1 and sides[0] != "synapse" else None


class _Expansion:
    """Multiplies out what mixes the sides, and leaves whole what does not.  Counts, and stops, before it takes long."""

    def __init__(self, reads: _Reads) -> None:
        self.reads = reads
        self.products = 0

    def of(self, expression: sympy.Expr) -> Polynomial:
        """Return ``expression`` as a sum of products of factors that each touch one side."""
        if expression.is_Number:
            return {frozenset(): float(expression)} if expression != 0 else {}
        if expression.is_Mul:
            return self._product(self.of(factor) for factor in expression.args)
        if self.reads.place(expression) is not None:
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
        raise self._mixed(expression)

    def _exponential(self, expression: sympy.Expr) -> Polynomial:
        """Return exp(a + b) as exp(a) * exp(b)."""
        polynomial = self.of(expression.args[0])
        with np.errstate(over="ignore"):
            parts: list[Polynomial] = [{frozenset(): float(np.exp(polynomial.pop(frozenset(), 0.0)))}]
        for addend in (_multiplied(monomial, number) for monomial, number in polynomial.items()):
            if self.reads.place(addend) is None:
                raise self._mixed(expression)
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

    def _mixed(self, expression: sympy.Expr) -> _InseparableError:
        text = str(expression)
        shown = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
        return _InseparableError(
            f"{shown} mixes {' and '.join(sorted(self.reads.parts(expression)))} variables and cannot be written as a product of "
            "the two sides; rewrite it"
        )

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


def _term(monomial: Monomial, number: float, reads: _Reads) -> Term:
    if not math.isfinite(number):
        raise EquationError("a factor of its terms is beyond floating point: expected finite numbers; use smaller constants")
    parts: dict[str, list[tuple[sympy.Expr, sympy.Expr]]] = {
        name: [] for name in ("synapse", "pre", "post", "modulators", "state_pre", "state_post")
    }
    for base, exponent in monomial:
        place = reads.place(base)
        assert place is not None, "an expansion holds no factor that mixes the sides"
        parts[place].append((base, exponent))
    for side in ("pre", "post"):
        parts[side if parts[side] else "synapse"] += parts[f"state_{side}"]
    factors, beside = parts.pop("modulators"), next((parts[side] for side in ("post", "pre") if parts[side]), None)
    if beside is not None:
        beside += factors
        factors = []
    synapse, pre, post = _multiplied(parts["synapse"], number), _multiplied(parts["pre"], 1.0), _multiplied(parts["post"], 1.0)
    return Term(synapse, pre, post, _multiplied(factors, 1.0))


def _multiplied(factors: Iterable[tuple[sympy.Expr, sympy.Expr]], number: float) -> sympy.Expr:
    """Return number * product of powers; sympy puts the factors into an order of its own, always the same."""
    value = sympy.Integer(int(number)) if number.is_integer() else sympy.Float(number)
    return sympy.Mul(value, *(sympy.Pow(base, exponent) for base, exponent in factors))


def _side(name: str) -> str:
    if name.endswith("_pre"):
        return "pre"
    return "post" if name.endswith("_post") else "synapse"


def _too_many() -> _InseparableError:
    return _InseparableError(
        f"has more than {MOST_TERMS} terms when multiplied out, each of them a matrix product: expected fewer; "
        "lower its powers"
    )
