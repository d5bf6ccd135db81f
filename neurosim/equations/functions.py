"""The table of what an equation may do: functions and operators of numbers, element by element, and nothing else.

Each entry is known to sympy as a function without properties: sympy moves it about and never looks inside.  Its array form is made
of calls that NumPy, CuPy and a recorded step understand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy

Array = Any


class Elementwise(sympy.Function):  # type: ignore[misc]
    """Base of the table's entries as sympy sees them.

    arity : how many arguments it takes
    truth : whether its values are true or false, and not numbers
    of_truth : whether its arguments are
    array : (array module, *arguments) -> values
    infix : the operator, where it is written between its arguments
    """

    arity: int
    truth = False
    of_truth = False
    array: Callable[..., Array]
    infix = ""

    def _sympystr(self, printer: Any) -> str:
        """Return the text of this node in a message; sympy's printers ask for it by this name."""
        name, parts = type(self).__name__, [printer._print(part) for part in self.args]
        if not self.infix:
            return f"{name}({', '.join(parts)})"
        return f" {self.infix} ".join(f"({part})" if self.args[k].args else part for k, part in enumerate(parts))


def _entry(name: str, arity: int, array: Callable[..., Array], **attributes: Any) -> type[Elementwise]:
    metaclass: Any = type(Elementwise)
    made: type[Elementwise] = metaclass(name, (Elementwise,), {"arity": arity, "array": staticmethod(array), **attributes})
    return made


def _named(ufunc: str) -> Callable[..., Array]:
    """Return the array form of what the array module calls ``ufunc``."""
    return lambda xp, *values: getattr(xp, ufunc)(*values)


SAME_NAME = (
    "arccos", "arcsin", "arctan", "ceil", "cos", "cosh", "exp", "expm1", "floor", "log", "log10", "log1p", "sign", "sin", "sinh",
    "sqrt", "tan", "tanh",
)  # fmt: skip

FUNCTIONS: dict[str, type[Elementwise]] = {
    **{name: _entry(name, 1, _named(name)) for name in SAME_NAME},
    "abs": _entry("abs", 1, _named("absolute")),
    "clip": _entry("clip", 3, lambda xp, value, low, high: xp.minimum(xp.maximum(value, low), high)),
    "int": _entry("int", 1, _named("trunc")),
}
AS_NUMBER = _entry("int", 1, lambda xp, truth, dtype: truth.astype(dtype), of_truth=True)  # int(...) of what is true or false

EXP = FUNCTIONS["exp"]

ARITHMETIC = {
    "//": _entry("floor_divide", 2, _named("floor_divide"), infix="//"),
    "%": _entry("remainder", 2, _named("remainder"), infix="%"),
}
COMPARISONS = {
    symbol: _entry(ufunc, 2, _named(ufunc), infix=symbol, truth=True)
    for symbol, ufunc in {
        ">": "greater", ">=": "greater_equal", "<": "less", "<=": "less_equal", "==": "equal", "!=": "not_equal",
    }.items()
}  # fmt: skip
LOGICAL = {
    "and": _entry("logical_and", 2, _named("logical_and"), infix="and", truth=True, of_truth=True),
    "or": _entry("logical_or", 2, _named("logical_or"), infix="or", truth=True, of_truth=True),
}
NOT = _entry("not", 1, _named("logical_not"), truth=True, of_truth=True)
