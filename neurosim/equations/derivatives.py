"""Derivatives of formulas."""

from __future__ import annotations

import ast

from neurosim.circuit.expressions import names

ZERO, ONE = ast.Constant(0.0), ast.Constant(1.0)
SLOPES = {  # of functions of one argument x
    "exp": "exp(x)", "log": "1 / x", "log10": "0.4342944819032518 / x", "log1p": "1 / (1 + x)", "expm1": "exp(x)",
    "sqrt": "0.5 / sqrt(x)", "sin": "cos(x)", "cos": "-sin(x)", "tan": "1 + tan(x) * tan(x)", "sinh": "cosh(x)", "cosh": "sinh(x)",
    "tanh": "1 - tanh(x) * tanh(x)", "arcsin": "1 / sqrt(1 - x * x)", "arccos": "-1 / sqrt(1 - x * x)", "arctan": "1 / (1 + x * x)",
    "abs": "sign(x)",
    "exprel": "0.5 + x / 3 if abs(x) < 1e-4 else (exp(x) - exprel(x)) / (1 if abs(x) < 1e-4 else x)",
}  # fmt: skip


def derivative(tree: ast.expr, name: str) -> ast.expr | None:
    """Return the derivative of a formula with respect to a name; None where it is 0 everywhere that it exists."""
    if name not in names(tree):
        return None

    def of(part: ast.expr) -> ast.expr | None:
        return derivative(part, name)

    match tree:
        case ast.Name():
            return ONE
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _negative(of(operand))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return of(operand)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _sum(of(left), of(right))
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _sum(of(left), _negative(of(right)))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _sum(_product(of(left), right), _product(of(right), left))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            slope = of(right)
            through = None if slope is None else _quotient(_negative(_product(slope, tree)), right)
            return _sum(_quotient(of(left), right), through)
        case ast.BinOp(left=left, op=ast.Mod(), right=right):  # left - right * floor(left / right)
            slope = of(right)
            whole = ast.BinOp(left, ast.FloorDiv(), right)
            return _sum(of(left), _negative(_product(slope, whole)))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _sum(_of_base(left, right, of(left)), _of_exponent(tree, left, of(right)))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            either = of(body), of(orelse)
            return None if either == (None, None) else ast.IfExp(test, either[0] or ZERO, either[1] or ZERO)
        case ast.Call(func=ast.Name(id="clip"), args=[value, low, high]):
            lower, upper = ast.Compare(value, [ast.Lt()], [low]), ast.Compare(value, [ast.Gt()], [high])
            return derivative(ast.IfExp(lower, low, ast.IfExp(upper, high, value)), name)
        case ast.Call(func=ast.Name(id=function), args=[value]) if function in SLOPES:
            return _product(of(value), _put(SLOPES[function], value))
    return None  # truth values, and functions that are flat


def _of_base(left: ast.expr, right: ast.expr, slope: ast.expr | None) -> ast.expr | None:
    if slope is None:
        return None
    if isinstance(right, ast.Constant) and isinstance(right.value, int | float):
        lower = right.value - 1
        power = left if lower == 1 else ONE if lower == 0 else ast.BinOp(left, ast.Pow(), ast.Constant(lower))
        return _product(slope, ast.BinOp(right, ast.Mult(), power))
    return _product(slope, ast.BinOp(right, ast.Mult(), ast.BinOp(left, ast.Pow(), ast.BinOp(right, ast.Sub(), ONE))))


def _of_exponent(tree: ast.expr, left: ast.expr, slope: ast.expr | None) -> ast.expr | None:
    return _product(slope, ast.BinOp(tree, ast.Mult(), ast.Call(ast.Name("log"), [left], [])))


def _put(text: str, value: ast.expr) -> ast.expr:
    """Return the formula ``text`` with ``value`` for x."""

    class Putting(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802 the name it looks for
            return value if node.id == "x" else node

    made: ast.expr = Putting().visit(ast.parse(text, mode="eval").body)
    return made


def _sum(one: ast.expr | None, other: ast.expr | None) -> ast.expr | None:
    if one is None or other is None:
        return one if other is None else other
    return ast.BinOp(one, ast.Add(), other)


def _product(one: ast.expr | None, other: ast.expr) -> ast.expr | None:
    if one is None:
        return None
    return other if one is ONE else ast.BinOp(one, ast.Mult(), other)


def _quotient(one: ast.expr | None, other: ast.expr) -> ast.expr | None:
    return None if one is None else ast.BinOp(one, ast.Div(), other)


def _negative(one: ast.expr | None) -> ast.expr | None:
    return None if one is None else ast.UnaryOp(ast.USub(), one)
