"""Windows against loops over every element: a convolution, its gradients, and a pooling, as array code and captured."""

import importlib.util
import itertools
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.backends import NumpyBackend
from neurosim.backends.cupy_backend import CupyBackend
from neurosim.capture import RECORDED, Graph, Reach, recording
from neurosim.errors import InputError

spec = importlib.util.spec_from_file_location("standin", Path(__file__).with_name("standin.py"))
standin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standin)


@st.composite
def cases(draw):
    """Return images, kernel, stride and padding that fit."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    size = [draw(st.integers(max(1, k - 2 * p), 7)) for k, p in zip(kernel, padding, strict=True)]
    x = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(2, draw(st.integers(1, 3)), *size))
    return x, kernel, stride, padding


def one_by_one(x, kernel, stride, padding):
    """Return the windows, element by element, by their definition."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    down, across = ((n - k) // s + 1 for n, k, s in zip(padded.shape[2:], kernel, stride, strict=True))
    out = np.full((*x.shape[:2], *kernel, down, across), np.nan)
    for i, j, r, c in itertools.product(range(kernel[0]), range(kernel[1]), range(down), range(across)):
        out[:, :, i, j, r, c] = padded[:, :, r * stride[0] + i, c * stride[1] + j]
    return out


@given(cases())
@settings(max_examples=100, deadline=None)
def test_windows_are_what_their_definition_says_and_unwindows_is_the_transpose(case):
    x, kernel, stride, padding = case
    backend = NumpyBackend()
    found = backend.windows(x, kernel, stride, padding)
    np.testing.assert_array_equal(found, one_by_one(*case))
    values = np.random.default_rng(0).normal(size=found.shape)
    back = backend.unwindows(values, x.shape[2:], stride, padding)
    assert back.shape == x.shape
    assert np.vdot(found, values) == pytest.approx(np.vdot(x, back), rel=1e-9, abs=1e-9)  # of <A x, y> = <x, A' y> for any x and y


# ---------------------------------------------------------------------- a convolution

STRIDE, PADDING = (2, 1), (1, 2)


def convolved(backend, x, w, b):
    """Return (batch, out, rows, columns): windows, a matrix product, a reshape."""
    seen = backend.windows(x, w.shape[2:], STRIDE, PADDING)
    columns = seen.reshape(len(x), -1, seen.shape[4] * seen.shape[5])
    return (w.reshape(len(w), -1) @ columns).reshape(len(x), len(w), *seen.shape[4:]) + b[None, :, None, None]


def step(backend, h):
    """A layer of convolution, tanh and pooling; the loss's gradients with respect to weights, biases and images."""
    seen = backend.windows(h.x, h.w.shape[2:], STRIDE, PADDING)
    columns = seen.reshape(len(h.x), -1, seen.shape[4] * seen.shape[5])
    rate = np.tanh(convolved(backend, h.x, h.w, h.b))
    blocks = backend.windows(rate, (2, 2), (2, 2))
    pooled = blocks.max(axis=(2, 3), keepdims=True)
    h.loss[...] = (pooled * pooled).sum() / 2
    top = (blocks == pooled).astype(rate.dtype)  # equal ones, of windows that lie in the padding, share the error
    shares = top * pooled / top.sum(axis=(2, 3), keepdims=True)
    error = backend.unwindows(shares, rate.shape[2:], (2, 2)) * (1 - rate * rate)
    h.db[...] = error.sum(axis=(0, 2, 3))
    flat = error.reshape(len(h.x), len(h.w), -1)
    h.dw[...] = (flat @ np.swapaxes(columns, 1, 2)).sum(axis=0).reshape(h.w.shape)
    h.dx[...] = backend.unwindows((h.w.reshape(len(h.w), -1).T @ flat).reshape(seen.shape), h.x.shape[2:], STRIDE, PADDING)


