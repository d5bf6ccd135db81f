"""Fused kernels against NumPy, named random streams, and how a backend is chosen."""

import numpy as np
import pytest

from neurosim.backends import NumpyBackend, select
from neurosim.backends.base import generator
from neurosim.errors import BackendError, UnknownNameError


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_kernel_is_its_assignments_in_order(dtype):
    draw = np.random.default_rng(0)
    g, v = draw.normal(size=(7, 5)).astype(dtype), draw.random((7, 5)).astype(dtype)
    before = g.copy(), v.copy()
    NumpyBackend().kernel("v = a * v + (1 - a) * g * g\ng = g / sqrt(v + 1e-3)")({"g": g, "v": v}, {"a": 0.9})
    expected = 0.9 * before[1] + 0.1 * before[0] ** 2
    np.testing.assert_allclose(v, expected, rtol=1e-6)
    np.testing.assert_allclose(g, before[0] / np.sqrt(expected + 1e-3), rtol=1e-6)
    assert g.dtype == dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_positive_inverse_is_as_exact_as_its_type(dtype):
    """Off by a few times the condition number and the type's rounding: 101 * 6e-8 and 101 * 1.1e-16, by construction."""
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(30, 30)))
    values = np.linspace(0.02, 2.02, 30)
    backend, matrix = NumpyBackend(), ((basis * values) @ basis.T).astype(dtype)
    before, found = matrix.copy(), backend.positive_inverse(matrix)
    np.testing.assert_array_equal(matrix, before)
    assert found.dtype == dtype
    assert np.linalg.norm(found - (basis / values) @ basis.T) < 101 * np.finfo(dtype).eps * 50
    assert np.isnan(backend.positive_inverse(-matrix)).all()


def test_streams_repeat_and_differ():
    backend = NumpyBackend()
    first = backend.draws(1, 3).normal("a", (4,), "float64")
    np.testing.assert_array_equal(first, backend.draws(1, 3).normal("a", (4,), "float64"))
    others = [backend.draws(2, 3).normal("a", (4,), "float64"), backend.draws(1, 4).normal("a", (4,), "float64")]
    others.append(backend.draws(1, 3).normal("b", (4,), "float64"))
    assert all(not np.array_equal(first, other) for other in others)


def test_consecutive_steps_do_not_overlap():
    step = generator(0, "s", 0).random(100_000)
    assert not np.isin(generator(0, "s", 1).random(1000), step).any()


def test_select():
    assert select("numpy").name == "numpy"
    with pytest.raises(UnknownNameError, match="'torch'"):
        select("torch")


def test_cupy_without_a_device_says_so():
    try:
        found = select("cupy")
    except BackendError as error:
        assert "\n" not in str(error)
        assert select("auto").name == "numpy"
    else:
        assert found.name == "cupy"
