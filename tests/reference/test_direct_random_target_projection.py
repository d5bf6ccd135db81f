"""Direct random target projection against a straight-line loop, and what it promises: hidden synapses wait for nothing above."""

import numpy as np
import pytest

from neurosim.datasets import from_arrays
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.plasticity import SGD
from neurosim.tasks import Regression
from neurosim.training import Trainer

SCHEME = "direct_random_target_projection"


def feedback(scheme):
    """Return the fixed weights, (targets, n), by population."""
    return {name: projection.w for name, link in scheme.networks.items() for projection in link.projections.values()}


def test_ten_steps_of_training_equal_a_straight_line_loop():
    draw = np.random.default_rng(7)
    x, labels = np.float64(np.float32(draw.normal(size=(90, 6)))), draw.integers(0, 3, 90)  # data sets hold float32
    y, data = np.eye(3)[labels], from_arrays(x, labels, x[:3], labels[:3])
    network = Network.layered((6,), [5, 4], 3, dtype="float64", seed=2)
    scheme = pathway(SCHEME)
    trainer = Trainer(network, scheme, SGD(0.1), epochs=1, batch=9, shuffle=False, seed=1)
    trainer.check(data)
    w = [p.w.copy() for p in network.projections.values()]
    b = [p.parameters["b"].copy() for p in network.projections.values()]
    back = {name: value.copy() for name, value in feedback(scheme).items()}
    trainer.fit(data)
    for k in range(10):
        rows = slice(9 * k, 9 * k + 9)
        h1 = np.tanh(x[rows] @ w[0] + b[0])
        h2 = np.tanh(h1 @ w[1] + b[1])
        scores = np.exp(h2 @ w[2] + b[2])
        e1 = np.stack([back["hidden1"][label] for label in labels[rows]]) * (1 - h1**2)
        e2 = np.stack([back["hidden2"][label] for label in labels[rows]]) * (1 - h2**2)
        e3 = y[rows] - scores / scores.sum(axis=1, keepdims=True)
        for weights, bias, pre, error in zip(w, b, (x[rows], h1, h2), (e1, e2, e3), strict=True):
            weights += 0.1 * pre.T @ error / 9
            bias += 0.1 * error.mean(axis=0)
    for p, weights, bias in zip(network.projections.values(), w, b, strict=True):
        np.testing.assert_allclose(p.w, weights, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(p.parameters["b"], bias, rtol=1e-10, atol=1e-13)
    for name, weights in feedback(scheme).items():
        np.testing.assert_array_equal(weights, back[name])


def test_hidden_synapses_do_not_see_the_output():
    """Other weights of the output, another activity there: the bits of what hidden synapses are proposed stay as they were."""
    draw = np.random.default_rng(3)
    network, scheme = Network.layered((6,), [5, 4], 3, dtype="float64", seed=2), pathway(SCHEME)
    scheme.attach(network, 3, seed=0)
    x, target = draw.normal(size=(7, 6)), np.eye(3)[draw.integers(0, 3, 7)]
    found = []
    for _ in range(2):
        sweep = network.sweep(x, training=True)
        found.append(network.propose(sweep, scheme.teach(sweep, target, None))[0])
        network.projections["hidden2__output"].w[...] = draw.normal(size=(4, 3))
    for name in ("x__hidden1", "hidden1__hidden2"):
        for key in (f"{name}.w", f"{name}.b"):
            assert np.abs(found[0][key]).max() > 1e-3
            np.testing.assert_array_equal(found[0][key], found[1][key])
    assert not np.allclose(found[0]["hidden2__output.w"], found[1]["hidden2__output.w"])


def test_a_real_target_is_projected_too():
    draw = np.random.default_rng(3)
    network, scheme = Network.layered((6,), [5], 2, readout="linear", dtype="float64", seed=2), pathway(SCHEME)
    scheme.attach(network, Regression(2), seed=0)
    x, target = draw.normal(size=(7, 6)), draw.normal(size=(7, 2))
    sweep = network.sweep(x, training=True)
    slopes = 1 - sweep.rate["hidden1"] ** 2
    by_hand = np.einsum("bk,kn,bn->bn", target, feedback(scheme)["hidden1"], slopes)
    np.testing.assert_allclose(scheme.teach(sweep, target, None)["hidden1"].error, by_hand, rtol=1e-12)


@pytest.mark.parametrize(("population", "size"), [("hidden1", 300), ("hidden2", 200)])
def test_feedback_is_uniform_between_bounds_that_the_population_decides(population, size):
    schemes = {seed: pathway(SCHEME) for seed in (0, 1)}
    for seed, scheme in schemes.items():
        scheme.attach(Network.layered((6,), [300, 200], 10, dtype="float64", seed=1), 10, seed=seed)
    w, bound = feedback(schemes[0])[population], np.sqrt(6 / size)
    assert w.shape == (10, size) and 0.99 * bound < np.abs(w).max() <= bound
    np.testing.assert_allclose(w.std(), bound / np.sqrt(3), rtol=0.05)
    assert abs(w.mean()) < 0.05 * bound
    assert not np.allclose(w, feedback(schemes[1])[population])
