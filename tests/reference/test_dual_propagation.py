"""Dual propagation against automatic differentiation, as its nudge shrinks, and against a straight-line loop of its equations."""

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.neurons import BatchNormalisation
from tests.reference.relaxing import Problem, distance

BETAS = (0.1, 0.01)


def off(beta, **options):
    problem = Problem("dual_propagation", beta=beta, **options)
    return distance(problem.proposed(), problem.gradient())


@pytest.mark.parametrize("passes", [1, 2, 6])
@pytest.mark.parametrize(("alpha", "factor"), [(0.5, 100), (0.0, 10), (1.0, 10)])
def test_the_error_falls_with_the_square_of_beta_where_the_dyad_is_balanced(alpha, factor, passes):
    large, small = (off(beta, alpha=alpha, passes=passes) for beta in BETAS)
    assert small < 0.03 and large / small == pytest.approx(factor, rel=0.1)


@pytest.mark.parametrize("more", [{"normalisation": BatchNormalisation()}, {"dropout": 0.4}, {"output": "linear"}])
def test_with_normalisation_dropout_or_another_task_too(more):
    large, small = (off(beta, **more) for beta in (1e-2, 1e-3))
    assert small < 2e-4 and large / small > 50


def test_rectified_dyads_on_one_side_of_zero_carry_the_gradient_itself():
    assert off(1e-4, transfer="relu", alpha=0.2, passes=1) < 1e-9


@pytest.mark.parametrize(("alpha", "passes"), [(0.5, 1), (0.2, 3), (1.0, 2)])
def test_a_step_is_the_papers_equations(alpha, passes):
    """With a nudge so large that nothing is a limit."""
    beta = 0.8
    problem = Problem("dual_propagation", alpha=alpha, beta=beta, passes=passes)
    w, x, y = problem.weights(), problem.x, problem.target
    drive = lambda pre, post, rate: problem.drive(w, pre, post, rate)  # noqa: E731
    h1 = np.tanh(drive("x", "hidden1", x))
    h2 = np.tanh(drive("hidden1", "hidden2", h1))
    plus, minus = {1: h1, 2: h2}, {1: h1, 2: h2}
    for _ in range(passes):
        mean = {k: alpha * plus[k] + (1 - alpha) * minus[k] for k in (1, 2)}
        error = y - problem.read(drive("hidden2", "output", mean[2]))
        at_output = drive("hidden2", "output", mean[2])
        z_plus, z_minus = at_output + (1 - alpha) * beta * error, at_output - alpha * beta * error
        down = (z_plus - z_minus) @ w["hidden2__output.w"].T
        a2, a1 = drive("hidden1", "hidden2", mean[1]), drive("x", "hidden1", x)
        plus[2], minus[2] = np.tanh(a2 + (1 - alpha) * down), np.tanh(a2 - alpha * down)
        down = (plus[2] - minus[2]) @ w["hidden1__hidden2.w"].T
        plus[1], minus[1] = np.tanh(a1 + (1 - alpha) * down), np.tanh(a1 - alpha * down)
    mean = {k: alpha * plus[k] + (1 - alpha) * minus[k] for k in (1, 2)}
    error = y - problem.read(drive("hidden2", "output", mean[2]))
    found = problem.proposed()
    np.testing.assert_allclose(found["x__hidden1.w"], x.T @ (plus[1] - minus[1]) / beta / 9, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(found["hidden1__hidden2.w"], mean[1].T @ (plus[2] - minus[2]) / beta / 9, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(found["hidden2__output.w"], mean[2].T @ error / 9, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(found["hidden1__hidden2.b"], (plus[2] - minus[2]).mean(axis=0) / beta, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"alpha": 1.2}, "alpha 1.2"), ({"beta": 0}, "beta 0"), ({"passes": 0}, "passes 0"), ({"passes": 1.0}, "passes 1.0")],
)
def test_options_out_of_range(options, named):
    with pytest.raises(InputError, match=f"^scheme 'dual_propagation': {named}"):
        pathway("dual_propagation", **options)


def test_a_transfer_without_a_slope_of_its_own_is_refused():
    said = "^scheme 'dual_propagation': population 'hidden1' has transfer 'sign': expected one with a slope"
    with pytest.raises(InputError, match=said):
        pathway("dual_propagation").attach(Network.layered((4,), [5, 5], 3, transfer="sign"), 3, seed=0)
