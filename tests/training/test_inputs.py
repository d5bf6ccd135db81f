"""Learning through another input than the drive: exact gradients, static and in time, captured and not, by each scheme."""

import numpy as np
import pytest

from neurosim.datasets import DataSet, Split, from_arrays
from neurosim.encoders import Sequence
from neurosim.errors import DivergedError
from neurosim.feedback import pathway, pathways
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import BatchNormalisation, Neurons
from neurosim.neurons.neurons import RATE_VARIABLES
from neurosim.plasticity import SGD, hebbian
from neurosim.tasks import Classification, Regression, one_hot
from neurosim.training import Trainer
from neurosim.training.alignment import alignments
from neurosim.training.captured import CapturedStep
from neurosim.training.trial import Trial

DRAW = np.random.default_rng(3)
TICKS = 5
X = DRAW.normal(size=(12, 1, TICKS, 4)).astype(np.float32)
Y = np.arange(12) % 2
STILL = from_arrays(X[:, 0, 0], Y, X[:4, 0, 0], Y[:4])
MOVING = DataSet("sequences", Split(X, Y), Split(X[:0], Y[:0]), Split(X[:4], Y[:4]), 2, (1, TICKS, 4))
STEP = 1e-5  # of the differences


class Gated(Neurons):
    """h = tanh(a) (1 + tanh(g)), a stranger's."""

    name = "gated"
    inputs = ("drive", "gate")
    variables = {**RATE_VARIABLES, "gate": "what the rate is multiplied by"}

    def advance(self, backend, activation, state, draws, stream, *, gate):
        xp = backend.xp
        return xp.tanh(activation) * (1 + xp.tanh(gate)), {}

    def errors_back(self, backend, error_on_rate, error_on_state, activity):
        curve, factor = backend.xp.tanh(activity.activation), backend.xp.tanh(activity.inputs["gate"])
        on_gate = error_on_rate * curve * (1 - factor * factor)
        return error_on_rate * (1 - curve * curve) * (1 + factor), {}, {"gate": on_gate}


class Apical(Neurons):
    """v = 0.6 v' + p;  u = 0.7 u' + 0.3 a (1 + tanh v) + 0.1 q;  h = tanh u: two inputs beside the drive, two states."""

    name = "apical"
    inputs = ("drive", "plateau", "current")
    variables = {**RATE_VARIABLES, "plateau": "p", "current": "q", "soma": "u", "dendrite": "v"}

    def state(self):
        return {"soma": 0.0, "dendrite": 0.1}

    def advance(self, backend, activation, state, draws, stream, *, plateau, current):
        xp = backend.xp
        v = 0.6 * state["dendrite"] + plateau
        u = 0.7 * state["soma"] + 0.3 * activation * (1 + xp.tanh(v)) + 0.1 * current
        return xp.tanh(u), {"soma": u, "dendrite": v}

    def errors_back(self, backend, error_on_rate, error_on_state, activity):
        gain = backend.xp.tanh(activity.state["dendrite"])
        on_soma = error_on_rate * (1 - activity.rate * activity.rate)
        on_dendrite = 0.0
        if error_on_state:
            on_soma, on_dendrite = on_soma + error_on_state["soma"], error_on_state["dendrite"]
        on_dendrite = on_dendrite + 0.3 * on_soma * activity.activation * (1 - gain * gain)
        back = {"soma": 0.7 * on_soma, "dendrite": 0.6 * on_dendrite}
        return 0.3 * on_soma * (1 + gain), back, {"plateau": on_dendrite, "current": 0.1 * on_soma}


def still(normalised=False, neurons=Gated, readout="softmax", **options):
    """Return x -> hidden1 -> hidden2 -> output, each of the hidden ones gated from below, the last also from the input."""
    made = {"normalisation": BatchNormalisation() if normalised else None, **options}
    populations = [Population("x", 4)] + [Population(f"hidden{k}", 5, neurons=neurons(), **made) for k in (1, 2)]
    into = neurons.inputs[1]
    links = [Projection("x", "hidden1"), Projection("x", "hidden1", name="gate1", into=into)]
    links += [Projection("hidden1", "hidden2"), Projection("hidden1", "hidden2", name="gate2", into=into)]
    links += [Projection("x", "hidden2", name="other2", into=neurons.inputs[-1]), Projection("hidden2", "output")]
    return Network([*populations, Population("output", 2, transfer=readout)], links, dtype="float64", seed=2)


