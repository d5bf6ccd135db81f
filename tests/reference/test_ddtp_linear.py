"""DDTP-linear against automatic differentiation of its losses, and its feedback against the pseudo-inverse of the Jacobian."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from neurosim.feedback import pathway
from neurosim.network import Network
from tests.reference.white import White

NOISE = 0.2
TRANSFERS = {"tanh": anp.tanh, "relu": lambda a: anp.maximum(a, 0)}


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_every_proposal_is_minus_the_gradient_of_its_loss(transfer):
    phi = TRANSFERS[transfer]
    network = Network.layered((6,), [5, 4], 3, transfer=transfer, dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    for p in network.parameters().values():
        p += 0.3 * draw.normal(size=p.shape)
    scheme = pathway("ddtp_linear", noise=NOISE)
    scheme.attach(network, 3, seed=0)
    x, y, draws = draw.normal(size=(7, 6)), np.eye(3)[draw.integers(0, 3, 7)], network.backend.draws(0, 0)
    sweep = network.sweep(x)
    teaching = scheme.teach(sweep, y, draws)
    proposed = network.propose(sweep, teaching)[0] | scheme.adapt(sweep, y, teaching, draws)

    weights = {name: value.copy() for name, value in network.parameters().items()}
    layer = lambda w, name, h: anp.dot(h, w[f"{name}.w"]) + w[f"{name}.b"]  # noqa: E731
    h1 = phi(layer(weights, "x__hidden1", x))
    h2 = phi(layer(weights, "hidden1__hidden2", h1))
    top = lambda h: layer(weights, "hidden2__output", h)  # noqa: E731
    through = {"hidden1": lambda h: top(phi(layer(weights, "hidden1__hidden2", h))), "hidden2": top}
    below = {"hidden1": h1, "hidden2": h2}
    q = {name: next(iter(scheme.networks[name].parameters().values())).copy() for name in below}

    def cross_entropy(w):
        a = layer(w, "hidden2__output", h2)
        return anp.mean(anp.log(anp.sum(anp.exp(a), axis=1)) - anp.sum(y * a, axis=1))

    error = y - sweep.rate["output"]
    targets = {name: h + error @ q[name] for name, h in below.items()}
    of = {
        "x__hidden1": lambda w: anp.sum((targets["hidden1"] - phi(layer(w, "x__hidden1", x))) ** 2) / 14,
        "hidden1__hidden2": lambda w: anp.sum((targets["hidden2"] - phi(layer(w, "hidden1__hidden2", h1))) ** 2) / 14,
        "hidden2__output": cross_entropy,
    }
    wanted = {f"{name}.{key}": -grad(loss)(weights)[f"{name}.{key}"] for name, loss in of.items() for key in "wb"}
    for name, h in below.items():
        xi = draws.normal(f"{name}/reconstruction", h.shape, "float64")
        moved = (through[name](h + NOISE * xi) - top(h2)) / NOISE
        gradient = grad(lambda v, moved=moved, xi=xi: anp.sum((anp.dot(moved, v) - xi) ** 2) / 7)(q[name])
        wanted[f"feedback/{name}/output__{name}.w"] = -gradient
    assert set(proposed) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(proposed[name], value, rtol=1e-6, atol=1e-9, err_msg=name)


def test_in_a_linear_network_feedback_becomes_the_pseudo_inverse_of_the_jacobian():
    network = Network.layered((4,), [6, 5], 2, transfer="linear", dtype="float64", seed=1)
    scheme = pathway("ddtp_linear")
    scheme.attach(network, 2, seed=0)
    sweep, y, draws = network.sweep(np.ones((30, 4))), np.eye(2)[np.arange(30) % 2], White()
    for _ in range(1000):
        for key, change in scheme.adapt(sweep, y, {}, draws).items():
            scheme.parameters()[key][...] += 0.2 * change
    w = {name: p.w for name, p in network.projections.items()}
    jacobians = {"hidden2": w["hidden2__output"], "hidden1": w["hidden1__hidden2"] @ w["hidden2__output"]}
    for name, jacobian in jacobians.items():
        (learned,) = scheme.networks[name].parameters().values()
        np.testing.assert_allclose(learned, np.linalg.pinv(jacobian), atol=1e-3)
        assert np.abs(learned - jacobian.T).max() > 0.1
