"""Dendritic microcircuits: silent without nudging, feedback alignment with weak nudging; and all of it against a loop."""

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network

CONDUCTANCES = {"leak": 0.2, "basal": 1.1, "apical": 0.7, "somatic": 0.9, "dendritic": 1.3}
NUDGE, PARTNER, SHARE = 0.9 / 2.2, 0.9 / 2.4, 0.7 / 2.0
PHI = {"tanh": np.tanh, "sigmoid": lambda a: 1 / (1 + np.exp(-a)), "relu": lambda a: np.maximum(a, 0)}


def problem(transfer="tanh", dropout=0.0, **options):
    network = Network.layered((6,), [5, 4], 3, transfer=transfer, dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    for p in network.parameters().values():
        p += 0.3 * draw.normal(size=p.shape)
    network.populations["hidden2"].dropout = dropout
    scheme = pathway("dendritic_microcircuits", **CONDUCTANCES, **options)
    scheme.attach(network, 3, seed=0)
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(draw.normal(size=(7, 6)), training=True, draws=draws)
    return network, scheme, sweep, np.eye(3)[draw.integers(0, 3, 7)], draws


def weights(scheme, kind, name):
    (link,) = scheme.networks[f"{kind}/{name}"].projections.values()
    return link.parameters


def proposals(network, scheme, sweep, y, draws):
    teaching = scheme.teach(sweep, y, draws)
    return network.propose(sweep, teaching)[0], scheme.adapt(sweep, y, teaching, draws)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("transfer", PHI)
def test_every_proposal_is_that_of_the_equations(transfer, dropout):
    network, scheme, sweep, y, draws = problem(transfer, dropout)
    draw, phi = np.random.default_rng(5), PHI[transfer]
    for value in scheme.parameters().values():  # away from the state in which it predicts itself
        value += 0.2 * draw.normal(size=value.shape)
    forward, own = proposals(network, scheme, sweep, y, draws)
    mask = sweep["hidden2"].mask if dropout else np.ones((7, 4))
    h = {name: sweep.transmitted[name] for name in ("x", "hidden1", "hidden2")}
    error = y - sweep.rate["output"]
    up = sweep.drive["output"] + NUDGE * error
    wanted = {"hidden2__output": (h["hidden2"], error)}
    for name, below, sent in (("hidden2", "hidden1", lambda a: a), ("hidden1", "x", lambda a: phi(a) * mask)):
        ip, pi, td = (weights(scheme, kind, name) for kind in ("interneurons", "lateral", "down"))
        predicted = h[name] @ ip["w"] + ip["b"]
        i = (1 - PARTNER) * predicted + PARTNER * up
        v = sent(up) @ td["w"] + sent(i) @ pi["w"]
        up = sweep.drive[name] + SHARE * v
        moved = (phi(up) - sweep.rate[name]) * (mask if name == "hidden2" else 1)
        wanted[f"{below}__{name}"] = (h[below], moved)
        np.testing.assert_allclose(own[f"interneurons/{name}/{name}__interneurons.w"], h[name].T @ (sent(i) - sent(predicted)) / 7)
        np.testing.assert_allclose(own[f"interneurons/{name}/{name}__interneurons.b"], (sent(i) - sent(predicted)).mean(axis=0))
        np.testing.assert_allclose(own[f"lateral/{name}/interneurons__{name}.w"], sent(i).T @ -v / 7)
    assert len(own) == len(forward) == 6
    for name, (rate, post) in wanted.items():
        np.testing.assert_allclose(forward[f"{name}.w"], rate.T @ post / 7, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(forward[f"{name}.b"], post.mean(axis=0), atol=1e-12, err_msg=name)


def test_synapses_onto_apical_dendrites_may_stay_as_they_are_and_nothing_else_is_changed():
    both = [proposals(*problem()), proposals(*problem(lateral=False))]
    (forward, own), (other_forward, other_own) = both
    lateral = {name for name in own if name.startswith("lateral/")}
    assert len(lateral) == 2 and set(other_own) == set(own) - lateral and set(other_forward) == set(forward)
    for name, change in (other_forward | other_own).items():
        np.testing.assert_array_equal(change, (forward | own)[name])


def test_without_nudging_the_apical_voltage_is_zero_and_nothing_learns():
    network, scheme, sweep, _, draws = problem()
    settled = scheme._settle(sweep, np.zeros((7, 3)))
    assert set(settled) == {"hidden1", "hidden2"}
    for beside in settled.values():
        np.testing.assert_array_equal(beside.apical, 0)
    for proposed in proposals(network, scheme, sweep, sweep.rate["output"].copy(), draws):
        for name, change in proposed.items():
            np.testing.assert_array_equal(change, 0, err_msg=name)


@pytest.mark.parametrize("symmetric", [False, True])
def test_weak_nudging_gives_feedback_alignment_times_the_conductances(symmetric):
    """And back-propagation, where what comes down does so through the transposed forward weights."""
    network, scheme, sweep, y, draws = problem()
    for name, above in (("hidden1", "hidden2"), ("hidden2", "output")):
        if symmetric:
            weights(scheme, "down", name)["w"][...] = network.projections[f"{name}__{above}"].w.T
            weights(scheme, "lateral", name)["w"][...] = -network.projections[f"{name}__{above}"].w.T
    weak = sweep.rate["output"] + 1e-5 * (y - sweep.rate["output"])
    taught = scheme.teach(sweep, weak, draws)
    exact = network.errors_back(sweep, scheme.output_teaching(sweep, y))
    slope = {name: 1 - sweep.rate[name] ** 2 for name in ("hidden1", "hidden2")}
    second = (y - sweep.rate["output"]) @ weights(scheme, "down", "hidden2")["w"]
    first = (second * slope["hidden2"]) @ weights(scheme, "down", "hidden1")["w"]
    for name, rate, hops in (("hidden2", second, 1), ("hidden1", first, 2)):
        aligned = rate * slope[name]
        assert np.allclose(aligned, exact[name].error) == symmetric
        factor = 1e-5 * NUDGE * (SHARE * (1 - PARTNER)) ** hops
        np.testing.assert_allclose(taught[name].error / factor, aligned, rtol=1e-3, atol=1e-4)


def test_neurons_that_draw_are_refused():
    for transfer in ("bernoulli", "softmax"):
        with pytest.raises(InputError, match=f"population 'hidden1' has transfer {transfer!r}: .*; use 'tanh'$"):
            pathway("dendritic_microcircuits").attach(Network.layered((6,), [5], 3, transfer=transfer), 3, seed=0)