def moving(neurons):
    """Return x -> hidden1 -> hidden2 -> output with loops through other inputs: of one population, and of both."""
    populations = [Population("x", (1, 4))] + [Population(f"hidden{k}", 4, neurons=neurons()) for k in (1, 2)]
    one, last = neurons.inputs[1], neurons.inputs[-1]
    links = [Projection("x", "hidden1"), Projection("hidden1", "hidden2"), Projection("hidden2", "output")]
    links += [Projection("hidden1", "hidden1", name="loop", delay=1, into=one)]
    links += [Projection("hidden1", "hidden2", name="up", into=one)]
    links += [Projection("hidden2", "hidden1", name="down", delay=2, into=last), Projection("x", "hidden2", name="skip", into=last)]
    return Network([*populations, Population("output", 2, transfer="softmax")], links, dtype="float64", seed=4)


def slopes(network, loss):
    """Return minus the central differences of ``loss()`` in every parameter."""
    found = {}
    for name, values in network.parameters().items():
        found[name] = np.zeros_like(values)
        for place in np.ndindex(values.shape):
            kept = values[place]
            ends = []
            for at in (kept - STEP, kept + STEP):
                values[place] = at
                ends.append(loss())
            values[place] = kept
            found[name][place] = (ends[0] - ends[1]) / (2 * STEP)
    return found


def assert_exact(network, expected, before):
    """Hold one step of plain gradient descent to the slopes: to 1e-6 of the largest of each array."""
    for name, slope in expected.items():
        largest = np.abs(slope).max()
        assert largest > 1e-4 or name.endswith(".b"), f"{name} does not matter: nothing is tested of it"
        change = network.parameters()[name] - before[name]
        np.testing.assert_allclose(change, slope, rtol=0, atol=1e-6 * largest + 1e-11, err_msg=name)


@pytest.fixture(params=["captured", "array code"])
def captured(request, monkeypatch, caplog):
    if request.param == "array code":
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    yield
    assert not [r for r in caplog.records if "not captured" in r.getMessage()]


@pytest.mark.parametrize("scheme", ["backprop", "backprop_through_time"])
@pytest.mark.parametrize(("neurons", "normalised"), [(Gated, False), (Gated, True), (Apical, False)])
def test_a_step_is_minus_the_gradient(scheme, neurons, normalised, captured):
    """Noise and dropout as they are drawn, and the batch's own statistics."""
    network, data = still(normalised, neurons, dropout=0.2, noise=0.1), STILL
    draws = network.backend.draws(0, 0)
    x, target = data.train.x.astype(float), np.eye(2)[Y]

    def loss():
        rate = network.sweep(x, training=True, draws=draws).rate["output"]
        return -(target * np.log(rate)).sum() / len(x)

    before = {name: value.copy() for name, value in network.parameters().items()}
    expected = slopes(network, loss)
    Trainer(network, pathway(scheme), SGD(1.0), epochs=1, batch=12, shuffle=False, seed=0).fit(data)
    assert_exact(network, expected, before)


@pytest.mark.parametrize("neurons", [Gated, Apical])
@pytest.mark.parametrize("asked", [1, 3])
def test_a_trial_s_step_is_minus_the_gradient(neurons, asked, captured):
    """Through states, and around two cycles that a delay closes, one of them through another input on both ways."""
    network, clock, encoder = moving(neurons), Clock(TICKS, asked), Sequence(axis=1)
    x, target = X.astype(float), np.eye(2)[Y]

    def loss():
        sweeps = Trial(clock, encoder).sweeps(network, x)[-asked:]
        return -sum((target * np.log(sweep.rate["output"])).sum() for sweep in sweeps) / len(x) / asked

    before = {name: value.copy() for name, value in network.parameters().items()}
    expected = slopes(network, loss)
    scheme = pathway("backprop_through_time")
    Trainer(network, scheme, SGD(1.0), clock=clock, encoder=encoder, epochs=1, batch=12, shuffle=False).fit(MOVING)
    assert_exact(network, expected, before)


class Whole(Regression):
    """A stranger's: it has an error on every input of the output."""

    name = "whole"

    def teach(self, population, activity, outcome):
        return population.teach(outcome - activity.rate, activity)


@pytest.mark.parametrize("scheme", ["backprop", "backprop_through_time", "local_errors"])
def test_an_output_with_another_input_where_its_task_has_an_error_on_it(scheme, captured):
    """The output's own projections are exact in all three; a loop through the output in time."""
    populations = [Population("x", 4), Population("hidden", 3, transfer="tanh"), Population("output", 2, neurons=Gated())]
    links = [Projection("x", "hidden"), Projection("hidden", "output"), Projection("hidden", "output", name="gate", into="gate")]
    ticks = 3 if scheme == "backprop_through_time" else 1
    links += [Projection("output", "output", name="loop", delay=1, into="gate")] if ticks > 1 else []
    network = Network(populations, links, dtype="float64", seed=5)
    x, target = X[:, 0, 0].astype(float), X[:, 0, 1, :2].astype(float)
    data, clock = from_arrays(x, target, x[:4], target[:4]), Clock(ticks, ticks)

    def loss():
        return sum(((target - s.rate["output"]) ** 2).sum() for s in Trial(clock).sweeps(network, x)) / (2 * len(x) * ticks)

    before = {name: value.copy() for name, value in network.parameters().items()}
    expected = slopes(network, loss)
    options = {"loss": "pred"} if scheme == "local_errors" else {}
    Trainer(network, pathway(scheme, **options), SGD(1.0), task=Whole(2), clock=clock, epochs=1, batch=12, shuffle=False).fit(data)
    if scheme == "local_errors":
        expected = {name: slope for name, slope in expected.items() if not name.startswith("x__")}
    assert_exact(network, expected, before)


