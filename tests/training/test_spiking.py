"""Spiking populations learn: captured steps do what array code does, and back-propagation through time brings the error down."""

import numpy as np
import pytest

from neurosim import datasets
from neurosim.encoders import Latency, Poisson
from neurosim.feedback import pathway
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import Equations, neurons
from neurosim.plasticity import SGD, Adam
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep

DATA = datasets.load("digits", limit=80)
TEXT = "dv/dt = (I - v + 0.1 * exp(v)) / tau : 1 (unless refractory)\ndI/dt = (drive - I) / tau_s : 1"

OWN = {"threshold": "v > 1", "reset": "v = 0", "refractory": "2*ms", "method": "euler", "tau": "4*ms", "tau_s": "3*ms"}


def spiking(made, dtype="float32", dt="1*ms", hidden=24, backend=None, weights=1.0, loop=1.0):
    """Return x -> a spiking population with a loop -> output."""
    populations = [Population("x", (1, 8, 8)), Population("hidden", hidden, neurons=made)]
    populations.append(Population("output", 10, transfer="softmax"))
    into = "I" if "I" in made.states else "v"
    links = [
        Projection("x", "hidden"),
        Projection("hidden", "hidden", name="loop", delay=1, into=into, bias=False),
        Projection("hidden", "output"),
    ]
    network = Network(populations, links, seed=1, dtype=dtype, dt=dt, backend=backend)
    network.parameters()["x__hidden.w"][...] *= weights
    network.parameters()["loop.w"][...] *= loop
    return network


def trained(made, monkeypatch=None, encoder=None, backend=None, scheme="backprop_through_time", **options):
    if monkeypatch is not None:
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    network = spiking(made, backend=backend, **options)
    settings = {"clock": Clock(ticks=7, asked=3), "encoder": encoder, "epochs": 1, "batch": 20, "seed": 1}
    trainer = Trainer(network, pathway(scheme), SGD(0.1), **settings)
    trainer.fit(DATA)
    return trainer


CASES = {
    "lif": (lambda: neurons("lif", tau="4*ms"), {}),
    "adaptive_lif": (lambda: neurons("adaptive_lif", tau="4*ms", refractory="2*ms"), {}),
    "adex": (lambda: neurons("adex"), {"dt": "0.5*ms", "weights": 3e-9, "loop": 1e-3}),
    "izhikevich": (lambda: neurons("izhikevich"), {"weights": 20.0}),
    "own": (lambda: Equations(TEXT, **OWN), {}),
}


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", ["own", *(pytest.param(one, marks=pytest.mark.slow) for one in CASES if one != "own")])
def test_a_captured_step_does_what_array_code_does(case, dtype, monkeypatch, caplog):
    make, options = CASES[case]
    captured = trained(make(), dtype=dtype, **options)
    assert all(step.program is not None for step in captured._programs.values())
    assert not [r for r in caplog.records if "not captured" in r.getMessage()]
    plain = trained(make(), monkeypatch, dtype=dtype, **options)
    moved = 0.0
    for name, value in plain.network.parameters().items():
        own, start = captured.network.parameters()[name], spiking(make(), dtype, **options).parameters()[name]
        moved = max(moved, np.abs(value - start).max())
        tolerance = 1e-9 if dtype == "float64" else 2e-3
        np.testing.assert_allclose(own, value, rtol=0, atol=tolerance * np.abs(value).max() + 1e-300, err_msg=name)
    assert moved > 1e-4


@pytest.mark.parametrize("encoder", [Poisson(scale=0.5), Latency(last=6)], ids=lambda e: e.name)
def test_encoders_that_make_spikes_are_captured(encoder, monkeypatch):
    captured = trained(neurons("lif", tau="4*ms"), encoder=encoder, dtype="float64")
    assert all(step.program is not None for step in captured._programs.values())
    plain = trained(neurons("lif", tau="4*ms"), monkeypatch, encoder, dtype="float64")
    for name, value in plain.network.parameters().items():
        np.testing.assert_allclose(captured.network.parameters()[name], value, rtol=0, atol=1e-9, err_msg=name)
    assert captured.evaluate(DATA.test) == captured.evaluate(DATA.test)  # the spikes of evaluation are the same each time


SLOW = [pytest.param(one, marks=pytest.mark.slow) for one in ("feedback_alignment", "local_errors")]


@pytest.mark.parametrize("scheme", ["direct_feedback_alignment", *SLOW])
def test_schemes_that_answer_each_tick_take_spikes(scheme, caplog):
    before = spiking(neurons("lif", tau="4*ms")).parameters()["x__hidden.w"]
    after = trained(neurons("lif", tau="4*ms"), scheme=scheme)
    assert all(step.program is not None for step in after._programs.values())
    assert np.abs(after.network.parameters()["x__hidden.w"] - before).max() > 1e-4


@pytest.mark.parametrize("name", ["lif", pytest.param("adaptive_lif", marks=pytest.mark.slow)])
def test_back_propagation_through_time_learns_the_digits(name):
    """And it learns in the spiking population: where that one keeps its weights, the error stays twice as high."""
    ends = {}
    data = datasets.load("digits", limit=500)
    for rule in ("error_driven", None):
        populations = [Population("x", (1, 8, 8)), Population("hidden", 32, neurons=neurons(name, tau="5*ms"))]
        populations.append(Population("output", 10, transfer="softmax"))
        network = Network(populations, [Projection("x", "hidden", rule=rule), Projection("hidden", "output")], dt="1*ms", seed=1)
        options = {"clock": Clock(ticks=8, asked=5), "epochs": 10, "batch": 20, "seed": 1}
        ends[rule] = Trainer(network, pathway("backprop_through_time"), Adam(0.01), **options).fit(data)[-1]["test"].error
    assert ends["error_driven"] < 18 and ends[None] > 1.5 * ends["error_driven"], ends
