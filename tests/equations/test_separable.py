"""Multiplying out: terms that sum to the equation, each factor of one side."""

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from neurosim.equations import compile_expression, parse, separate
from neurosim.errors import EquationError

LEAVES = st.sampled_from(["rate_pre", "rate_post", "error_post", "w", "2.0", "0.5"])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=6,
)


@given(TREES)
def test_polynomials_separate_into_terms_that_sum_to_the_equation(text):
    equation = parse(f"dw = {text}")
    total = sum((t.own * t.pre * t.post for t in separate(equation)), sympy.Integer(0))
    assert sympy.expand(total - equation.expression) == 0
    for term in separate(equation):
        assert {s.name for s in term.pre.free_symbols} <= {"rate_pre"}
        assert {s.name for s in term.post.free_symbols} <= {"rate_post", "error_post"}
        assert {s.name for s in term.own.free_symbols} <= {"w"}


SIDES = {"own": {"w"}, "pre": {"rate_pre", "drive_pre"}, "post": {"rate_post", "error_post"}}
VALUES = {"w": 0.7, "rate_pre": 1.3, "drive_pre": -0.4, "rate_post": 0.6, "error_post": -1.1}


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("dw = (rate_post - 0.2) * (rate_pre - 0.2)", 1),  # what reads one side stays whole
        ("dw = (rate_pre + rate_post)**3", 4),
        ("dw = (rate_pre + rate_post) * (rate_pre - rate_post) * w", 2),
        ("dw = exp(rate_pre + 2 * rate_post + w - 1)", 1),
        ("dw = exp((rate_pre + 1) * 2 + rate_post)**2", 1),
        ("dw = 2**(rate_pre + rate_post + 1) * 2**rate_pre", 1),
        ("dw = rate_pre * rate_post / (rate_post + 1)**2 / w", 1),
        ("dw = rate_pre - rate_pre", 1),
        ("dw = 3", 1),
        ("dw = tanh(rate_pre * drive_pre) * sin(rate_post - error_post) - w**2 * 0.5", 2),
        ("dw = w * rate_pre * w - rate_pre * w**2 + rate_post", 1),
    ],
)
def test_terms_sum_to_the_equation(text, terms):
    equation = parse(text)
    found = separate(equation)
    assert len(found) == terms
    total = 0.0
    for term in found:
        for side, names in SIDES.items():
            assert {s.name for s in getattr(term, side).free_symbols} <= names
        total += np.prod([compile_expression(getattr(term, side), np)(VALUES) for side in SIDES])
    assert total == pytest.approx(compile_expression(equation.expression, np)(VALUES), rel=1e-12)


@pytest.mark.parametrize(
    ("text", "mixed"),
    [
        ("dw = tanh(rate_pre + rate_post)", "tanh(rate_post + rate_pre) mixes post and pre"),
        ("dw = rate_pre**rate_post", "rate_pre**rate_post mixes"),
        ("dw = exp(rate_pre * rate_post)", "exp(rate_post*rate_pre) mixes"),
        ("dw = int(rate_pre > rate_post)", "int(rate_pre > rate_post) mixes"),
        ("dw = w / (rate_pre + w)", "mixes own and pre"),
        ("dw = (rate_pre + w) % 2", "(rate_pre + w) % 2 mixes own and pre"),
        ("dw = sqrt(rate_pre * rate_post)", "sqrt(rate_post*rate_pre) mixes"),
    ],
)
def test_what_cannot_be_separated_is_named(text, mixed):
    with pytest.raises(EquationError) as caught:
        separate(parse(text))
    assert mixed in str(caught.value) and "method='explicit'" in str(caught.value)


@pytest.mark.parametrize("text", ["db = tanh(error_post + b)", "db = (error_post + rate_post + drive_post + b)**20"])
def test_what_no_bias_can_do_is_not_offered_for_it(text):
    with pytest.raises(EquationError, match="; (rewrite it|lower its powers)$"):
        separate(parse(text))
