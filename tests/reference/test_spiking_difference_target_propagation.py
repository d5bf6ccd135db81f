"""Spiking DTP: against automatic differentiation of its local losses, against the exact gradient, and against DTP of rates."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from autograd.tracer import getval

from neurosim import datasets
from neurosim.errors import InputError, ShapeError
from neurosim.feedback import pathway
from neurosim.feedback.spiking_difference_target_propagation import find_filtered
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import Leaky
from neurosim.neurons.lif import LIF
from neurosim.plasticity import SGD, Adam, error_driven_trace
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep
from tests.reference.spiking import (
    CLASSES,
    DATA,
    HIDDEN,
    R_OUT,
    SAMPLES,
    TAU,
    TAU_OUT,
    X,
    cross_entropy,
    forward,
    network,
)

NAME = "spiking_difference_target_propagation"
TICKS, FILTER, STEP = 9, 3.0, 0.7
TOLERANCE = {"rtol": 1e-9, "atol": 1e-13}
INVERSE = "inverse/hidden2__hidden1"


def make_network():
    return network(error_driven_trace(tau=TAU), error_driven_trace(tau=TAU_OUT, method="euler"))


def train(made, scheme, clock):
    """Return the trainer after one step on all samples, and all weights before and after it."""
    trainer = Trainer(made, scheme, SGD(1.0), clock=clock, epochs=1, batch=SAMPLES, shuffle=False)
    trainer.check(DATA)
    before = {name: value.copy() for name, value in (made.parameters() | scheme.parameters()).items()}
    trainer.fit(DATA)
    assert trainer.steps == 1
    return trainer, before, made.parameters() | scheme.parameters()


def follow(ticks):
    """Return the filtered rates of each tick: a sum over all ticks up to this one."""
    kept = 1 - 1 / FILTER
    return [
        {name: sum(kept ** (t - k) / FILTER * ticks[k][name] for k in range(t + 1)) for name in HIDDEN} for t in range(len(ticks))
    ]


def find_targets(weights, ticks):
    """Return the targets of each tick, constants; the first by automatic differentiation of the tick's loss by its spikes."""

    def loss(more, u):
        return SAMPLES * cross_entropy(u + R_OUT / TAU_OUT * anp.dot(more, weights["hidden2__output.w"]))

    def inverse(h):
        return h @ weights[f"{INVERSE}.w"] + weights[f"{INVERSE}.b"]

    found = []
    for tick, s in zip(ticks, follow(ticks), strict=True):
        second = s["hidden2"] - STEP * grad(loss)(np.zeros((SAMPLES, HIDDEN["hidden2"])), tick["output"])
        found.append({"hidden1": s["hidden1"] + inverse(second) - inverse(s["hidden2"]), "hidden2": second})
    return found


@pytest.mark.parametrize("captured", [True, False])
@pytest.mark.parametrize("asked", [1, 4, TICKS])
def test_updates_are_minus_the_gradients_of_the_local_losses(asked, captured, monkeypatch):
    if not captured:
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    trainer, before, after = train(make_network(), pathway(NAME, step=STEP, tau=FILTER), Clock(TICKS, asked))
    programs = [step.program for step in trainer._programs.values()]
    assert all((program is not None) == captured for program in programs)
    plain = forward(before, TICKS, local=True)
    assert all(0.1 < np.mean([tick[name] for tick in plain]) < 0.8 for name in HIDDEN)
    targets, constant = find_targets(before, plain), follow(plain)

    def loss(weights):
        ticks, total = forward(weights, TICKS, local=True), 0.0
        filtered = follow(ticks)
        for t in range(TICKS - asked, TICKS):
            total = total + cross_entropy(ticks[t]["output"])
            total = total + sum(anp.sum((targets[t][name] - filtered[t][name]) ** 2) / SAMPLES for name in HIDDEN)
            back = anp.dot(constant[t]["hidden2"], weights[f"{INVERSE}.w"]) + weights[f"{INVERSE}.b"]
            total = total + anp.sum((back - constant[t]["hidden1"]) ** 2) / SAMPLES
        return total / asked

    gradients = grad(loss)(before)
    assert set(after) == set(before) and f"{INVERSE}.w" in after
    for name, value in after.items():
        assert np.abs(getval(gradients[name])).max() > 1e-4
        np.testing.assert_allclose(value - before[name], -gradients[name], err_msg=name, **TOLERANCE)


def test_the_last_hidden_population_follows_the_exact_gradient():
    """If the filter forgets as the output's membranes do: up to 2 step / tau, with back-propagation through time's loss."""
    _, before, after = train(make_network(), pathway(NAME, step=STEP, tau=TAU_OUT), Clock(TICKS, 5))
    exact = grad(lambda weights: sum(cross_entropy(tick["output"]) for tick in forward(weights, TICKS)[-5:]) / 5)(before)
    for name in ("hidden1__hidden2.w", "hidden1__hidden2.b"):
        np.testing.assert_allclose(after[name] - before[name], -2 * STEP / TAU_OUT * exact[name], err_msg=name, **TOLERANCE)
    below = "x__hidden1.w"  # learned inverses are no transposed weights
    assert np.abs(after[below] - before[below] + 2 * STEP / TAU_OUT * exact[below]).max() > 1e-4