CHAINS = {
    "alternating_minimization", "difference_target_propagation", "spiking_difference_target_propagation", "synthetic_gradients",
    "local_difference_reconstruction", "pepita", "forward_forward", "ddtp_linear",
    "deep_feedback_control", "dendritic_microcircuits", "burst_dependent",
    "contrastive_hebbian", "dual_propagation", "equilibrium_propagation", "predictive_coding",
    "weight_perturbation",
}  # fmt: skip
CASES = [(scheme, options) for scheme in pathways().values() if scheme.name not in CHAINS for options in scheme.variants]


@pytest.mark.parametrize("neurons", [Gated, Apical])
@pytest.mark.parametrize(("scheme", "options"), CASES, ids=lambda v: getattr(v, "name", None) or str(v))
def test_captured_steps_do_what_array_code_does(scheme, options, neurons, monkeypatch, caplog):
    """All schemes but those of chains; with rules that read the other input."""
    ends = []
    for plain in (False, True):
        network = still(neurons=neurons, dropout=0.1)
        if not scheme.needs_error:
            network.projections["gate1"].rule = hebbian(eta=0.1)
        start = {name: value.copy() for name, value in network.parameters().items()}
        if plain:
            monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
        trainer = Trainer(network, scheme(**options), SGD(0.05), epochs=3, batch=4, seed=1)
        trainer.fit(STILL)
        assert not [r for r in caplog.records if "not captured" in r.getMessage()]
        ends.append(trainer.state())
        rests = scheme.name in ("frozen", "none", "reinforce")  # the last, where no neurons fire at random
        learned = ("hidden2__output.w",) if rests else ("gate1.w", "gate2.w", "other2.w")
        learned = ("gate1.w",) if scheme.name == "none" else learned
        assert all(np.abs(network.parameters()[name] - start[name]).max() > 1e-6 for name in learned)
    for name, value in ends[0].items():
        np.testing.assert_allclose(value, ends[1][name], rtol=1e-7, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("rule", [None, "hebbian"])
def test_feedback_alignment_through_the_forward_weights_is_backprop(rule):
    """Each error comes back from the input that the forward projection adds into; so does what the feedback weights learn from."""
    ends = []
    for name in ("backprop", "feedback_alignment"):
        network = still()
        scheme = pathway(name, **({"rule": rule} if name == "feedback_alignment" else {}))
        trainer = Trainer(network, scheme, SGD(0.1), epochs=4 if rule else 1, batch=4 if rule else 12, seed=1)
        trainer.check(STILL)
        for key, link in scheme.networks.items():
            (back,) = link.projections.values()
            back.w[...] = network.projections[key].w.T
        assert name == "backprop" or set(scheme.networks) == {"hidden1__hidden2", "gate2", "hidden2__output"}
        trainer.fit(STILL)
        ends.append(network.parameters())
    for name, value in ends[0].items():
        np.testing.assert_allclose(ends[1][name], value, rtol=1e-9, atol=1e-12, err_msg=name)


def test_backprop_lies_along_the_exact_change_of_every_projection():
    network = still()
    scheme = pathway("backprop")
    scheme.attach(network, Classification(2), seed=0)
    x, target = STILL.train.x.astype(float), one_hot(Y, 2).astype(float)
    found = alignments(network, scheme, x, target, network.backend.draws(0, 0))
    assert set(found) == set(network.projections)
    for each in found.values():
        assert each.cosine > 1 - 1e-12 and each.norm_ratio == pytest.approx(1, rel=1e-9)


def test_an_input_that_is_no_finite_number_is_told_by_its_name(captured):
    """Though its tanh is a finite number."""
    network = still()
    network.projections["gate2"].parameters["b"][...] = np.inf
    trainer = Trainer(network, pathway("backprop"), SGD(0.1), epochs=1, batch=4)
    with pytest.raises(DivergedError, match="population 'hidden2': gate is inf at step 0: expected finite"):
        trainer.fit(STILL)
    with pytest.raises(DivergedError, match="population 'hidden2': gate is inf"):
        trainer.evaluate(STILL.test)
