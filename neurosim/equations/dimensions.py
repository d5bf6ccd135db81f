"""The unit that an expression has, given the units of its variables."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from neurosim.equations.functions import COMPARISONS, FUNCTIONS, LOGICAL, NOT, Elementwise
from neurosim.equations.quantities import worded
from neurosim.equations.units import NONE, Dimensions
from neurosim.errors import EquationError

KEEPS = ("abs", "clip", "remainder")  # what they return has the unit of what they are given
TRUTHS = (*COMPARISONS.values(), *LOGICAL.values(), NOT)


class UnknownUnitError(Exception):
    """A variable whose unit is not known yet."""


def dimensions_of(expression: sympy.Expr, known: Mapping[str, Dimensions]) -> Dimensions:
    """Return the dimensions of an expression of variables whose own are ``known``.

    Raises
    ------
    EquationError
        Parts of different units are added or compared, or a function is given a unit that it cannot have; both are quoted.
    UnknownUnitError
        It depends on a variable that is not ``known``.
    """
    if expression.is_Number:
        return NONE
    if expression.is_Symbol:
        if expression.name not in known:
            raise UnknownUnitError
        return known[expression.name]
    if expression.is_Add:
        return _alike(expression.args, known)
    if expression.is_Mul:
        return tuple(map(sum, zip(*(dimensions_of(part, known) for part in expression.args), strict=True)))
    if expression.is_Pow:
        return _power(expression, known)
    assert isinstance(expression, Elementwise), f"{type(expression).__name__} is not in the language"
    kind, first = type(expression), expression.args[0]
    if kind in TRUTHS or kind.__name__ in (*KEEPS, "floor_divide"):
        found = _alike(expression.args, known)
        return found if kind.__name__ in KEEPS else NONE
    if kind is FUNCTIONS["sqrt"]:
        return tuple(exponent / 2 for exponent in dimensions_of(first, known))
    if kind is not FUNCTIONS["sign"]:
        _plain(first, known, str(expression))
    return NONE


def _alike(parts: tuple[sympy.Expr, ...], known: Mapping[str, Dimensions]) -> Dimensions:
    """Return the dimensions that parts of a sum have in common; a 0 goes with all, and so does what is not known yet."""
    found: list[tuple[sympy.Expr, Dimensions]] = []
    for part in parts:
        try:
            if part != 0:
                found.append((part, dimensions_of(part, known)))
        except UnknownUnitError:
            continue
    if not found:
        raise UnknownUnitError
    (one, first) = found[0]
    for other, second in found[1:]:
        if tuple(second) != tuple(first):
            said = f"{one} is {worded(first)} and {other} {worded(second)}"
            raise EquationError(f"{said}: expected one unit; give a constant another one")
    return first


def _power(expression: sympy.Expr, known: Mapping[str, Dimensions]) -> Dimensions:
    _plain(expression.exp, known, str(expression))
    base = dimensions_of(expression.base, known)
    if any(base) and not expression.exp.is_Number:
        raise EquationError(f"{expression.base} is {worded(base)}: expected a number under a power that is not one; divide it")
    return tuple(exponent * float(expression.exp) for exponent in base) if any(base) else NONE


def _plain(part: sympy.Expr, known: Mapping[str, Dimensions], whole: str) -> None:
    found = dimensions_of(part, known)
    if any(found):
        raise EquationError(f"{part} in {whole} is {worded(found)}: expected a number without a unit; divide it by a constant")
