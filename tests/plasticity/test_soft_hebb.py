"""SoftHebb: neurons that compete softly, and the rule that reads what they make of it."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from neurosim.errors import EquationError, InputError
from neurosim.network import Network, Population, Projection
from neurosim.neurons import SoftWinners
from neurosim.plasticity import soft_hebb

DRAW = np.random.default_rng(5)
CENTRES = np.linalg.qr(DRAW.normal(size=(6, 3)))[0].T
X = np.repeat(CENTRES, 10, axis=0) + 0.1 * DRAW.normal(size=(30, 6))  # three clusters


def network(rule=None, w=None, *, neurons=None, shape=3):
    populations = [Population("x", 6), Population("y", shape, neurons=neurons or SoftWinners(inverse_temperature=3.0))]
    made = Projection("x", "y", rule=rule, bias=False, initial=DRAW.normal(size=(6, 3)) if w is None else w)
    return Network(populations, [made], dtype="float64")


def step(made):
    change = made.propose(made.sweep(X), {})[0]["x__y.w"]
    made.parameters()["x__y.w"][...] += change
    return change


@pytest.mark.parametrize("losers", ["anti_hebbian", "hebbian"])
def test_a_step_is_that_of_a_loop(losers):
    made = network(soft_hebb(eta=0.3), neurons=SoftWinners(inverse_temperature=3.0, losers=losers))
    w = made.parameters()["x__y.w"].copy()
    found, expected = step(made), np.zeros_like(w)
    for x in X:
        u = [sum(x[i] * w[i, j] for i in range(6)) for j in range(3)]
        total = sum(np.exp(3 * each) for each in u)
        for j in range(3):
            sign = -1 if losers == "anti_hebbian" and u[j] < max(u) else 1
            for i in range(6):
                expected[i, j] += 0.3 * sign * np.exp(3 * u[j]) / total * (x[i] - u[j] * w[i, j]) / len(X)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("losers", ["anti_hebbian", "hebbian"])
def test_weights_come_to_rest_at_length_one_each_at_its_own_cluster(losers):
    """At rest <y (x - u w)> = 0.  Weights that start at length 3 shrink, and those that start near 0.5 grow."""
    start = CENTRES.T * np.array([3.0, 0.5, 2.0]) + 0.05 * DRAW.normal(size=(6, 3))
    made = network(soft_hebb(eta=0.5), start, neurons=SoftWinners(inverse_temperature=10.0, losers=losers))
    for _ in range(1500):
        change = step(made)
    w = made.parameters()["x__y.w"]
    assert np.abs(change).max() < 1e-12
    np.testing.assert_allclose(np.linalg.norm(w, axis=0), 1, rtol=1e-8)
    assert (np.diag(CENTRES @ w) > 0.95).all()
    activity = made.sweep(X).activity["y"]
    y, u = activity.value("competition"), activity.drive
    np.testing.assert_allclose(w, X.T @ y / (y * u).sum(axis=0), atol=1e-8)


@pytest.mark.parametrize("power", [0.7, 1.0, 2.0])
def test_rate_and_error_are_those_of_automatic_differentiation(power):
    made = network(neurons=SoftWinners(power=power), shape=(1, 3))
    activity = made.sweep(X).activity["y"]
    error = DRAW.normal(size=activity.rate.shape)

    def rate(u):
        above = u - anp.mean(u, axis=(1, 2), keepdims=True)
        return anp.where(above > 0, above, 1.0) ** power * (above > 0)

    back = autograd.grad(lambda u: anp.sum(error * rate(u)))(activity.drive)
    np.testing.assert_allclose(activity.rate, rate(activity.drive), rtol=1e-12)
    np.testing.assert_allclose(made.populations["y"].error_on_activation(error, activity), back, rtol=1e-10, atol=1e-14)


def test_what_does_not_compete_is_refused():
    with pytest.raises(InputError, match="^neurons 'soft_winners': inverse_temperature 0: expected a positive number [^\n]*$"):
        SoftWinners(inverse_temperature=0)
    with pytest.raises(InputError, match="^neurons 'soft_winners': power 'two': expected a number; give one such as 1$"):
        SoftWinners(power="two")
    with pytest.raises(InputError, match="^neurons 'soft_winners': losers 'none': expected 'anti_hebbian' or 'hebbian'; pick one$"):
        SoftWinners(losers="none")
    populations = [Population("x", 6), Population("y", 3, transfer="softmax")]
    with pytest.raises(EquationError, match="competition_post is no variable of population 'y'"):
        Network(populations, [Projection("x", "y", rule=soft_hebb())])
