"""Rules by which synapses or neurons compete, and thresholds that drift: loops written out, and what they come to rest at."""

import numpy as np
import pytest

from neurosim.connectivity import FromMatrix
from neurosim.errors import InputError
from neurosim.network import Network, Population, Projection
from neurosim.plasticity import NormalisedHebb, anti_hebbian, intrinsic_homeostasis

DRAW = np.random.default_rng(3)
X = DRAW.uniform(size=(8, 4))  # rates, positive


def network(rule, **options):
    populations = [Population("x", 4), Population("y", 2, transfer="linear")]
    options = {"bias": False, "initial": DRAW.uniform(0.1, 0.5, size=(4, 2))} | options
    return Network(populations, [Projection("x", "y", rule=rule, **options)], dtype="float64", seed=2)


def step(made, x):
    proposed = made.propose(made.sweep(x), {})[0]
    for name, change in proposed.items():
        made.parameters()[name][...] += change
    return proposed


@pytest.mark.parametrize("normalisation", ["subtractive", "divisive"])
def test_a_normalised_step_is_that_of_a_loop(normalisation):
    made = network(NormalisedHebb(eta=0.3, normalisation=normalisation))
    w = made.parameters()["x__y.w"].copy()
    found, expected = step(made, X)["x__y.w"], np.zeros_like(w)
    for x in X:
        for j in range(2):
            y = sum(x[k] * w[k, j] for k in range(4))
            for i in range(4):
                less = sum(x) / 4 if normalisation == "subtractive" else w[i, j] * sum(x)
                expected[i, j] += 0.3 * y * (x[i] - less) / len(X)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_subtractive_normalisation_keeps_the_sum_while_weights_change():
    made = network(NormalisedHebb(eta=0.1))
    w = made.parameters()["x__y.w"]
    before = w.copy()
    for _ in range(20):
        step(made, X)
    np.testing.assert_allclose(w.sum(axis=0), before.sum(axis=0), rtol=1e-12)
    assert np.abs(w - before).max() > 0.01


def test_divisive_normalisation_finds_the_first_eigenvector_of_sum_one():
    made = network(NormalisedHebb(eta=0.2, normalisation="divisive"))
    for _ in range(500):
        step(made, X)
    first = np.linalg.eigh(X.T @ X)[1][:, -1]
    np.testing.assert_allclose(made.parameters()["x__y.w"], np.stack([first / first.sum()] * 2, axis=1), atol=1e-8)


def test_what_a_normalised_rule_cannot_do_is_refused():
    with pytest.raises(InputError, match="normalisation 'both': expected 'subtractive' or 'divisive'; pick one$"):
        NormalisedHebb(normalisation="both")
    populations = [Population("x", 4), Population("y", 4)]
    made = Network(populations, [Projection("x", "y", rule=NormalisedHebb(), connectivity="one_to_one", initial=0.3)])
    with pytest.raises(InputError, match="^rule 'normalised_hebb': connectivity 'one_to_one': expected 'all_to_all'.*$"):
        made.propose(made.sweep(X), {})


@pytest.mark.parametrize("target", [0.0, 0.25])
def test_the_anti_hebbian_rule_sets_the_mean_product_of_two_neurons(target):
    """b = z + a w settles where <a b> is the target: w = (target - <a z>) / <a a>.  With 0, b is what a does not explain of z."""
    a, z = DRAW.normal(size=(50, 1)), DRAW.normal(size=(50, 1))
    z += 0.8 * a
    populations = [Population("z", 1), Population("a", 1), Population("b", 1)]
    links = [Projection("z", "b", rule=None, initial=1.0), Projection("a", "b", rule=anti_hebbian(eta=0.3, target=target))]
    made = Network(populations, links, dtype="float64", seed=2)
    for _ in range(200):
        step(made, np.concatenate([z, a], axis=1))
    b = made.sweep(np.concatenate([z, a], axis=1)).rate["b"]
    np.testing.assert_allclose((a * b).mean(), target, atol=1e-10)
    np.testing.assert_allclose(made.parameters()["a__b.w"], (target - (a * z).mean()) / (a * a).mean(), rtol=1e-8)


def test_neurons_of_one_population_inhibit_each_other_until_uncorrelated():
    """Over two ticks: y(0) = x, y(1) = x + y(0) w.  At rest 0 = <x_1 (x_2 + x_1 w)>: w = -<x_1 x_2> / <x_1 x_1>."""
    x = DRAW.normal(size=(50, 2)) @ np.array([[1.0, 0.6], [0.0, 1.0]])
    populations = [Population("x", 2), Population("y", 2)]
    others = {"delay": 1, "connectivity": FromMatrix(1 - np.eye(2)), "initial": 0.1, "bias": False}
    links = [Projection("x", "y", connectivity="one_to_one", initial=1.0, bias=False, rule=None)]
    links.append(Projection("y", "y", name="lateral", rule=anti_hebbian(eta=0.3), **others))
    made = Network(populations, links, dtype="float64")
    for _ in range(200):
        first = made.sweep(x)
        second = made.sweep(x, first.state)
        for now in (first, second):
            made.parameters()["lateral.w"][...] += made.propose(now, {})[0]["lateral.w"]
    np.testing.assert_allclose((first.rate["y"].T @ second.rate["y"] / 50)[[0, 1], [1, 0]], 0, atol=1e-10)
    squares, both = (x * x).mean(axis=0), (x[:, 0] * x[:, 1]).mean()
    np.testing.assert_allclose(made.parameters()["lateral.w"], [[0, -both / squares[0]], [-both / squares[1], 0]], atol=1e-10)


def test_the_mean_rate_goes_to_its_target_as_the_closed_form_says():
    made = network(intrinsic_homeostasis(eta=0.05, target=0.3), bias=True)
    w = made.parameters()["x__y.w"].copy()
    first = made.sweep(X).rate["y"].mean(axis=0)
    for number in range(1, 101):
        step(made, X)
        mean = made.sweep(X).rate["y"].mean(axis=0)
        np.testing.assert_allclose(mean, 0.3 + (first - 0.3) * 0.95**number, rtol=1e-10)
    assert np.abs(first - 0.3).min() > 0.1
    np.testing.assert_array_equal(made.parameters()["x__y.w"], w)


def test_foldiak_s_neurons_are_as_active_as_asked_and_their_weights_are_the_mean_of_what_excites_them():
    rule = intrinsic_homeostasis(eta=0.5, target=0.3, weights="dw = 0.1 * rate_post * (rate_pre - w)")
    populations = [Population("x", 4), Population("y", 2, transfer="sigmoid")]
    made = Network(populations, [Projection("x", "y", rule=rule, initial=DRAW.uniform(-2, 2, size=(4, 2)))], dtype="float64")
    for _ in range(3000):
        step(made, X)
    y = made.sweep(X).rate["y"]
    np.testing.assert_allclose(y.mean(axis=0), 0.3, atol=1e-8)
    np.testing.assert_allclose(made.parameters()["x__y.w"], X.T @ y / y.sum(axis=0), atol=1e-8)
