"""Values that are drawn: each call draws anew, units count, and nothing else has a meaning in the text."""

import numpy as np
import pytest

from neurosim.equations.drawn import drawn, is_drawn
from neurosim.equations.units import Measure, measure
from neurosim.errors import InputError


def draw(text, size=20_000, **names):
    return drawn(text, "v", np.random.default_rng(1), size, names)


def test_moments_and_unit():
    values, dimensions = draw("El + (5*randn() - 5)*mV + 12*mV*rand()", El=measure("-60*mV", "El"))
    assert dimensions == measure("1*volt", "").dimensions
    assert abs(values.mean() - -0.059) < 4 * 6.1e-3 / 20_000**0.5
    assert values.std() == pytest.approx(1e-3 * (25 + 144 / 12) ** 0.5, rel=0.02)


def test_numbers_are_the_generators_in_the_order_of_the_text():
    generator = np.random.default_rng(1)
    first, second = generator.random(3), generator.standard_normal(3)
    np.testing.assert_array_equal(draw("2*rand() - randn()", 3)[0], 2 * first - second)


def test_a_name_may_stand_for_an_array_and_text_without_draws_is_the_same_for_all():
    r = np.array([0.0, 0.5, 1.0])
    np.testing.assert_array_equal(draw("(0.25 - 0.05*r) * -65", 3, r=Measure(r))[0], (0.25 - 0.05 * r) * -65)
    np.testing.assert_array_equal(draw("-60*mV", 2)[0], [-0.06, -0.06])
    assert is_drawn("0.5*rand()") and is_drawn("randn()") and not is_drawn("glorot") and not is_drawn(0.5)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10*mV*foo()", r"'foo\(\)': expected rand\(\) or randn\(\)"),
        ("rand(3)", r"'rand\(3\)': expected rand\(\) or randn\(\)"),
        ("rand()*mV + 3", "units do not match"),
        ("1/(0*rand())", "not finite everywhere"),
        ("0**(-1)*rand()", "no finite number"),
        ("rand(), 3", "has no place in a quantity"),
        ("2**rand()*mV*rand()**rand()", "an exponent is drawn|no finite number"),
        ("x*rand()", "name 'x' is no unit"),
    ],
)
def test_what_is_no_such_text_is_told_in_one_line(text, why):
    with pytest.raises(InputError, match=why) as caught:
        draw(text)
    assert str(caught.value).startswith("v ") and "\n" not in str(caught.value)
