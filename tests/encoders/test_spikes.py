"""Encoders that make spikes: how many, when, and what they refuse."""

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.encoders import Latency, Poisson
from neurosim.errors import InputError

DRAWS = NumpyBackend().draws(3, 5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_poisson_spikes_as_often_as_it_says(dtype):
    x = np.tile(np.array([-0.5, 0.0, 0.2, 0.9, 3.0], dtype), (4000, 1))
    ticks = [Poisson(scale=0.5).encode(x, tick, DRAWS.at(tick)) for tick in range(3)]
    assert all(one.dtype == dtype and set(np.unique(one)) == {0, 1} for one in ticks)
    for one in ticks:
        np.testing.assert_allclose(one.mean(axis=0), [0, 0, 0.1, 0.45, 1], atol=0.025)
    both = (ticks[0] * ticks[1]).mean(axis=0)  # ticks are independent
    np.testing.assert_allclose(both, [0, 0, 0.01, 0.2025, 1], atol=0.02)
    np.testing.assert_array_equal(ticks[1], Poisson(scale=0.5).encode(x, 1, DRAWS.at(1)))


def test_poisson_needs_random_numbers_and_a_probability():
    with pytest.raises(InputError, match="draws spikes: expected random numbers"):
        Poisson().encode(np.ones((1, 2)), 0)
    for scale in (0, -1, 1.5):
        with pytest.raises(InputError, match="encoder 'poisson': scale"):
            Poisson(scale=scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_latency_spikes_once_and_earlier_for_more(dtype):
    x = np.array([[1.0, 0.75, 0.5, 0.05, 0.0, 2.0]], dtype)
    ticks = np.stack([Latency(last=8).encode(x, tick) for tick in range(9)])
    assert ticks.dtype == dtype and ticks[:, 0].sum(axis=0).tolist() == [1, 1, 1, 1, 0, 1]
    assert ticks[:, 0].argmax(axis=0).tolist() == [0, 2, 4, 8, 0, 0]
    assert Latency(last=8, threshold=0.1).encode(x, 8).sum() == 0


def test_latency_needs_ticks_enough():
    assert Latency(last=8).shape((1, 4), 9) == (1, 4)
    with pytest.raises(InputError, match="encoder 'latency': last 8: the trial has 8 ticks"):
        Latency(last=8).shape((1, 4), 8)
    for options in ({"last": 0}, {"last": 1.5}, {"threshold": 1}):
        with pytest.raises(InputError, match="encoder 'latency': "):
            Latency(**options)
