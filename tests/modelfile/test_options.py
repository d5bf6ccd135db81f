"""Options: unknown, missing and mistyped ones are told before anything is made."""

import re
from collections.abc import Mapping, Sequence

import pytest

from neurosim.errors import InputError, UnknownNameError
from neurosim.modelfile.options import construct


def maker(rate: float, *, steps: int = 1, at: Sequence[float] = (), widths: float | Mapping[str, float] = 1.0, fast: bool = False):
    return (rate, steps, at, widths, fast)


def make(**options):
    return construct("thing", {"maker": maker}, "maker", options)


def test_good_options_arrive_unchanged():
    assert make(rate=1, at=[0.5], widths={"a": 2}, fast=True) == (1, 1, [0.5], {"a": 2}, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rate": "fast"}, "thing 'maker': rate 'fast': expected a number"),
        ({"rate": True}, "rate True: expected a number"),
        ({"rate": float("inf")}, "rate inf: expected a finite number"),
        ({"rate": 1, "steps": 1.5}, "steps 1.5: expected a whole number"),
        ({"rate": 1, "fast": 1}, "fast 1: expected true or false"),
        ({"rate": 1, "at": "0.5"}, "at '0.5': expected"),
        ({"rate": 1, "widths": [1]}, "widths [1]: expected a number or a table"),
        ({}, "rate is missing; give rate = ..."),
    ],
)
def test_bad_options_are_told(options, said):
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        make(**options)
    assert "\n" not in str(caught.value)


def test_unknown_names_tell_the_nearest():
    with pytest.raises(UnknownNameError, match="option 'stps' is unknown.*did you mean 'steps'"):
        make(rate=1, stps=2)
    with pytest.raises(UnknownNameError, match="did you mean 'maker'"):
        construct("thing", {"maker": maker}, "make", {})
