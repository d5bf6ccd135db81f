"""Angles between updates: known ones, and the exact change against finite differences."""

import math

import numpy as np
import pytest

from neurosim.datasets import from_arrays
from neurosim.encoders import Sequence
from neurosim.feedback import pathway
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import Leaky
from neurosim.plasticity import SGD, PlasticityRule
from neurosim.training import Trainer
from neurosim.training.alignment import Alignment, alignments, exact_changes, proposed_changes
from neurosim.training.trial import Trial


def test_known_angles():
    right = np.array([[1.0, 0.0]])
    for degrees in (0, 30, 90, 135, 180):
        turned = 3 * np.array([[math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]])
        found = Alignment.of(turned, right)
        assert found.angle == pytest.approx(degrees, abs=1e-6)
        assert found.cosine == pytest.approx(math.cos(math.radians(degrees)), abs=1e-12) and found.norm_ratio == pytest.approx(3)


def test_a_random_direction_is_at_ninety_degrees():
    draw = np.random.default_rng(0)
    angles = [Alignment.of(draw.normal(size=(200, 100)), draw.normal(size=(200, 100))).angle for _ in range(50)]
    assert np.mean(angles) == pytest.approx(90, abs=0.2) and np.max(np.abs(np.array(angles) - 90)) < 2  # std 0.4


def test_nothing_has_no_angle():
    found = Alignment.of(np.zeros(3), np.ones(3))
    assert all(math.isnan(value) for value in vars(found).values())


def cross_entropy(network, x, target):
    return -np.log((network.sweep(x).rate["output"] * target).sum(axis=1)).mean()


def test_the_exact_change_is_minus_the_gradient_whatever_the_rule():
    """Against central differences, in a network whose own rules are others."""
    hebb = PlasticityRule("dw = rate_post * rate_pre")
    populations = [Population("x", 5), Population("a", 4, transfer="tanh"), Population("b", 4, transfer="sigmoid")]
    populations.append(Population("output", 3, transfer="softmax"))
    links = [Projection("x", "a", rule=hebb), Projection("a", "b", connectivity="one_to_one"), Projection("x", "b", rule=None)]
    network = Network([*populations], [*links, Projection("b", "output")], dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    x, target = draw.normal(size=(7, 5)), np.eye(3)[draw.integers(0, 3, 7)]
    scheme = pathway("backprop")
    scheme.attach(network, 3, seed=0)
    found = exact_changes(scheme, [network.sweep(x)], [target])
    for name, projection in network.projections.items():
        expected = np.zeros_like(projection.w)
        for at in np.ndindex(projection.w.shape):
            kept = projection.w[at]
            around = []
            for shift in (1e-5, -1e-5):
                projection.w[at] = kept + shift
                around.append(cross_entropy(network, x, target))
            projection.w[at] = kept
            expected[at] = -(around[0] - around[1]) / 2e-5
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("scheme", ["backprop", "frozen", "feedback_alignment"])
def test_schemes_beside_backprop(scheme):
    network = Network.layered((20,), [30, 25], 5, dtype="float64", seed=1)
    draw = np.random.default_rng(0)
    x, target = draw.random((40, 20)), np.eye(5)[draw.integers(0, 5, 40)]
    p = pathway(scheme)
    p.attach(network, 5, 0)
    before = {name: value.copy() for name, value in network.parameters().items()}
    found = alignments(network, p, x, target, network.backend.draws(0, 0))
    assert all((network.parameters()[name] == value).all() for name, value in before.items())
    assert found["hidden2__output"].angle == pytest.approx(0, abs=1e-5)
    if scheme == "backprop":
        assert all(a.angle == pytest.approx(0, abs=1e-5) and a.norm_ratio == pytest.approx(1) for a in found.values())
    elif scheme == "frozen":
        assert set(found) == {"hidden2__output"}
    else:
        assert 45 < found["x__hidden1"].angle < 135 and 45 < found["hidden1__hidden2"].angle < 135


def trial_network():
    populations = [Population("x", 3), Population("a", 4, transfer="tanh"), Population("output", 3, transfer="softmax")]
    links = [
        Projection("x", "a"),
        Projection("a", "a", name="loop", delay=1, bias=False),
        Projection("a", "output"),
        Projection("x", "output", name="skip", delay=2),
    ]
    aside = Population("aside", 2), Projection("a", "aside")
    return Network([*populations, aside[0]], [*links, aside[1]], output="output", dtype="float64", seed=2)


def batch_of_sequences(ticks=5, size=7):
    draw = np.random.default_rng(3)
    return draw.normal(size=(size, ticks, 3)), np.eye(3)[draw.integers(0, 3, size)]


@pytest.mark.parametrize("asked", [1, 3, 5])
def test_the_exact_change_of_a_trial_is_minus_the_gradient(asked):
    """Against central differences, through delays, a skip and a population that the output never hears of."""
    network, (x, target), trial = trial_network(), batch_of_sequences(), Trial(Clock(5, asked), Sequence(axis=0))
    scheme = pathway("feedback_alignment")
    scheme.attach(network, 3, seed=0)

    def loss():
        rates = [sweep.rate["output"] for sweep in trial.sweeps(network, x)[-asked:]]
        return -sum(np.log((rate * target).sum(axis=1)).mean() for rate in rates)

    outcomes = [target if tick >= 5 - asked else None for tick in range(5)]
    found = exact_changes(scheme, trial.sweeps(network, x), outcomes)
    for name, projection in network.projections.items():
        expected = np.zeros_like(projection.w)
        for at in np.ndindex(projection.w.shape):
            kept, around = projection.w[at], []
            for shift in (1e-5, -1e-5):
                projection.w[at] = kept + shift
                around.append(loss())
            projection.w[at] = kept
            expected[at] = -(around[0] - around[1]) / 2e-5
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-9, err_msg=name)
    assert not found["a__aside"].any()