@pytest.mark.parametrize("transfer", ["tanh", "sigmoid", "relu"])
def test_in_one_tick_without_a_filter_it_is_dtp_of_rates(transfer):
    draw, answers = np.random.default_rng(3), []
    x, target, move = draw.normal(size=(8, 6)), np.eye(3)[draw.integers(0, 3, 8)], draw.normal(size=40)
    for name, options in ((NAME, {"tau": 1.0}), ("difference_target_propagation", {"noise": 0.0})):
        made = Network.layered((6,), [5, 4], 3, transfer=transfer, dtype="float64", seed=2)
        scheme, draws = pathway(name, step=STEP, **options), made.backend.draws(0, 0)
        scheme.attach(made, 3, seed=0)
        for values in scheme.parameters().values():
            values += 0.3 * move[: values.size].reshape(values.shape)
        sweep = made.sweep(x, training=True)
        teaching = scheme.teach(sweep, target, draws)
        errors = {population: teaching[population].error for population in ("hidden1", "hidden2", "output")}
        answers.append(errors | scheme.adapt(sweep, target, teaching, draws))
    ours, rates = answers
    assert ours.keys() == rates.keys() and len(ours) == 5
    for key, value in rates.items():
        assert np.abs(value).max() > 1e-3
        np.testing.assert_allclose(ours[key], value, rtol=1e-12, atol=1e-15, err_msg=key)


def test_loops_over_ticks_do_not_grow_with_them():
    """The ticks are shown, filtered, taught backwards and learned from, each in one loop."""
    calls = []
    for ticks in (6, 12):
        trainer, _, _ = train(make_network(), pathway(NAME), Clock(ticks, ticks))
        (step,) = trainer._programs.values()
        turns = [item.turns.times for item in step.program.items if item.op == "repeat"]
        assert len(turns) >= 4 and set(turns) <= {ticks - 1, ticks - 2}, turns
        calls.append(len(step.program.calls))
    assert calls[0] == calls[1]


def make_layers(classes=10):
    """Return x -> 32 -> 32 -> output, the hidden ones of LIF neurons."""
    hidden = [Population(name, 32, neurons=LIF(tau="10*ms", resistance=10.0)) for name in HIDDEN]
    output = Population("output", classes, neurons=Leaky(tau=10.0, resistance=10.0, transfer="softmax"))
    within, out = error_driven_trace(tau=10.0), error_driven_trace(tau=10.0, method="euler")
    links = [Projection("x", "hidden1", rule=within), Projection("hidden1", "hidden2", rule=within)]
    return Network(
        [Population("x", (1, 8, 8)), *hidden, output], [*links, Projection("hidden2", "output", rule=out)], dt="1*ms", seed=1
    )


def test_it_learns_the_digits_better_than_the_output_alone_and_inverts_the_layers():
    data, ends = datasets.load("digits", limit=400), {}
    for name, options in ((NAME, {"tau": 10.0}), ("frozen", {})):
        scheme = pathway(name, **options)
        trainer = Trainer(make_layers(), scheme, Adam(5e-3), clock=Clock(8, 8), epochs=8, batch=20, seed=1)
        trainer.check(data)
        if name == NAME:
            missed = [reconstruct(trainer, scheme, data)]
        ends[name] = trainer.fit(data)[-1]["test"].error
        if name == NAME:
            missed.append(reconstruct(trainer, scheme, data))
    assert ends[NAME] < 0.75 * ends["frozen"], ends
    assert missed[1] < 0.25 < 1 < missed[0], missed


def reconstruct(trainer, scheme, data):
    """Return what the inverse misses of the filtered spikes of hidden1 in the last tick, as a share of their variance."""
    sweeps = trainer.trial.sweeps(trainer.network, data.test.x[:100])
    targets = [np.eye(10, dtype=np.float32)[data.test.y[:100]]] * len(sweeps)
    teaching = scheme.teach_trial(sweeps, targets, trainer.network.backend.draws(0, 0))[-1]
    s = {name: find_filtered(teaching[name]) for name in HIDDEN}
    back = scheme.networks["hidden2"].sweep(s["hidden2"]).rate["hidden1"]
    return float(((back - s["hidden1"]) ** 2).sum() / ((s["hidden1"] - s["hidden1"].mean(axis=0)) ** 2).sum())


def test_what_it_is_not_for():
    with pytest.raises(InputError, match="step 0 is not positive"):
        pathway(NAME, step=0)
    with pytest.raises(InputError, match="tau 0.5: expected 1 to 1,000,000 ticks"):
        pathway(NAME, tau=0.5)
    signs = Network.layered((5,), [4, 4], CLASSES, transfer="sign")
    with pytest.raises(InputError, match="population 'hidden1' has transfer 'sign': expected one that is differentiable"):
        pathway(NAME).attach(signs, CLASSES, seed=0)
    loops = Network(
        [Population("x", X.shape[1]), Population("hidden", 4, neurons=LIF()), Population("output", CLASSES, transfer="softmax")],
        [Projection("x", "hidden"), Projection("hidden", "hidden", delay=1), Projection("hidden", "output")],
        dt="1*ms",
    )
    with pytest.raises(ShapeError, match="no chain"):
        pathway(NAME).attach(loops, CLASSES, seed=0)
