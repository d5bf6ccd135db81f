"""From Python's syntax tree to a sympy expression, node by node: nothing is evaluated that the tables do not hold.

Numbers are worked out here, in floating point, and sympy is never asked to: its integers and powers have no bounds.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

from neurosim.equations.functions import ARITHMETIC, AS_NUMBER, COMPARISONS, FUNCTIONS, LOGICAL, NOT, Elementwise
from neurosim.equations.scanning import DEEPEST, too_deep
from neurosim.errors import LONGEST, EquationError, UnknownNameError, require

HIGHEST = 100  # exponent of a variable
EXACT = 2**53  # whole numbers up to here are themselves as floating point

Expression = Any  # sympy.Expr: sympy has no types
Number = int | float | Expression
Value = Number | bool  # a number or a truth value that is known, or an expression of variables

SYMBOLS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.Gt: ">",
    ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=", ast.And: "and", ast.Or: "or",
}  # fmt: skip
ON_NUMBERS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv, "%": operator.mod,
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
KINDS = (sympy.Symbol, sympy.Integer, sympy.Rational, sympy.Float, sympy.Add, sympy.Mul, sympy.Pow, Elementwise)


def build(tree: ast.expr, resolve: Callable[[str], Number]) -> sympy.Expr:
    """Return the expression of a syntax tree.

    resolve : returns the number or the variable that a name stands for

    Raises
    ------
    EquationError
        A node, a function or a number of arguments that is not in the language; a truth value where a number is expected, or
        the other way round; something that is no finite real number; an exponent or a nesting beyond the limits.
    """
    return _as_sympy(_number(tree, _Builder(resolve).value(tree)))


class _Builder:
    """Walks one tree.  depth : how many nodes it is inside of, a chain of operators counted once."""

    def __init__(self, resolve: Callable[[str], Number]) -> None:
        self.resolve = resolve
        self.depth = 0

    def value(self, node: ast.expr) -> Value:
        make = {
            ast.BinOp: self._chain, ast.UnaryOp: self._unary, ast.Call: self._call, ast.Compare: self._comparison,
            ast.BoolOp: self._logical, ast.Name: self._name, ast.Constant: self._constant,
        }.get(type(node))  # fmt: skip
        if make is None:
            raise EquationError(f"invalid syntax: {_text(node)} has no place in an equation; write it with arithmetic and calls")
        self.depth += 1
        require(self.depth <= DEEPEST, too_deep(), EquationError)
        made: Value = make(node)  # type: ignore[operator]
        self.depth -= 1
        return made

    def number(self, node: ast.expr) -> Number:
        return _number(node, self.value(node))

    def truth(self, node: ast.expr) -> Value:
        found = self.value(node)
        require(_is_truth(found), f"{_text(node)} is a number: expected something true or false; compare it", EquationError)
        return found

    # ------------------------------------------------------------------ leaves

    def _name(self, node: ast.Name) -> Value:
        return self.resolve(node.id)

    def _constant(self, node: ast.Constant) -> Value:
        found = node.value
        if isinstance(found, bool):
            return found
        assert isinstance(found, int | float), "tokens are numbers and names"
        return _finite(node, found)

    # ------------------------------------------------------------------ operators

    def _chain(self, node: ast.BinOp) -> Value:
        """Work off operators that stand in a row, such as a + b - c, from the left; no nesting, however many there are."""
        links: list[ast.BinOp] = []
        first: ast.expr = node
        while isinstance(first, ast.BinOp):
            links.append(first)
            first = first.left
        found = self.number(first)
        for link in reversed(links):
            found = _arithmetic(link, found, self.number(link.right))
        return found

    def _unary(self, node: ast.UnaryOp) -> Value:
        if isinstance(node.op, ast.Not):
            truth = self.truth(node.operand)
            return not truth if isinstance(truth, bool) else NOT(truth)
        found = self.number(node.operand)
        return -found if isinstance(node.op, ast.USub) else found

    def _comparison(self, node: ast.Compare) -> Value:
        require(len(node.ops) == 1, f"{_text(node)}: expected one comparison at a time; write a < b and b < c", EquationError)
        symbol = SYMBOLS.get(type(node.ops[0]), "")
        require(symbol in COMPARISONS, f"{_text(node)}: expected one of {', '.join(COMPARISONS)}; use one of them", EquationError)
        left, right = self.number(node.left), self.number(node.comparators[0])
        if isinstance(left, sympy.Expr) or isinstance(right, sympy.Expr):
            return COMPARISONS[symbol](left, right)
        return bool(ON_NUMBERS[symbol](left, right))

    def _logical(self, node: ast.BoolOp) -> Value:
        symbol = SYMBOLS[type(node.op)]
        decides = symbol == "or"  # a True decides an "or", a False an "and"; the other one changes nothing
        found: Value = not decides
        for part in node.values:
            truth = self.truth(part)
            if found is decides or truth is (not decides):
                continue
            found = truth if isinstance(truth, bool) or isinstance(found, bool) else LOGICAL[symbol](found, truth)
        return found

    # ------------------------------------------------------------------ calls

    def _call(self, node: ast.Call) -> Value:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS:
            raise EquationError(str(UnknownNameError("function", name or _text(node.func), FUNCTIONS)))
        function, given = FUNCTIONS[name], len(node.args)
        plain = not node.keywords and not any(isinstance(argument, ast.Starred) for argument in node.args)
        expected = f"{name}(...) takes {function.arity} number{'s' if function.arity > 1 else ''}, one after another"
        require(plain and given == function.arity, f"{_text(node)}: {expected}; give {function.arity}", EquationError)
        arguments = [self.value(argument) for argument in node.args]
        if name == "int" and _is_truth(arguments[0]):
            return int(arguments[0]) if isinstance(arguments[0], bool) else AS_NUMBER(arguments[0])
        numbers = [_number(argument, value) for argument, value in zip(node.args, arguments, strict=True)]
        if any(isinstance(value, sympy.Expr) for value in numbers):
            return function(*numbers)
        with np.errstate(all="ignore"):
            return _finite(node, function.array(np, *map(np.float64, numbers)))


def _arithmetic(node: ast.BinOp, left: Number, right: Number) -> Number:
    """Return what an operator makes of two numbers or expressions."""
    symbol = SYMBOLS.get(type(node.op), "")
    require(symbol != "", f"invalid syntax: {_text(node)} has no place in an equation; use + - * / // % **", EquationError)
    if not isinstance(left, sympy.Expr) and not isinstance(right, sympy.Expr):
        return _on_numbers(node, symbol, left, right)
    if symbol in ARITHMETIC:
        return ARITHMETIC[symbol](left, right)
    if symbol == "**":
        return _power(node, left, right)
    if symbol == "/":
        inverse = _power(node, right, -1) if isinstance(right, sympy.Expr) else _on_numbers(node, "/", 1, right)
        return _arithmetic_of(node, "*", left, inverse)
    return _arithmetic_of(node, symbol, left, right)


def _arithmetic_of(node: ast.expr, symbol: str, left: Any, right: Any) -> Number:
    """Return a sum, a difference or a product with at least one expression."""
    a, b = _as_sympy(left), _as_sympy(right)
    if symbol == "*":
        return 0 if a.is_zero or b.is_zero else _known(node, sympy.Mul(a, b))
    return _known(node, sympy.Add(a, b if symbol == "+" else -b))


def _power(node: ast.expr, base: Any, exponent: Any) -> Number:
    if isinstance(exponent, float) and exponent.is_integer() and abs(exponent) <= HIGHEST:
        exponent = int(exponent)
    if not isinstance(exponent, sympy.Expr):
        _check_exponent(node, exponent)
    if not isinstance(base, sympy.Expr):
        base = float(base)  # sympy works out a whole number's powers in full, as far as memory goes
    return _known(node, sympy.Pow(_as_sympy(base), _as_sympy(exponent)))


def _check_exponent(node: ast.expr, exponent: float) -> None:
    require(abs(exponent) <= HIGHEST, f"{_text(node)}: exponent {exponent:g} is beyond {HIGHEST}; use a smaller one", EquationError)


def _on_numbers(node: ast.expr, symbol: str, left: int | float, right: int | float) -> int | float:
    """Return what an operator makes of two numbers, whole where that is exact."""
    try:
        if symbol != "**":
            found = ON_NUMBERS[symbol](left, right)
        elif isinstance(left, int) and isinstance(right, int) and 0 <= right and left.bit_length() * right <= EXACT.bit_length():
            found = left**right
        else:
            found = float(left) ** float(right)
    except (OverflowError, ZeroDivisionError):
        found = math.inf
    return _finite(node, found)


# ---------------------------------------------------------------------- checks


def _finite(node: ast.expr, found: Any) -> int | float:
    """Return a number of Python's own, or raise where it is none that a weight could take."""
    try:
        number = float(found) if not isinstance(found, complex) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise EquationError(
            f"{_text(node)} is no finite real number: expected finite numbers; "
            "look for a division by zero, a power that is too high, or a root or logarithm of a negative number"
        )
    return found if isinstance(found, int) and abs(found) <= EXACT else number