def test_schemes_in_time_beside_the_exact_gradient():
    """Through the whole trial: at 0 degrees in full, turned where it is cut, and wide where one tick sees no other."""
    x, target = batch_of_sequences()
    found = {}
    for horizon in (None, 2, "backprop"):
        network, trial = trial_network(), Trial(Clock(5, 1), Sequence(axis=0))
        scheme = pathway("backprop") if horizon == "backprop" else pathway("backprop_through_time", horizon=horizon)
        scheme.attach(network, 3, seed=0)
        before = {name: value.copy() for name, value in network.parameters().items()}
        found[horizon] = alignments(network, scheme, x, target, network.backend.draws(0, 0), trial)
        assert all((network.parameters()[name] == value).all() for name, value in before.items())
    for name in ("x__a", "loop", "a__output", "skip"):
        assert found[None][name].angle == pytest.approx(0, abs=1e-4) and found[None][name].norm_ratio == pytest.approx(1)
        assert found["backprop"]["a__output"].angle == pytest.approx(0, abs=1e-4)
    assert 1 < found[2]["x__a"].angle < 90 and 1 < found["backprop"]["x__a"].angle < 90


# ---------------------------------------------------------------------- rules that remember

TAU = 3.0
EPROP = PlasticityRule(
    "dw = error_post * trace_pre", bias="db = error_post * age_post", pre={"trace": "dtrace/dt = rate_pre - trace / tau"},
    post={"age": "dage/dt = 1 - age / tau"}, per_sample=("trace_pre", "age_post"), tau=TAU,
)  # fmt: skip
LASTING = PlasticityRule(
    "dw = error_post * (rate_pre - mean_pre) + 0.1 * slow", pre={"mean": "dmean/dt = (rate_pre - mean) / 4"},
    synapse={"quick": "dquick/dt = rate_pre * rate_post - quick / 2", "slow": "dslow/dt = (quick - slow) / 4"},
    per_sample=("quick",),
)  # fmt: skip


