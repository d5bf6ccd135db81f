"""Every scheme's step, in every variant: captured it does what it does as array code, and once warm it asks for no memory."""

import copy
import tracemalloc

import numpy as np
import pytest

from neurosim.capture import Graph
from neurosim.datasets import from_arrays
from neurosim.feedback import pathways
from neurosim.network import Network
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import SGD, Adam, chain
from neurosim.training import Observer, Trainer
from neurosim.training.captured import CapturedStep

CASES = [
    pytest.param(scheme, options, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}")
    for scheme in pathways().values()
    for options in scheme.variants
]
NOT_CAPTURED = [("synthetic_gradients", {"p_update": 0.5})]  # whether a population learns is decided on the host, at random


def data():
    draw = np.random.default_rng(0)
    return from_arrays(draw.normal(size=(64, 12)), draw.integers(0, 4, 64), draw.normal(size=(8, 12)), draw.integers(0, 4, 8))


def trainer(scheme, options, optimiser, dtype, normalised, batch=16, hidden=(9, 8, 7)):
    network = Network.layered(
        (12,), hidden, 4, transfer="tanh", normalisation=BatchNormalisation() if normalised else None, dtype=dtype, seed=3
    )
    for name in network.hidden:
        network.populations[name].dropout = network.populations[name].noise = 0.1
    made = Trainer(network, scheme(**copy.deepcopy(options)), optimiser, epochs=2, batch=batch, seed=1)
    made.check(data())
    for value in made.pathway.parameters().values():
        value += np.float32(0.01)  # what starts at zero hides mistakes, and Adam makes rounding of it large
    return made


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_captured_and_array_code_agree(scheme, options, normalised, monkeypatch):
    captured = trainer(scheme, options, SGD(0.01), "float64", normalised)
    captured.run_epoch(data())
    monkeypatch.setattr(CapturedStep, "prepared", lambda self, epoch, epochs: None)
    plain = trainer(scheme, options, SGD(0.01), "float64", normalised)
    before = plain.state()
    plain.run_epoch(data())
    moved = 0
    for name, value in plain.state().items():
        np.testing.assert_allclose(captured.state()[name], value, rtol=1e-7, atol=1e-11, err_msg=name)
        moved += name in before and name.endswith(".w") and not np.array_equal(before[name], value)
    assert moved


class Meddler(Observer):
    """Changes, between steps, whatever a user might."""

    def on_step(self, made):
        network = made.network
        if made.steps % 4 == 1:
            network.populations["hidden1"].dropout, network.populations["hidden2"].noise = 0.5, 0.0
        elif made.steps % 4 == 2:
            network.projections["hidden1__hidden2"].rule = None
            made.commit.chain.links[0].learning_rate = 0.003
        elif made.steps % 4 == 3:
            made.feedback_commit.chain = chain(SGD(0.02))


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_what_changes_between_steps_takes_effect_at_the_next_step(scheme, options, monkeypatch):
    captured, undisturbed = (trainer(scheme, options, SGD(0.01), "float64", False) for _ in range(2))
    captured.run_epoch(data(), Meddler())
    undisturbed.run_epoch(data())
    stopped = {name: value.copy() for name, value in captured.network.parameters().items()}
    captured.commit.chain.links[0].learning_rate = 0.0
    captured.run_epoch(data(), Observer())
    for name, value in stopped.items():
        assert np.array_equal(captured.network.parameters()[name], value), name
    monkeypatch.setattr(CapturedStep, "prepared", lambda self, epoch, epochs: None)
    plain = trainer(scheme, options, SGD(0.01), "float64", False)
    plain.run_epoch(data(), Meddler())
    for name, value in plain.network.parameters().items():
        np.testing.assert_allclose(stopped[name], value, rtol=1e-7, atol=1e-11, err_msg=name)
    learns = any(not np.array_equal(stopped[name], value) for name, value in undisturbed.network.parameters().items())
    assert learns or scheme.name == "frozen" and options


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_only_what_is_known_not_to_be_captured_is_not(scheme, options, caplog):
    made = trainer(scheme, options, Adam(1e-3), "float32", False)
    made.run_epoch(data())
    made.run_epoch(data())
    refused = (scheme.name, dict(options)) in NOT_CAPTURED
    assert all((captured.program is None) == refused for captured in made._programs.values())
    assert len([record for record in caplog.records if "not captured" in record.message]) == refused


def peak_of(program, step):
    """Return by how many bytes Python's and NumPy's memory grew, at most, while one step ran."""
    program.order(np.arange(64))
    tracemalloc.start()
    program.run(step)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_a_warm_step_asks_for_no_memory(scheme, options):
    if (scheme.name, dict(options)) in NOT_CAPTURED:
        pytest.skip("runs as array code")
    made = trainer(scheme, options, Adam(1e-3), "float32", False, batch=64, hidden=(90, 80, 70))
    smallest = 64 * 70 * 4  # bytes of one batch of the smallest hidden population; the interpreter itself takes 2 to 9 kB
    for phase in made.pathway.phases:
        program = made.network.backend.capture(made.recorded(phase))
        program.hold({"x": data().train.x, "target": np.eye(4, dtype=np.float32)[data().train.y]})
        program.order(np.arange(64))
        program.run(0)
        asked = min(peak_of(program, step) for step in range(1, 6))  # other threads of the test run ask too, now and then
        assert asked < smallest, phase.name


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_recording_leaves_everything_as_it_was(scheme, options):
    made = trainer(scheme, options, Adam(1e-3), "float32", True)
    before = made.state()
    for phase in made.pathway.phases:
        if (scheme.name, dict(options)) not in NOT_CAPTURED:
            assert isinstance(made.recorded(phase), Graph)
    after = made.state()
    for name, value in before.items():
        assert type(after[name]) is type(value)
        np.testing.assert_array_equal(after[name], value, err_msg=name)
