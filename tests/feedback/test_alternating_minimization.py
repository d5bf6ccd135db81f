"""Options of alternating minimisation, and where its two kinds of weight update may stand."""

import numpy as np
import pytest

from neurosim.datasets import from_arrays
from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.neurons import BatchNormalisation, transfers
from neurosim.plasticity import SGD, CoActivationMemory
from neurosim.training import Trainer

X, Y = np.sin(np.arange(80).reshape(20, 4) ** 1.5), np.arange(20) % 3


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"mu": 0}, "mu 0"),
        ({"iterations": -1}, "iterations -1"),
        ({"step": 0.0}, "step 0.0"),
        ({"momentum": 1.0}, "momentum 1.0"),
        ({"code_sparsity": -0.1}, "code_sparsity -0.1"),
    ],
)
def test_options_out_of_range(options, named):
    with pytest.raises(InputError, match=named):
        pathway("alternating_minimization", **options)


@pytest.mark.parametrize("name", sorted(transfers()))
def test_a_transfer_that_draws_is_refused(name):
    network = Network.layered((4,), [5, 5], 3, transfer=name)
    if name == "bernoulli":
        with pytest.raises(InputError, match=r"^scheme 'alternating_min.*': population 'hidden1' has transfer 'bernoulli', .*"):
            pathway("alternating_minimization").attach(network, 3, seed=0)
    else:
        pathway("alternating_minimization").attach(network, 3, seed=0)


def test_running_statistics_are_the_sweeps():
    """As the scheme's page says: relaxed codes leave no trace in them."""
    network = Network.layered((4,), [5, 5], 3, normalisation=BatchNormalisation(momentum=1.0), dtype="float64")
    data = from_arrays(X, Y, X, Y)
    trainer = Trainer(network, pathway("alternating_minimization"), SGD(1e-9), epochs=1, batch=len(X), shuffle=False)
    trainer.run_epoch(data)
    for name in network.hidden:
        drive = network.sweep(X, training=True).drive[name]
        np.testing.assert_allclose(network.populations[name].statistics["mean"], drive.mean(axis=0), rtol=1e-6)


def solved(*, normalisation=None, at_output=False):
    populations = [Population("x", 4), Population("hidden1", 5, normalisation=normalisation)]
    rules = ["error_driven", CoActivationMemory()] if at_output else [CoActivationMemory(), "error_driven"]
    links = [Projection("x", "hidden1", rule=rules[0]), Projection("hidden1", "output", rule=rules[1])]
    return Network([*populations, Population("output", 3, transfer="softmax")], links)


@pytest.mark.parametrize("options", [{"normalisation": BatchNormalisation()}, {"at_output": True}])
def test_weights_are_solved_for_in_plain_hidden_populations_only(options):
    with pytest.raises(InputError, match="solves for weights"):
        pathway("alternating_minimization").attach(solved(**options), 3, seed=0)
    pathway("alternating_minimization").attach(solved(), 3, seed=0)


def test_without_code_steps_only_the_output_learns():
    network = Network.layered((4,), [5, 5], 3, dtype="float64")
    scheme = pathway("alternating_minimization", iterations=0)
    scheme.attach(network, 3, seed=0)
    draw = np.random.default_rng(0)
    sweep = network.sweep(draw.normal(size=(8, 4)), training=True)
    teaching = scheme.teach(sweep, np.eye(3)[draw.integers(0, 3, 8)], network.backend.draws(0, 0))
    assert all(not teaching[name].error.any() for name in network.hidden)
    assert teaching["output"].error.any()


def test_silenced_neurons_stay_silent_while_codes_relax():
    """What the synapses above learn from is the relaxed rate as it was transmitted: dropout's mask holds for it as well."""
    populations = [Population("x", 5), Population("hidden1", 40, transfer="tanh", dropout=0.5)]
    populations.append(Population("output", 3, transfer="softmax"))
    network = Network(populations, [Projection("x", "hidden1"), Projection("hidden1", "output")], seed=1, dtype="float64")
    scheme = pathway("alternating_minimization")
    scheme.attach(network, 3, seed=1)
    draws, x = network.backend.draws(1, 0), np.random.default_rng(0).normal(size=(6, 5))
    sweep = network.sweep(x, training=True, draws=draws)
    taught = scheme.teach(sweep, np.eye(3)[[0, 1, 2, 0, 1, 2]], draws)["hidden1"]
    silent = sweep["hidden1"].mask == 0
    assert 0.2 < silent.mean() < 0.8
    assert (taught.rate[silent] == 0).all() and (taught.rate[~silent] != 0).all()


def test_noise_on_a_drive_is_the_same_wherever_a_step_asks_for_it():
    """Codes that do not move are met by their drives, noise and all: nothing is left to learn."""
    populations = [Population("x", 4), Population("hidden1", 5, noise=0.5), Population("hidden2", 5, noise=0.5, dropout=0.5)]
    populations.append(Population("output", 3, transfer="softmax", noise=0.5))
    links = [Projection(a, b) for a, b in (("x", "hidden1"), ("hidden1", "hidden2"), ("hidden2", "output"))]
    network = Network(populations, links, dtype="float64", seed=1)
    scheme = pathway("alternating_minimization", iterations=0)
    scheme.attach(network, 3, seed=0)
    draws, target = network.backend.draws(1, 7), np.eye(3)[Y]
    sweep = network.sweep(X, training=True, draws=draws)
    teaching = scheme.teach(sweep, target, draws)
    for name in network.hidden:
        np.testing.assert_allclose(teaching[name].error, 0, atol=1e-12)
    np.testing.assert_allclose(teaching["output"].error, target - sweep["output"].rate, atol=1e-12)
    assert np.abs(sweep["hidden2"].drive - network.respond("hidden2", {"hidden1": sweep["hidden1"].transmitted}).drive).max() > 0.1
