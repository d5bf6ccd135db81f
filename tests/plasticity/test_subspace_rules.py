"""Rules that find principal components: one step against a loop, and what they come to rest at."""

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.network import Network, Population, Projection
from neurosim.plasticity import OjaSubspace, Sanger

N_PRE, N_POST = 6, 3
SPREAD = np.array([2.0, 1.5, 1.0, 0.5, 0.3, 0.1])  # of the input along its own axes
AXES = np.linalg.qr(np.random.default_rng(1).normal(size=(N_PRE, N_PRE)))[0]
# a batch whose second moment is exactly AXES diag(SPREAD**2) AXES': so the rule's mean is its expectation
X = np.sqrt(N_PRE) * np.diag(SPREAD) @ AXES.T


def network(rule, **options):
    populations = [Population("x", N_PRE), Population("y", N_POST)]
    links = [Projection("x", "y", rule=rule, bias=False, initial="glorot", **options)]
    return Network(populations, links, dtype="float64", seed=2)


def learned(rule, steps):
    made = network(rule)
    w = made.parameters()["x__y.w"]
    for _ in range(steps):
        w += made.propose(made.sweep(X), {})[0]["x__y.w"]
    return w


@pytest.mark.parametrize(("rule", "before"), [(OjaSubspace(eta=0.3), N_POST), (Sanger(eta=0.3), 1)], ids=["subspace", "sanger"])
def test_a_step_is_that_of_a_loop(rule, before):
    """Neuron j is taught by what the neurons k leave of the input: all of them, or those up to its own."""
    made = network(rule)
    w = made.parameters()["x__y.w"]
    found = made.propose(made.sweep(X), {})[0]["x__y.w"]
    expected = np.zeros_like(w)
    for x in X:
        y = [sum(x[i] * w[i, j] for i in range(N_PRE)) for j in range(N_POST)]
        for i in range(N_PRE):
            for j in range(N_POST):
                left = x[i] - sum(w[i, k] * y[k] for k in range(max(before, j + 1)))
                expected[i, j] += 0.3 * y[j] * left / len(X)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_the_subspace_rule_spans_the_first_components():
    w = learned(OjaSubspace(eta=0.1), 600)
    np.testing.assert_allclose(w.T @ w, np.eye(N_POST), atol=1e-6)
    first = AXES[:, :N_POST]
    np.testing.assert_allclose(w @ w.T, first @ first.T, atol=1e-6)
    assert np.abs(w.T @ first).max(axis=1).min() < 0.99, "the vectors themselves are others"


def test_sanger_s_rule_finds_the_components_in_order():
    w = learned(Sanger(eta=0.1), 600)
    np.testing.assert_allclose(np.abs(AXES.T @ w), np.eye(N_PRE, N_POST), atol=1e-6)


@pytest.mark.parametrize("rule", [OjaSubspace, Sanger])
def test_other_projections_and_constants_are_refused(rule):
    name = {"OjaSubspace": "oja_subspace", "Sanger": "sanger"}[rule.__name__]
    with pytest.raises(InputError, match=f"^rule '{name}': eta '0.1': expected a number; give one such as 0.01$"):
        rule(eta="0.1")
    populations = [Population("x", 3), Population("y", 3)]
    with pytest.raises(InputError, match=f"rule '{name}' needs an all_to_all projection; use one$"):
        Network(populations, [Projection("x", "y", connectivity="one_to_one", rule=rule(), initial=0.3)])
