"""Node perturbation: a straight-line second sweep, and its mean and scatter against the gradient by finite differences."""

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.tasks import Classification, Regression, Reward, Unsupervised

NOISE = 1e-3
DRAWS = 40_000
SIZES = {"hidden1": 5, "hidden2": 4, "output": 3}


def joined(task, noise=NOISE, **options):
    network = Network.layered((6,), [5, 4], 3, dtype="float64", seed=2, **options)
    for p in network.projections.values():
        p.parameters["b"][...] = np.random.default_rng(3).normal(size=p.post_shape)
    scheme = pathway("node_perturbation", noise=noise)
    scheme.attach(network, task, seed=0)
    return network, scheme


def softmax(a):
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def forward(network, x, pushed, curve=softmax):
    """Return the output's rate, (batch, 3), where ``pushed``, one (batch, n) for each population, is added to drives."""
    (w1, b1), (w2, b2), (w3, b3) = ((p.w, p.parameters["b"]) for p in network.projections.values())
    h1 = np.tanh(x @ w1 + b1 + pushed[0])
    h2 = np.tanh(h1 @ w2 + b2 + pushed[1])
    return curve(h2 @ w3 + b3 + pushed[2])


def test_it_is_a_second_sweep_with_noise_on_every_drive():
    network, scheme = joined(Classification(3), noise=0.3)
    draw = np.random.default_rng(7)
    x, target, draws = draw.normal(size=(7, 6)), np.eye(3)[draw.integers(0, 3, 7)], network.backend.draws(0, 5)
    teaching = scheme.teach(network.sweep(x, training=True, draws=draws), target, draws)
    xi = [0.3 * draws.normal(f"{name}.drive/perturbation", (7, n), np.float64) for name, n in SIZES.items()]
    still, pushed = forward(network, x, (0, 0, 0)), forward(network, x, xi)
    gain = np.array([np.log(pushed[k, c] / still[k, c]) for k, c in enumerate(target.argmax(axis=1))]) / 0.3**2
    assert set(teaching) == set(SIZES)
    for name, added in zip(SIZES, xi, strict=True):
        np.testing.assert_allclose(teaching[name].error, gain[:, None] * added, rtol=1e-9)


def losses_of(task, output, outcome):
    """Return each sample's loss, written down once more."""
    if isinstance(task, Regression):
        return ((output - outcome) ** 2).sum(axis=1) / 2
    return -(outcome * np.log(output)).sum(axis=1)


TASKS = {
    "classification": (Classification(3), np.array([0.0, 1.0, 0.0])),
    "a reward of 0.7 for the second action": (Reward(3), np.array([0.0, 0.7, 0.0])),
    "regression": (Regression(3), np.array([0.3, -0.5, 0.2])),
}


@pytest.mark.parametrize("name", TASKS)
def test_its_mean_is_minus_the_gradient_and_its_scatter_has_the_known_size(name):
    """One sample, 40,000 draws.

    With small noise L - L' = g . xi, g minus the gradient with respect to all drives.  So the mean of (g . xi) xi_k is g_k, its
    variance |g|**2 + g_k**2, and the standard error of the mean the root of this over 40,000.  12 neurons: 4.5 of them are reached
    by chance once in 12,000 times.
    """
    task, outcome = TASKS[name]
    real = isinstance(task, Regression)
    network, scheme = joined(task, readout="linear" if real else "softmax")
    x = np.repeat(np.random.default_rng(7).normal(size=(1, 6)), DRAWS, axis=0)
    sweep, outcomes = network.sweep(x, training=True), np.repeat(outcome[None], DRAWS, axis=0)
    teaching = scheme.teach(sweep, outcomes, network.backend.draws(0, 0))

    def loss(population, neuron, step):
        pushed = [np.zeros((1, n)) for n in SIZES.values()]
        pushed[list(SIZES).index(population)][0, neuron] = step
        return losses_of(task, forward(network, x[:1], pushed, (lambda a: a) if real else softmax), outcome[None])[0]

    gradient = {
        population: np.array([(loss(population, k, -1e-5) - loss(population, k, 1e-5)) / 2e-5 for k in range(n)])
        for population, n in SIZES.items()
    }
    everywhere = np.concatenate(list(gradient.values()))
    exact = scheme.output_teaching(sweep, outcomes).error[0]
    np.testing.assert_allclose(gradient["output"], exact, rtol=1e-6, atol=1e-9)
    found = np.concatenate([teaching[population].error for population in gradient], axis=1)
    scatter = np.sqrt((everywhere**2).sum() + everywhere**2)
    error = scatter / np.sqrt(DRAWS)
    assert (np.abs(found.mean(axis=0) - everywhere) < 4.5 * error).all()
    assert np.linalg.norm(error) < 0.03 * np.linalg.norm(everywhere), "so near that another sign or factor would show"
    np.testing.assert_allclose(found.std(axis=0), scatter, rtol=0.04)


def test_without_a_change_of_weights_the_second_sweep_has_the_first_one_s_noise_and_dropout():
    """Perturbed by next to nothing, the loss moves by next to nothing: another mask would move it by much."""
    populations = [Population("x", 6), Population("hidden", 30, transfer="tanh", dropout=0.5, noise=0.5)]
    links = [Projection("x", "hidden"), Projection("hidden", "output"), Projection("x", "output", name="skip")]
    network = Network([*populations, Population("output", 3, transfer="softmax")], links, dtype="float64", seed=1)
    scheme = pathway("node_perturbation", noise=1e-6)
    scheme.attach(network, 3, seed=0)
    draw, draws = np.random.default_rng(0), network.backend.draws(0, 0)
    x, target = draw.normal(size=(50, 6)), np.eye(3)[draw.integers(0, 3, 50)]
    teaching = scheme.teach(network.sweep(x, training=True, draws=draws), target, draws)
    assert 0 < np.abs(teaching["hidden"].error).max() < 30


def test_a_task_without_a_loss_of_each_sample_is_refused():
    class Silent(Classification):
        losses = Classification.__mro__[1].losses

    network = Network.layered((6,), [5], 3)
    with pytest.raises(InputError, match="scheme 'node_perturbation': task 'classification' gives no loss of each sample; use"):
        pathway("node_perturbation").attach(network, Silent(3), seed=0)
    with pytest.raises(InputError, match="has no error at the output"):
        pathway("node_perturbation").attach(network, Unsupervised(3), seed=0)


@pytest.mark.parametrize("noise", [0.0, -0.1, "little", float("nan")])
def test_noise_that_is_none_is_one_line(noise):
    with pytest.raises(InputError, match="scheme 'node_perturbation': noise .*: expected a positive number; give one such as 0.01"):
        pathway("node_perturbation", noise=noise)
