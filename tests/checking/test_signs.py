"""Which turned signs are seen, in the package's own schemes, and that a sign which is free is left alone."""

import pytest

from neurosim.checking.bench import HIDDEN
from neurosim.checking.signs import ADAPT, measure_directions, scale_adapt, scale_teach, signs_point_up
from neurosim.checking.subject import Subject, list_subjects
from neurosim.feedback import pathway, pathways

ALL = tuple(f"hidden{k}" for k, _ in enumerate(HIDDEN, start=1))
TURNS = [ALL, ("hidden1",), ("hidden2",), ("output",), (ADAPT,)]


def turn(make, turned):
    """Return what makes the scheme with the signs of some populations' errors, or of what it adapts by, turned."""

    def made():
        scheme = make()
        if ADAPT in turned:
            scheme.adapt_to_proposals = scale_adapt(scheme.adapt_to_proposals, -1.0)
        else:
            scheme.teach = scale_teach(scheme.teach, turned, -1.0)
        return scheme

    return made


def find(scheme, options, turned):
    (subject,) = list_subjects(pathways()[scheme], options) if options else list_subjects(pathways()[scheme], {})[:1]
    return signs_point_up(Subject("scheme", subject.title, subject.variant, turn(subject.make, turned)))


SEEN = [  # of some kinds of schemes: such as follow the gradient, learned inverses, losses of their own, modules
    ("backprop", {}, ALL, "errors of hidden populations point"),
    ("backprop", {}, ("hidden1",), "errors of hidden1 point"),
    ("backprop", {}, ("output",), "errors of output point"),
    ("difference_target_propagation", {}, ("hidden2",), "errors of hidden2 point"),
    ("difference_target_propagation", {"difference": False}, ("output",), "errors of output point"),
    ("hsic_bottleneck", {}, ALL, "errors of hidden populations point"),
    ("local_errors", {"loss": "sim", "backprop_free": True}, ("hidden2",), "errors of hidden2 point"),
    ("synthetic_gradients", {}, (ADAPT,), "what adapt proposes goes"),
]


@pytest.mark.parametrize(("scheme", "options", "turned", "said"), SEEN)
def test_a_wrong_sign_is_seen_and_named(scheme, options, turned, said):
    outcome = find(scheme, options, turned)
    assert f"{said} the wrong way: with the sign turned the loss is" in outcome.why, outcome


@pytest.mark.parametrize("turned", [ALL, ("hidden1",), ("hidden2",)])
@pytest.mark.parametrize("scheme", ["feedback_alignment", "direct_feedback_alignment"])
def test_the_sign_of_feedback_at_random_is_free(scheme, turned):
    """Turned, it is other feedback at random."""
    assert not find(scheme, {}, turned).why


def test_errors_along_the_gradient_need_no_training():
    assert measure_directions(lambda: pathway("backprop")) == {"hidden1": 1, "hidden2": 1, "output": 1}
    turned = measure_directions(turn(lambda: pathway("backprop"), ("hidden2",)))
    assert turned == {"hidden1": 1, "hidden2": -1, "output": 1}
    assert signs_point_up(*list_subjects("backprop", {})).measured == "along the gradient: hidden1, hidden2, output"
