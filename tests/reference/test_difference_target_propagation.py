"""DTP against automatic differentiation of its local losses, and ten steps of training against a loop written from equations."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from neurosim.datasets import from_arrays
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import CentredRMSProp
from neurosim.training import Trainer

STEP, NOISE = 0.2, 0.3
TRANSFERS = {"tanh": anp.tanh, "sigmoid": lambda a: 1 / (1 + anp.exp(-a)), "relu": lambda a: anp.maximum(a, 0)}


def layers(phi, normalised):
    """Return the function (weights, projection, rates) -> phi(BN(rates W + b)), with gain and shift where there are any."""

    def layer(weights, name, x):
        drive = anp.dot(x, weights[f"{name}.w"]) + weights[f"{name}.b"]
        post = name.split("__")[1]
        if normalised:
            drive = (drive - anp.mean(drive, axis=0)) / anp.sqrt(anp.var(drive, axis=0) + 1e-5)
        if f"{post}.gain" in weights:
            drive = drive * weights[f"{post}.gain"] + weights[f"{post}.shift"]
        return phi(drive)

    return layer


def cross_entropy(h, y, weights):
    logits = anp.dot(h, weights["hidden2__output.w"]) + weights["hidden2__output.b"]
    return anp.mean(anp.log(anp.sum(anp.exp(logits), axis=1)) - anp.sum(y * logits, axis=1))


def losses(weights, x, y, noise, phi, difference, normalised=False):
    """Return the four local losses as functions of the weights; targets and presynaptic rates are constants."""
    n, layer = len(x), layers(phi, normalised)
    h1 = layer(weights, "x__hidden1", x)
    h2 = layer(weights, "hidden1__hidden2", h1)
    inverse = lambda w, h: phi(anp.dot(h, w["hidden2__hidden1.w"]) + w["hidden2__hidden1.b"])  # noqa: E731
    t2 = h2 - STEP * n * grad(lambda h: cross_entropy(h, y, weights))(h2)  # per sample: n times the gradient of the mean
    t1 = inverse(weights, t2) + (h1 - inverse(weights, h2) if difference else 0)
    noisy = h1 + NOISE * noise
    code = layer(weights, "hidden1__hidden2", noisy)
    squares = lambda d: anp.sum(d**2) / n  # noqa: E731  summed over units, mean over the batch, no half
    return {
        "x__hidden1": lambda w: squares(t1 - layer(w, "x__hidden1", x)),
        "hidden1__hidden2": lambda w: squares(t2 - layer(w, "hidden1__hidden2", h1)),
        "hidden2__output": lambda w: cross_entropy(h2, y, w),
        "inverse/hidden2__hidden1": lambda w: squares(inverse(w, code) - noisy),
    }


def problem(transfer, normalisation):
    network = Network.layered((6,), [5, 4], 3, transfer=transfer, normalisation=normalisation, dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    for p in network.parameters().values():
        p += 0.3 * draw.normal(size=p.shape)
    return network, draw.normal(size=(7, 6)), np.eye(3)[draw.integers(0, 3, 7)]


def weights_of(network, scheme):
    flat = {k: v.copy() for k, v in (network.parameters() | scheme.parameters()).items()}
    return {k.removeprefix("inverse/"): v for k, v in flat.items()}


@pytest.mark.parametrize("difference", [True, False])
@pytest.mark.parametrize("normalisation", [None, BatchNormalisation(), BatchNormalisation(affine=False)])
@pytest.mark.parametrize("transfer", TRANSFERS)
def test_every_proposal_is_minus_the_gradient_of_its_local_loss(transfer, normalisation, difference):
    network, x, y = problem(transfer, normalisation)
    scheme = pathway("difference_target_propagation", step=STEP, noise=NOISE, difference=difference)
    scheme.attach(network, 3, seed=0)
    for values in scheme.parameters().values():
        values += 0.1
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(x, training=True, draws=draws)
    teaching = scheme.teach(sweep, y, draws)
    proposed = network.propose(sweep, teaching)[0] | scheme.adapt(sweep, y, teaching, draws)
    assert set(proposed) == set(network.parameters() | scheme.parameters())

    weights = weights_of(network, scheme)
    noise = draws.normal("hidden1__hidden2/reconstruction", (7, 5), "float64")
    checked = 0
    local = losses(weights, x, y, noise, TRANSFERS[transfer], difference, normalisation is not None)
    for owner, loss in local.items():
        gradient = grad(loss)(weights)
        own = [f"{owner}.w", f"{owner}.b"]
        post = owner.split("__")[-1]
        own += [f"{post}.gain", f"{post}.shift"] if f"{post}.gain" in proposed and not owner.startswith("inverse") else []
        for name in own:
            wanted = -gradient[name.removeprefix("inverse/")]
            np.testing.assert_allclose(proposed[name], wanted, rtol=1e-6, atol=1e-9, err_msg=name)
            checked += 1
    assert checked == len(proposed)


def centred_rmsprop(rate):
    """Return a function (name, weight, gradient) that makes one step of the released code's optimiser in place."""
    memory = {}

    def update(name, weight, gradient):
        m, v, u = memory.get(name, (0.0, 0.0, 0.0))
        m, v = 0.95 * m + 0.05 * gradient, 0.95 * v + 0.05 * gradient**2
        u = 0.9 * u - rate * gradient / np.sqrt(v - m**2 + 1e-3)
        memory[name] = (m, v, u)
        weight += u

    return update


@pytest.mark.parametrize("alternate", [True, False])
def test_ten_steps_of_training_equal_a_straight_line_loop(alternate):
    network, _, _ = problem("tanh", None)
    draw = np.random.default_rng(7)
    x, labels = draw.random((35, 6)).astype(np.float32), draw.integers(0, 3, 35)
    data = from_arrays(x, labels, x[:3], labels[:3])
    scheme = pathway("difference_target_propagation", step=STEP, noise=NOISE, alternate=alternate)
    options = {"epochs": 2, "batch": 7, "shuffle": False, "seed": 4}
    trainer = Trainer(network, scheme, CentredRMSProp(0.02), feedback_optimiser=CentredRMSProp(0.01), **options)
    trainer.check(data)
    weights = weights_of(network, scheme)
    trainer.fit(data)

    forward, inverse, steps = centred_rmsprop(0.02), centred_rmsprop(0.01), 0
    for _ in range(2):
        for learning in ({"inverse"}, {"forward"}) if alternate else ({"inverse", "forward"},):
            for k in range(5):
                rows = slice(7 * k, 7 * k + 7)
                noise = network.backend.draws(4, steps).normal("hidden1__hidden2/reconstruction", (7, 5), "float64")
                local = losses(weights, x[rows].astype(float), np.eye(3)[labels[rows]], noise, anp.tanh, True)
                gradients = {owner: grad(loss)(weights) for owner, loss in local.items()}
                for owner, gradient in gradients.items():
                    kind, update = ("inverse", inverse) if owner.startswith("inverse/") else ("forward", forward)
                    for name in (f"{owner.removeprefix('inverse/')}.w", f"{owner.removeprefix('inverse/')}.b"):
                        if kind in learning:
                            update(name, weights[name], gradient[name])
                steps += 1
    assert steps == (20 if alternate else 10) == trainer.steps
    for name, value in weights_of(network, scheme).items():
        np.testing.assert_allclose(value, weights[name], rtol=1e-6, atol=1e-9, err_msg=name)
