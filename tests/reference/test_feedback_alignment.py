"""Feedback alignment with learned feedback against straight-line loops, and what Kolen and Pollack's rule promises."""

import numpy as np
import pytest

from neurosim import datasets
from neurosim.datasets import from_arrays
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import SGD, Decay, PlasticityRule, chain
from neurosim.training import Trainer

RATE, DECAY = 0.1, 0.02


def joined(rule, data, *, batch=9, epochs=1, hidden=(5, 4), optimiser=None, **options):
    network = Network.layered(data.shape, list(hidden), data.classes, dtype="float64", seed=2, **options)
    scheme = pathway("feedback_alignment", rule=rule)
    optimiser = optimiser or chain(Decay(DECAY), SGD(RATE))
    trainer = Trainer(network, scheme, optimiser, epochs=epochs, batch=batch, shuffle=False, seed=1)
    trainer.check(data)
    return network, scheme, trainer


def feedback(scheme):
    return {name: projection.w for name, link in scheme.networks.items() for projection in link.projections.values()}


def problem():
    draw = np.random.default_rng(7)
    x, labels = np.float64(np.float32(draw.normal(size=(90, 6)))), draw.integers(0, 3, 90)  # data sets hold float32
    return x, np.eye(3)[labels], from_arrays(x, labels, x[:3], labels[:3])


def softmax(a):
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


RULES = {
    "hebbian": lambda error, rate, at_rate, b: error.T @ rate,
    "dw = rate_pre * error_post - 0.3 * w": lambda error, rate, at_rate, b: error.T @ at_rate - 0.3 * len(error) * b,
    "dw = tanh(rate_pre) * rate_post * w": lambda error, rate, at_rate, b: (np.tanh(error).T @ rate) * b,
}


@pytest.mark.parametrize("rule", RULES)
def test_ten_steps_of_training_equal_a_straight_line_loop(rule):
    x, y, data = problem()
    network, scheme, trainer = joined(rule, data)
    w1, w2, w3 = (p.w.copy() for p in network.projections.values())
    b1, b2, b3 = (p.parameters["b"].copy() for p in network.projections.values())
    back3, back2 = feedback(scheme)["hidden2__output"].copy(), feedback(scheme)["hidden1__hidden2"].copy()
    trainer.fit(data)
    for k in range(10):
        rows = slice(9 * k, 9 * k + 9)
        h1 = np.tanh(x[rows] @ w1 + b1)
        h2 = np.tanh(h1 @ w2 + b2)
        e3 = y[rows] - softmax(h2 @ w3 + b3)
        e2 = e3 @ back3 * (1 - h2**2)
        e1 = e2 @ back2 * (1 - h1**2)
        changes = {"w1": x[rows].T @ e1, "w2": h1.T @ e2, "w3": h2.T @ e3}
        changes |= {"b1": e1.sum(axis=0), "b2": e2.sum(axis=0), "b3": e3.sum(axis=0)}
        changes |= {"back3": RULES[rule](e3, h2, e2, back3), "back2": RULES[rule](e2, h1, e1, back2)}
        now = {"w1": w1, "w2": w2, "w3": w3, "b1": b1, "b2": b2, "b3": b3, "back3": back3, "back2": back2}
        for name, value in now.items():
            value += RATE * (changes[name] / 9 - DECAY * value)
    assert trainer.steps == 10
    for p, w, b in zip(network.projections.values(), (w1, w2, w3), (b1, b2, b3), strict=True):
        np.testing.assert_allclose(p.w, w, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(p.parameters["b"], b, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(feedback(scheme)["hidden2__output"], back3, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(feedback(scheme)["hidden1__hidden2"], back2, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("normalisation", [None, BatchNormalisation()])
@pytest.mark.parametrize("transfer", ["tanh", "relu", "sigmoid"])
def test_under_equal_decay_the_difference_shrinks_by_one_factor_in_each_step(transfer, normalisation, dropout):
    """Kolen and Pollack 1994: both take the same change, so of their difference only the decay is left."""
    _, _, data = problem()
    network, scheme, trainer = joined("hebbian", data, transfer=transfer, normalisation=normalisation)
    for name in network.hidden:
        network.populations[name].dropout = dropout
    before = {name: network.projections[name].w - w.T for name, w in feedback(scheme).items()}
    start = {name: w.copy() for name, w in feedback(scheme).items()}
    trainer.fit(data)
    for name, w in feedback(scheme).items():
        expected = before[name] * (1 - RATE * DECAY) ** 10
        np.testing.assert_allclose(network.projections[name].w - w.T, expected, rtol=1e-9, atol=1e-13, err_msg=name)
        decayed = start[name] * (1 - RATE * DECAY) ** 10
        assert np.abs(w - decayed).max() > 1e-4, "it learned, besides decaying"


def angle(one, other):
    cosine = (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_after_training_feedback_points_along_the_transposed_weights_and_fixed_feedback_does_not():
    data = datasets.load("digits", limit=600)
    angles, errors = {}, {}
    for rule in (None, "hebbian"):
        optimiser = chain(Decay(0.02), SGD(0.4))
        network, scheme, trainer = joined(rule, data, batch=20, epochs=12, hidden=(20, 20), optimiser=optimiser)
        errors[rule] = trainer.fit(data)[-1]["train"].error
        angles[rule] = [angle(network.projections[name].w, w.T) for name, w in feedback(scheme).items()]
    assert max(angles["hebbian"]) < 10 < min(angles[None])
    assert errors["hebbian"] < 10


def test_a_rule_of_a_users_own_class_is_asked_for_the_feedback_synapses_only():
    class Shrinking(PlasticityRule):
        """Halves a weight whose sender sends anything."""

        asked = 0

        def delta(self, pre, post, synapses):
            self.asked += 1
            assert set(pre) >= {"rate"} and synapses.b is None
            return super().delta(pre, post, synapses)

    _, _, data = problem()
    rule = Shrinking("dw = -0.5 * w * rate_pre * rate_pre * rate_post * rate_post")
    network, scheme, trainer = joined(rule, data)
    before = {name: w.copy() for name, w in feedback(scheme).items()}
    trainer.fit(data)
    assert rule.asked
    for name, w in feedback(scheme).items():
        assert (np.abs(w) < np.abs(before[name])).all()
