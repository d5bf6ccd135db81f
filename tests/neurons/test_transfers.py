"""Every transfer: its rate by the field's formula, its slope by finite differences, and that a NaN stays visible."""

import numpy as np
import pytest
from scipy import special

from neurosim.backends import NumpyBackend
from neurosim.errors import InputError
from neurosim.neurons import BatchNormalisation, transfer, transfers

BACKEND = NumpyBackend()
ACTIVATION = np.random.default_rng(1).normal(scale=2, size=(6, 4))
RATES = {
    "bernoulli": special.expit,
    "leaky_relu": lambda a: np.where(a > 0, a, 0.01 * a),
    "linear": lambda a: a,
    "relu": lambda a: a.clip(0),
    "sigmoid": special.expit,
    "sign": np.sign,
    "softmax": lambda a: special.softmax(a, axis=1),
    "tanh": np.tanh,
}
SMOOTHED = {"sign": np.tanh}  # straight-through: the error passes as though the rate were this


def test_the_list_is_complete():
    assert set(RATES) == set(transfers())


@pytest.mark.parametrize("name", sorted(RATES))
def test_rate(name):
    np.testing.assert_allclose(transfer(name).rate(BACKEND, ACTIVATION, None, "p"), RATES[name](ACTIVATION), rtol=1e-12)


@pytest.mark.parametrize("name", sorted(RATES))
def test_slope_is_the_derivative_of_the_rate(name):
    own, error = transfer(name), np.random.default_rng(2).normal(size=ACTIVATION.shape)
    function = SMOOTHED.get(name, RATES[name])
    numeric = np.empty_like(ACTIVATION)
    for index in np.ndindex(ACTIVATION.shape):
        step = np.zeros_like(ACTIVATION)
        step[index] = 1e-6
        numeric[index] = (error * (function(ACTIVATION + step) - function(ACTIVATION - step))).sum() / 2e-6
    rate = own.rate(BACKEND, ACTIVATION, None, "p")
    np.testing.assert_allclose(own.through_slope(BACKEND, error, ACTIVATION, rate), numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", sorted(RATES))
def test_a_transfer_says_whether_it_draws_and_whether_its_slope_is_its_own(name):
    own, error, far = transfer(name), np.ones_like(ACTIVATION), np.full_like(ACTIVATION, 1e-4)
    far[:, 1:] = 0  # one neuron alone, or all neurons of a softmax would move together
    rates = [own.rate(BACKEND, p, BACKEND.draws(0, 0), "p") for p in (ACTIVATION, ACTIVATION + far)]
    assert own.stochastic == (not np.array_equal(rates[0], own.rate(BACKEND, ACTIVATION, BACKEND.draws(1, 0), "p")))
    moved = (rates[1] - rates[0])[:, 0] / 1e-4
    slope = own.through_slope(BACKEND, np.eye(4)[[0]] * error, ACTIVATION, rates[0])[:, 0]
    assert own.straight_through == (not np.allclose(moved, slope, rtol=1e-3, atol=1e-3))


@pytest.mark.parametrize("name", sorted(RATES))
@pytest.mark.parametrize("random", [False, True])
def test_a_nan_stays_a_nan(name, random):
    activation = np.array([[np.nan, 1.0]])
    assert np.isnan(transfer(name).rate(BACKEND, activation, BACKEND.draws(0, 0) if random else None, "p")[0, 0])


def test_bernoulli_samples_its_mean():
    activation = np.full((20_000, 1), 0.4)
    sample = transfer("bernoulli").rate(BACKEND, activation, BACKEND.draws(0, 0), "p")
    assert set(np.unique(sample)) == {0.0, 1.0}
    np.testing.assert_allclose(sample.mean(), special.expit(0.4), atol=0.01)


@pytest.mark.parametrize("value", [{"epsilon": 0}, {"epsilon": -1e-5}, {"momentum": 0}, {"momentum": 1.5}])
def test_batch_normalisation_refuses(value):
    with pytest.raises(InputError, match=next(iter(value))):
        BatchNormalisation(**value)
