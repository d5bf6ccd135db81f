"""Segregated dendrites beside the paper's formulas, written out in NumPy: plateaus, updates, and an output that gets better."""

import numpy as np
import pytest

from neurosim.datasets import Split, from_arrays
from neurosim.encoders import Poisson
from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.feedback.segregated_dendrites import SegregatedDendrites
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons.segregated import Segregated
from neurosim.plasticity import SGD
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep

TICKS, SETTLE, BATCH, CLASSES = 40, 10, 5, 3
DRAW = np.random.default_rng(0)
X = (DRAW.random((TICKS, BATCH, 6)) < 0.3).astype(float)
Y = np.eye(CLASSES)[DRAW.integers(0, CLASSES, BATCH)]


def sigma(v):
    return 1 / (1 + np.exp(-v))


def spiking(dtype="float64", sizes=(7,), gain=8.0):
    names = ["x", *(f"hidden{k + 1}" for k in range(len(sizes))), "output"]
    populations = [Population("x", 6), *(Population(n, k, neurons=Segregated()) for n, k in zip(names[1:-1], sizes, strict=True))]
    populations.append(Population("output", CLASSES, neurons=Segregated()))
    network = Network(populations, [Projection(a, b) for a, b in zip(names, names[1:], strict=False)], dtype=dtype, seed=1)
    for p in network.projections.values():
        p.w[...] *= gain
    return network


def joined(network, **options):
    scheme = pathway("segregated_dendrites", **options)
    scheme.attach(network, CLASSES, seed=2)
    return scheme


def shown(network, draws, times=1):
    """Return the sweeps of a trial, (BATCH * times, ...): each sample is shown so many times side by side."""
    sweeps = []
    for tick in range(TICKS):
        state = sweeps[-1].state if sweeps else None
        sweeps.append(network.sweep(np.repeat(X[tick], times, axis=0), state, training=True, draws=draws.at(tick)))
    return sweeps


def potentials(spikes):
    """Return the postsynaptic potential of each tick: the kernel (exp(-t / 10) - exp(-t / 3)) / 7, convolved."""
    t = np.arange(len(spikes))
    kernel = (np.exp(-t / 10) - np.exp(-t / 3)) / 7
    return np.array([sum(kernel[k] * spikes[tick - k] for k in range(tick + 1)) for tick in range(len(spikes))])


def test_the_soma_is_the_papers_differential_equation():
    network = spiking()
    sweeps = shown(network, network.backend.draws(0, 0))
    p = network.projections["x__hidden1"]
    basal = potentials(np.array([x @ p.w + p.parameters["b"] for x in X]))
    v = np.zeros((BATCH, 7))
    for tick in range(TICKS):
        v = v + 0.6 * (basal[tick] - v) - 0.1 * v
        np.testing.assert_allclose(sweeps[tick]["hidden1"].state["potential"], v, rtol=1e-10, atol=1e-12)
    rates = network.sweep(X[-1], sweeps[-2].state).rate["hidden1"]  # in evaluation: the probability
    np.testing.assert_allclose(rates, 0.2 * sigma(v), rtol=1e-10)
    assert set(np.unique(sweeps[-1].rate["hidden1"])) <= {0.0, 1.0}


def test_neurons_spike_at_their_rate():
    network = spiking()
    last = shown(network, network.backend.draws(0, 0), times=400)[-1]["hidden1"]
    found, expected = last.rate.reshape(BATCH, 400, 7).mean(axis=1), 0.2 * sigma(last.state["potential"][::400])
    assert expected.std() > 0.01
    assert (np.abs(found - expected) < 4.5 * np.sqrt(expected * (1 - expected) / 400)).all()


