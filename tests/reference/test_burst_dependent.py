"""Burst-dependent plasticity against a loop over bursts and events, and for small signals against back-propagation."""

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network

CURVES = {  # transfer -> events of a rate; their slope over themselves, of an activation and events; rate per event
    "sigmoid": (lambda h: h, lambda a, r: 1 - r, 1),
    "tanh": (lambda h: (1 + h) / 2, lambda a, r: 2 * (1 - r), 2),
    "relu": (lambda h: np.maximum(h, 1e-6), lambda a, r: (a > 0) / r, 1),
}


def problem(transfer="tanh", dropout=0.0, **options):
    network = Network.layered((6,), [5, 4], 3, transfer=transfer, dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    for p in network.parameters().values():
        p += 0.3 * draw.normal(size=p.shape)
    network.populations["hidden2"].dropout = dropout
    scheme = pathway("burst_dependent", **options)
    scheme.attach(network, 3, seed=0)
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(draw.normal(size=(7, 6)), training=True, draws=draws)
    return network, scheme, sweep, np.eye(3)[draw.integers(0, 3, 7)], draws


def back(scheme, key):
    """Return the array of the feedback synapses ``key``, (n_above, n_below)."""
    (link,) = scheme.networks[key].projections.values()
    return link.w


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("transfer", CURVES)
def test_errors_are_bursts_beyond_one_half_of_the_events(transfer, dropout):
    network, scheme, sweep, y, draws = problem(transfer, dropout, signal=0.7)
    taught = scheme.teach(sweep, y, draws)
    events_of, k_of, gain = CURVES[transfer]
    sent = 0.7 * (y - sweep.rate["output"])
    np.testing.assert_allclose(taught["output"].error, sent / 0.7)
    for name, key in (("hidden2", "hidden2__output"), ("hidden1", "hidden1__hidden2")):
        r = events_of(sweep.rate[name])
        mask = sweep[name].mask if dropout and name == "hidden2" else 1
        u = 4 * k_of(sweep.drive[name], r) * (sent @ back(scheme, key)) * mask
        bursts = r / (1 + np.exp(-u))
        sent = gain * (bursts - r / 2)
        np.testing.assert_allclose(taught[name].error, sent / 0.7, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("transfer", CURVES)
def test_small_signals_with_symmetric_weights_give_back_propagation(transfer):
    network, scheme, sweep, y, draws = problem(transfer, signal=1e-6)
    for key in scheme.networks:
        back(scheme, key)[...] = network.projections[key].w.T
    taught, exact = scheme.teach(sweep, y, draws), network.errors_back(sweep, scheme.output_teaching(sweep, y))
    for name in ("hidden1", "hidden2", "output"):
        np.testing.assert_allclose(taught[name].error, exact[name].error, rtol=1e-4, atol=1e-9)


def test_large_signals_saturate():
    """A neuron has no more bursts than events, and no fewer than none."""
    _, scheme, sweep, y, draws = problem("sigmoid", signal=1e4)
    taught = scheme.teach(sweep, y, draws)
    np.testing.assert_allclose(np.abs(taught["hidden2"].error) * 1e4, sweep.rate["hidden2"] / 2, rtol=1e-6)
    assert (np.abs(taught["hidden1"].error) * 1e4 < sweep.rate["hidden1"] / 2).all()


def test_feedback_with_a_rule_learns_what_the_forward_synapses_learn():
    network, scheme, sweep, y, draws = problem(rule="hebbian")
    teaching = scheme.teach(sweep, y, draws)
    forward, own = network.propose(sweep, teaching)[0], scheme.adapt(sweep, y, teaching, draws)
    assert len(own) == 2
    for name, change in own.items():
        key = name.split("/")[1]
        np.testing.assert_allclose(change, forward[f"{key}.w"].T, rtol=1e-9)


def test_rates_that_are_no_numbers_of_events_are_refused():
    with pytest.raises(InputError, match="'hidden1' has transfer 'linear': expected one of sigmoid, relu, tanh, .*; use 'tanh'$"):
        pathway("burst_dependent").attach(Network.layered((6,), [5], 3, transfer="linear"), 3, seed=0)
