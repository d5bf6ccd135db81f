"""The expressions of a circuit: Python's syntax trees of numbers, truth values and functions of numbers, and nothing else.

Everything here is done in the order in which it is written, so that equal circuits give equal numbers, bit for bit.
"""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special

from neurosim.errors import InputError, quoted

COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
COMPARED: dict[str, Callable[..., Any]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip
OPERATIONS: dict[type[ast.operator], Callable[..., Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power,
    ast.FloorDiv: np.floor_divide, ast.Mod: np.mod,
}  # fmt: skip
LIBRARY = {  # as NumPy calls them, and as the C library does
    "exp": "exp", "log": "log", "log10": "log10", "log1p": "log1p", "expm1": "expm1", "sqrt": "sqrt", "sin": "sin", "cos": "cos",
    "tan": "tan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "floor": "floor", "ceil": "ceil", "abs": "fabs",
}  # fmt: skip


def _exprel(value: Any) -> Any:
    """(exp(x) - 1) / x, and 1 at 0; of what is no array of NumPy's, written with functions that it knows."""
    if isinstance(value, np.ndarray | np.generic | float):
        return special.exprel(value)
    at_zero = value == 0
    return np.where(at_zero, value.dtype.type(1), np.expm1(value) / np.where(at_zero, value.dtype.type(1), value))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in LIBRARY},
    "sign": np.sign,
    "exprel": _exprel,
    "clip": lambda value, low, high: np.minimum(np.maximum(value, low), high),
    "timestep": lambda time, dt: np.trunc((time + 1e-3 * dt) / dt),
}
RANDOM = ("rand", "randn")  # functions without arguments that draw: uniform in [0, 1), and standard normal


def names(node: ast.expr) -> set[str]:
    """Return the names of values in an expression, without those of functions."""
    called = {id(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and id(part) not in called}


def calls(node: ast.expr) -> list[str]:
    """Return the names of the functions that an expression calls, each as often as it does."""
    return [part.func.id for part in ast.walk(node) if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)]


def is_pure(node: ast.expr) -> bool:
    """Return whether an expression has the same value each time: it calls known functions only, and none that draws."""
    return set(calls(node)) <= {*FUNCTIONS, "int"}


Computed = Callable[[Mapping[str, Any], Any], Any]


def evaluate(node: ast.expr, values: Mapping[str, Any], where: str, number: Any = np.float64) -> Any:
    """Return the value of an expression of known ``values``, as NumPy works it out, in the order in which it is written.

    values : numbers, or arrays of any kind that know NumPy's functions, element by element
    number : the type of the numbers that it holds

    Raises InputError, naming ``where``, for an expression that is none of these.
    """
    return compiled(node, where)(values, number)


def compiled(node: ast.expr, where: str) -> Computed:
    """Return what ``evaluate`` does with an expression, as a function of ``values`` and ``number``; the tree is walked once."""

    def of(part: ast.expr) -> Computed:
        return compiled(part, where)

    match node:
        case ast.Constant(value=bool() as value):
            return lambda values, number: np.bool_(value)
        case ast.Constant(value=int() | float() as value):
            return lambda values, number: number(value)
        case ast.Name(id=name):
            return lambda values, number: values[name]
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=2)):
            return _applied(lambda base: base * base, of(left))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
            return _applied(OPERATIONS[type(op)], of(left), of(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _applied(operator.neg, of(operand))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return of(operand)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _applied(np.logical_not, of(operand))
        case ast.BoolOp(op=op, values=parts):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            return _applied(lambda *truths: functools.reduce(join, truths), *map(of, parts))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
            return _applied(COMPARED[COMPARISONS[type(op)]], of(left), of(right))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _applied(np.where, of(test), of(body), of(orelse))
        case ast.Call(func=ast.Name(id="int"), args=[argument]):
            whole = of(argument)
            return lambda values, number: _whole(whole(values, number), number)
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in FUNCTIONS:
            return _applied(FUNCTIONS[name], *map(of, arguments))
    raise cannot(where, node, "it has no place in an equation")


def _applied(function: Callable[..., Any], *parts: Computed) -> Computed:
    if len(parts) == 1:
        (only,) = parts
        return lambda values, number: function(only(values, number))
    if len(parts) == 2:
        one, other = parts
        return lambda values, number: function(one(values, number), other(values, number))
    return lambda values, number: function(*(part(values, number) for part in parts))


def _whole(value: Any, number: Any) -> Any:
    """Return a number without its fraction, and truth values as numbers."""
    return value.astype(number) if value.dtype == np.dtype(bool) else np.trunc(value)


def cannot(where: str, node: ast.expr, reason: str) -> InputError:
    """Return the error that says why an expression of ``where`` cannot be run."""
    return InputError(f"{where!r}: {quoted(ast.unparse(node))} cannot be taken: {reason}")
