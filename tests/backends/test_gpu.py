"""On a GPU: it trains as the CPU does, as one graph, and its noise differs from step to step."""

import copy

import numpy as np
import pytest

from neurosim.backends import NumpyBackend, select
from neurosim.datasets import from_arrays
from neurosim.errors import BackendError
from neurosim.feedback import pathways
from neurosim.network import Network
from neurosim.plasticity import SGD
from neurosim.training import Trainer

pytestmark = pytest.mark.gpu
CASES = [
    pytest.param(scheme, options, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}")
    for scheme in pathways().values()
    for options in scheme.variants
]


@pytest.fixture(scope="module")
def device():
    try:
        return select("cupy")
    except BackendError as reason:
        pytest.skip(str(reason))


def data():
    draw = np.random.default_rng(0)
    return from_arrays(draw.normal(size=(400, 40)), draw.integers(0, 5, 400), draw.normal(size=(8, 40)), draw.integers(0, 5, 8))


def trainer(scheme, options, backend, dtype, noise=0.0):
    network = Network.layered((40,), [64, 48, 32], 5, transfer="tanh", dtype=dtype, seed=3, backend=backend)
    network.populations["hidden1"].noise = noise
    made = Trainer(network, scheme(**copy.deepcopy(options)), SGD(1e-3), epochs=25, batch=100, seed=1)
    made.check(data())
    return made


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-3), ("float64", 1e-9)])
@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_a_hundred_steps_agree_with_the_cpu(device, scheme, options, dtype, rtol):
    host, other = trainer(scheme, options, NumpyBackend(), dtype, 0.1), trainer(scheme, options, device, dtype, 0.1)
    for _ in range(25):
        host.run_epoch(data())
        other.run_epoch(data())
    parameters = host.network.parameters()
    rounding = np.finfo(dtype).eps * max(np.abs(value).max() for value in parameters.values())
    for name, value in parameters.items():
        found = device.to_host(other.network.parameters()[name])
        scale = max(rtol * np.abs(value).max(), rounding)  # biases of alternating minimisation are 0 up to rounding
        np.testing.assert_allclose(found, value, rtol=0, atol=scale, err_msg=name)
    for captured in other._programs.values():
        assert captured.program is None or captured.program.graphs["gathering"] is not None


def test_noise_differs_between_replays(device):
    made = trainer(pathways()["backprop"], {}, device, "float32", noise=1.0)
    program = device.capture(made.recorded(made.pathway.phases[0]))
    program.hold({"x": data().train.x, "target": np.eye(5, dtype=np.float32)[data().train.y]})
    seen = []
    for step in range(4):
        program.order(np.arange(400))
        before = device.to_host(made.network.parameters()["hidden1__hidden2.w"]).copy()
        program.run(step)
        seen.append(device.to_host(made.network.parameters()["hidden1__hidden2.w"]) - before)
    assert all(not np.allclose(seen[0], other, rtol=1e-3) for other in seen[1:])
