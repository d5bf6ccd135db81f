"""Predictive coding against automatic differentiation: the three cases that are back-propagation, and the one that is not."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, jacobian

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.neurons import BatchNormalisation
from tests.reference.relaxing import Problem, distance

FIXED = {"fixed": True, "step": 0.5, "iterations": 100}
ARRIVAL = {"learn": "arrival", "step": 1.0}
LAYERS = (("x", "hidden1"), ("hidden1", "hidden2"), ("hidden2", "output"))


def off(**options):
    problem = Problem("predictive_coding", **options)
    return distance(problem.proposed(), problem.gradient())


@pytest.mark.parametrize("more", [{}, {"output": "linear"}, {"dropout": 0.4}, {"normalisation": BatchNormalisation()}])
@pytest.mark.parametrize("exact", [FIXED, ARRIVAL], ids=["fixed", "arrival"])
def test_fixed_predictions_and_learning_on_arrival_are_backpropagation(exact, more):
    assert off(**exact, **more) < 1e-12


def test_on_arrival_it_is_backpropagation_with_a_step_of_one_only():
    assert off(**ARRIVAL | {"step": 0.5}) > 0.4


def test_a_nudged_output_comes_to_backpropagation_with_the_nudge():
    large, small = (off(beta=beta, step=0.3, iterations=400) for beta in (0.01, 0.001))
    assert small < 0.01 and large / small == pytest.approx(10, rel=0.1)


# ---------------------------------------------------------------------- a clamped output


def near(size):
    """Return a relaxed problem whose linear output is clamped ``size`` away from what it predicts."""
    problem = Problem("predictive_coding", output="linear", step=0.2, iterations=600)
    draw = np.random.default_rng(8)
    problem.target = problem.seen.rate["output"] + size * draw.normal(size=(9, 3))
    return problem


@pytest.mark.parametrize("size", [1e-2, 1e-4])
def test_a_clamped_output_does_not_become_backpropagation_however_near_the_target_is(size):
    problem = near(size)
    assert distance(problem.proposed(), problem.gradient()) > 0.5


def test_a_clamped_output_near_its_target_is_backpropagation_of_a_rescaled_error():
    """S^-1 (y - p), with S = I + the sum over hidden l of J_l J_l^T, J_l = dz_L / dz_l."""
    problem = near(1e-4)
    weights, seen = problem.weights(), problem.seen
    outer = lambda z2: problem.drive(weights, "hidden2", "output", anp.tanh(z2))  # noqa: E731
    inner = lambda z1: outer(problem.drive(weights, "hidden1", "hidden2", anp.tanh(z1)))  # noqa: E731
    rescaled = np.empty((9, 3))
    for k in range(9):
        S = np.eye(3)
        for name, function in (("hidden1", inner), ("hidden2", outer)):
            J = jacobian(lambda z, f=function: f(z[None])[0])(seen[name].activation[k])  # (3, n)
            S += J @ J.T
        rescaled[k] = np.linalg.solve(S, problem.target[k] - seen.rate["output"][k])
    found = problem.proposed()
    problem.target = seen.rate["output"] + rescaled
    assert distance(found, problem.gradient()) < 1e-3


# ---------------------------------------------------------------------- relaxing


def energy(problem, weights, values, beta):
    """Return the energy that values relax down, summed over the batch; values of hidden populations, and of a nudged output."""
    total, rate = 0.0, problem.x
    for pre, post in LAYERS:
        mu = problem.drive(weights, pre, post, rate)
        if post == "output" and beta is None:
            return total + 9 * problem.loss_of(problem.read(mu))
        total = total + anp.sum((values[post] - mu) ** 2) / 2
        rate = problem.phi(values[post])
    return total + beta * 9 * problem.loss_of(problem.read(values["output"]))


@pytest.mark.parametrize("output", ["softmax", "linear"])
@pytest.mark.parametrize("beta", [None, 0.5])
@pytest.mark.parametrize("learn", ["settled", "always"])
def test_values_and_weights_go_down_the_energy(beta, learn, output):
    """Three iterations, far from rest; those that always learn propose the sum over iterations."""
    problem = Problem("predictive_coding", output=output, beta=beta, learn=learn, iterations=3, step=0.2)
    weights, names = problem.weights(), ["hidden1", "hidden2"] + ([] if beta is None else ["output"])
    values = {name: problem.seen[name].activation for name in names}
    wanted = {name: 0.0 for name in weights}
    for turn in range(3):
        slopes = grad(lambda v: energy(problem, weights, v, beta))(values)
        values = {name: values[name] - 0.2 * slopes[name] for name in names}
        if learn == "always" or turn == 2:
            changes = grad(lambda w, v=values: energy(problem, w, v, beta))(weights)
            wanted = {name: wanted[name] - changes[name] / 9 / (beta or 1) for name in weights}
    for name, value in problem.proposed().items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"iterations": 1}, "iterations 1: expected a whole number, 2 to"),
        ({"iterations": 2, "beta": 0.1}, "iterations 2: expected a whole number, 3 to"),
        ({"step": 0}, "step 0"),
        ({"beta": -0.1}, "beta -0.1"),
        ({"learn": "never"}, "learn 'never': expected one of settled, arrival, always"),
        ({"learn": "arrival", "beta": 0.1}, "learn 'arrival' with beta 0.1: expected a clamped output"),
    ],
)
def test_options_out_of_range(options, named):
    with pytest.raises(InputError, match=f"^scheme 'predictive_coding': {named}"):
        pathway("predictive_coding", **options)


def test_a_transfer_that_draws_is_refused():
    with pytest.raises(InputError, match="^scheme 'predictive_coding': population 'hidden1' has transfer 'bernoulli'"):
        pathway("predictive_coding").attach(Network.layered((4,), [5, 5], 3, transfer="bernoulli"), 3, seed=0)
