"""Weight mirrors: what feedback synapses learn on average against its closed form, and a straight-line loop of both phases."""

import numpy as np
import pytest

from neurosim.datasets import from_arrays
from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.plasticity import SGD
from neurosim.tasks import Regression
from neurosim.training import Trainer

LINKS = ("hidden1__hidden2", "hidden2__output")
NOISE, DECAY = 0.7, 0.3


def joined(transfer="tanh", readout="softmax", **options):
    network = Network.layered((6,), [5, 4], 3, transfer=transfer, readout=readout, dtype="float64", seed=2)
    for p in network.projections.values():
        p.parameters["b"][...] = np.random.default_rng(3).normal(size=p.post_shape)
    scheme = pathway("weight_mirror", **options)
    return network, scheme


def feedback(scheme):
    """Return the weights, (n_post, n_pre), by forward projection."""
    return {name: projection.w for name, link in scheme.networks.items() for projection in link.projections.values()}


def propose(network, scheme, batch, step):
    """Return what is proposed in one step of the mirror's phase, (n_post, n_pre), by forward projection."""
    draws = network.backend.draws(0, step)
    found = scheme.adapt(network.sweep(np.zeros((batch, 6)), training=True), np.zeros((batch, 3)), {}, draws)
    return {name.split("/")[1]: change for name, change in found.items()}


def test_in_a_linear_network_the_mean_change_is_that_of_the_closed_form():
    """<dB> = noise**2 W' - decay B.  The estimate's own scatter says how near it has to be: 4.5 standard errors for 32 weights."""
    network, scheme = joined("linear", "linear", noise=NOISE, decay=DECAY)
    scheme.attach(network, Regression(3), seed=0)
    batches = [propose(network, scheme, 2_000, step) for step in range(100)]
    for name in LINKS:
        each = np.array([batch[name] for batch in batches])
        error = each.std(axis=0, ddof=1) / np.sqrt(len(batches))
        expected = NOISE**2 * network.projections[name].w.T - DECAY * feedback(scheme)[name]
        assert (np.abs(each.mean(axis=0) - expected) < 4.5 * error).all()
        assert error.max() < 0.01 < np.abs(expected).mean() / 5, "so near that it means something"


def test_the_change_is_the_correlation_of_the_noise_with_the_response():
    """Bias and transfer included; each projection has noise of its own."""
    network, scheme = joined(noise=NOISE, decay=DECAY)
    scheme.attach(network, 3, seed=0)
    found, draws = propose(network, scheme, 9, 4), network.backend.draws(0, 4)
    for name in LINKS:
        p = network.projections[name]
        xi = NOISE * draws.normal(f"{name}/mirror", (9, p.w.shape[0]), p.w.dtype)
        drive = xi @ p.w + p.parameters["b"]
        response = np.tanh(drive) if p.post == "hidden2" else np.exp(drive) / np.exp(drive).sum(axis=1, keepdims=True)
        by_hand = sum(np.outer(r, x) for r, x in zip(response, xi, strict=True)) / 9 - DECAY * feedback(scheme)[name]
        np.testing.assert_allclose(found[name], by_hand, rtol=1e-10, atol=1e-13)


def test_an_epoch_is_a_pass_of_the_mirror_and_one_of_learning():
    draw = np.random.default_rng(7)
    x, labels = np.float64(np.float32(draw.normal(size=(27, 6)))), draw.integers(0, 3, 27)  # data sets hold float32
    y, data = np.eye(3)[labels], from_arrays(x, labels, x[:3], labels[:3])
    network, scheme = joined(noise=NOISE, decay=DECAY)
    trainer = Trainer(network, scheme, SGD(0.1), feedback_optimiser=SGD(0.2), epochs=1, batch=9, shuffle=False, seed=1)
    trainer.check(data)
    (w1, w2, w3), (b1, b2, b3) = zip(*((p.w.copy(), p.parameters["b"].copy()) for p in network.projections.values()), strict=True)
    back = {name: w.copy() for name, w in feedback(scheme).items()}
    trainer.fit(data)
    assert trainer.steps == 6
    for step in range(3):
        draws = network.backend.draws(1, step)
        for name, w, b, above in ((LINKS[0], w2, b2, np.tanh), (LINKS[1], w3, b3, softmax)):
            xi = NOISE * draws.normal(f"{name}/mirror", (9, len(w)), w.dtype)
            back[name] += 0.2 * (above(xi @ w + b).T @ xi / 9 - DECAY * back[name])
    for k in range(3):
        rows = slice(9 * k, 9 * k + 9)
        h1 = np.tanh(x[rows] @ w1 + b1)
        h2 = np.tanh(h1 @ w2 + b2)
        e3 = y[rows] - softmax(h2 @ w3 + b3)
        e2 = e3 @ back[LINKS[1]] * (1 - h2**2)
        e1 = e2 @ back[LINKS[0]] * (1 - h1**2)
        for weights, bias, pre, error in ((w1, b1, x[rows], e1), (w2, b2, h1, e2), (w3, b3, h2, e3)):
            weights += 0.1 * pre.T @ error / 9
            bias += 0.1 * error.mean(axis=0)
    for p, weights, bias in zip(network.projections.values(), (w1, w2, w3), (b1, b2, b3), strict=True):
        np.testing.assert_allclose(p.w, weights, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(p.parameters["b"], bias, rtol=1e-10, atol=1e-13)
    for name, w in feedback(scheme).items():
        np.testing.assert_allclose(w, back[name], rtol=1e-10, atol=1e-13)


def softmax(a):
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_feedback_comes_to_be_the_forward_weights():
    """By default, in a linear network: noise**2 / decay is 1."""
    network, scheme = joined("linear", "linear")
    scheme.attach(network, Regression(3), seed=0)
    for step in range(400):
        for name, change in propose(network, scheme, 200, step).items():
            feedback(scheme)[name][...] += 0.1 * change
    for name, w in feedback(scheme).items():
        forward = network.projections[name].w.T
        assert np.linalg.norm(w - forward) < 0.06 * np.linalg.norm(forward)


def test_two_projections_between_the_same_populations_are_told_apart():
    populations = [Population("x", 6), *(Population(name, 5) for name in ("below", "above")), Population("output", 2)]
    links = [Projection("x", "below"), Projection("below", "above"), Projection("below", "above", name="other")]
    network = Network([*populations], [*links, Projection("above", "output")], dtype="float64", seed=1)
    scheme = pathway("weight_mirror", noise=1.0)
    scheme.attach(network, Regression(2), seed=0)
    batches = [scheme.adapt(network.sweep(np.zeros((4_000, 6))), None, {}, network.backend.draws(0, step)) for step in range(10)]
    for name in ("below__above", "other"):
        mean = np.mean([batch[f"feedback/{name}/above__below.w"] for batch in batches], axis=0)
        np.testing.assert_allclose(mean, network.projections[name].w.T - feedback(scheme)[name], atol=0.05)  # 40,000 draws: .005


@pytest.mark.parametrize("options", [{"noise": 0.0}, {"noise": "much"}, {"decay": -0.1}, {"decay": float("nan")}])
def test_a_size_that_is_none_is_one_line(options):
    (name,) = options
    with pytest.raises(InputError, match=f"scheme 'weight_mirror': {name} .*: expected a positive number; give one such as 0.25"):
        pathway("weight_mirror", **options)
