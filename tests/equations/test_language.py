"""The parser: what it resolves, what it refuses, and that nothing but an EquationError comes out of bad text."""

import pytest
import sympy
from hypothesis import example, given
from hypothesis import strategies as st

from neurosim.equations import compile_expression, parse, separate
from neurosim.errors import EquationError


def test_names_are_sorted_by_where_they_come_from():
    equation = parse("dw = eta * error_post * rate_pre - w * rate_post**2", {"eta": 0.1})
    assert (equation.pre, equation.post, equation.own) == ({"rate"}, {"error", "rate"}, {"w"})
    assert equation.target == "w"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("dw = True", "true or false"),
        ("dw = rate_pre > 0", "true or false"),
        ("dw = rate_pre / 0", "division by zero"),
        ("dw = rand() * rate_pre", "'rand' is unknown"),
        ("dw = exprel(rate_pre)", "'exprel' is unknown"),
    ],
)
def test_what_has_no_number_is_refused(text, named):
    with pytest.raises(EquationError, match=named):
        parse(text)


@pytest.mark.parametrize("text", ["w = rate_pre", "dw == rate_pre", "dw", "", "dw = ", "dw = rate_pre +", "dw = rate_pre ? 2"])
def test_what_is_no_equation_is_refused_with_its_text(text):
    with pytest.raises(EquationError, match="expected"):
        parse(text)


@given(st.text(max_size=40))
@example("False")
@example("rate_pre > 0")
@example("zoo")
@example("rate_pre(2)")
def test_any_text_parses_or_is_an_equation_error(text):
    try:
        parse(f"dw = {text}")
    except EquationError as error:
        assert "\n" not in str(error)


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


def test_a_compiled_expression_evaluates():
    import numpy as np

    equation = parse("dw = exp(rate_pre) * 2")
    assert compile_expression(equation.expression, np)({"rate_pre": 0.0}) == 2
