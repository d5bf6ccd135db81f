"""Physical units by name, and quantities written with them: ``-65*mV``, ``10*nS``, ``0.1*ms``.

The names are Brian2's, and so are the values, to the last bit.  Nothing else has a meaning in the text of a quantity.
"""

from __future__ import annotations

import ast
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neurosim.equations.scanning import tree_of
from neurosim.errors import EquationError, InputError, quoted

Dimensions = tuple[float, ...]  # exponents of metre, kilogram, second, ampere, kelvin, mole, candela, as Brian2 orders them

NONE: Dimensions = (0.0,) * 7


@dataclass(frozen=True)
class Measure:
    """A number of SI units, or an array of them.  dimensions : of metre, kilogram, second, ampere, kelvin, mole, candela"""

    value: Any
    dimensions: Dimensions = NONE


BASE = {"metre": 0, "kilogram": 1, "second": 2, "amp": 3, "kelvin": 4, "mole": 5, "candle": 6}  # where each stands in these
SECOND = Measure(1.0, (0, 0, 1, 0, 0, 0, 0))


def _table() -> dict[str, Measure]:
    """Return the units by name: full names with their prefixes, and the short ones of the field."""
    full = {
        "volt": (2, 1, -3, -1), "amp": (0, 0, 0, 1), "siemens": (-2, -1, 3, 2), "ohm": (2, 1, -3, -2), "farad": (-2, -1, 4, 2),
        "second": (0, 0, 1, 0), "hertz": (0, 0, -1, 0), "metre": (1, 0, 0, 0), "coulomb": (0, 0, 1, 1),
        "joule": (2, 1, -2, 0), "watt": (2, 1, -3, 0),
    }  # fmt: skip
    full |= {"ampere": full["amp"], "meter": full["metre"]}
    prefixes = {"": 0, "p": -12, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9}
    table = {
        f"{prefix}{name}": Measure(10.0**exponent, tuple(map(float, (*dimensions, 0, 0, 0))))
        for name, dimensions in full.items()
        for prefix, exponent in prefixes.items()
    }
    table |= {name: Measure(1.0, tuple(float(k == at) for k in range(7))) for name, at in BASE.items()}
    short = {
        "mV": "mvolt", "mA": "mamp", "uA": "uamp", "nA": "namp", "pA": "pamp", "pF": "pfarad", "uF": "ufarad", "nF": "nfarad",
        "nS": "nsiemens", "uS": "usiemens", "ms": "msecond", "us": "usecond", "Hz": "hertz", "kHz": "khertz",
        "MHz": "Mhertz", "mm": "mmetre", "um": "umetre",
    }  # fmt: skip
    table |= {name: table[meant] for name, meant in short.items()}
    lengths = {"um": -6, "umetre": -6, "umeter": -6, "mm": -3, "mmetre": -3, "mmeter": -3, "cm": -2, "metre": 0, "meter": 0}
    for name, exponent in lengths.items():
        for power, suffix in ((1, ""), (2, "2"), (3, "3")):
            dimensions = tuple(power * k for k in table["metre"].dimensions)
            table[f"{name}{suffix}"] = Measure(10.0 ** (power * exponent), dimensions)
    return table


UNITS: Mapping[str, Measure] = _table()


def measure(value: Any, label: str, names: Mapping[str, Measure] | None = None) -> Measure:
    """Return a quantity: a number, text such as ``-65*mV``, or a quantity of Brian2's.

    names : what the text may name beside units

    Raises
    ------
    InputError
        It is none of these, or no finite number; the line begins with ``label``.
    """
    said = f"{label} {quoted(value)}"
    expected = "expected a number, or text such as '-65*mV'"
    if isinstance(value, str):
        try:
            found = of_tree(tree_of(value), {**UNITS, **(names or {})})
        except EquationError as cause:
            raise InputError(f"{said}: {cause}") from cause
        except (ArithmeticError, ValueError) as cause:
            raise InputError(f"{said}: no finite number: {expected}; change it") from cause
    else:
        if not isinstance(value, numbers.Real) and getattr(value, "shape", None) != () or isinstance(value, bool):
            raise InputError(f"{said}: {expected}; give one")
        dimensions = getattr(getattr(value, "dim", None), "_dims", NONE)
        found = Measure(float(value), tuple(map(float, dimensions)))
    if not math.isfinite(found.value):
        raise InputError(f"{said}: no finite number: {expected}; change it")
    return found


def of_tree(tree: ast.expr, names: Mapping[str, Measure]) -> Measure:
    """Return the quantity of an expression of numbers, names, ``+ - * /`` and ``**``; raise EquationError for anything else."""
    match tree:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return Measure(float(value))
        case ast.Name(id=name):
            if name in names:
                return names[name]
            raise EquationError(f"name {quoted(name)} is no unit: expected one such as mV, ms, nS or pA; correct it")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = of_tree(operand, names)
            return Measure(-inner.value, inner.dimensions)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base, power = of_tree(left, names), of_tree(right, names)
            if power.dimensions != NONE:
                raise EquationError("an exponent has a unit: expected a number; change it")
            return Measure(base.value**power.value, tuple(power.value * k for k in base.dimensions))
        case ast.BinOp(left=left, op=op, right=right):
            one, other = of_tree(left, names), of_tree(right, names)
            match op:
                case ast.Mult():
                    return Measure(one.value * other.value, _added(one, other, 1))
                case ast.Div():
                    return Measure(one.value / other.value, _added(one, other, -1))
                case ast.Add() | ast.Sub():
                    if one.dimensions != other.dimensions:
                        raise EquationError("units do not match: expected the same on both sides of + and -; change it")
                    sign = 1 if isinstance(op, ast.Add) else -1
                    return Measure(one.value + sign * other.value, one.dimensions)
    said = f"{quoted(ast.unparse(tree))} has no place in a quantity"
    raise EquationError(f"{said}: expected numbers, units and + - * / **; change it")


def _added(one: Measure, other: Measure, sign: int) -> Dimensions:
    return tuple(a + sign * b for a, b in zip(one.dimensions, other.dimensions, strict=True))


def written(one: Measure) -> str:
    """Return text that ``measure`` reads as this quantity."""
    powers = [f"{name}**{one.dimensions[at]:g}" for name, at in BASE.items() if one.dimensions[at]]
    return "*".join([repr(one.value), *powers])


def seconds(value: Any, label: str) -> float:
    """Return a time in seconds: a number of seconds, text such as ``0.1*ms``, or a quantity of Brian2's.

    Raises InputError, with ``label`` first, where it is no positive time.
    """
    found = measure(value, label)
    if found.dimensions not in (NONE, SECOND.dimensions):
        raise InputError(f"{label} {quoted(value)}: no time: expected seconds, or text such as '0.1*ms'; change it")
    if not found.value > 0:
        raise InputError(f"{label} {quoted(value)}: expected a positive time such as '0.1*ms'; change it")
    return found.value
