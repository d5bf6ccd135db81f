"""Kolen and Pollack's scheme: W - B shrinks by one factor in each step; with B = W it is back-propagation; a straight-line loop."""

import numpy as np
import pytest

from neurosim.datasets import from_arrays
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import SGD, Adam, Decay, Momentum, PlasticityRule, chain
from neurosim.training import Trainer

RATE, DECAY, STEPS = 0.1, 0.02, 10


def problem():
    draw = np.random.default_rng(7)
    x, labels = np.float64(np.float32(draw.normal(size=(90, 6)))), draw.integers(0, 3, 90)  # data sets hold float32
    return x, np.eye(3)[labels], from_arrays(x, labels, x[:3], labels[:3])


def joined(network=None, optimiser=None, **options):
    network = network or Network.layered((6,), [5, 4], 3, dtype="float64", seed=2, **options)
    scheme = pathway("kolen_pollack")
    optimiser = optimiser or chain(Decay(DECAY), SGD(RATE))
    trainer = Trainer(network, scheme, optimiser, epochs=1, batch=9, shuffle=False, seed=1)
    trainer.check(problem()[2])
    return network, scheme, trainer


def feedback(scheme):
    """Return the weights by forward projection, (n_post, n_pre) where they are all to all."""
    return {name: projection.w for name, link in scheme.networks.items() for projection in link.projections.values()}


def differences(network, scheme):
    pairs = {name: (network.projections[name].w, w) for name, w in feedback(scheme).items()}
    return {name: one - (other.T if one.ndim == 2 else other) for name, (one, other) in pairs.items()}


def softmax(a):
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_ten_steps_of_training_equal_a_straight_line_loop():
    x, y, data = problem()
    network, scheme, trainer = joined()
    w1, w2, w3 = (p.w.copy() for p in network.projections.values())
    b1, b2, b3 = (p.parameters["b"].copy() for p in network.projections.values())
    back2, back3 = (feedback(scheme)[name].copy() for name in ("hidden1__hidden2", "hidden2__output"))
    trainer.fit(data)
    for k in range(STEPS):
        rows = slice(9 * k, 9 * k + 9)
        h1 = np.tanh(x[rows] @ w1 + b1)
        h2 = np.tanh(h1 @ w2 + b2)
        e3 = y[rows] - softmax(h2 @ w3 + b3)
        e2 = e3 @ back3 * (1 - h2**2)
        e1 = e2 @ back2 * (1 - h1**2)
        changes = [(w1, x[rows].T @ e1), (w2, h1.T @ e2), (w3, h2.T @ e3), (back2, e2.T @ h1), (back3, e3.T @ h2)]
        changes += [(b1, e1.sum(axis=0)), (b2, e2.sum(axis=0)), (b3, e3.sum(axis=0))]
        for value, change in changes:
            value += RATE * (change / 9 - DECAY * value)
    assert trainer.steps == STEPS
    for p, w, b in zip(network.projections.values(), (w1, w2, w3), (b1, b2, b3), strict=True):
        np.testing.assert_allclose(p.w, w, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(p.parameters["b"], b, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(feedback(scheme)["hidden1__hidden2"], back2, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(feedback(scheme)["hidden2__output"], back3, rtol=1e-10, atol=1e-13)


def assert_shrinks(network, scheme, trainer, factor):
    """Train, and compare what is left of each difference; the feedback has to have learned, besides decaying."""
    before, start = differences(network, scheme), {name: w.copy() for name, w in feedback(scheme).items()}
    trainer.fit(problem()[2])
    for name, left in differences(network, scheme).items():
        np.testing.assert_allclose(left, before[name] * factor**STEPS, rtol=1e-9, atol=1e-13, err_msg=name)
        assert np.abs(feedback(scheme)[name] - start[name] * factor**STEPS).max() > 1e-4


OPTIMISERS = {
    "decay in SGD's unit": (chain(Decay(DECAY), SGD(RATE)), 1 - RATE * DECAY),
    "decay after SGD": (chain(SGD(RATE), Decay(DECAY)), 1 - DECAY),
    "no decay": (SGD(RATE), 1.0),
    "momentum, decay after it": (chain(Momentum(RATE), Decay(DECAY)), 1 - DECAY),
    "Adam, decay after it": (chain(Adam(0.01), Decay(DECAY)), 1 - DECAY),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_difference_shrinks_by_one_factor_in_each_step(name):
    optimiser, factor = OPTIMISERS[name]
    assert_shrinks(*joined(optimiser=optimiser), factor)


@pytest.mark.parametrize("normalisation", [None, BatchNormalisation()])
def test_it_shrinks_with_dropout_and_normalisation_too(normalisation):
    network, scheme, trainer = joined(transfer="relu", normalisation=normalisation)
    for name in network.hidden:
        network.populations[name].dropout = 0.4
    assert_shrinks(network, scheme, trainer, 1 - RATE * DECAY)


@pytest.mark.parametrize("rule", ["dw = error_post * tanh(rate_pre)", "dw = 0.3 * rate_pre * rate_post - 0.2 * w"])
def test_it_shrinks_whatever_the_forward_rule(rule):
    """Also where that rule reads the forward weight; single synapses and a skip, too."""
    rule = PlasticityRule(rule)
    populations = [Population("x", 6), *(Population(f"hidden{k}", 5, transfer="tanh") for k in (1, 2))]
    links = [Projection("x", "hidden1"), Projection("hidden1", "hidden2", connectivity="one_to_one", rule=rule)]
    links += [Projection("hidden2", "output", rule=rule), Projection("hidden1", "output", name="skip", rule=rule)]
    network = Network([*populations, Population("output", 3, transfer="softmax")], links, dtype="float64", seed=2)
    network, scheme, trainer = joined(network)
    assert set(scheme.networks) == {"hidden1__hidden2", "hidden2__output", "skip"}
    assert_shrinks(network, scheme, trainer, 1 - RATE * DECAY)


def test_decay_before_adam_leaves_no_such_factor():
    """Each side's decay is rescaled by its own history, which is what the scheme's page warns of."""
    network, scheme, trainer = joined(optimiser=chain(Decay(DECAY), Adam(0.01)))
    before = differences(network, scheme)
    trainer.fit(problem()[2])
    for name, left in differences(network, scheme).items():
        share = left / before[name]
        assert share.max() - share.min() > 1e-3, name


def test_with_transposed_weights_it_is_backprop():
    x, target, _ = problem()
    network, scheme, _ = joined()
    exact = pathway("backprop")
    exact.attach(network, 3, seed=0)
    for name, w in feedback(scheme).items():
        assert not np.allclose(w, network.projections[name].w.T)
        w[...] = network.projections[name].w.T
    sweep = network.sweep(x, training=True)
    teaching, backward = scheme.teach(sweep, target, None), exact.teach(sweep, target, None)
    assert set(teaching) == set(backward)
    for name, taught in backward.items():
        np.testing.assert_allclose(teaching[name].error, taught.error, rtol=1e-12)
