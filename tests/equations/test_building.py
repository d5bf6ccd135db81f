"""What an equation may cost, and that its numbers are finite: refused when it is parsed, and before anything is worked out."""

import numpy as np
import pytest

from neurosim.equations import compile_expression, parse, separate
from neurosim.errors import EquationError


def refused(text, constants=None):
    """Return what is said of an equation that cannot be; separated, too."""
    with pytest.raises(EquationError) as caught:
        separate(parse(text, constants))
    said = str(caught.value)
    assert "\n" not in said and len(said) < 600
    return said


def value(text, **variables):
    return compile_expression(parse(text).expression, np)({name: np.array(v) for name, v in variables.items()})


TOO_MUCH = [
    "9**9**9", "2**100000 * rate_pre", "9**9**9**9", "0.5**-10000", "(rate_pre + rate_post + w)**200", "(rate_pre + 1)**(10**6)",
    "(rate_pre + rate_post + w)**100", "((((rate_pre + rate_post)**9 + w)**9 + rate_pre)**9)**9", "(((2 * w)**100)**100)**100",
    "(w**100)**100", "w**100 * w**100", "w**-101", "w**1e6", "2**(w + 10**9) * 2**-w", "2.5**(10**9 + w) * 2.5**(-w)",
    "*".join(["(rate_pre + rate_post + w + 1)"] * 30), "*".join(f"(rate_pre**{i} + rate_post)" for i in range(30)),
    "exp((rate_pre + rate_post + 1)**50)", "exp(rate_pre + rate_post)**(10**9)", "rate_pre**0.5" + "**0.5" * 100,
    "(" * 300 + "w" + ")" * 300,
    "-" * 900 + "w", "tanh(" * 150 + "w" + ")" * 150, "not " * 200 + "w", "+".join(["w"] * 10**5), "9" * 900, "9" * 5000, "1e999",
    "1e-999 * w", "w" * 5000, "(rate_pre + rate_post + w)**19", "(10**15)**(rate_pre + rate_post + 99)",
    "1e200 * rate_pre * 1e200 * rate_post", "1e200 * (rate_pre + w) * (1e200 * rate_post)",
]  # fmt: skip
NOT_FINITE = [
    "log(-1) * rate_pre", "exp(exp(exp(exp(1000)))) * rate_pre", "rate_pre / 0", "1 / 0", "1 // 0", "1 % 0", "0**-1", "0.0**-0.5",
    "sqrt(-1) * w", "(-1)**0.5 * w", "arcsin(2) * w", "1 / (w - w)", "log(w - w)", "rate_pre / (w * 0)", "(w - w)**-1",
    "exp(1000) * w",
    "tan(10**400)", "1e308 * 10 * w", "1e308 + 1e308", "inf", "nan", "int(1 > 0) / 0", "exp(710 + rate_pre + rate_post)",
]  # fmt: skip


@pytest.mark.parametrize("text", TOO_MUCH)
def test_what_would_take_long_is_refused_before_it_does(text):
    refused(f"dw = {text}")  # a case that is not stopped in time takes minutes, or all memory


@pytest.mark.parametrize("text", NOT_FINITE)
def test_what_is_no_finite_number_is_refused_when_it_is_parsed(text):
    assert "finite" in refused(f"dw = {text}")


@pytest.mark.parametrize(("text", "c"), [("w / c", 0), ("w / (c - 1)", 1.0), ("log(c) * w", -1), ("exp(c) * w", 1e4),
    ("w * c**c", 1e200)])
def test_a_constant_that_makes_it_infinite_is_refused(text, c):
    assert "finite" in refused(f"dw = {text}", {"c": c})


def test_what_is_long_but_within_bounds_is_right():
    assert value("dw = " + "+".join(["w"] * 490), w=2.0) == 980
    assert value("dw = " + "tanh(" * 45 + "w" + ")" * 45, w=0.0) == 0
    assert len(separate(parse("dw = (rate_pre + rate_post)**100"))) == 101
    assert len(separate(parse("dw = (rate_pre + rate_post + w)**18"))) == 190


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 // 2", 3), ("-7 // 2", -4), ("7 % 3", 1), ("-7 % 3", 2), ("7 % -3", -2), ("1 / 2", 0.5), ("2**-1", 0.5),
        ("2**3**2", 512),
        ("-2**2", -4), ("1 - 2 - 3", -4), ("8 / 4 / 2", 1), ("2 * 3 // 4 * 5", 5), ("int(2.7)", 2), ("int(-2.7)", -2),
        ("int(1 > 2)", 0),
        ("int(not 1 > 2)", 1), ("int(1 > 2 or 2 > 1)", 1), ("int(1 > 2 and 2 > 1)", 0), ("int(True)", 1), ("clip(3, 0, 2)", 2),
        ("exp(0)", 1), ("sqrt(9)", 3), ("abs(-3)", 3), ("0.1 + 0.2", 0.1 + 0.2), ("10**15 * 10**15", 1e30), ("--3", 3), ("+3", 3),
    ],
)  # fmt: skip
def test_numbers_are_worked_out_as_python_and_numpy_do(text, expected):
    assert value(f"dw = {text}") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("int(True and w > 0)", 1), ("int(w > 0 or False)", 1), ("int(w > 0 and False)", 0), ("int(True or w > 0)", 1),
     ("int(w > 0 and w > 3)", 0), ("int(w > 3 or w > 0)", 1), ("int(not w > 0)", 0), ("0 * w", 0), ("w**0", 1)],
)  # fmt: skip
def test_truth_values(text, expected):
    assert value(f"dw = {text}", w=2.0) == expected
