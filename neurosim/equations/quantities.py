"""Constants of rules that have a unit: as they are written, in SI units, and in ticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neurosim.equations.units import BASE, NONE, SECOND, UNITS, Dimensions, measure, written

TIME = SECOND.dimensions
NAMED = ("second", "hertz", "volt", "amp", "siemens", "ohm", "farad", "coulomb", "metre")


@dataclass(frozen=True)
class Quantity:
    """A number with a unit.  value : in SI units; dimensions : the exponents of metre, kilogram, second, ampere, ...

    text : as it is written
    """

    value: float
    dimensions: Dimensions
    text: str

    def __repr__(self) -> str:
        return repr(self.text)

    @property
    def time(self) -> float:
        """The exponent of time, where volts, amperes and metres are the other units: 1 of a farad (A s / V), 0 of a volt."""
        return self.dimensions[2] + 3 * self.dimensions[1]  # a kilogram is V A s**3 / m**2

    def in_ticks(self, dt: float) -> float:
        """Return the number that it is where time is counted in ticks of ``dt`` seconds, and all else in volts, amperes and metres.

        A time constant comes to ticks, a rate to one a tick; what has no time in it (mV, nS, Mohm) stays as it is.
        """
        return self.value / dt**self.time


def quantity(value: Any, label: str) -> Quantity | None:
    """Return a text such as ``20*ms``, or a quantity of Brian2's, with its unit; None for what has no unit.

    Raises InputError, with ``label`` first, where a text is no number times units.
    """
    if isinstance(value, Quantity):
        return value
    if not isinstance(value, str) and not hasattr(value, "dim"):
        return None
    found = measure(value, label)
    if found.dimensions == NONE:
        return None
    return Quantity(found.value, found.dimensions, value if isinstance(value, str) else written(found))


def worded(dimensions: Dimensions) -> str:
    """Return in which unit something is, as a message says it."""
    return f"in {unit_text(dimensions)}" if any(dimensions) else "without a unit"


def unit_text(dimensions: Dimensions) -> str:
    """Return the name of a unit of these dimensions, without a prefix; ``1`` where there are none."""
    if not any(dimensions):
        return "1"
    for name in NAMED:
        if UNITS[name].dimensions == tuple(dimensions):
            return name
    powers = [(base, dimensions[at]) for base, at in BASE.items() if dimensions[at]]
    return " * ".join(base if exponent == 1 else f"{base}**{exponent:g}" for base, exponent in powers)
