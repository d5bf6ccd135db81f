"""From an expression to a function of arrays, through the same table as it was built with."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import sympy

from neurosim.equations.functions import Array, Elementwise

Values = Mapping[str, Array]
Compiled = Callable[[Values], Array]  # of a number: the number


def compile_expression(expression: sympy.Expr, xp: Any) -> Compiled:
    """Return a function of a mapping name -> array that evaluates ``expression`` with the array module ``xp``.

    Numbers stay Python's own, which take the arrays' type.
    """
    if expression.is_Number:
        number = int(expression) if expression.is_Integer else float(expression)
        return lambda values: number
    if expression.is_Symbol:
        return operator.itemgetter(expression.name)
    if isinstance(expression, Elementwise):
        return _call(expression, xp)
    if expression.is_Pow:
        return _power(expression.base, expression.exp, xp)
    if expression.is_Mul:
        return _product(expression, xp)
    assert expression.is_Add, f"{type(expression).__name__} is not in the language"
    return _sum(expression, xp)


def _call(expression: Elementwise, xp: Any) -> Compiled:
    parts = [compile_expression(part, xp) for part in expression.args]
    array = type(expression).array
    if expression.of_truth and not expression.truth:  # truth values as numbers take the type of the arrays around them
        (truth,) = parts
        return lambda values: array(xp, truth(values), next(iter(values.values())).dtype)
    return lambda values: array(xp, *(part(values) for part in parts))


def _power(base: sympy.Expr, exponent: sympy.Expr, xp: Any) -> Compiled:
    of, to = compile_expression(base, xp), compile_expression(exponent, xp)
    if exponent.is_Number and exponent.is_negative:
        positive = _power(base, -exponent, xp)
        return lambda values: 1 / positive(values)
    if exponent == 1:
        return of
    return lambda values: of(values) ** to(values)


def _product(expression: sympy.Expr, xp: Any) -> Compiled:
    """Return numerator / denominator; a factor of -1 is a change of sign."""
    number, factors = expression.as_coeff_mul()
    below = [factor for factor in factors if factor.is_Pow and factor.exp.is_Number and factor.exp.is_negative]
    above = [factor for factor in factors if factor not in below]
    plain = number == 1 and bool(above) or number == -1
    parts = [compile_expression(part, xp) for part in ([] if plain else [number]) + above]
    if number == -1:
        first = parts[0] if above else None
        parts = [(lambda values: -first(values)) if first else (lambda values: -1), *parts[1:]]
    numerator = _chained(operator.mul, parts)
    if not below:
        return numerator
    denominator = _chained(operator.mul, [_power(factor.base, -factor.exp, xp) for factor in below])
    return lambda values: numerator(values) / denominator(values)


def _sum(expression: sympy.Expr, xp: Any) -> Compiled:
    """Return the sum of all addends, those with a minus sign taken away at the end."""
    negative = [part for part in expression.args if part.as_coeff_Mul()[0].is_negative]
    positive = [part for part in expression.args if part not in negative]
    first = _chained(operator.add, [compile_expression(part, xp) for part in positive or negative])
    taken = [compile_expression(-part, xp) for part in (negative if positive else [])]
    return lambda values: functools.reduce(operator.sub, (part(values) for part in taken), first(values))


def _chained(combine: Callable[[Any, Any], Any], parts: list[Compiled]) -> Compiled:
    if len(parts) == 1:
        return parts[0]
    return lambda values: functools.reduce(combine, (part(values) for part in parts))
