"""Derivatives of formulas, beside sympy's, which are derived another way."""

import ast

import numpy as np
import pytest
import sympy

from neurosim.circuit.expressions import evaluate
from neurosim.equations.derivatives import derivative

SYMPY = {"arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "log10": lambda x: sympy.log(x, 10), "abs": sympy.Abs,
         "expm1": lambda x: sympy.exp(x) - 1,
         "log1p": lambda x: sympy.log(1 + x), "exprel": lambda x: (sympy.exp(x) - 1) / x}  # fmt: skip
FORMULAS = [
    "a * x**3 - x / y + 2", "(x - y) / (1 + x * y)", "x**y", "-x**2 * +y", "(x + 1)**-2", "y**0.5 + x**1",
    "exp(x / a) * sin(x * y)",
    "log(x) + log10(y) + log1p(x)", "expm1(x) - sqrt(x * y)", "tan(x) + cos(y)", "sinh(x) * cosh(y) + tanh(x - y)",
    "arcsin(x / 3) + arccos(y / 4) * arctan(x)", "exprel((x - a) / y)", "1 / (1 + exp(-(x - a) / y))", "abs(x - y) * x",
]  # fmt: skip
POINTS = {"x": np.array([0.3, 0.7, 1.4]), "y": np.array([1.1, 0.4, 0.9]), "a": np.float64(0.6)}


def value(tree, points=POINTS):
    return np.broadcast_to(0.0 if tree is None else evaluate(tree, points, "test"), (3,))


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("name", ["x", "y", "a"])
def test_beside_sympy(text, name):
    symbols = {one: sympy.Symbol(one, real=True) for one in POINTS}
    theirs = sympy.diff(sympy.sympify(text, locals={**symbols, **SYMPY}), symbols[name])
    expected = sympy.lambdify(list(symbols.values()), theirs, "numpy")(*POINTS.values())
    np.testing.assert_allclose(value(derivative(ast.parse(text, mode="eval").body, name)), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("floor(x) + ceil(x) + sign(x) + int(x > y)", [0, 0, 0]),
        ("clip(x, 0.5, 1)", [0, 1, 0]),
        ("x if x > y else 3 * x", [3, 1, 1]),
        ("x % 0.5", [1, 1, 1]),
        ("exprel(x - x)", [0, 0, 0]),
    ],
)
def test_functions_with_corners(text, expected):
    np.testing.assert_array_equal(value(derivative(ast.parse(text, mode="eval").body, "x")), expected)


def test_exprel_at_zero():
    slope = derivative(ast.parse("exprel(x)", mode="eval").body, "x")
    found = evaluate(slope, {"x": np.array([0.0, 1e-5, -1e-5])}, "test")
    np.testing.assert_allclose(found, [0.5, 0.5 + 1e-5 / 3, 0.5 - 1e-5 / 3], rtol=1e-10)
