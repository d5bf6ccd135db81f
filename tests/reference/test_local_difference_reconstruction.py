"""L-DRL against automatic differentiation of its losses; and what its feedback becomes, beside what DTP's inverses become."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.neurons import BatchNormalisation
from tests.reference.white import White

NAME = "local_difference_reconstruction"
STEP, NOISE = 0.3, 0.2
TRANSFERS = {"tanh": anp.tanh, "sigmoid": lambda a: 1 / (1 + anp.exp(-a)), "relu": lambda a: anp.maximum(a, 0)}


def problem(transfer, normalisation=None):
    network = Network.layered((6,), [5, 4], 3, transfer=transfer, normalisation=normalisation, dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    for p in network.parameters().values():
        p += 0.3 * draw.normal(size=p.shape)
    scheme = pathway(NAME, step=STEP, noise=NOISE)
    scheme.attach(network, 3, seed=0)
    return network, scheme, draw.normal(size=(7, 6)), np.eye(3)[draw.integers(0, 3, 7)]


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("transfer", TRANSFERS)
def test_every_proposal_is_minus_the_gradient_of_its_local_loss(transfer, normalised):
    phi = TRANSFERS[transfer]
    network, scheme, x, y = problem(transfer, BatchNormalisation(affine=False) if normalised else None)
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(x, training=True, draws=draws)
    teaching = scheme.teach(sweep, y, draws)
    proposed = network.propose(sweep, teaching)[0] | scheme.adapt(sweep, y, teaching, draws)
    weights = {name: value.copy() for name, value in network.parameters().items()}
    v1, v2 = (scheme.parameters()[f"feedback/{key}/{back}.w"] for key, back in (
        ("hidden1__hidden2", "hidden2__hidden1"), ("hidden2__output", "output__hidden2")))  # fmt: skip

    def layer(w, name, h):
        drive = anp.dot(h, w[f"{name}.w"]) + w[f"{name}.b"]
        if normalised:
            drive = (drive - anp.mean(drive, axis=0)) / anp.sqrt(anp.var(drive, axis=0) + 1e-5)
        return phi(drive)

    def logits(w, h):
        return anp.dot(h, w["hidden2__output.w"]) + w["hidden2__output.b"]

    def cross_entropy(a):
        return anp.sum(anp.log(anp.sum(anp.exp(a), axis=1)) - anp.sum(y * a, axis=1))

    h1 = layer(weights, "x__hidden1", x)
    h2 = layer(weights, "hidden1__hidden2", h1)
    a3 = logits(weights, h2)
    t3 = a3 - STEP * grad(cross_entropy)(a3)
    t2 = h2 + t3 @ v2 - a3 @ v2
    t1 = h1 + phi(t2) @ v1 - phi(h2) @ v1
    half = lambda t, h: anp.sum((t - h) ** 2) / (2 * STEP * len(x))  # noqa: E731
    noise = {f"{link}/{n}": draws.normal(f"{link}/{n}", (7, size), "float64") for link, n, size in (
        ("hidden1__hidden2", "xi", 5), ("hidden1__hidden2", "eta", 4), ("hidden2__output", "xi", 4), ("hidden2__output", "eta", 3)
    )}  # fmt: skip

    def reconstruction(link, g, f, h, s):
        xi, eta = NOISE * noise[f"{link}/xi"], NOISE * noise[f"{link}/eta"]
        answered = f(h + xi)  # depends on no feedback weight

        def loss(v):
            same = -2 * anp.sum(xi * (g(answered, v) - g(s, v)))
            return (same + anp.sum((g(s + eta, v) - g(s, v)) ** 2)) / NOISE**2 / len(x)

        return loss

    through = lambda s, v: anp.dot(phi(s), v)  # noqa: E731
    linear = lambda s, v: anp.dot(s, v)  # noqa: E731
    of = {
        "x__hidden1": lambda w: half(t1, layer(w, "x__hidden1", x)),
        "hidden1__hidden2": lambda w: half(t2, layer(w, "hidden1__hidden2", h1)),
        "hidden2__output": lambda w: cross_entropy(logits(w, h2)) / len(x),
    }
    wanted = {f"{name}.{key}": -grad(loss)(weights)[f"{name}.{key}"] for name, loss in of.items() for key in "wb"}
    first = reconstruction("hidden1__hidden2", through, lambda h: layer(weights, "hidden1__hidden2", h), h1, h2)
    second = reconstruction("hidden2__output", linear, lambda h: logits(weights, h), h2, a3)
    wanted["feedback/hidden1__hidden2/hidden2__hidden1.w"] = -grad(first)(v1)
    wanted["feedback/hidden2__output/output__hidden2.w"] = -grad(second)(v2)
    assert set(proposed) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(proposed[name], value, rtol=1e-6, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(("name", "options"), [(NAME, {}), ("difference_target_propagation", {"noise": 1.0})])
def test_on_a_linear_layer_its_feedback_becomes_the_transpose_and_dtps_inverse_the_pseudo_inverse(name, options):
    network = Network.layered((4,), [4, 3], 2, transfer="linear", dtype="float64", seed=1)
    scheme = pathway(name, **options)
    scheme.attach(network, 2, seed=0)
    sweep, y, draws = network.sweep(np.zeros((30, 4))), np.eye(2)[np.arange(30) % 2], White()
    for _ in range(1000):
        for key, change in scheme.adapt(sweep, y, {}, draws).items():
            scheme.parameters()[key][...] += 0.3 * change
    w = network.projections["hidden1__hidden2"].w
    ends = {"transpose": w.T, "pseudo-inverse": np.linalg.pinv(w)}
    (learned,) = (value for key, value in scheme.parameters().items() if key.endswith("hidden2__hidden1.w"))
    off = {end: np.abs(learned - value).max() for end, value in ends.items()}
    mine, other = ("transpose", "pseudo-inverse") if name == NAME else ("pseudo-inverse", "transpose")
    assert off[mine] < 1e-3 and off[other] > 0.1


def test_with_transposed_weights_the_errors_of_a_linear_network_are_those_of_back_propagation():
    network, _, x, y = problem("linear")
    scheme = pathway(NAME, step=0.5)
    scheme.attach(network, 3, seed=0)
    for key, link in scheme.networks.items():
        (back,) = link.projections.values()
        back.w[...] = network.projections[key].w.T
    sweep = network.sweep(x)
    teaching = scheme.teach(sweep, y, network.backend.draws(0, 0))
    for name, taught in network.errors_back(sweep, scheme.output_teaching(sweep, y)).items():
        np.testing.assert_allclose(teaching[name].error, taught.error, rtol=1e-9, atol=1e-12)
