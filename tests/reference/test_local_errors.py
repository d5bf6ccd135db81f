"""Local errors against automatic differentiation of every population's own loss, all six variants."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.neurons import BatchNormalisation

SLOPES = {"relu": 0.0, "leaky_relu": 0.01}
TRANSFERS = {"tanh": anp.tanh} | {name: lambda a, s=slope: anp.where(a > 0, a, s * a) for name, slope in SLOPES.items()}
HIDDEN = ("hidden1", "hidden2")
BETA = {False: 0.99, True: 0.01}


def layer(weights, name, x, phi, normalise):
    post = name.split("__")[1]
    drive = anp.dot(x, weights[f"{name}.w"]) + weights[f"{name}.b"]
    if normalise:
        drive = (drive - anp.mean(drive, axis=0)) / anp.sqrt(anp.var(drive, axis=0) + 1e-5)
    if f"{post}.gain" in weights:
        drive = drive * weights[f"{post}.gain"] + weights[f"{post}.shift"]
    return phi(drive)


def cross_entropy(logits, y):
    return anp.mean(anp.log(anp.sum(anp.exp(logits), axis=1)) - anp.sum(y * logits, axis=1))


def binary_cross_entropy(logits, t):
    return anp.mean(anp.log(1 + anp.exp(logits)) - t * logits)


def similarity(x):
    """Return the cosines of rows less their own means, as the released code takes them."""
    x = x - anp.mean(x, axis=1, keepdims=True)
    x = x / (anp.sqrt(anp.sum(x**2, axis=1, keepdims=True) + 1e-200) + 1e-8)  # a silent sample has no slope, not a NaN
    return anp.dot(x, x.T)


def by_hand_similarity(y):
    """Return S of one-hot labels: 1 for the same class, else -1 / (C - 1)."""
    same = y @ y.T
    return np.where(same > 0, 1.0, -1 / (y.shape[1] - 1))


def fixed(scheme, name):
    """Return the weights of one of the scheme's networks of one projection."""
    (projection,) = scheme.networks[name].projections.values()
    return projection.w


def local_losses(weights, post, y, scheme, kind, free):
    """Return (loss of the rate, loss of the head's weights given the rate) for one population."""
    share = {"pred": (1, 0), "sim": (0, 1), "predsim": (1 - BETA[free], BETA[free])}[kind]
    projected = y @ fixed(scheme, f"label/{post}") if free else None
    wanted = similarity(projected) if free else by_hand_similarity(y)
    readout = lambda w, h: anp.dot(h, w[f"pred/{post}/input__output.w"]) + w[f"pred/{post}/input__output.b"]  # noqa: E731

    def total(w, h):
        loss = 0.0
        if share[0]:
            logits = readout(w, h)
            loss = loss + share[0] * (binary_cross_entropy(logits, projected > 0) if free else cross_entropy(logits, y))
        if share[1]:
            z = h if free else anp.dot(h, w[f"sim/{post}/input__output.w"])
            loss = loss + share[1] * anp.mean((similarity(z) - wanted) ** 2)
        return loss

    def on_rate(h):
        """The loss that h descends: backprop-free, the readout's error comes through F, so its part is linear in h F."""
        if not (free and share[0]):
            return total(weights, h)
        at_logits = grad(lambda o: binary_cross_entropy(o, projected > 0))(readout(weights, HIDDEN_RATE[post]))
        loss = share[0] * anp.sum(at_logits * anp.dot(h, fixed(scheme, f"feedback/{post}").T))
        return loss + (share[1] * anp.mean((similarity(h) - wanted) ** 2) if share[1] else 0.0)

    return on_rate, total


HIDDEN_RATE: dict = {}


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("kind", ["pred", "sim", "predsim"])
@pytest.mark.parametrize("normalisation", [None, BatchNormalisation(), BatchNormalisation(affine=False)])
@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_every_proposal_is_minus_the_gradient_of_its_own_loss(transfer, normalisation, kind, free, dropout):
    options = {"transfer": transfer, "normalisation": normalisation, "dropout": dropout}
    populations = [Population("x", 6), Population("hidden1", 5, **options), Population("hidden2", 4, **options)]
    links = [Projection("x", "hidden1"), Projection("hidden1", "hidden2"), Projection("hidden2", "output")]
    network = Network([*populations, Population("output", 3, transfer="softmax")], links, dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    scheme = pathway("local_errors", loss=kind, backprop_free=free)
    scheme.attach(network, 3, seed=0)
    for value in (*network.parameters().values(), *scheme.parameters().values()):
        value += 0.3 * draw.normal(size=value.shape)
    x, y = draw.normal(size=(9, 6)), np.eye(3)[draw.integers(0, 3, 9)]
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(x, training=True, draws=draws)
    teaching = scheme.teach(sweep, y, draws)
    proposed = network.propose(sweep, teaching)[0] | scheme.adapt(sweep, y, teaching, draws)
    assert set(proposed) == set(network.parameters() | scheme.parameters())

    weights = {name: value.copy() for name, value in (network.parameters() | scheme.parameters()).items()}
    received = {"hidden1": x, "hidden2": sweep.transmitted["hidden1"], "output": sweep.transmitted["hidden2"]}
    HIDDEN_RATE.update({post: sweep.rate[post] for post in HIDDEN})
    wanted, phi, normalise = {}, TRANSFERS[transfer], normalisation is not None
    for post in HIDDEN:
        name = f"{'x' if post == 'hidden1' else 'hidden1'}__{post}"
        on_rate, total = local_losses(weights, post, y, scheme, kind, free)
        forward = grad(lambda w, f=on_rate, n=name, r=received[post]: f(layer(w, n, r, phi, normalise)))(weights)
        head = grad(lambda w, f=total, r=sweep.rate[post]: f(w, r))(weights)
        wanted |= {k: -forward[k] for k in proposed if k.split(".")[0] in (name, post)}
        wanted |= {k: -head[k] for k in proposed if f"/{post}/" in k}
    share = 1 - BETA[free] if kind == "predsim" else 1.0

    def readout(w):
        return share * cross_entropy(anp.dot(received["output"], w["hidden2__output.w"]) + w["hidden2__output.b"], y)

    wanted |= {k: -v for k, v in grad(readout)(weights).items() if k.startswith("hidden2__output")}
    for name, change in proposed.items():
        scale = np.abs(wanted[name]).max()
        np.testing.assert_allclose(change, wanted[name], rtol=1e-6, atol=1e-6 * scale + 1e-12, err_msg=name)
