"""Each task: its targets, its error as minus the gradient of its loss, its score, and what it refuses."""

import numpy as np
import pytest

from neurosim.datasets import DataSet, Split
from neurosim.errors import DataError, InputError
from neurosim.feedback import pathway, pathways
from neurosim.network import Network, Population, Projection
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import SGD, Adam
from neurosim.tasks import Classification, Reconstruction, Regression, Reward, Unsupervised, one_hot, tasks
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep


def test_one_hot() -> None:
    rows = one_hot(np.array([2, 0, 2]), 3)
    assert rows.dtype == np.float32
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert one_hot(np.array([], np.int64), 3).shape == (0, 3)


@pytest.mark.parametrize("label", [-1, 3])
def test_one_hot_refuses_labels_outside_the_classes(label: int) -> None:
    with pytest.raises(DataError, match="expected 0 to 2"):
        one_hot(np.array([0, label]), 3)


DRAW = np.random.default_rng(5)
X = DRAW.normal(size=(60, 6)).astype(np.float32)
LABELS = X[:, :3].argmax(axis=1)
REAL = np.stack([0.2 * (X[:, 0] - X[:, 1]), 0.2 * X[:, 2]], axis=1).astype(np.float32)


def network_for(name, dtype="float64", hidden=(7, 5), seed=1, normalised=False):
    """Return a network whose output can do the task, and the task."""
    made = {
        "classification": Classification(3), "regression": Regression(2), "reconstruction": Reconstruction(6),
        "unsupervised": Unsupervised(3), "reward": Reward(3, baseline=0.25),
    }[name]  # fmt: skip
    populations = [Population("x", 6), *(Population(f"hidden{k}", n, transfer="tanh") for k, n in enumerate(hidden, 1))]
    linear = name in ("regression", "reconstruction")
    size = 4 if name == "unsupervised" else made.size
    end = BatchNormalisation() if normalised and linear else None
    populations.append(Population("output", size, transfer="tanh" if linear else "softmax", normalisation=end))
    names = [p.name for p in populations]
    links = [Projection(a, b) for a, b in zip(names, names[1:], strict=False)]
    return Network(populations, links, seed=seed, dtype=dtype), made


def data_for(name):
    real = name == "regression"
    part = Split(X, REAL if real else LABELS.astype(np.int64))
    splits = part, Split(X[:0], part.y[:0]), Split(X[:30], part.y[:30])
    return DataSet("made", *splits, 0 if real else 3, (6,), target_shape=(2,) if real else ())


def test_every_task_is_here():
    assert set(tasks()) == {"classification", "regression", "reconstruction", "unsupervised", "reward"}
    assert all(cls.score and cls.guess and cls.__doc__ for cls in tasks().values())


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("name", ["classification", "regression", "reconstruction"])
def test_back_propagation_is_minus_the_gradient_of_the_task_s_loss(name, normalised):
    """Against central differences in every weight and bias, with the batch's own statistics."""
    network, made = network_for(name, normalised=normalised)
    scheme = pathway("backprop")
    scheme.attach(network, made, seed=0)
    x = X[:9].astype(float)
    target = made.targets(x, (REAL if name == "regression" else LABELS)[:9]).astype(float)

    def loss():
        return made.loss(network.backend, network.sweep(x, training=True).rate["output"], target)

    sweep = network.sweep(x, training=True)
    proposed, _ = network.propose(sweep, scheme.teach(sweep, target, network.backend.draws(0, 0)))
    assert set(proposed) == set(network.parameters())
    for key, values in network.parameters().items():
        for at in np.ndindex(values.shape):
            kept, around = values[at], []
            for shift in (1e-5, -1e-5):
                values[at] = kept + shift
                around.append(loss())
            values[at] = kept
            assert proposed[key][at] == pytest.approx(-(around[0] - around[1]) / 2e-5, rel=1e-5, abs=1e-9), (key, at)


def test_actions_follow_the_softmax_and_the_error_is_in_the_mean_the_gradient_of_the_expected_reward():
    """E[error_k] = p_k (r_k - sum_j p_j r_j), for any baseline; four standard errors over 20,000 draws."""
    network, made = network_for("reward")
    output = network.sweep(np.repeat(X[:1], 20_000, axis=0)).activity["output"]
    rewards = np.array([0.2, 1.0, -0.5])
    p = output.rate[0]
    outcome = made.outcome(network.backend, output, np.tile(rewards, (20_000, 1)), network.backend.draws(3, 7))
    assert ((outcome != 0).sum(axis=1) == 1).all()
    taken = (outcome != 0).mean(axis=0)
    np.testing.assert_allclose(taken, p, atol=4 * np.sqrt(p * (1 - p) / 20_000).max())
    np.testing.assert_allclose(outcome.sum(axis=1), (rewards - made.baseline)[np.argmax(outcome != 0, axis=1)])
    error = made.error(network.populations["output"], output, outcome)
    expected = p * (rewards - p @ rewards)
    np.testing.assert_allclose(error.mean(axis=0), expected, atol=4 * (error.std(axis=0) / np.sqrt(20_000)).max())
    assert made.broadcast(outcome)["reward"].shape == (20_000,)


