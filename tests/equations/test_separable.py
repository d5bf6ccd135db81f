"""Multiplying out: terms that sum to the equation, each factor of one side."""

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from neurosim.equations import FUNCTIONS, Scope, compile_expression, parse, separate
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
    total = sum((t.synapse * t.pre * t.post for t in separate(equation)), sympy.Integer(0))
    assert sympy.expand(total - equation.expression) == 0
    for term in separate(equation):
        assert {s.name for s in term.pre.free_symbols} <= {"rate_pre"}
        assert {s.name for s in term.post.free_symbols} <= {"rate_post", "error_post"}
        assert {s.name for s in term.synapse.free_symbols} <= {"w"}


SIDES = {"synapse": {"w"}, "pre": {"rate_pre", "drive_pre"}, "post": {"rate_post", "error_post"}}
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
        ("dw = w / (rate_pre + w)", "mixes pre and synapse"),
        ("dw = (rate_pre + w) % 2", "(rate_pre + w) % 2 mixes pre and synapse"),
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


# ---------------------------------------------------------------------- states of a side, and modulators

SCOPE = Scope(names={"u": "u"}, states=frozenset({"c_pre", "c_post"}), modulators=frozenset({"reward"}))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("rate_post * (rate_post - c_post) * rate_pre", ("1", "rate_pre", "rate_post*(rate_post - c_post)", "1")),
        ("c_post * rate_pre", ("c_post", "rate_pre", "1", "1")),
        ("c_post * c_pre", ("c_post*c_pre", "1", "1", "1")),
        ("reward * u", ("u", "1", "1", "reward")),
        ("reward * rate_pre * c_post", ("c_post", "rate_pre*reward", "1", "1")),
        ("reward * rate_pre * rate_post", ("1", "rate_pre", "rate_post*reward", "1")),
        ("(w - c_post) * rate_pre * rate_post", ("w - c_post", "rate_pre", "rate_post", "1")),
        ("tanh(c_pre * reward)", ("1", "tanh(c_pre*reward)", "1", "1")),
    ],
)
def test_a_state_goes_with_its_side_where_that_is_there_and_else_with_the_synapse(text, parts):
    (term,) = separate(parse(f"dw = {text}", scope=SCOPE))
    names = sympy.symbols("rate_pre rate_post c_pre c_post u w reward")
    expected = [sympy.sympify(part, {str(name): name for name in names} | {"tanh": FUNCTIONS["tanh"]}) for part in parts]
    found = (term.synapse, term.pre, term.post, term.modulators)
    assert [sympy.expand(one - other) for one, other in zip(found, expected, strict=True)] == [0, 0, 0, 0]


@pytest.mark.parametrize("text", ["tanh(w * reward)", "tanh(rate_pre * c_post)", "exp(reward * c_pre * c_post)"])
def test_what_differs_from_sample_to_sample_and_mixes_is_refused(text):
    with pytest.raises(EquationError, match="mixes .* and .* variables"):
        separate(parse(f"dw = {text}", scope=SCOPE))


def test_what_is_the_same_for_all_samples_may_mix_as_it_likes():
    (term,) = separate(parse("dw = tanh(w * c_pre - c_post / (1 + u**2)) * rate_pre", scope=SCOPE))
    assert {symbol.name for symbol in term.synapse.free_symbols} == {"w", "c_pre", "c_post", "u"}