def leaky_network(rule):
    hidden = Population("hidden", 6, neurons=Leaky(tau=TAU))
    populations = [Population("x", (1, 3)), hidden, Population("output", 3, transfer="softmax")]
    links = [Projection("x", "hidden", rule=rule), Projection("hidden", "output")]
    return Network(populations, links, dtype="float64", seed=2)


def batch_of_images(size=7):
    x, target = batch_of_sequences(size=size)
    return x[:, None], target


def leaky_trainer(scheme, rule, asked):
    options = {"clock": Clock(5, asked), "encoder": Sequence(axis=1), "epochs": 4, "batch": 7, "shuffle": False}
    made = Trainer(leaky_network(rule), pathway(scheme), SGD(0.5), **options)
    made.network.projections["x__hidden"].parameters["b"] += 0.1
    x, target = batch_of_images(size=14)
    data = from_arrays(x, target.argmax(axis=1), x, target.argmax(axis=1))
    made.check(data)
    return made, data


@pytest.mark.parametrize("asked", [1, 3, 5])
def test_a_trace_makes_online_learning_the_gradient_where_nothing_recurs(asked):
    """Without a loop, the eligibility of a leaky neuron's synapse is the trace of its input (Bellec et al. 2020; Murray 2019)."""
    network, trial, (x, target) = leaky_network(EPROP), Trial(Clock(5, asked), Sequence(axis=1)), batch_of_images()
    scheme = pathway("backprop")
    scheme.attach(network, 3, seed=0)
    for found in alignments(network, scheme, x, target, network.backend.draws(0, 0), trial).values():
        assert found.angle == pytest.approx(0, abs=1e-5) and found.norm_ratio == pytest.approx(1)
    trained = []
    for name, rule in (("backprop", EPROP), ("backprop_through_time", "error_driven"), ("backprop", "error_driven")):
        made, data = leaky_trainer(name, rule, asked)
        for _ in range(4):
            made.run_epoch(data)
        trained.append(made.network.parameters())
    for name, value in trained[0].items():
        np.testing.assert_allclose(value, trained[1][name], rtol=0, atol=1e-10, err_msg=name)
    assert np.abs(trained[1]["x__hidden.w"] - trained[2]["x__hidden.w"]).max() > 1e-3, "without the trace it is not"


@pytest.mark.parametrize("rule", [LASTING, EPROP], ids=["lasting and per sample", "per sample"])
def test_what_rules_remember_goes_on_through_the_compared_trial_and_is_forgotten(rule):
    """The change that is compared is the one that the next step makes; what outlives trials is as it was."""
    made, data = leaky_trainer("backprop", rule, asked=2)
    made.run_epoch(data)
    before = {name: value.copy() for name, value in (made.network.parameters() | made.network.memory()).items()}
    assert before["x__hidden.w"].any() and (rule is EPROP or before["x__hidden.mean_pre"].any())
    x, target = data.train.x[:7].astype(np.float64), made.targets(data.train)[:7].astype(np.float64)
    draws = made.network.backend.draws(made.seed, made.steps)
    sweeps = made.trial.sweeps(made.network, x, training=made.pathway.training_sweep, draws=draws)
    outcomes = made.trial.outcomes(made.pathway, sweeps, target, draws)
    proposed = {name: np.array(value) for name, value in proposed_changes(made.pathway, sweeps, outcomes, draws).items()}
    alignments(made.network, made.pathway, x, target, draws, made.trial)
    for name, value in (made.network.parameters() | made.network.memory()).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    (phase,) = made.pathway.phases
    made.run_as_array_code(phase, x, target)
    for name, change in proposed.items():
        np.testing.assert_allclose(made.network.parameters()[name] - before[name], 0.5 * change / 2, rtol=1e-9, atol=1e-13)