def test_what_each_error_is_a_per_cent_of():
    one = Classification(3)
    target = np.eye(3)[[0, 1, 2, 0]]
    assert one.missed(target, target) == 0 and one.missed(target[::-1], target) == 2 and one.most(target) == 4
    assert one.chance(target) == 50
    real = Regression(1)
    y = np.array([[0.0], [2.0], [4.0]])
    assert real.missed(y, y) == 0 and real.missed(np.full((3, 1), 2.0), y) == real.most(y) == 8 and real.chance(y) == 100
    assert real.most(np.ones((3, 1))) == 3  # nothing varies
    bandit = Reward(2)
    rewards = np.array([[1.0, 0.0], [0.0, 3.0]])
    assert bandit.missed(np.eye(2), rewards) == 0 and bandit.missed(np.full((2, 2), 0.5), rewards) == bandit.most(rewards) == 2
    assert bandit.chance(rewards) == 50  # always the second: 1 of the 2 that are to be had beyond random


def test_the_probe_is_least_squares():
    network, made = network_for("unsupervised")
    rate = network.sweep(X.astype(float)).rate["output"]
    target = np.eye(3)[LABELS]
    made.calibrate(iter([(rate[:20], target[:20]), (rate[20:], target[20:])]))
    features = np.concatenate([rate, np.ones((60, 1))], axis=1)
    ridge = 1e-3 * np.trace(features.T @ features) / 5
    expected = np.linalg.lstsq(
        np.concatenate([features, np.sqrt(ridge) * np.eye(5)]), np.concatenate([target, np.zeros((5, 3))]), rcond=None
    )[0]
    np.testing.assert_allclose(made.scores(network.backend, rate), features @ expected, rtol=1e-8)
    with pytest.raises(InputError, match="its probe is not fitted yet"):
        Unsupervised(3).scores(network.backend, rate)


CASES = [(task, scheme, options) for task in sorted(tasks()) for scheme in pathways().values() for options in scheme.variants]


def refusal(name, scheme):
    """Return what is said where a scheme cannot do a task, or None where it can."""
    if name == "unsupervised" and scheme.needs_error:
        return "has no error at the output"
    if scheme.name == "forward_forward" and name != "classification":
        return "expected task 'classification'"
    if name in ("unsupervised", "reward") and scheme.claims_on(["hidden1", "hidden2"]).labels_at_hidden:
        return "gives no targets"
    if getattr(scheme, "output", "") == "units" and name != "classification":
        return "expected task 'classification'"
    return None


@pytest.mark.parametrize(("name", "scheme", "options"), CASES, ids=lambda v: getattr(v, "name", str(v)))
def test_every_scheme_does_every_task_or_says_why_not(name, scheme, options, monkeypatch, caplog):
    """Captured and as array code, from the same start: the same weights, and numbers that are finite."""
    made = scheme(**options)
    refused = refusal(name, made)
    if refused:
        network, own = network_for(name)
        with pytest.raises(InputError, match=refused):
            made.attach(network, own, seed=0)
        return
    ends = []
    for captured in (True, False):
        network, own = network_for(name)
        trainer = Trainer(network, scheme(**options), SGD(0.05), task=own, epochs=2, batch=20, seed=3)
        if not captured:
            monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
        history = trainer.fit(data_for(name))
        ends.append(network.parameters() | trainer.pathway.parameters())
        assert all(np.isfinite([e.loss, e.error]).all() for epoch in history for e in epoch.values())
    for key, value in ends[0].items():
        np.testing.assert_allclose(value, ends[1][key], rtol=1e-7, atol=1e-10, err_msg=key)


@pytest.mark.parametrize("name", ["classification", "regression", "reconstruction", "reward"])
def test_back_propagation_learns_each_task(name):
    network, made = network_for(name, hidden=(32,))
    trainer = Trainer(network, pathway("backprop"), Adam(0.02), task=made, epochs=120, batch=20, seed=3)
    error = trainer.fit(data_for(name))[-1]["train"].error
    assert error < {"classification": 5, "regression": 15, "reconstruction": 60, "reward": 50}[name], error


def test_no_label_reaches_a_scheme_where_the_task_keeps_it_back():
    """A stranger's scheme looks at what it is given: with other labels, and the same actions and rewards, it is the same."""
    network, made = network_for("reward")
    output = network.sweep(X.astype(float)).activity["output"]
    draws = network.backend.draws(1, 2)
    one = made.outcome(network.backend, output, np.eye(3)[LABELS], draws)
    other = made.outcome(network.backend, output, np.eye(3)[(LABELS + 1) % 3], draws)
    missed = (one < 0).any(axis=1) & (other < 0).any(axis=1)  # neither label's action was taken
    assert missed.any()
    np.testing.assert_array_equal(one[missed], other[missed])
    assert not Unsupervised(3).outcome(network.backend, output, np.eye(3)[LABELS], draws).any()


@pytest.mark.parametrize("name", ["classification", "reward", "unsupervised"])
def test_targets_that_a_task_keeps_back_do_not_reach_a_strangers_calibrate(name):
    class Spy(pathways()["none" if name == "unsupervised" else "backprop"]):
        batches = 0

        def calibrate(self, sweeps):
            type(self).batches += sum(float(targets.sum()) > 0 for _, targets in sweeps)
            super().calibrate(iter([]))

    network, made = network_for(name)
    Trainer(network, Spy(), SGD(0.05), task=made, epochs=1, batch=20, seed=3).fit(data_for(name))
    assert bool(Spy.batches) == made.gives_target
