"""Units have Brian2's names and values, to the last bit; quantities are read, and nothing else is."""

import brian2
import numpy as np
import pytest
from brian2.core.namespace import DEFAULT_UNITS

from neurosim.equations.units import SECOND, UNITS, measure, seconds, written
from neurosim.errors import InputError


@pytest.mark.parametrize("name", sorted(UNITS))
def test_every_unit_is_brian2s(name):
    theirs = DEFAULT_UNITS[name]
    assert (float(theirs), tuple(map(float, theirs.dim._dims))) == (UNITS[name].value, UNITS[name].dimensions)


@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        ("-65*mV", -65 * brian2.mV),
        ("10 * nS", 10 * brian2.nS),
        ("1*uF/cm2", 1 * brian2.uF / brian2.cm2),
        ("2*ms + 0.5*ms", 2.5 * brian2.ms),
        ("(3*mV)**2/Mohm", (3 * brian2.mV) ** 2 / brian2.Mohm),
        ("0.25", 0.25),
    ],
)
def test_text_is_the_quantity_that_brian2_makes_of_it(text, theirs):
    assert measure(text, "constant") == measure(theirs, "constant")
    assert measure(written(measure(text, "constant")), "constant") == measure(text, "constant")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2*mv", "'mv' is no unit"),
        ("__import__('os')", "has no place in an equation"),
        ("exp(1)", "has no place in a quantity"),
        ("1*mV + 1*ms", "units do not match"),
        ("2**(1*mV)", "exponent has a unit"),
        ("1/0", "no finite number"),
        ("10.0**400", "no finite number"),
        (float("nan"), "no finite number"),
        (True, "expected a number"),
        (None, "expected a number"),
        (np.zeros(3), "expected a number"),
    ],
)
def test_what_is_no_quantity(value, said):
    with pytest.raises(InputError, match="^constant tau") as caught:
        measure(value, "constant tau")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_time():
    assert seconds("0.1*ms", "dt") == seconds(0.1 * brian2.ms, "dt") == seconds(1e-4, "dt") == 1e-4
    assert SECOND == measure("1*second", "dt")
    for value, said in {"1*mV": "no time", "-1*ms": "positive time", 0: "positive time"}.items():
        with pytest.raises(InputError, match=said):
            seconds(value, "network: dt")
