"""REINFORCE: its mean over all that neurons can do, counted out, against the gradient of the mean reward by finite differences."""

import itertools
import logging
from dataclasses import replace

import numpy as np
import pytest

from neurosim.datasets import from_arrays
from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network, Sweep
from neurosim.plasticity import SGD
from neurosim.tasks import Classification, Regression, Reward, Unsupervised
from neurosim.training import Trainer

HIDDEN, ACTIONS = (3, 2), 3
REWARDS = np.array([0.3, 1.0, -0.4])  # of each action
X = np.random.default_rng(7).normal(size=(1, 4))


def joined(task, readout="softmax", transfer="bernoulli"):
    network = Network.layered((4,), HIDDEN, ACTIONS, transfer=transfer, readout=readout, dtype="float64", seed=2)
    for p in network.projections.values():
        p.w[...] *= 3  # so that what hidden neurons do makes a difference
        p.parameters["b"][...] = 0.3 * np.random.default_rng(3).normal(size=p.post_shape)
    scheme = pathway("reinforce")
    scheme.attach(network, task, seed=0)
    return network, scheme


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def softmax(a):
    return np.exp(a) / np.exp(a).sum()


def list_states(network):
    """Yield (probability, what the hidden neurons did, the output's drive), for all that they can do."""
    (w1, b1), (w2, b2), (w3, b3) = ((p.w, p.parameters["b"]) for p in network.projections.values())
    p1 = sigmoid(X[0] @ w1 + b1)
    for s1 in itertools.product((0.0, 1.0), repeat=HIDDEN[0]):
        p2 = sigmoid(np.array(s1) @ w2 + b2)
        for s2 in itertools.product((0.0, 1.0), repeat=HIDDEN[1]):
            chance = np.where(s1, p1, 1 - p1).prod() * np.where(s2, p2, 1 - p2).prod()
            yield chance, (np.array([s1]), np.array([s2])), np.array(s2) @ w3 + b3


def make_sweep(network, did):
    """Return the sweep in which the hidden neurons did so."""
    activity = dict(network.sweep(X, training=True, draws=network.backend.draws(0, 0)).activity)
    for name, below, rate in (("hidden1", {"x": X}, did[0]), ("hidden2", {"hidden1": did[0]}, did[1])):
        activity[name] = replace(network.respond(name, below), rate=rate, transmitted=rate)
    activity["output"] = network.respond("output", {"hidden2": did[1]})
    return Sweep.of(activity, True)


def mean_reward(network):
    return sum(chance * (softmax(a) * REWARDS).sum() for chance, _, a in list_states(network))


def mean_loss(network, loss):
    return sum(chance * loss(a) for chance, _, a in list_states(network))


def differences(network, value):
    """Return the central differences of ``value(network)`` in every parameter."""
    found = {}
    for name, array in network.parameters().items():
        found[name] = np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept, sides = array[index], []
            for step in (1e-5, -1e-5):
                array[index] = kept + step
                sides.append(value(network))
            array[index] = kept
            found[name][index] = (sides[0] - sides[1]) / 2e-5
    return found


def add(total, share, network, scheme, did, outcome):
    sweep = make_sweep(network, did)
    for name, change in network.propose(sweep, scheme.teach(sweep, outcome, None))[0].items():
        total[name] = total.get(name, 0) + share * change


@pytest.mark.parametrize("baseline", [0.0, 0.6])
def test_over_all_states_and_actions_it_is_the_gradient_of_the_mean_reward(baseline):
    """32 states of the hidden neurons times 3 actions; where the baseline lies makes no difference."""
    network, scheme = joined(Reward(ACTIONS))
    scheme.baseline[...] = baseline
    total = {}
    for chance, did, a in list_states(network):
        for action, p in enumerate(softmax(a)):
            add(total, chance * p, network, scheme, did, np.where(np.arange(ACTIONS) == action, REWARDS, 0.0)[None])
    expected = differences(network, mean_reward)
    assert set(total) == set(expected)
    for name, change in total.items():
        np.testing.assert_allclose(change, expected[name], rtol=1e-6, atol=1e-9, err_msg=name)
        assert np.abs(change).max() > 1e-3


REAL = np.array([0.3, -0.5, 2.0])
LOSSES = {
    "classification": (Classification(3), "softmax", np.array([0.0, 1.0, 0.0]), lambda a: -np.log(softmax(a)[1])),
    "regression": (Regression(3), "linear", REAL, lambda a: ((a - REAL) ** 2).sum() / 2),
}


@pytest.mark.parametrize("name", LOSSES)
def test_without_a_reward_it_is_minus_the_gradient_of_the_mean_loss(name):
    task, readout, target, loss = LOSSES[name]
    network, scheme = joined(task, readout)
    total = {}
    for chance, did, _ in list_states(network):
        add(total, chance, network, scheme, did, target[None])
    for parameter, slope in differences(network, lambda network: mean_loss(network, loss)).items():
        np.testing.assert_allclose(total[parameter], -slope, rtol=1e-6, atol=1e-9, err_msg=parameter)


def test_the_baseline_becomes_the_mean_of_the_reward():
    """With SGD, a running mean: Rbar <- 0.9 Rbar + 0.1 R, and it is part of a checkpoint."""
    draw = np.random.default_rng(7)
    x = np.float64(np.float32(draw.normal(size=(36, 4))))  # data sets hold float32
    data = from_arrays(x, np.arange(36) % 3, x[:3], np.arange(3))
    network = Network.layered((4,), HIDDEN, ACTIONS, transfer="bernoulli", dtype="float64", seed=2)
    scheme = pathway("reinforce")
    trainer = Trainer(network, scheme, SGD(0.0), feedback_optimiser=SGD(0.1), epochs=1, batch=9, shuffle=False, seed=1)
    trainer.fit(data)
    expected = 0.0
    for step in range(4):
        rows = slice(9 * step, 9 * step + 9)
        sweep = network.sweep(x[rows], training=True, draws=network.backend.draws(1, step))
        mean = np.mean([np.log(p[k % 3]) for k, p in enumerate(sweep.rate["output"])])
        expected += 0.1 * (mean - expected)
    np.testing.assert_allclose(scheme.baseline, [expected], rtol=1e-10)
    assert "baseline" in scheme.parameters() and any("baseline" in name for name in trainer.state())


def test_populations_that_do_not_fire_at_random_are_taught_nothing_which_is_told(caplog):
    with caplog.at_level(logging.WARNING):
        network, scheme = joined(Classification(3), transfer="tanh")
    assert "scheme 'reinforce': no hidden population has transfer 'bernoulli', so none of them learns; give" in caplog.text
    assert set(scheme.teach(network.sweep(X, training=True), np.eye(3)[:1], None)) == {"output"}


def test_a_task_that_says_not_how_good_it_was_is_refused():
    class Silent(Classification):
        losses = Classification.__mro__[1].losses

    with pytest.raises(InputError, match="scheme 'reinforce': task 'classification' gives neither a reward nor a loss of each"):
        joined(Silent(3))
    with pytest.raises(InputError, match="has no error at the output"):
        joined(Unsupervised(3))
