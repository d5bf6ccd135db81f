"""Connectivities against loops over single synapses, and the initialisers' stated ranges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.backends import NumpyBackend
from neurosim.connectivity import connectivity, initialiser
from neurosim.errors import ShapeError, UnknownNameError

BACKEND = NumpyBackend()
SIZES = st.integers(1, 5)
SHAPES = st.one_of(SIZES.map(lambda n: (n,)), st.tuples(SIZES, SIZES, SIZES))


def joined(name, w):
    """Return the synapses (i, j, weight) of a projection, neurons counted in C order."""
    if name == "all_to_all":
        return [(i, j, w[i, j]) for i in range(w.shape[0]) for j in range(w.shape[1])]
    return [(i, i, weight) for i, weight in enumerate(w.reshape(-1))]


@pytest.mark.parametrize("name", ["all_to_all", "one_to_one"])
@given(pre=SHAPES, post=SHAPES, seed=st.integers(0, 9))
def test_drive_back_and_correlate_by_single_synapses(name, pre, post, seed):
    post = pre if name == "one_to_one" else post
    wiring, draw = connectivity(name), np.random.default_rng(seed)
    w = draw.normal(size=wiring.weight_shape(pre, post))
    rate, error = draw.normal(size=(2, *pre)), draw.normal(size=(2, *post))
    flat_rate, flat_error = rate.reshape(2, -1), error.reshape(2, -1)
    drive, back = np.zeros_like(flat_error), np.zeros_like(flat_rate)
    for i, j, weight in joined(name, w):
        drive[:, j] += weight * flat_rate[:, i]
        back[:, i] += weight * flat_error[:, j]
    counted = [(flat_rate[:, i] * flat_error[:, j]).sum() for i, j, _ in joined(name, w)]
    np.testing.assert_allclose(wiring.drive(BACKEND, rate, w, post).reshape(2, -1), drive, atol=1e-12)
    np.testing.assert_allclose(wiring.back(BACKEND, error, w, pre).reshape(2, -1), back, atol=1e-12)
    np.testing.assert_allclose(wiring.correlate(BACKEND, rate, error).reshape(-1), counted, atol=1e-12)


def test_one_to_one_refuses_unlike_shapes():
    with pytest.raises(ShapeError, match=r"\(3,\).*\(4,\)"):
        connectivity("one_to_one").weight_shape((3,), (4,))


def test_an_unknown_connectivity_lists_the_known():
    with pytest.raises(UnknownNameError, match="all_to_all, .*one_to_one; did you mean 'all_to_all'"):
        connectivity("all_to_al")


@pytest.mark.parametrize(("name", "bound"), [("glorot", np.sqrt(6 / (200 + 300))), ("lecun", 1 / np.sqrt(200))])
def test_uniform_initialisers_fill_their_range(name, bound):
    w = initialiser(name)(np.random.default_rng(0), (200, 300), 200)
    assert 0.99 * bound < np.abs(w).max() <= bound
    np.testing.assert_allclose(w.std(), bound / np.sqrt(3), rtol=0.01)


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (25, 25)])
def test_orthogonal_has_unit_singular_values(shape):
    w = initialiser("orthogonal")(np.random.default_rng(0), shape, shape[0])
    np.testing.assert_allclose(np.linalg.svd(w, compute_uv=False), 1, rtol=1e-10)
