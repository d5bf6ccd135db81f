"""What can be checked: classes, objects, names, equations and functions; and one line for what is none of these."""

import functools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim
from neurosim.checking.subject import list_subjects
from neurosim.errors import InputError
from neurosim.feedback import FeedbackPathway, pathway, pathways
from neurosim.network import Network
from neurosim.plasticity import Rule, hebbian

NONE = [3, None, "backprp", "", dict, Network, print, np.tanh, Network.layered, FeedbackPathway.teach, [], object()]


@pytest.mark.parametrize("what", NONE)
def test_one_line_says_that_something_is_no_scheme(what):
    with pytest.raises(InputError, match=r"^(check: |scheme or rule )[^\n]*expected [^\n]*$"):
        neurosim.check(what)


@given(what=st.one_of(st.text().filter(lambda text: "=" not in text and text not in pathways()), st.integers(), st.binary()))
@settings(max_examples=30, deadline=None)
def test_whatever_is_no_scheme_is_refused_in_one_line(what):
    with pytest.raises(InputError, match=r"\A(check: |scheme or rule )[^\n]*\Z"):
        list_subjects(what, {})


@given(text=st.text(max_size=30).map(lambda text: f"dw = {text}"))
def test_a_text_with_an_equals_sign_is_taken_for_an_equation(text):
    (subject,) = list_subjects(text, {})
    assert subject.kind == "rule"


def test_without_options_every_variant_is_checked_and_with_options_one():
    scheme = pathways()["hsic_bottleneck"]
    assert [subject.variant for subject in list_subjects(scheme, {})][:2] == ["no options", "output='units'"]
    assert [subject.variant for subject in list_subjects(scheme, {"beta": 3.0})] == ["beta=3.0"]
    assert list_subjects(scheme, {"beta": 3.0})[0].make().beta == 3.0


def test_an_object_is_checked_as_it_is_and_left_alone():
    scheme = pathway("difference_target_propagation", noise=0.1)
    scheme.step = 0.25
    (subject,) = list_subjects(scheme, {})
    first, second = subject.make(), subject.make()
    assert first is not second and first is not scheme
    assert (first.noise, first.step) == (0.1, 0.25)
    first.attach(Network.layered((6,), [5, 4], 3), 3, seed=0)
    assert not scheme.attached


def test_an_attached_pathway_is_refused():
    scheme = pathway("backprop")
    scheme.attach(Network.layered((6,), [5], 3), 3, seed=0)
    with pytest.raises(InputError, match="teaches a network already: expected a new one"):
        neurosim.check(scheme)


def test_an_object_takes_no_options():
    with pytest.raises(InputError, match="expected options with a class only"):
        neurosim.check(pathway("backprop"), gain=2)


def test_what_makes_a_rule_or_a_scheme_stands_for_it():
    assert list_subjects(hebbian, {"eta": 0.5})[0].make().describe() == hebbian(eta=0.5).describe()
    assert list_subjects(functools.partial(pathway, "backprop"), {})[0].kind == "scheme"


def test_an_option_that_is_unknown_is_a_finding():
    result = neurosim.check(pathways()["hsic_bottleneck"], nonsense=1)
    assert not result
    assert "nonsense" in result["works"].outcome.why


def test_bases_cannot_be_made_and_say_so():
    for base in (FeedbackPathway, Rule):
        assert "abstract" in neurosim.check(base)["works"].outcome.why


def test_a_result_can_be_pickled():
    result = neurosim.check("dw = foo")
    assert str(pickle.loads(pickle.dumps(result))) == str(result)
