"""The parser: what names mean, what is refused, and that nothing but an EquationError comes out of bad text."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neurosim.equations import FUNCTIONS, compile_expression, parse, separate
from neurosim.equations.language import USUAL, Scope
from neurosim.errors import EquationError
from neurosim.neurons.neurons import RATE_VARIABLES


def refused(text, constants=None):
    """Return what is said of an equation that cannot be; separated, too."""
    with pytest.raises(EquationError) as caught:
        separate(parse(text, constants))
    said = str(caught.value)
    assert "\n" not in said and len(said) < 600
    assert said.startswith("equation ")
    return said


def value(text, constants=None, **variables):
    return compile_expression(parse(text, constants).expression, np)({name: np.array(v) for name, v in variables.items()})


def test_an_equation_that_was_read_before_means_what_it_says_now():
    text = "dw = a * rate_pre + b"
    assert value(text, {"a": 2, "b": 1}, rate_pre=3.0) == 7 and value(text, {"b": 2, "a": 1}, rate_pre=3.0) == 5
    signs = [math.copysign(1, value("dw = a + 0 * rate_pre", {"a": zero}, rate_pre=1.0)) for zero in (0.0, -0.0, 0.0)]
    assert signs == [math.copysign(1, value(f"dw = {zero} + 0 * rate_pre", rate_pre=1.0)) for zero in (0.0, -0.0, 0.0)]
    assert value(text, {"a": 1, "b": 1}, rate_pre=3.0) == 4
    assert "constant a = True: expected a finite number" in refused(text, {"a": True, "b": 1})
    for modulators in (frozenset({"a", "b"}), frozenset({"a"})):
        scope = Scope(names={} if "b" in modulators else {"b": "b_post"}, modulators=modulators)
        assert parse(text, scope=scope).modulators == modulators and hash(scope) == hash(Scope(**vars(scope)))
    assert "name 'a' is not local to the synapse" in refused(text)


def test_names_are_sorted_by_where_they_come_from():
    equation = parse("dw = eta * error_post * rate_pre - w * rate_post**2", {"eta": 0.1})
    assert (equation.pre, equation.post, equation.synapse) == ({"rate"}, {"error", "rate"}, {"w"})
    assert equation.target == "w"


# ---------------------------------------------------------------------- names

OTHERS_NAMES = [  # that sympy, Brian2, Python or this package have for something else
    "alpha", "beta", "gamma", "zeta", "lambda_", "pi", "e", "E", "I", "N", "O", "Q", "S", "C", "t", "dt", "i", "j", "inf",
    "nan", "xi",
    "volt", "second", "mV", "ms", "sign", "Symbol", "x", "η", "α", "_a", "a__b", "rand", "lastspike", "abs", "exp", "oo",
    "zoo", "re",
    "im", "Sum", "test", "rf", "LT", "factorial", "Max", "sinh", "erf", "print", "self", "equation", "w_pre2", "int", "b",
    "None_", "_pre",
]  # fmt: skip


@pytest.mark.parametrize("name", OTHERS_NAMES)
def test_a_constant_means_what_the_user_gives_whatever_its_name(name):
    assert value(f"dw = {name} * rate_pre", {name: 0.3}, rate_pre=2.0) == 0.6


@given(st.from_regex(r"[^\W\d]\w{0,8}", fullmatch=True))
def test_any_name_is_the_user_s_or_is_refused(name):
    try:
        assert value(f"dw = {name} * rate_pre", {name: 0.3}, rate_pre=2.0) == 0.6
    except EquationError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["lambda", "if", "is", "in", "None", "True", "not", "µ", "ｅｔａ", "rate_pre", "N_post", "w",
    "two words"])
def test_what_no_constant_can_be_called(name):
    assert "name" in refused(f"dw = {name} * rate_pre", {name: 0.3})


def test_pi_and_e_are_there_unless_they_are_given():
    assert value("dw = pi * w + e", w=2.0) == 2 * math.pi + math.e
    assert "'inf' is not finite" in refused("dw = inf * w")


@pytest.mark.parametrize("given", ["0.01", math.nan, math.inf, -math.inf, None, 1j, True, np.bool_(True), [0.1], np.ones(1),
    10**400])
def test_a_constant_is_a_finite_number(given):
    said = refused("dw = eta * w", {"eta": given})
    assert "constant eta = " in said and "expected a finite number" in said


@pytest.mark.parametrize("given", [2, np.float32(2), np.int64(2), 2.0])
def test_numpy_s_numbers_are_numbers(given):
    assert value("dw = eta * w", {"eta": given}, w=3.0) == 6


@pytest.mark.parametrize("name", ["rate_psot", "ratepre", "rate_pre2", "RatePost", "errorpost", "next_layer_error", "drive"])
def test_no_constant_is_asked_for_where_a_variable_was_meant(name):
    assert "<number>" not in refused(f"dw = {name} * rate_pre")


def test_advice_for_unknown_names():
    assert "did you mean rate_post?" in refused("dw = rate_psot * rate_pre")
    assert "did you mean decay?" in refused("dw = deacy * w + decay", {"decay": 0.1})
    assert refused("dw = gain * rate_pre").endswith("pass gain=<number>")
    assert "constant 'eta' does not occur" in refused("dw = rate_pre", {"eta": 0.1})


def test_the_variables_that_advice_knows_are_the_populations():
    assert {f"{name}_pre" for name in RATE_VARIABLES} | {f"{name}_post" for name in (*RATE_VARIABLES, "error")} == set(USUAL)


# ---------------------------------------------------------------------- what may be written


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("dw = True", "True is true or false"),
        ("dw = rate_pre > 0", "rate_pre > 0 is true or false"),
        ("dw = (rate_pre > 0) * w", "wrap it in int"),
        ("dw = int(rate_pre and w > 0)", "rate_pre is a number"),
        ("dw = int(0 < rate_pre < 1)", "one comparison at a time"),
        ("dw = rate_pre^2", "write \\*\\* for a power"),
        ("dw = w if w else 1", "'if' is a word of Python's own"),
        ("dw = exp(w, w)", "takes 1 number"),
        ("dw = clip(w, 1)", "takes 3 numbers"),
        ("dw = exp(*w)", "takes 1 number"),
        ("dw = 2 rate_pre", "syntax"),
        ("dw = 2rate_pre", "operator before 'rate_pre'"),
        ("dw = ｅｖａｌ(w)", "look-alikes"),
    ],
)
def test_what_is_refused_says_what_to_write(text, named):
    with pytest.raises(EquationError, match=named):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "'a'", 'f("x")', "f''", "b'a'", "w.real", "w[0]", "[w]", "{w}", "(w, w)", "w, w", "()", "lambda: 1", "(w := 1)", "exp(x=w)",
        "exp(**w)", "1j", "0x10", "1_000", "...", "w @ w", "w << 1", "w & w", "w | w", "~w", "w is w", "w in w", "yield", "await w",
        "w; w", "w = w", "w\\\nw", "w\x00", "exp", "exp()", "w(2)", "2(w)", "exp(exp)(w)", "(exp)(w, w)", "007", "#", "", "\n",
    ],
)  # fmt: skip
def test_what_has_no_place_in_an_equation(text):
    refused(f"dw = {text}")


@pytest.mark.parametrize(
    "call",
    ["print(1)", "exit(7)", "exec(chr(112))", "eval(w)", "f(w)", "sum(w)", "mean(w)", "roll(rate_post, 1)", "max(w)",
        "__import__(w)",
     "rand()", "exprel(w)", "poisson(w)", "timestep(w, w)", "gamma(w)", "Symbol(w)"],
)  # fmt: skip
def test_an_unknown_function_is_refused_with_those_that_are_known(call):
    said = refused(f"dw = {call} * rate_pre")
    assert f"function '{call.split('(')[0]}' is unknown: expected one of {', '.join(sorted(FUNCTIONS))}" in said


def test_the_nearest_function_is_named():
    assert "did you mean 'arctan'?" in refused("dw = arctn(w)")


def test_lines_and_comments_are_blanks():
    assert value("dw = rate_pre  # the first\n  * rate_post  # and the second", rate_pre=2.0, rate_post=3.0) == 6


@pytest.mark.parametrize("text", ["w = rate_pre", "dw == rate_pre", "dw", "", "dw = ", "dw = rate_pre +", "dw = rate_pre ? 2",
    5, None])
def test_what_is_no_equation_is_refused_with_its_text(text):
    with pytest.raises(EquationError, match="expected"):
        parse(text)


# ---------------------------------------------------------------------- any text


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


@pytest.mark.parametrize("constants", [{"x" * 10_000: value} for value in (1, "1", None, [1], float("nan"), 10**400)])
def test_a_long_name_is_cut_wherever_a_message_shows_it(constants):
    with pytest.raises(EquationError) as caught:
        parse("dw = etaa * w", constants)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