def holder(dtype):
    draw = np.random.default_rng(0)
    shapes = {"x": (3, 2, 7, 6), "w": (4, 2, 3, 2), "b": (4,)}
    values = {name: draw.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    slots = {f"d{name}": np.zeros(shape, dtype) for name, shape in shapes.items()}
    return types.SimpleNamespace(loss=np.zeros((), dtype), **values, **slots)


def test_a_convolution_is_a_sum_over_every_element():
    h = holder("float64")
    found = convolved(NumpyBackend(), h.x, h.w, h.b)
    padded = np.pad(h.x, ((0, 0), (0, 0), (PADDING[0],) * 2, (PADDING[1],) * 2))
    for n, o, r, c in itertools.product(*map(range, found.shape)):
        total = h.b[o]
        for k, i, j in itertools.product(*map(range, h.w.shape[1:])):
            total += h.w[o, k, i, j] * padded[n, k, r * STRIDE[0] + i, c * STRIDE[1] + j]
        assert found[n, o, r, c] == pytest.approx(total, rel=1e-12)


def test_the_gradients_are_those_of_finite_differences():
    h, backend = holder("float64"), NumpyBackend()
    step(backend, h)
    gradients = {name: getattr(h, f"d{name}").copy() for name in ("w", "b", "x")}
    for name, gradient in gradients.items():
        values = getattr(h, name)
        numeric = np.zeros_like(values)
        for at in np.ndindex(values.shape):
            kept, losses = values[at], []
            for change in (1e-5, -1e-5):
                values[at] = kept + change
                step(backend, h)
                losses.append(float(h.loss))
            values[at] = kept
            numeric[at] = (losses[0] - losses[1]) / 2e-5
        np.testing.assert_allclose(gradient, numeric, rtol=1e-7, atol=1e-7, err_msg=name)


def program_of(backend, h):
    graph = Graph()
    with backend.recording(), recording(graph, Reach([h], RECORDED), backend.array):
        step(backend, h)
    return backend.capture(graph)


def assert_same(plain, found, backend, tolerance):
    for name, value in vars(plain).items():
        np.testing.assert_allclose(backend.to_host(getattr(found, name)), value, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_captured_convolution_is_the_array_code_s(dtype):
    plain, found, backend = holder(dtype), holder(dtype), NumpyBackend()
    step(backend, plain)
    program = program_of(backend, found)
    for number in range(2):
        program.run_on({}, number)
    assert_same(plain, found, backend, 1e-12 if dtype == "float64" else 2e-5)


@pytest.mark.skipif(not standin.available(), reason="no C++ compiler (g++) to run the kernels with")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_gpu_s_convolution_is_the_same_captured_and_not(dtype, tmp_path, monkeypatch):
    plain = holder(dtype)
    step(NumpyBackend(), plain)
    with standin.installed(tmp_path, monkeypatch) as cupy:
        backend = CupyBackend()
        for captured in (False, True):
            found = types.SimpleNamespace(**{name: backend.asarray(value) for name, value in vars(holder(dtype)).items()})
            if captured:
                program_of(backend, found).run_on({}, 0)
            else:
                step(backend, found)
            assert_same(plain, found, backend, 1e-12 if dtype == "float64" else 2e-5)
        assert cupy.forbidden == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b, x: b.windows(x[0], (2, 2)), r"images of shape \(1, 4, 4\): expected \(batch, channels, height, width\)"),
        (lambda b, x: b.windows(x, (5, 2)), r"kernel \(5, 2\) over an image of \(4, 4\)"),
        (lambda b, x: b.windows(x, (2, 0)), r"kernel \(2, 0\): expected two whole numbers of 1 or more"),
        (lambda b, x: b.windows(x, 2), "kernel 2: expected two whole numbers"),
        (lambda b, x: b.windows(x, (2, 2), (0, 1)), "stride"),
        (lambda b, x: b.windows(x, (2, 2), (1, 1), (0, -1)), "padding"),
        (lambda b, x: b.unwindows(x, (4, 4)), "expected float32 or float64 and 6 axes"),
        (lambda b, x: b.unwindows(b.windows(x > 0, (2, 2)), (4, 4)), "unwindows: bool of shape"),
        (lambda b, x: b.unwindows(b.windows(x, (2, 2)), (5, 4)), r"\(3, 3\) windows over an image of \(5, 4\): expected \(4, 3\)"),
    ],
)
def test_what_makes_no_windows_is_an_error_of_one_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call(NumpyBackend(), np.zeros((2, 1, 4, 4)))
    assert "\n" not in str(error.value)
