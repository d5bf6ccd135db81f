"""Quantities, written as in Brian2: ``20*ms``, ``-70.6*mV``, ``8e-5/mV**2``.  Brian2 itself is not imported for that.

Text may come from a stranger's file: it is read number by number and unit by unit, and never evaluated as Python.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from typing import Any

from neurosim.errors import EquationError, quoted, require

NAMES = ("length", "mass", "time", "current", "temperature", "substance", "luminosity")  # in Brian2's order
BASES = ("metre", "kilogram", "second", "amp", "kelvin", "mole", "candle")
Dimensions = tuple[float, ...]  # the exponent of each base
NONE: Dimensions = (0,) * 7
TIME: Dimensions = (0, 0, 1, 0, 0, 0, 0)

LONGEST = 100  # characters
CHARACTERS = re.compile(r"[A-Za-z0-9_.\s*/()+-]+")
HIGHEST = 12  # exponent of a unit
WHOLE: dict[str, tuple[float, Dimensions]] = {  # without a prefix: how many of the base units it is
    "metre": (1, (1, 0, 0, 0, 0, 0, 0)), "gram": (1e-3, (0, 1, 0, 0, 0, 0, 0)), "second": (1, TIME),
    "amp": (1, (0, 0, 0, 1, 0, 0, 0)), "kelvin": (1, (0, 0, 0, 0, 1, 0, 0)), "mole": (1, (0, 0, 0, 0, 0, 1, 0)),
    "volt": (1, (2, 1, -3, -1, 0, 0, 0)), "ohm": (1, (2, 1, -3, -2, 0, 0, 0)), "siemens": (1, (-2, -1, 3, 2, 0, 0, 0)),
    "farad": (1, (-2, -1, 4, 2, 0, 0, 0)), "coulomb": (1, (0, 0, 1, 1, 0, 0, 0)), "hertz": (1, (0, 0, -1, 0, 0, 0, 0)),
    "watt": (1, (2, 1, -3, 0, 0, 0, 0)), "joule": (1, (2, 1, -2, 0, 0, 0, 0)), "molar": (1e3, (-3, 0, 0, 0, 0, 1, 0)),
    "candle": (1, (0, 0, 0, 0, 0, 0, 1)),
}  # fmt: skip
SPELLED = {"meter": "metre", "ampere": "amp", "mol": "mole", "kilogram": "kgram"}
PREFIXES = {
    "": 1.0, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "c": 1e-2, "k": 1e3, "M": 1e6, "G": 1e9,
}  # fmt: skip
SHORT = {  # Brian2's standard abbreviations
    "mV": "mvolt", "mA": "mamp", "uA": "uamp", "nA": "namp", "pA": "pamp", "pF": "pfarad",
    "uF": "ufarad", "nF": "nfarad", "nS": "nsiemens", "uS": "usiemens", "ms": "msecond", "us": "usecond",
    "Hz": "hertz", "kHz": "khertz", "MHz": "Mhertz", "cm": "cmetre", "mm": "mmetre", "um": "umetre", "mM": "mmolar",
}  # fmt: skip


@dataclass(frozen=True)
class Quantity:
    """A number with a unit.  value : in SI units; dimensions : the exponents of metre, kilogram, second, amp, ...

    text : as it is written
    """

    value: float
    dimensions: Dimensions
    text: str

    def __repr__(self) -> str:
        return repr(self.text)

    def in_ticks(self, dt: float) -> float:
        """Return the number that it is where time is counted in ticks of ``dt`` seconds, and all else in volts, amperes and metres.

        A time constant comes to ticks, a rate to one a tick; what has no time in it (mV, nS, Mohm) stays as it is.
        """
        return self.value / dt ** time_of(self.dimensions)


def time_of(dimensions: Dimensions) -> float:
    """Return the exponent of time, where volts, amperes and metres are the other units: 1 of a farad (A s / V), 0 of a volt."""
    return dimensions[2] + 3 * dimensions[1]  # a kilogram is V A s**3 / m**2


def quantity(value: Any) -> Quantity | None:
    """Return a text such as ``20*ms``, or a quantity of Brian2's, with its unit; None for a number without one.

    Raises EquationError where the text is no number times units.
    """
    if isinstance(value, Quantity):
        return value
    if isinstance(value, str):
        number, dimensions = _read(value)
        return Quantity(number, dimensions, value) if any(dimensions) else None
    measure = getattr(getattr(value, "dim", None), "get_dimension", None)
    if measure is None:
        return None
    found = tuple(measure(name) for name in NAMES)
    require(getattr(value, "shape", None) == (), f"{quoted(value)}: expected one number with a unit, such as '20*ms'", EquationError)
    return Quantity(float(value), found, f"{float(value)!r}*{unit_text(found)}") if any(found) else None


def unit_text(dimensions: Dimensions) -> str:
    """Return the name of a unit of these dimensions, without a prefix; ``1`` where there are none."""
    if not any(dimensions):
        return "1"
    for name, (scale, known) in WHOLE.items():
        if known == tuple(dimensions) and scale == 1:
            return name
    powers = [(base, exponent) for base, exponent in zip(BASES, dimensions, strict=True) if exponent]
    return " * ".join(base if exponent == 1 else f"{base}**{exponent:g}" for base, exponent in powers)


def unit(name: str) -> tuple[float, Dimensions] | None:
    """Return how many of the base units a unit is, and its dimensions; None where it is none."""
    if name in SHORT:
        return unit(SHORT[name])
    name = SPELLED.get(name, name)
    for prefix, scale in PREFIXES.items():
        rest = name[len(prefix) :]
        rest = SPELLED.get(rest, rest)
        if name.startswith(prefix) and rest in WHOLE and rest != "kgram":
            factor, dimensions = WHOLE[rest]
            return scale * factor, dimensions
    return None


def _read(text: str) -> tuple[float, Dimensions]:
    said = f"{quoted(text)}: expected a number times units, such as '20*ms'; write it so"
    fits = len(text) <= LONGEST and CHARACTERS.fullmatch(text) is not None
    require(fits, said, EquationError)
    try:
        number, dimensions = _value(ast.parse(text.strip(), mode="eval").body, said)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError, ZeroDivisionError) as cause:
        raise cause if isinstance(cause, EquationError) else EquationError(said) from cause
    require(math.isfinite(number), said, EquationError)
    return number, dimensions


def _value(node: ast.expr, said: str) -> tuple[float, Dimensions]:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number), NONE
        case ast.Name(id=name):
            found = unit(name)
            if found is None:
                raise EquationError(f"unit {quoted(name)} is not one of those known here: {said}")
            return found
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            number, dimensions = _value(operand, said)
            return -number, dimensions
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            number, dimensions = _value(left, said)
            exponent, none = _value(right, said)
            require(not any(none) and exponent.is_integer() and abs(exponent) <= HIGHEST, said, EquationError)
            return number**exponent, tuple(one * int(exponent) for one in dimensions)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            (a, first), (b, second) = _value(left, said), _value(right, said)
            sign = 1 if isinstance(op, ast.Mult) else -1
            return a * b if sign > 0 else a / b, tuple(one + sign * other for one, other in zip(first, second, strict=True))
    raise EquationError(said)
