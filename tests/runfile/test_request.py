"""What is to be recorded, as text: every form is read, everything else is told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.errors import InputError, UnknownNameError
from neurosim.runfile import Interval, Request, Some, chosen

KNOWN = ["x.rate", "hidden1.rate", "hidden1.error", "hidden2.rate", "x__hidden1.w", "inverse/hidden2__hidden1.w"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hidden*.rate", Request("hidden*.rate")),
        ("hidden*.rate every 1 epoch", Request("hidden*.rate", Interval(1, "epochs"))),
        ("x__hidden1.w every epoch", Request("x__hidden1.w", Interval(1, "epochs"))),
        ("hidden1.target every 100 steps", Request("hidden1.target", Interval(100, "steps"))),
        ("a.rate every 5 steps start 10 stop 20", Request("a.rate", Interval(5, "steps", 10, 20))),
        ("a.rate every 5 steps stop 20", Request("a.rate", Interval(5, "steps", 0, 20))),
        ("a.rate[0:50] every 2 epochs", Request("a.rate", Interval(2, "epochs"), Some("0:50"))),
        ("hidden[12].rate[ 1, 5 ]", Request("hidden[12].rate", Interval(), Some("1, 5"))),
        ("inverse/*.w[random 5 seed 3] every 1 step", Request("inverse/*.w", Interval(1, "steps"), Some("random 5 seed 3"))),
    ],
)
def test_every_form_is_read_and_written_back(text, expected):
    assert Request.of(text) == expected
    assert Request.of(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "record ''"),
        ("hidden1.rate at 3 steps", "record 'hidden1.rate at 3 steps': expected VARIABLE every"),
        ("hidden1.rate every 3 minutes", "interval '3 minutes': expected a number of steps or epochs"),
        ("hidden1.rate every 0 steps", "every 0 steps: expected 1 or more"),
        ("hidden1.rate every 3 steps start 9 stop 3", "stop 3 comes before start 9"),
        ("hidden1.rate[a:b]", "neurons \\[a:b\\]: expected indices"),
    ],
)
def test_anything_else_is_told(text, said):
    with pytest.raises(InputError, match=said):
        Request.of(text)


@given(st.text(max_size=40))
def test_any_text_is_a_request_or_an_error(text):
    try:
        Request.of(text)
    except InputError as error:
        assert "\n" not in str(error)


def test_an_interval_starts_at_start_and_ends_with_stop():
    interval = Interval(3, "steps", 2, 11)
    assert [n for n in range(15) if interval.due("steps", n)] == [2, 5, 8, 11]
    assert not any(interval.due("epochs", n) for n in range(15))
    assert [n for n in range(7) if Interval(2).due("epochs", n)] == [0, 2, 4, 6]


def test_neurons_by_slice_by_number_and_drawn():
    assert Some("").numbers(5) is None
    assert Some("1:4").numbers(5).tolist() == [1, 2, 3]
    assert Some("::2").numbers(5).tolist() == [0, 2, 4]
    assert Some("4, 1, 4").numbers(5).tolist() == [1, 4]
    drawn = Some("random 3 seed 1").numbers(50)
    assert len(set(drawn)) == 3 and (np.diff(drawn) > 0).all() and drawn.max() < 50
    np.testing.assert_array_equal(drawn, Some("random 3 seed 1").numbers(50))
    assert drawn.tolist() != Some("random 3 seed 2").numbers(50).tolist()


@pytest.mark.parametrize(("text", "said"), [("5", "each 0 to 4"), ("7:9", "each 0 to 4"), ("random 6", "6 of 5 neurons")])
def test_neurons_that_are_not_there(text, said):
    with pytest.raises(InputError, match=said):
        Some(text).numbers(5)


def test_patterns_choose_in_the_order_of_what_is_known():
    found = chosen([Request("*.w"), Request("hidden*.rate")], KNOWN)
    assert list(found) == ["hidden1.rate", "hidden2.rate", "x__hidden1.w", "inverse/hidden2__hidden1.w"]


def test_unknown_variables_name_the_nearest_and_list_the_known():
    with pytest.raises(UnknownNameError, match="'hiden1.rate' is unknown: .*x__hidden1.w.*did you mean 'hidden1.rate'"):
        chosen([Request("hiden1.rate")], KNOWN)


def test_many_names_are_not_listed():
    with pytest.raises(UnknownNameError) as caught:
        chosen([Request("hidden7.rat")], [f"hidden{k}.{v}" for k in range(30) for v in ("rate", "drive")])
    said = str(caught.value)
    assert len(said) < 300 and "did you mean 'hidden7.rate'" in said
    assert "hidden17.rate, " in said and "... (60 in all: neurosim show MODEL --recordable)" in said


def test_of_two_requests_for_one_variable_the_later_counts():
    """So what is said on the command line goes before what the model file says."""
    often = Request("hidden1.rate", Interval(5, "steps"))
    found = chosen([Request("hidden*.rate"), often], KNOWN)
    assert found == {"hidden1.rate": often, "hidden2.rate": Request("hidden*.rate")}