def _known(node: ast.expr, found: sympy.Expr) -> Number:
    """Return what sympy made of an operation, a number as Python's own.

    Sympy gathers powers of powers and products of numbers, so that what is in the text does not bound what is in here.
    """
    if found.is_Number and found.is_finite:
        return _finite(node, int(found) if found.is_Integer else found)
    for part in sympy.preorder_traversal(found):
        if not isinstance(part, KINDS):  # the infinities, and imaginary numbers
            _finite(node, math.nan)
        if part.is_Number:
            _finite(node, part)
        elif part.is_Pow:
            _check_exponent(node, _finite(node, part.exp.as_coeff_Add()[0]))  # of 2**(w + 1000), too
    return found


def _number(node: ast.expr, found: Value) -> Number:
    if _is_truth(found):
        raise EquationError(f"{_text(node)} is true or false: expected a number; wrap it in int(...)")
    return found


def _is_truth(found: Value) -> bool:
    return isinstance(found, bool) or bool(getattr(found, "truth", False))


def _as_sympy(found: Value) -> sympy.Expr:
    """Return a number as sympy's; floating-point numbers keep all their bits."""
    if isinstance(found, sympy.Expr):
        return found
    return sympy.Integer(found) if isinstance(found, int) else sympy.Float(found)


def _text(node: ast.expr) -> str:
    """Return the part of the equation that ``node`` is, as a message shows it."""
    text: str = node.source  # type: ignore[attr-defined]  # see ``scanning.tree_of``
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
