"""Weight perturbation: a second sweep with matrices written out, its mean and scatter against finite differences."""

import numpy as np
import pytest

from neurosim.errors import InputError, ShapeError
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.tasks import Classification, Regression

NOISE = 1e-3
DRAWS = 40_000
SIZES = {"x": 4, "hidden1": 3, "hidden2": 3, "output": 2}
NAMES = tuple(SIZES)


def joined(task, noise=NOISE, **options):
    network = Network.layered((4,), [3, 3], 2, dtype="float64", seed=2, **options)
    for p in network.projections.values():
        p.parameters["b"][...] = np.random.default_rng(3).normal(size=p.post_shape)
    scheme = pathway("weight_perturbation", noise=noise)
    scheme.attach(network, task, seed=0)
    return network, scheme


def loss_with(network, x, parameters, task, target):
    """Return the loss of one sample, (n,), under such weights and biases."""
    rate = x
    for p in network.projections.values():
        rate = rate @ parameters[f"{p.name}.w"] + parameters[f"{p.name}.b"]
        rate = np.tanh(rate) if p.post != "output" else rate
    if isinstance(task, Regression):
        return ((rate - target) ** 2).sum() / 2
    return np.log(np.exp(rate).sum()) - (target * rate).sum()


def test_each_sample_has_weights_of_its_own_in_the_second_sweep():
    """Each sample's perturbed matrices are written out; what is proposed is the mean of what each sample says."""
    task = Classification(2)
    network, scheme = joined(task, noise=0.2)
    draw = np.random.default_rng(7)
    x, target, draws = draw.normal(size=(6, 4)), np.eye(2)[draw.integers(0, 2, 6)], network.backend.draws(0, 5)
    sweep = network.sweep(x, training=True, draws=draws)
    found, _ = network.propose(sweep, scheme.teach(sweep, target, draws))
    own = network.parameters()
    expected = {name: np.zeros_like(value) for name, value in own.items()}
    u = {name: np.where(draws.uniform(f"{name}/before", (6, n), np.float64) < 0.5, -1, 1) for name, n in SIZES.items()}
    v = {name: np.where(draws.uniform(f"{name}/after", (6, n), np.float64) < 0.5, -1, 1) for name, n in SIZES.items()}
    for k in range(6):
        added = {f"{a}__{b}.w": 0.2 * np.outer(u[a][k], v[b][k]) for a, b in zip(NAMES, NAMES[1:], strict=False)}
        added |= {f"{a}__{b}.b": 0.2 * v[b][k] for a, b in zip(NAMES, NAMES[1:], strict=False)}
        moved = {name: own[name] + xi for name, xi in added.items()}
        gain = loss_with(network, x[k], own, task, target[k]) - loss_with(network, x[k], moved, task, target[k])
        for name, xi in added.items():
            expected[name] += gain * xi / 0.2**2 / 6
    assert set(found) == set(expected)
    for name, change in expected.items():
        np.testing.assert_allclose(found[name], change, rtol=1e-9, atol=1e-12, err_msg=name)
        assert np.abs(change).max() > 1e-2


TASKS = {"classification": (Classification(2), np.array([0.0, 1.0])), "regression": (Regression(2), np.array([0.3, -0.5]))}


@pytest.mark.parametrize("name", TASKS)
def test_its_mean_is_minus_the_gradient_and_its_scatter_has_the_known_size(name):
    """One sample, 40,000 draws.

    With small noise L - L' = g . Xi, g minus the gradient with respect to all weights and biases.  So the mean of (g . Xi) Xi_k is
    g_k, and its variance |g|**2 - g_k**2.  35 numbers: 4.5 standard errors are passed by chance once in 4,000 times.
    """
    task, target = TASKS[name]
    network, scheme = joined(task, readout="linear" if isinstance(task, Regression) else "softmax")
    x = np.random.default_rng(7).normal(size=4)
    sweep = network.sweep(np.repeat(x[None], DRAWS, axis=0), training=True)
    teaching = scheme.teach(sweep, np.repeat(target[None], DRAWS, axis=0), network.backend.draws(0, 0))
    each, own = {}, network.parameters()
    for a, b in zip(NAMES, NAMES[1:], strict=False):
        each[f"{a}__{b}.w"] = teaching[a].rate[:, :, None] * teaching[b].error[:, None, :]
        each[f"{a}__{b}.b"] = teaching[b].error
    gradient = {}
    for key, value in own.items():
        gradient[key] = np.empty_like(value)
        for index in np.ndindex(value.shape):
            sides = []
            for step in (1e-5, -1e-5):
                moved = own | {key: value.copy()}
                moved[key][index] += step
                sides.append(loss_with(network, x, moved, task, target))
            gradient[key][index] = (sides[1] - sides[0]) / 2e-5
    g = np.concatenate([gradient[key].ravel() for key in each])
    found = np.concatenate([values.reshape(DRAWS, -1) for values in each.values()], axis=1)
    scatter = np.sqrt((g**2).sum() - g**2)
    error = scatter / np.sqrt(DRAWS)
    assert (np.abs(found.mean(axis=0) - g) < 4.5 * error).all()
    assert np.linalg.norm(error) < 0.04 * np.linalg.norm(g), "so near that another sign or factor would show"
    np.testing.assert_allclose(found.std(axis=0), scatter, rtol=0.05)


def test_no_two_synapses_are_perturbed_alike_on_average():
    """Of 10,000 samples: the correlation of any two of the 35 is below 5 of its standard errors, 1 / 100 each."""
    network, scheme = joined(Classification(2))
    sweep = network.sweep(np.zeros((10_000, 4)), training=True)
    teaching = scheme.teach(sweep, np.repeat(np.eye(2)[:1], 10_000, axis=0), network.backend.draws(0, 0))
    parts = []
    for a, b in zip(NAMES, NAMES[1:], strict=False):
        v = np.sign(teaching[b].error * np.sign(teaching[b].error[:, :1]))  # up to each sample's gain
        v = v * np.where(network.backend.draws(0, 0).uniform(f"{b}/after", v.shape, v.dtype)[:, :1] < 0.5, -1, 1)
        parts += [(teaching[a].rate[:, :, None] * v[:, None, :]).reshape(10_000, -1), v]
    xi = np.concatenate(parts, axis=1)
    correlated = xi.T @ xi / 10_000
    np.testing.assert_array_equal(np.diag(correlated), 1)
    assert np.abs(correlated - np.eye(len(correlated))).max() < 0.05


def test_networks_that_are_no_chain_and_tasks_without_losses_are_refused():
    class Silent(Classification):
        losses = Classification.__mro__[1].losses

    with pytest.raises(InputError, match="scheme 'weight_perturbation': task 'classification' gives no loss of each sample; use"):
        pathway("weight_perturbation").attach(Network.layered((4,), [3], 2), Silent(2), seed=0)
    populations = [Population("x", 4), Population("hidden", 3), Population("output", 2, transfer="softmax")]
    links = [Projection("x", "hidden"), Projection("hidden", "output"), Projection("x", "output")]
    with pytest.raises(ShapeError, match="scheme 'weight_perturbation': the network is no chain"):
        pathway("weight_perturbation").attach(Network(populations, links), Classification(2), seed=0)


@pytest.mark.parametrize("noise", [0.0, -0.1, "little", float("nan")])
def test_noise_that_is_none_is_one_line(noise):
    with pytest.raises(InputError, match="scheme 'weight_perturbation': noise .*: expected a positive number; give one such as"):
        pathway("weight_perturbation", noise=noise)
