"""Surrogate slopes: their values by hand, and the curves that they are the slopes of."""

import inspect

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.neurons import surrogate, surrogates

X = np.array([-1.5, -0.4, 0.0, 0.2, 1.0])
BY_HAND = {
    "fast_sigmoid": [1 / 256, 1 / 25, 1, 1 / 9, 1 / 121],
    "arctan": [1 / (1 + (1.5 * np.pi) ** 2), 1 / (1 + (0.4 * np.pi) ** 2), 1, 1 / (1 + (0.2 * np.pi) ** 2), 1 / (1 + np.pi**2)],
    "triangle": [0, 0.18, 0.3, 0.24, 0],
    "box": [0, 1, 1, 1, 0],
    "logistic": [4 * s * (1 - s) for s in 1 / (1 + np.exp(-4 * X))],
}
AREAS = {"fast_sigmoid": 0.2, "arctan": 1, "triangle": 0.3, "box": 1, "logistic": 1}  # how far the curve rises


def test_the_list_is_complete():
    assert set(BY_HAND) == set(surrogates())


@pytest.mark.parametrize("name", sorted(BY_HAND))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values(name, dtype):
    found = surrogate(name).slope(X.astype(dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, BY_HAND[name], rtol=1e-6 if dtype == "float32" else 1e-12, atol=1e-7)


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_areas(name):
    x = np.concatenate([-np.geomspace(1e6, 1e-5, 50_000), np.geomspace(1e-5, 1e6, 50_000)])
    np.testing.assert_allclose(np.trapezoid(surrogate(name).slope(x), x), AREAS[name], rtol=1e-3)


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_an_option_out_of_its_range(name):
    (option,) = inspect.signature(surrogates()[name]).parameters
    for value in (0, -1, float("nan"), "wide"):
        with pytest.raises(InputError, match=f"surrogate '{name}': {option} "):
            surrogate(name, **{option: value})
