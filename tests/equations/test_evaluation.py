"""Evaluating through the table: numbers stay Python's, and every function is NumPy's of its name."""

import numpy as np
import pytest

from neurosim.equations import FUNCTIONS, compile_expression, parse

X = np.linspace(0.05, 0.95, 12, dtype=np.float32).reshape(3, 4)
OTHERWISE = {"abs": np.abs, "int": np.trunc, "clip": np.clip}


def test_a_compiled_expression_evaluates():
    assert compile_expression(parse("dw = exp(rate_pre) * 2").expression, np)({"rate_pre": 0.0}) == 2


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_is_numpy_s_and_keeps_the_type(name):
    arguments, extra = ("3 * w - 1, -0.5, 0.7", (-0.5, 0.7)) if name == "clip" else ("3 * w - 1", ())
    if name in ("arccos", "arcsin", "log", "log10", "sqrt"):
        arguments = "w"
    given = X if arguments == "w" else 3 * X - 1
    found = compile_expression(parse(f"dw = {name}({arguments})").expression, np)({"w": X})
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, OTHERWISE.get(name, getattr(np, name, None))(given, *extra), rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 - w", lambda w: 1 - w), ("w - 0.5 * w**2 - 1", lambda w: w - 0.5 * w**2 - 1), ("-w - w**2", lambda w: -w - w**2),
        ("2 / w", lambda w: 2 / w), ("-3 * exp(w) / (w**2 * sqrt(w))", lambda w: -3 * np.exp(w) / (w**2 * np.sqrt(w))),
        ("w**-2", lambda w: w**-2.0), ("-1 / w", lambda w: -1 / w), ("w**0.5", np.sqrt), ("2**w", lambda w: 2**w),
        ("w**w", lambda w: w**w), ("0.5**-w", lambda w: 2**w), ("-w * exp(w)", lambda w: -w * np.exp(w)),
        ("w // 0.3 - w % 0.3", lambda w: w // 0.3 - w % 0.3), ("int(w > 0.5) - 1", lambda w: (w > 0.5) - 1.0),
        ("int(w <= 0.5 and not w == 0.05 or w >= 0.9)", lambda w: (((w <= 0.5) & ~(w == 0.05)) | (w >= 0.9)).astype(np.float32)),
        ("int(w != 0.5) * int(w < 0.7)", lambda w: (w < 0.7) * 1.0), ("(w + 1)**100 / 2**100", lambda w: ((w + 1) / 2) ** 100),
    ],
)  # fmt: skip
def test_expressions_by_hand(text, expected):
    found = compile_expression(parse(f"dw = {text}").expression, np)({"w": X})
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(X), rtol=2e-5)
