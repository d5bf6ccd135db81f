"""Synthetic gradients against automatic differentiation of their local losses, and ten steps of training against a plain loop."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from neurosim.datasets import from_arrays
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import Adam
from neurosim.training import Trainer

TRANSFERS = {"tanh": anp.tanh, "relu": lambda a: anp.maximum(a, 0)}
HIDDEN = ("hidden1", "hidden2")
LINK = {"hidden1": "x__hidden1", "hidden2": "hidden1__hidden2", "output": "hidden2__output"}


def normalised(drive):
    return (drive - anp.mean(drive, axis=0)) / anp.sqrt(anp.var(drive, axis=0) + 1e-5)


def layer(weights, post, x, phi, normalise):
    drive = anp.dot(x, weights[f"{LINK[post]}.w"]) + weights[f"{LINK[post]}.b"]
    drive = normalised(drive) if normalise else drive
    if f"{post}.gain" in weights:
        drive = drive * weights[f"{post}.gain"] + weights[f"{post}.shift"]
    return phi(drive)


def module(weights, prefix, seen, inner):
    """Return Linear-BN-ReLU, ``inner`` times, and a last linear layer."""
    names = ["input", *(f"inner{k}" for k in range(1, inner + 1)), "output"]
    h = seen
    for pre, post in zip(names, names[1:], strict=False):
        h = anp.dot(h, weights[f"{prefix}{pre}__{post}.w"]) + weights[f"{prefix}{pre}__{post}.b"]
        if post != "output":
            h = anp.maximum(normalised(h) * weights[f"{prefix}{post}.gain"] + weights[f"{prefix}{post}.shift"], 0)
    return h


def cross_entropy(weights, h, y):
    """Return the sum over samples, so that its gradient in h is per sample."""
    logits = anp.dot(h, weights["hidden2__output.w"]) + weights["hidden2__output.b"]
    return anp.sum(anp.log(anp.sum(anp.exp(logits), axis=1)) - anp.sum(y * logits, axis=1))


def losses(weights, x, y, phi, normalise, *, inner=0, conditioned=True, interfaces=HIDDEN, synthetic=False):
    """Return the local losses as functions of the weights, by the names of the parameters that descend them."""
    n = len(x)
    received = {"hidden1": x}
    if synthetic:
        received |= {post: module(weights, f"input/{post}/", x, 1) for post in ("hidden2", "output")}
    h = {}
    for post in HIDDEN:
        received.setdefault(post, h.get("hidden1"))
        h[post] = layer(weights, post, received[post], phi, normalise)
    received.setdefault("output", h["hidden2"])
    seen = {post: anp.concatenate([h[post], y], axis=1) if conditioned else h[post] for post in HIDDEN}
    real = {"hidden2": -grad(lambda z: cross_entropy(weights, z, y))(received["output"])}
    error = dict(real)
    if "hidden2" in interfaces:
        error["hidden2"] = module(weights, "gradient/hidden2/", seen["hidden2"], inner)
    above = lambda z: anp.sum(error["hidden2"] * layer(weights, "hidden2", z, phi, normalise))  # noqa: E731
    real["hidden1"] = grad(above)(received["hidden2"])
    error["hidden1"] = module(weights, "gradient/hidden1/", seen["hidden1"], inner) if "hidden1" in interfaces else real["hidden1"]

    found = {"output": lambda w: cross_entropy(w, received["output"], y) / n}
    for post in HIDDEN:
        found[post] = lambda w, p=post: -anp.sum(error[p] * layer(w, p, received[p], phi, normalise)) / n
        if post in interfaces:
            prefix = f"gradient/{post}/"
            found[prefix] = lambda w, p=post, k=prefix: anp.sum((module(w, k, seen[p], inner) - real[p]) ** 2) / n
    if synthetic:
        for post, below in (("hidden2", "hidden1"), ("output", "hidden2")):
            prefix = f"input/{post}/"
            found[prefix] = lambda w, b=below, k=prefix: anp.sum((module(w, k, x, 1) - h[b]) ** 2) / n
    return found


def owner(parameter):
    """Return the loss that ``parameter`` descends."""
    if "/" in parameter:
        return parameter.rpartition("/")[0] + "/"
    return parameter.split(".")[0].split("__")[-1]


def problem(transfer, normalisation):
    network = Network.layered((6,), [5, 4], 3, transfer=transfer, normalisation=normalisation, dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    for value in network.parameters().values():
        value += 0.3 * draw.normal(size=value.shape)
    return network, draw.normal(size=(9, 6)), np.eye(3)[draw.integers(0, 3, 9)]


VARIANTS = {
    "cDNI": ({}, {}),
    "DNI": ({"conditioned": False}, {"conditioned": False}),
    "one hidden layer": ({"hidden_layers": 1, "width": 7}, {"inner": 1}),
    "two hidden layers": ({"hidden_layers": 2, "width": 7}, {"inner": 2}),
    "interface below": ({"interfaces": ["hidden1"]}, {"interfaces": ("hidden1",)}),
    "interface above": ({"interfaces": ["hidden2"]}, {"interfaces": ("hidden2",)}),
    "complete unlock": ({"synthetic_inputs": True, "hidden_layers": 1, "width": 7}, {"inner": 1, "synthetic": True}),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("normalisation", [None, BatchNormalisation(), BatchNormalisation(affine=False)])
@pytest.mark.parametrize("transfer", TRANSFERS)
def test_every_proposal_is_minus_the_gradient_of_its_local_loss(transfer, normalisation, variant):
    options, stated = VARIANTS[variant]
    network, x, y = problem(transfer, normalisation)
    scheme = pathway("synthetic_gradients", **options)
    scheme.attach(network, 3, seed=0)
    draw = np.random.default_rng(8)
    for values in scheme.parameters().values():
        values += 0.3 * draw.normal(size=values.shape)
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(x, training=True, draws=draws)
    teaching = scheme.teach(sweep, y, draws)
    proposed = network.propose(sweep, teaching)[0] | scheme.adapt(sweep, y, teaching, draws)
    assert set(proposed) == set(network.parameters() | scheme.parameters())

    weights = {name: value.copy() for name, value in (network.parameters() | scheme.parameters()).items()}
    local = losses(weights, x, y, TRANSFERS[transfer], normalisation is not None, **stated)
    gradients = {name: grad(loss)(weights) for name, loss in local.items()}
    for name, change in proposed.items():
        wanted = -gradients[owner(name)][name]
        np.testing.assert_allclose(change, wanted, rtol=1e-6, atol=1e-6 * np.abs(wanted).max() + 1e-12, err_msg=name)


def test_a_population_rests_with_the_probability_it_was_given_and_so_does_the_module_below_it():
    network, x, y = problem("tanh", None)
    scheme, always = pathway("synthetic_gradients", p_update=0.4), pathway("synthetic_gradients")
    for one in (scheme, always):
        one.attach(network, 3, seed=0)
        for values in one.parameters().values():
            values += 0.1
    sweep = network.sweep(x, training=True)
    taken = dict.fromkeys(("x__hidden1.w", "hidden1__hidden2.w", "hidden2__output.w"), 0)
    modules = {"hidden1__hidden2.w": "gradient/hidden1/input__output.w", "hidden2__output.w": "gradient/hidden2/input__output.w"}
    full = network.propose(sweep, always.teach(sweep, y, None))[0] | always.adapt(sweep, y, always.teach(sweep, y, None), None)
    for step in range(300):
        draws = network.backend.draws(0, step)
        teaching = scheme.teach(sweep, y, draws)
        proposed = network.propose(sweep, teaching)[0] | scheme.adapt(sweep, y, teaching, draws)
        for name, change in proposed.items():
            np.testing.assert_array_equal(change, full[name])
        for name in taken:
            taken[name] += name in proposed
            assert name not in modules or (modules[name] in proposed) == (name in proposed)
    for count in taken.values():
        assert 0.32 < count / 300 < 0.48  # 0.4 within three standard deviations


@pytest.mark.parametrize("normalisation", [None, BatchNormalisation()])
@pytest.mark.parametrize("variant", ["cDNI", "two hidden layers", "complete unlock"])
def test_ten_steps_of_training_equal_a_straight_line_loop(variant, normalisation, adam):
    options, stated = VARIANTS[variant]
    network, _, _ = problem("tanh", normalisation)
    draw = np.random.default_rng(7)
    x, labels = draw.normal(size=(90, 6)).astype(np.float32), draw.integers(0, 3, 90)
    scheme = pathway("synthetic_gradients", **options)
    trainer = Trainer(network, scheme, Adam(0.01), epochs=1, batch=9, shuffle=False)
    data = from_arrays(x, labels, x[:3], labels[:3])
    trainer.check(data)
    weights = {name: value.copy() for name, value in (network.parameters() | scheme.parameters()).items()}
    trainer.fit(data)

    for k in range(10):
        rows = slice(9 * k, 9 * k + 9)
        local = losses(weights, x[rows].astype(float), np.eye(3)[labels[rows]], anp.tanh, normalisation is not None, **stated)
        gradients = {name: grad(loss)(weights) for name, loss in local.items()}
        for name, value in weights.items():
            adam(name, value, gradients[owner(name)][name])
    assert trainer.steps == 10
    for name, value in (network.parameters() | scheme.parameters()).items():
        np.testing.assert_allclose(value, weights[name], rtol=1e-6, atol=1e-8, err_msg=name)
