"""AM against a straight-line loop: codes by automatic differentiation of their objectives, then the weights' local losses."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from neurosim.datasets import from_arrays
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import Adam, CoActivationMemory
from neurosim.training import Trainer

TRANSFERS = {"tanh": anp.tanh, "relu": lambda a: anp.where(a > 0, a, 0.0)}  # slope 0 at 0, where anp.maximum has 1/2
CHAIN = ("x", "hidden1", "hidden2", "output")
MU, STEP, MOMENTUM = 0.05, 0.3, 0.9


def linear(weights, pre, post, rate, normalise):
    """Return f(rate): the activation, normalisation inside."""
    drive = anp.dot(rate, weights[f"{pre}__{post}.w"])
    if f"{pre}__{post}.b" in weights:
        drive = drive + weights[f"{pre}__{post}.b"]
    if normalise and post != "output":
        drive = (drive - anp.mean(drive, axis=0)) / anp.sqrt(anp.var(drive, axis=0) + 1e-5)
    if f"{post}.gain" in weights:
        drive = drive * weights[f"{post}.gain"] + weights[f"{post}.shift"]
    return drive


def cross_entropy(logits, y):
    return anp.mean(anp.log(anp.sum(anp.exp(logits), axis=1)) - anp.sum(y * logits, axis=1))


def relaxed(start, objective, iterations):
    """Return the code after ``iterations`` of Nesterov's gradient, in PyTorch's form, from a fresh momentum."""
    code, buffer = start.copy(), None
    for _ in range(iterations):
        gradient = grad(objective)(code)
        buffer = gradient if buffer is None else MOMENTUM * buffer + gradient
        code = code - STEP * (gradient + MOMENTUM * buffer)
    return code


def codes_of(weights, x, y, phi, normalise, iterations=5, sparsity=0.0):
    """Return the two hidden codes after the top-down relaxation; every mean is over batch and neurons."""
    c1 = linear(weights, "x", "hidden1", x, normalise)
    c2 = linear(weights, "hidden1", "hidden2", phi(c1), normalise)
    penalty = lambda c: sparsity / MU * anp.mean(anp.abs(c))  # noqa: E731
    last = lambda c: (  # noqa: E731
        cross_entropy(linear(weights, "hidden2", "output", phi(c), normalise), y) / MU + anp.mean((c - c2) ** 2) + penalty(c)
    )
    new2 = relaxed(c2, last, iterations)
    below = lambda c: (  # noqa: E731
        anp.mean((linear(weights, "hidden1", "hidden2", phi(c), normalise) - new2) ** 2) + anp.mean((c - c1) ** 2) + penalty(c)
    )
    return relaxed(c1, below, iterations), new2


def losses(weights, x, y, phi, normalise, **options):
    """Return the weights' local losses by population, given the relaxed codes."""
    c1, c2 = codes_of(weights, x, y, phi, normalise, **options)
    return {
        "hidden1": lambda w: anp.mean((linear(w, "x", "hidden1", x, normalise) - c1) ** 2),
        "hidden2": lambda w: anp.mean((linear(w, "hidden1", "hidden2", phi(c1), normalise) - c2) ** 2),
        "output": lambda w: cross_entropy(linear(w, "hidden2", "output", phi(c2), normalise), y),
    }