def test_the_update_is_the_papers():
    """dW = (alpha_t - alpha_f) k_B lambda_max sigma'(V_f) P_f for hidden neurons, from means after the first ticks of a phase."""
    network, asked = spiking(sizes=(7, 5)), 4
    scheme, draws = joined(network, settle=SETTLE), network.backend.draws(3, 0)
    sweeps = shown(network, draws)
    targets = [Y if tick >= TICKS - asked else None for tick in range(TICKS)]
    teaching = scheme.teach_trial(sweeps, targets, draws)
    assert not any(teaching[:-1])
    changes, _ = network.propose(sweeps[-1], teaching[-1])

    names = ("x", "hidden1", "hidden2", "output")
    spikes = {name: np.array([sweep.rate[name] for sweep in sweeps]) for name in names}
    psp = {name: potentials(spikes[name])[SETTLE:].mean(axis=0) for name in names}
    v = {name: np.mean([sweep[name].state["potential"] for sweep in sweeps[SETTLE:]], axis=0) for name in names[1:]}
    taught = 0.2 * sigma(16 * Y - 8)
    later = [draws.at(tick).uniform("output/taught", (BATCH, CLASSES), np.dtype(float)) < taught for tick in range(TICKS)]
    psp_taught = potentials(np.concatenate([spikes["output"], later]).astype(float))[TICKS + SETTLE :].mean(axis=0)
    slope = {name: 0.6 / 0.7 * 0.2 * sigma(one) * (1 - sigma(one)) for name, one in v.items()}
    errors = {"output": (taught - 0.2 * sigma(v["output"])) * slope["output"]}
    for name in ("hidden1", "hidden2"):
        y = scheme.networks[name].projections[f"output__{name}"].w
        errors[name] = (sigma(psp_taught @ y) - sigma(psp["output"] @ y)) * slope[name]
        assert np.abs(errors[name]).max() > 1e-4
    for pre, post in zip(names, names[1:], strict=False):
        np.testing.assert_allclose(changes[f"{pre}__{post}.w"], asked * psp[pre].T @ errors[post] / BATCH, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(changes[f"{pre}__{post}.b"], asked * errors[post].mean(axis=0), rtol=1e-9, atol=1e-15)


def rated(sizes=(7,)):
    return Network.layered((6,), list(sizes), CLASSES, transfer="sigmoid", dtype="float64", seed=1)


def test_without_spikes_the_update_is_the_papers():
    network = rated((7, 5))
    scheme = joined(network)
    sweep = network.sweep(X[0], training=True)
    teaching = scheme.teach(sweep, Y, network.backend.draws(0, 0))
    for name in ("hidden1", "hidden2"):
        y, h = scheme.networks[name].projections[f"output__{name}"].w, sweep.rate[name]
        expected = (sigma(Y @ y) - sigma(sweep.rate["output"] @ y)) * h * (1 - h)
        np.testing.assert_allclose(teaching[name].error, expected, rtol=1e-12)
    np.testing.assert_array_equal(teaching["output"].error, Y - sweep.rate["output"])


def test_plateaus_are_equal_where_the_output_is_the_target():
    network = rated()
    scheme = joined(network)
    sweep = network.sweep(X[0], training=True)
    teaching = scheme.teach(sweep, sweep.rate["output"], network.backend.draws(0, 0))
    assert not np.any(teaching["hidden1"].error) and not np.any(teaching["output"].error)
    assert np.any(scheme.teach(sweep, Y, network.backend.draws(0, 0))["hidden1"].error)


def test_spiking_plateaus_are_equal_on_average_where_the_teaching_current_is_off(monkeypatch):
    """The output of the target phase then spikes at the rate it had; what is left is how the rate changed, and chance."""
    network, times = spiking(), 300
    scheme, draws = joined(network, settle=TICKS // 2), network.backend.draws(0, 0)
    sweeps = shown(network, draws, times)
    targets = [None] * (TICKS - 1) + [np.repeat(Y, times, axis=0)]

    def find_error():
        error = scheme.teach_trial(sweeps, targets, draws)[-1]["hidden1"].error.reshape(BATCH, times, 7)
        return np.abs(error.mean(axis=1)).mean()

    taught = find_error()
    own = 0.2 * sigma(np.mean([sweep["output"].state["potential"] for sweep in sweeps[SETTLE:]], axis=0))
    monkeypatch.setattr(scheme, "find_taught_rate", lambda target: own)
    rest = find_error()
    assert taught > 10 * rest, (taught, rest)


def make_data():
    draw = np.random.default_rng(0)
    centres = draw.random((3, 6))
    y = draw.integers(0, 3, 330)
    x = np.clip(centres[y] + 0.1 * draw.normal(size=(330, 6)), 0, 1)
    return from_arrays(x[:300], y[:300], x[300:], y[300:])


@pytest.mark.parametrize("kind", ["spikes", "rates"])
def test_the_output_gets_better_and_the_steps_are_captured(kind, caplog, monkeypatch):
    data, ends = make_data(), []
    for captured in (True, False):
        if not captured:
            monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
        network = spiking(sizes=(8,)) if kind == "spikes" else rated((8,))
        options = {"clock": Clock(TICKS), "encoder": Poisson(scale=0.5)} if kind == "spikes" else {}
        rate = 600.0 if kind == "spikes" else 1.0
        trainer = Trainer(network, pathway("segregated_dendrites", settle=SETTLE), SGD(rate), epochs=4, batch=50, seed=1, **options)
        trainer.check(data)
        before = trainer.evaluate(Split(data.train.x, data.train.y))
        history = trainer.fit(data, epochs=4 if captured else 1, progress=False)
        ends.append(history)
        if captured:
            assert history[-1]["train"].loss < 0.8 * before.loss and history[-1]["train"].error < before.error, (before, history)
    assert "could not be recorded" not in caplog.text
    np.testing.assert_allclose(ends[0][0]["test"].loss, ends[1][0]["test"].loss, rtol=1e-6)


def test_what_it_is_not_for():
    with pytest.raises(InputError, match="settle -1: expected 0 ticks or more"):
        SegregatedDendrites(settle=-1)
    populations = [Population("x", 6), Population("hidden", 4), Population("output", CLASSES, neurons=Segregated())]
    network = Network(populations, [Projection("x", "hidden"), Projection("hidden", "output")])
    with pytest.raises(InputError, match=r"\['output'\] are made of 'segregated' neurons, and \['hidden'\] are not"):
        joined(network)
    with pytest.raises(InputError, match="output population 'output' has 3 neurons: expected 4"):
        pathway("segregated_dendrites").attach(spiking(), 4, seed=0)
