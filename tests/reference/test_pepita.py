"""PEPITA against a loop written from its equations, and its first population against direct feedback alignment."""

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection

PHI = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}


def problem(scale=0.05, transfer="tanh", dropout=0.0, noise=0.0):
    populations = [Population("x", 6), *(Population(f"hidden{k}", 6 - k, transfer=transfer, dropout=dropout) for k in (1, 2))]
    populations += [Population("output", 3, transfer="softmax")]
    names = [population.name for population in populations]
    network = Network(populations, [Projection(a, b) for a, b in zip(names, names[1:], strict=False)], dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    for p in network.parameters().values():
        p += 0.3 * draw.normal(size=p.shape)
    network.populations["hidden1"].noise = noise
    scheme = pathway("pepita", scale=scale)
    scheme.attach(network, 3, seed=0)
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(draw.normal(size=(7, 6)), training=True, draws=draws)
    return network, scheme, sweep, np.eye(3)[draw.integers(0, 3, 7)], draws


def modulation(scheme):
    """Return F, (n_x, classes)."""
    (f,) = scheme.memory().values()
    return f.T


def softmax(a):
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("transfer", PHI)
def test_every_proposal_is_that_of_the_equations(transfer, dropout):
    network, scheme, sweep, y, draws = problem(transfer=transfer, dropout=dropout)
    masks = [np.ones((7, 5)), np.ones((7, 4))] if not dropout else [sweep[f"hidden{k}"].mask for k in (1, 2)]

    def rates(x):
        w, found = network.projections, [x]
        for mask, name in zip(masks, ("x__hidden1", "hidden1__hidden2"), strict=True):
            found.append(PHI[transfer](found[-1] @ w[name].w + w[name].parameters["b"]) * mask)
        link = w["hidden2__output"]
        return [*found, softmax(found[-1] @ link.w + link.parameters["b"])]

    x = sweep.rate["x"]
    *_, p = rates(x)
    first, second = rates(x), rates(x + (p - y) @ modulation(scheme).T)
    errors = [b - a for a, b in zip(first[1:3], second[1:3], strict=True)] + [y - second[3]]
    proposed, _ = network.propose(sweep, scheme.teach(sweep, y, draws))
    assert len(proposed) == 6
    for name, rate, error in zip(("x__hidden1", "hidden1__hidden2", "hidden2__output"), second, errors, strict=False):
        np.testing.assert_allclose(proposed[f"{name}.w"], rate.T @ error / 7, rtol=1e-9, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(proposed[f"{name}.b"], error.mean(axis=0), rtol=1e-9, atol=1e-12, err_msg=name)


def test_to_first_order_the_first_population_gets_direct_feedback_alignment():
    network, scheme, sweep, y, draws = problem(scale=1e-6)
    found = scheme.teach(sweep, y, draws)["hidden1"].error
    feedback = -network.projections["x__hidden1"].w.T @ modulation(scheme)  # (n_1, classes)
    h, p = sweep.rate["hidden1"], sweep.rate["output"]
    np.testing.assert_allclose(found, ((y - p) @ feedback.T) * (1 - h**2), rtol=1e-4, atol=1e-12)


def test_noise_and_dropout_are_the_same_in_both_sweeps():
    """Without an error nothing changes from one sweep to the other."""
    _, scheme, sweep, _, draws = problem(dropout=0.4, noise=0.5)
    taught = scheme.teach(sweep, sweep.rate["output"].copy(), draws)
    assert (sweep["hidden1"].mask == 0).any()
    for name in ("hidden1", "hidden2", "output"):
        np.testing.assert_array_equal(taught[name].error, 0)


def test_neurons_that_draw_are_refused():
    with pytest.raises(InputError, match=r"population 'hidden1' has transfer 'bernoulli', which draws: .*; use 'relu' or 'tanh'$"):
        pathway("pepita").attach(Network.layered((6,), [5], 3, transfer="bernoulli"), 3, seed=0)
