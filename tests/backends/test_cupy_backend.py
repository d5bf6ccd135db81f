"""The GPU's programs where there is no GPU: their kernels run as C++ and agree with the CPU's, and nothing unfit is captured."""

import copy
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.backends.cupy_backend import CupyBackend
from neurosim.datasets import from_arrays
from neurosim.errors import DivergedError
from neurosim.feedback import pathways
from neurosim.network import Network
from neurosim.plasticity import SGD, Adam, CoActivationMemory
from neurosim.training import Trainer
from neurosim.transfer import BatchNormalisation

spec = importlib.util.spec_from_file_location("standin", Path(__file__).with_name("standin.py"))
standin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standin)

pytestmark = pytest.mark.skipif(not standin.available(), reason="no C++ compiler (g++) to run the kernels with")
CASES = [
    pytest.param(scheme, options, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}", marks=marks)
    for scheme in pathways().values()
    for number, options in enumerate(scheme.variants)
    for marks in [pytest.mark.slow if number else ()]
    if options != {"p_update": 0.5}  # not captured on any backend
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def cupy(folder, monkeypatch):
    with standin.installed(folder, monkeypatch) as module:
        yield module


def data(scale=1.0):
    draw = np.random.default_rng(0)
    x = scale * draw.normal(size=(64, 12))
    return from_arrays(x, draw.integers(0, 4, 64), x[:8], draw.integers(0, 4, 8))


def trainer(scheme, options, backend, dtype="float64", optimiser=None, **settings):
    normalisation = BatchNormalisation() if settings.pop("normalised", True) else None
    network = Network.layered((12,), [9, 8, 7], 4, transfer="tanh", normalisation=normalisation, dtype=dtype, seed=3, backend=backend)
    for name in network.hidden:
        network.populations[name].dropout = network.populations[name].noise = 0.1
    made = Trainer(network, scheme(**copy.deepcopy(options)), optimiser or SGD(0.01), epochs=2, batch=16, seed=1, **settings)
    made.check(data())
    for value in made.pathway.parameters().values():
        value += np.float32(0.01)
    return made


def assert_same(one, other, rtol):
    for name, value in one.state().items():
        scale = np.abs(value).max() + 1e-12
        np.testing.assert_allclose(other.state()[name], value, rtol=0, atol=rtol * scale, err_msg=name)


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_a_graph_trains_as_the_cpu_does_and_is_fit_to_be_captured(cupy, scheme, options):
    host, device = trainer(scheme, options, NumpyBackend()), trainer(scheme, options, CupyBackend())
    for _ in range(2):
        host.run_epoch(data())
        device.run_epoch(data())
    assert cupy.forbidden == []
    for captured in device._programs.values():
        assert captured.program.graphs["gathering"] is not None
    assert_same(host, device, 1e-9)


def test_float32_and_adam(cupy):
    scheme = pathways()["backprop"]
    host = trainer(scheme, {}, NumpyBackend(), "float32", Adam(1e-3), normalised=False)
    device = trainer(scheme, {}, CupyBackend(), "float32", Adam(1e-3), normalised=False)
    for made in (host, device):
        made.run_epoch(data())
    assert_same(host, device, 1e-5)


def test_the_column_solve_agrees(cupy):
    made = []
    for backend in (NumpyBackend(), CupyBackend()):
        network = Network.layered((12,), [9], 4, backend=backend, seed=3)
        network.projections["x__hidden1"].rule = None
        network = Network(
            network.populations.values(),
            [_with_rule(p) for p in network.projections.values()],
            backend=backend,
            seed=3,
        )
        made.append(Trainer(network, pathways()["alternating_minimization"](), SGD(0.1), batch=16, epochs=2))
        made[-1].check(data())
        made[-1].run_epoch(data())
    assert cupy.forbidden == []
    assert_same(*made, 1e-4)


def _with_rule(projection):
    if projection.post == "hidden1":
        return type(projection)(projection.pre, projection.post, rule=CoActivationMemory(sparsity=1e-3))
    return type(projection)(projection.pre, projection.post)


def test_batches_that_are_augmented_on_the_host_are_brought(cupy):
    shift = {"augment": lambda x, draw: x + 0.1}
    host = trainer(pathways()["backprop"], {}, NumpyBackend(), **shift)
    device = trainer(pathways()["backprop"], {}, CupyBackend(), **shift)
    for made in (host, device):
        made.run_epoch(data())
    assert_same(host, device, 1e-9)


def test_a_singular_kernel_gives_no_numbers(cupy):
    backend = CupyBackend()
    scheme = pathways()["hsic_bottleneck"]
    made = trainer(scheme, {"output": "rest"}, backend)
    cupy.cuda.cusolver._factor = lambda n, a, failed: standin.view(failed, 1, np.int32).__setitem__(0, 1)
    made.run_epoch(data())
    assert np.isnan(backend.to_host(made.network.parameters()["x__hidden1.w"])).all()


def test_divergence_is_told_with_its_step_after_the_epoch(cupy):
    made = trainer(pathways()["backprop"], {}, CupyBackend(), optimiser=SGD(1e200), normalised=False)
    with pytest.raises(DivergedError, match=r"population 'hidden1'.* at step [1-3]:"), np.errstate(all="ignore"):
        made.run_epoch(data(1e200))


def test_a_capture_that_fails_says_so_once_and_launches_one_by_one(cupy, caplog):
    made = trainer(pathways()["backprop"], {}, CupyBackend())
    host = trainer(pathways()["backprop"], {}, NumpyBackend())

    def refuse(self):
        raise RuntimeError("no capture today")

    cupy.cuda.Stream = lambda: type("Stubborn", (standin.Stream,), {"begin_capture": refuse})(cupy)
    made.run_epoch(data())
    made.run_epoch(data())
    host.run_epoch(data())
    host.run_epoch(data())
    assert [record.message for record in caplog.records].count(caplog.records[0].message) == 1
    assert "no capture today" in caplog.records[0].message
    assert_same(host, made, 1e-9)
