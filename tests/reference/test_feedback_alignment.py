"""Feedback alignment with learned feedback against straight-line loops, and what Kolen and Pollack's rule promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import datasets
from neurosim.datasets import DataSet, Split, from_arrays
from neurosim.encoders import Sequence
from neurosim.feedback import pathway
from neurosim.network import Clock, Network, Population, Projection
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


def test_in_a_trial_of_several_ticks_it_shrinks_too():
    """The loop and the skip take a tick, so that no error crosses them, and they have no feedback."""
    draw = np.random.default_rng(4)
    x = draw.normal(size=(60, 1, 3, 4)).astype(np.float32)
    y = (x[:, 0, 0, 0] > x[:, 0, 1, 1]).astype(np.int64)
    data = DataSet("sequences", Split(x, y), Split(x[:0], y[:0]), Split(x[:10], y[:10]), 2, (1, 3, 4))
    populations = [Population("x", (1, 4)), Population("hidden", 5, transfer="tanh"), Population("output", 2, transfer="softmax")]
    links = [Projection("x", "hidden"), Projection("hidden", "hidden", name="loop", delay=1), Projection("hidden", "output")]
    network = Network([*populations], [*links, Projection("x", "output", name="skip", delay=1)], dtype="float64", seed=1)
    scheme, optimiser = pathway("feedback_alignment", rule="hebbian"), chain(Decay(DECAY), SGD(RATE))
    trainer = Trainer(network, scheme, optimiser, epochs=1, batch=10, clock=Clock(3, asked=2), encoder=Sequence(axis=1))
    trainer.check(data)
    start = feedback(scheme)["hidden__output"].copy()
    before = network.projections["hidden__output"].w - start.T
    trainer.fit(data)
    assert set(scheme.networks) == {"hidden__output"}
    factor, w = (1 - RATE * DECAY) ** 6, feedback(scheme)["hidden__output"]
    assert np.abs(w - factor * start).max() > 1e-4
    # a proposal is the sum over the ticks that are asked, over their number; decay is the optimiser's
    np.testing.assert_allclose(network.projections["hidden__output"].w - w.T, before * factor, rtol=1e-9, atol=1e-13)


@st.composite
def graphs(draw):
    """Draw the shapes of up to five hidden populations and which of the earlier ones project to each."""
    shapes = draw(st.lists(st.sampled_from([(3,), (4,), (2, 2)]), min_size=1, max_size=5))
    joined = [draw(st.lists(st.integers(0, k), min_size=1, max_size=3)) for k in range(len(shapes))]
    return shapes, joined, draw(st.integers(0, 1000))


@settings(deadline=None, max_examples=25)
@given(graphs())
def test_with_transposed_weights_it_is_backprop_on_any_graph(graph):
    """Skips, branches, populations joined twice, and outputs that are not asked."""
    shapes, joined, seed = graph
    names = ["x", *(f"h{k}" for k in range(len(shapes)))]
    populations = [Population("x", 4), *(Population(n, s, transfer="tanh") for n, s in zip(names[1:], shapes, strict=True))]
    links = [Projection(names[pre], names[k + 1], name=f"p{k}_{i}") for k, pres in enumerate(joined) for i, pre in enumerate(pres)]
    links.append(Projection(names[-1], "output"))
    populations.append(Population("output", 3, transfer="softmax"))
    network = Network(populations, links, dtype="float64", seed=seed, output="output")
    draw = np.random.default_rng(seed)
    sweep, target = network.sweep(draw.normal(size=(5, 4)), training=True), np.eye(3)[draw.integers(0, 3, 5)]
    scheme, exact = pathway("feedback_alignment", rule="hebbian"), pathway("backprop")
    scheme.attach(network, 3, seed=seed)
    exact.attach(network, 3, seed=seed)
    for name, w in feedback(scheme).items():
        w[...] = network.projections[name].w.T
    teaching, backward = scheme.teach(sweep, target, None), exact.teach(sweep, target, None)
    assert set(teaching) == set(backward)
    for name, taught in backward.items():
        np.testing.assert_allclose(teaching[name].error, taught.error, rtol=1e-10, atol=1e-14)
    forward = network.propose(sweep, teaching)[0]
    for key, change in scheme.adapt(sweep, target, teaching, None).items():
        np.testing.assert_allclose(change, forward[f"{key.split('/')[1]}.w"].T, rtol=1e-10, atol=1e-14, err_msg=key)


def angle(one, other):
    cosine = (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_after_training_feedback_points_along_the_transposed_weights_and_fixed_feedback_does_not():
    data = datasets.load("digits", limit=400)
    angles, errors = {}, {}
    for rule in (None, "hebbian"):
        optimiser = chain(Decay(0.03), SGD(0.4))
        network, scheme, trainer = joined(rule, data, batch=10, epochs=8, hidden=(20, 20), optimiser=optimiser)
        errors[rule] = trainer.fit(data)[-1]["train"].error
        angles[rule] = [angle(network.projections[name].w, w.T) for name, w in feedback(scheme).items()]
    assert max(angles["hebbian"]) < 10 < min(angles[None])
    assert errors["hebbian"] < 15, "and it learns"


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