def problem(transfer, normalisation, *, rule="error_driven", bias=True):
    sizes = (6, 5, 4, 3)
    hidden = {"transfer": transfer, "normalisation": normalisation}
    populations = [Population(n, k, **(hidden if "hidden" in n else {})) for n, k in zip(CHAIN, sizes, strict=True)]
    populations[-1] = Population("output", 3, transfer="softmax")
    rules = [rule() if callable(rule) else rule for _ in range(2)]
    links = [Projection(a, b, rule=r, bias=bias) for a, b, r in zip(CHAIN[:2], CHAIN[1:3], rules, strict=True)]
    network = Network(populations, [*links, Projection("hidden2", "output")], dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    for value in network.parameters().values():
        value += 0.3 * draw.normal(size=value.shape)
    return network, draw.normal(size=(9, 6)), np.eye(3)[draw.integers(0, 3, 9)]


def scheme_of(**options):
    return pathway("alternating_minimization", mu=MU, step=STEP, momentum=MOMENTUM, **options)


VARIANTS = {"AM-Adam": {}, "sparse codes": {"sparsity": 0.02}, "one code step": {"iterations": 1}}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("normalisation", [None, BatchNormalisation(), BatchNormalisation(affine=False)])
@pytest.mark.parametrize("transfer", TRANSFERS)
def test_every_proposal_is_minus_the_gradient_of_its_local_loss(transfer, normalisation, variant):
    stated = VARIANTS[variant]
    network, x, y = problem(transfer, normalisation)
    options = {"code_sparsity" if name == "sparsity" else name: value for name, value in stated.items()}
    scheme = scheme_of(**options)
    scheme.attach(network, 3, seed=0)
    sweep = network.sweep(x, training=True)
    teaching = scheme.teach(sweep, y, network.backend.draws(0, 0))
    proposed = network.propose(sweep, teaching)[0]
    assert set(proposed) == set(network.parameters())

    weights = {name: value.copy() for name, value in network.parameters().items()}
    phi, normalise = TRANSFERS[transfer], normalisation is not None
    c1, c2 = codes_of(weights, x, y, phi, normalise, **stated)
    assert np.abs(c2 - sweep["hidden2"].activation).max() > 1e-2, "the last code has to move for the rest to be a test"
    np.testing.assert_allclose(teaching["hidden1"].rate, phi(c1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(teaching["hidden2"].rate, phi(c2), rtol=1e-9, atol=1e-12)
    gradients = {name: grad(loss)(weights) for name, loss in losses(weights, x, y, phi, normalise, **stated).items()}
    for name, change in proposed.items():
        wanted = -gradients[name.split(".")[0].split("__")[-1]][name]
        np.testing.assert_allclose(change, wanted, rtol=1e-6, atol=1e-6 * np.abs(wanted).max() + 1e-14, err_msg=name)


def trained(network):
    """Return the trainer after ten steps, the weights it started from, and its batches."""
    draw = np.random.default_rng(7)
    x, labels = draw.normal(size=(90, 6)).astype(np.float32), draw.integers(0, 3, 90)
    trainer = Trainer(network, scheme_of(), Adam(0.01), epochs=1, batch=9, shuffle=False)
    data = from_arrays(x, labels, x[:3], labels[:3])
    trainer.check(data)
    weights = {name: value.copy() for name, value in network.parameters().items()}
    trainer.fit(data)
    assert trainer.steps == 10
    batches = [(x[k : k + 9].astype(float), np.eye(3)[labels[k : k + 9]]) for k in range(0, 90, 9)]
    return weights, batches


@pytest.mark.parametrize("normalisation", [None, BatchNormalisation()])
def test_ten_steps_of_am_adam_equal_a_straight_line_loop(normalisation, adam):
    network, _, _ = problem("relu", normalisation, bias=normalisation is None)
    weights, batches = trained(network)
    for x, y in batches:
        local = losses(weights, x, y, TRANSFERS["relu"], normalisation is not None)
        gradients = {name: grad(loss)(weights) for name, loss in local.items()}
        for name, value in weights.items():
            adam(name, value, gradients[name.split(".")[0].split("__")[-1]][name])
    for name, value in network.parameters().items():
        np.testing.assert_allclose(value, weights[name], rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("sparsity", [0.0, 0.05])
def test_ten_steps_of_am_mem_equal_a_straight_line_loop(sparsity, adam):
    network, _, _ = problem("relu", None, rule=lambda: CoActivationMemory(forgetting=0.05, sparsity=sparsity), bias=False)
    weights, batches = trained(network)
    memory = {"hidden1": (np.zeros((6, 6)), np.zeros((6, 5))), "hidden2": (np.zeros((5, 5)), np.zeros((5, 4)))}
    phi = TRANSFERS["relu"]
    for x, y in batches:
        c1, c2 = codes_of(weights, x, y, phi, False)
        gradient = grad(losses(weights, x, y, phi, False)["output"])(weights)
        for name in ("hidden2__output.w", "hidden2__output.b"):
            adam(name, weights[name], gradient[name])
        for post, name, a, c in (("hidden1", "x__hidden1.w", x, c1), ("hidden2", "hidden1__hidden2.w", phi(c1), c2)):
            A, B = memory[post]
            A, B = 0.95 * A + 0.05 * a.T @ a / len(a), 0.95 * B + 0.05 * a.T @ c / len(a)
            memory[post], w = (A, B), weights[name]
            for j in range(len(A)):
                if A[j, j] > 0:
                    solved = w[j] + (B[j] - A[j] @ w) / A[j, j]
                    w[j] = np.sign(solved) * np.maximum(np.abs(solved) - sparsity / A[j, j], 0)
    for name, value in network.parameters().items():
        np.testing.assert_allclose(value, weights[name], rtol=1e-6, atol=1e-8, err_msg=name)
    if sparsity:
        assert (network.parameters()["x__hidden1.w"] == 0).any()
