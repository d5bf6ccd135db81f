"""Sign-symmetric feedback: with the sizes of the forward weights it is back-propagation; otherwise, a straight-line loop."""

import numpy as np
import pytest

from neurosim.datasets import from_arrays
from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.plasticity import SGD
from neurosim.training import Trainer

MAGNITUDES = ("uniform", "fixed", "batch")
LINKS = ("hidden1__hidden2", "hidden2__output")


def joined(magnitudes, sizes=(5, 4), classes=3, seed=1, **options):
    network = Network.layered((6,), list(sizes), classes, dtype="float64", seed=2, **options)
    scheme = pathway("sign_symmetric", magnitudes=magnitudes)
    scheme.attach(network, classes, seed=seed)
    return network, scheme


def problem():
    draw = np.random.default_rng(7)
    return draw.normal(size=(7, 6)), np.eye(3)[draw.integers(0, 3, 7)]


def test_with_the_sizes_of_the_forward_weights_it_is_backprop_to_the_bit():
    x, target = problem()
    network, scheme = joined("fixed")
    exact = pathway("backprop")
    exact.attach(network, 3, seed=0)
    for name, size in scheme.sizes.items():
        size[...] = np.abs(network.projections[name].w)
    sweep = network.sweep(x, training=True)
    backward = exact.teach(sweep, target, None)
    assert set(scheme.sizes) == set(LINKS) and set(backward) == {"hidden1", "hidden2", "output"}
    for name, taught in scheme.teach(sweep, target, None).items():
        np.testing.assert_array_equal(taught.error, backward[name].error)


@pytest.mark.parametrize("magnitudes", MAGNITUDES)
def test_ten_steps_of_training_equal_a_straight_line_loop(magnitudes):
    draw = np.random.default_rng(7)
    x, labels = np.float64(np.float32(draw.normal(size=(90, 6)))), draw.integers(0, 3, 90)  # data sets hold float32
    y, data = np.eye(3)[labels], from_arrays(x, labels, x[:3], labels[:3])
    network, scheme = joined(magnitudes)
    trainer = Trainer(network, scheme, SGD(0.1), epochs=1, batch=9, shuffle=False, seed=1)
    trainer.check(data)
    w1, w2, w3 = (p.w.copy() for p in network.projections.values())
    b1, b2, b3 = (p.parameters["b"].copy() for p in network.projections.values())
    sizes = {name: size.copy() for name, size in scheme.sizes.items()}
    trainer.fit(data)
    for k in range(10):
        rows = slice(9 * k, 9 * k + 9)
        h1 = np.tanh(x[rows] @ w1 + b1)
        h2 = np.tanh(h1 @ w2 + b2)
        scores = np.exp(h2 @ w3 + b3)
        e3 = y[rows] - scores / scores.sum(axis=1, keepdims=True)
        redrawn = network.backend.draws(1, k)
        size = {
            name: sizes[name] * (redrawn.uniform(f"{name}/magnitudes", w.shape, w.dtype) if magnitudes == "batch" else 1)
            for name, w in zip(LINKS, (w2, w3), strict=True)
        }
        e2 = e3 @ (size[LINKS[1]] * np.where(w3 > 0, 1, -1)).T * (1 - h2**2)
        e1 = e2 @ (size[LINKS[0]] * np.where(w2 > 0, 1, -1)).T * (1 - h1**2)
        for weights, bias, pre, error in ((w1, b1, x[rows], e1), (w2, b2, h1, e2), (w3, b3, h2, e3)):
            weights += 0.1 * pre.T @ error / 9
            bias += 0.1 * error.mean(axis=0)
    for p, weights, bias in zip(network.projections.values(), (w1, w2, w3), (b1, b2, b3), strict=True):
        np.testing.assert_allclose(p.w, weights, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(p.parameters["b"], bias, rtol=1e-10, atol=1e-13)


VARIANCES = {"glorot": 2 / 500, "lecun": 1 / 900, "orthogonal": 1 / 300, "zeros": 2 / 500}  # the last falls back on Glorot's


@pytest.mark.parametrize(("initial", "variance"), VARIANCES.items())
@pytest.mark.parametrize("magnitudes", MAGNITUDES)
def test_feedback_is_as_large_as_initial_weights_are(magnitudes, initial, variance):
    """300 to 200: Glorot's variance is 2 / (300 + 200), PyTorch's 1 / (3 * 300); columns of orthogonal weights have length 1."""
    network, scheme = joined(magnitudes, (300, 200), initial=initial)
    network.projections[LINKS[0]].w[...] = np.random.default_rng(0).normal(size=(300, 200))
    first, second = (scheme.feedback(network.backend.draws(0, step))[LINKS[0]] for step in (0, 1))
    np.testing.assert_allclose((first**2).mean(), variance, rtol=0.02)  # of 60,000 draws, whose squares scatter by 0.9: 0.4 %
    np.testing.assert_array_equal(np.sign(first), np.sign(network.projections[LINKS[0]].w))
    assert (np.abs(first).std() > 0.1 * np.sqrt(variance)) == (magnitudes != "uniform")
    assert np.array_equal(first, second) == (magnitudes != "batch")


def test_sizes_do_not_follow_the_weights_and_signs_do():
    network, scheme = joined("fixed")
    before = scheme.feedback(None)[LINKS[0]]
    w = network.projections[LINKS[0]].w
    w *= 3
    np.testing.assert_array_equal(scheme.feedback(None)[LINKS[0]], before)
    w[1, 2] *= -1e-6
    after = scheme.feedback(None)[LINKS[0]]
    assert after[1, 2] == -before[1, 2] != 0
    after[1, 2] = before[1, 2]
    np.testing.assert_array_equal(after, before)


def test_one_neuron_projecting_to_one_is_sent_an_error():
    populations = [Population("x", 2), Population("a", 1, transfer="tanh"), Population("b", 1, transfer="tanh")]
    names = ["x", "a", "b", "output"]
    links = [Projection(pre, post) for pre, post in zip(names, names[1:], strict=False)]
    network, scheme = Network([*populations, Population("output", 2, transfer="softmax")], links), pathway("sign_symmetric")
    scheme.attach(network, 2, seed=0)
    assert scheme.sizes["a__b"] > 0


@pytest.mark.parametrize("magnitudes", ["signs", 1, None, ["fixed"]])
def test_magnitudes_that_are_none_are_one_line(magnitudes):
    with pytest.raises(InputError, match="scheme 'sign_symmetric': magnitudes .*: expected one of uniform, fixed, batch; give one"):
        pathway("sign_symmetric", magnitudes=magnitudes)
