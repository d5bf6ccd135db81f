"""Contrastive Hebbian learning against automatic differentiation, as its feedback fades, and against a straight-line loop."""

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.neurons import BatchNormalisation
from tests.reference.relaxing import Problem, distance


def off(gamma, **options):
    problem = Problem("contrastive_hebbian", gamma=gamma, **options)
    return distance(problem.proposed(), problem.gradient())


@pytest.mark.parametrize("output", ["softmax", "linear"])
@pytest.mark.parametrize("more", [{}, {"transfer": "sigmoid"}, {"dropout": 0.4}, {"normalisation": BatchNormalisation()}])
def test_it_comes_to_backpropagation_as_feedback_fades(more, output):
    large, small = (off(gamma, output=output, **more) for gamma in (1e-3, 1e-4))
    assert small < 0.01 and large / small == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("gamma", [0.2, 0.7])
def test_a_step_is_the_difference_of_two_settled_phases(gamma):
    problem = Problem("contrastive_hebbian", gamma=gamma, turns=200, scale=0.5)
    w, x, y = problem.weights(), problem.x, problem.target
    top, middle = w["hidden2__output.w"], w["hidden1__hidden2.w"]

    def settled(clamped):
        h1, h2, p = np.zeros((9, 5)), np.zeros((9, 4)), np.zeros((9, 3))
        for _ in range(300):  # all at once, from zero
            p = y if clamped else problem.read(h2 @ top + w["hidden2__output.b"])
            below = np.tanh(x @ w["x__hidden1.w"] + w["x__hidden1.b"] + gamma * h2 @ middle.T)
            h1, h2 = below, np.tanh(h1 @ middle + w["hidden1__hidden2.b"] + gamma * p @ top.T)
        return h1, h2, p

    (c1, c2, cp), (f1, f2, fp) = settled(True), settled(False)
    wanted = {
        "x__hidden1.w": x.T @ (c1 - f1) / gamma**2,
        "x__hidden1.b": (c1 - f1).sum(axis=0) / gamma**2,
        "hidden1__hidden2.w": (c1.T @ c2 - f1.T @ f2) / gamma,
        "hidden1__hidden2.b": (c2 - f2).sum(axis=0) / gamma,
        "hidden2__output.w": c2.T @ cp - f2.T @ fp,
        "hidden2__output.b": (cp - fp).sum(axis=0),
    }
    found = problem.proposed()
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value / 9, rtol=1e-6, atol=1e-9, err_msg=name)
    seen = problem.network.sweep(x)
    assert np.abs(seen.rate["output"] - fp).max() > 1e-3
    np.testing.assert_allclose(problem.scheme.scores(seen), fp, rtol=1e-7)  # the answer is the free state
    assert problem.scheme.loss(seen, y) == pytest.approx(problem.loss_of(fp), rel=1e-7)


@pytest.mark.parametrize(
    ("options", "named"), [({"gamma": 0}, "gamma 0"), ({"gamma": 1.5}, "gamma 1.5"), ({"turns": 0}, "turns 0")]
)
def test_options_out_of_range(options, named):
    with pytest.raises(InputError, match=f"^scheme 'contrastive_hebbian': {named}"):
        pathway("contrastive_hebbian", **options)
