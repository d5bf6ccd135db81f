"""A user's scheme with a convolution, a pooling and a relaxation in it: captured and not it learns the same, on each backend."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.backends.cupy_backend import CupyBackend
from neurosim.capture import repeat
from neurosim.datasets import from_arrays
from neurosim.feedback import pathways
from neurosim.network import Network
from neurosim.plasticity import SGD
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep

spec = importlib.util.spec_from_file_location("standin", Path(__file__).parents[1] / "backends" / "standin.py")
standin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standin)

draw = np.random.default_rng(0)
DATA = from_arrays(draw.normal(size=(40, 16)), draw.integers(0, 3, 40), draw.normal(size=(4, 16)), draw.integers(0, 3, 4))


class Convolving(pathways()["backprop"]):
    """Back-propagation, and on top of it an error that a small convolutional network of its own gives the first hidden layer."""

    name = "convolving"
    title = citation = ""

    def build(self, seed):
        super().build(seed)
        backend, own = self.network.backend, np.random.default_rng(seed)
        self.kernels = backend.asarray(own.normal(size=(3, 1, 3, 3)), self.network.dtype)
        self.means = backend.zeros((1, 3, 1, 1), self.network.dtype)

    def memory(self):
        return super().memory() | {"kernels": self.kernels, "means": self.means}

    def teach(self, sweep, target, draws):
        backend = self.network.backend
        xp, images = backend.xp, sweep["x"].rate.reshape(-1, 1, 4, 4)
        windows = backend.windows(images, (3, 3), padding=(1, 1))
        columns = windows.reshape(len(images), 9, 16)
        maps = (self.kernels.reshape(3, 9) @ columns).reshape(-1, 3, 4, 4) - self.means
        self.means += 0.1 * maps.mean(axis=(0, 2, 3), keepdims=True)
        blocks = backend.windows(xp.tanh(maps), (2, 2), (2, 2))
        top = blocks.max(axis=(2, 3), keepdims=True)
        at_top = xp.where(blocks == top, 0.1 * top, 0 * top)

        def settle(code, trace):
            code = 0.5 * code + 0.1 * backend.unwindows(at_top, (4, 4), (2, 2)) * (1 - xp.tanh(code + maps) ** 2)
            return code, xp.concatenate([trace[:, 1:], code[:, :1, None]], axis=1)

        code, trace = repeat(6, settle, 0 * maps, xp.stack([0 * maps[:, :1]] * 3, axis=1))
        flat = code.reshape(-1, 3, 16)
        self.kernels += 0.01 * (flat @ xp.swapaxes(columns, 1, 2)).mean(axis=0).reshape(3, 1, 3, 3)
        returned = backend.unwindows((self.kernels.reshape(3, 9).T @ flat).reshape(windows.shape), (4, 4), padding=(1, 1))
        teaching = super().teach(sweep, target, draws)
        error = teaching["hidden1"].error
        error += returned.reshape(-1, 16) + xp.moveaxis(trace, 1, -1).sum(axis=(1, 4)).reshape(-1, 16)
        return teaching


def trained(backend, capture, monkeypatch, dtype="float64"):
    network = Network.layered((16,), [16, 8], 3, transfer="tanh", seed=2, dtype=dtype, backend=backend)
    made = Trainer(network, Convolving(), SGD(0.1), epochs=9, batch=10, seed=1)
    with monkeypatch.context() as patch:
        if not capture:
            patch.setattr(CapturedStep, "prepared", lambda *_: None)
        made.fit(DATA)
    if capture:
        assert all(step.program is not None for step in made._programs.values())
    return {name: backend.to_host(value).copy() for name, value in made.state().items()}


def assert_same(one, other):
    assert one.keys() == other.keys() and any("kernels" in name for name in one)
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=1e-9, atol=1e-11, err_msg=name)


def test_a_captured_step_learns_what_array_code_learns(monkeypatch, caplog):
    assert_same(trained(NumpyBackend(), False, monkeypatch), trained(NumpyBackend(), True, monkeypatch))
    assert not caplog.records


@pytest.mark.skipif(not standin.available(), reason="no C++ compiler (g++) to run the kernels with")
@pytest.mark.parametrize("capture", [True, False])
def test_so_does_the_gpu(monkeypatch, tmp_path, capture):
    expected = trained(NumpyBackend(), False, monkeypatch)
    with standin.installed(tmp_path, monkeypatch) as cupy:
        assert_same(expected, trained(CupyBackend(), capture, monkeypatch))
        assert cupy.forbidden == []
