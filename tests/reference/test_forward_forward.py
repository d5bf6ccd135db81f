"""Forward-forward against automatic differentiation of each layer's loss, with everything below detached."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.neurons import BatchNormalisation

PHI = {"tanh": anp.tanh, "relu": lambda a: anp.maximum(a, 0)}
VARIANTS = [(loss, goodness) for loss in ("hinton", "symba") for goodness in ("sum", "mean")]
THETA, ALPHA = 0.4, 3.0


def problem(transfer="tanh", loss="hinton", goodness="sum"):
    network = Network.layered((6,), [5, 4], 3, transfer=transfer, dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    for p in network.parameters().values():
        p += 0.3 * draw.normal(size=p.shape)
    scheme = pathway("forward_forward", loss=loss, goodness=goodness, threshold=THETA, sharpness=ALPHA)
    scheme.attach(network, 3, seed=0)
    return network, scheme, draw.normal(size=(9, 6)), np.eye(3)[draw.integers(0, 3, 9)]


def label_weights(scheme):
    (v,) = scheme.parameters().values()
    return v


def direction(h):
    return h / (np.sqrt((h**2).mean(axis=1, keepdims=True)) + 1e-8)


@pytest.mark.parametrize(("loss", "goodness"), VARIANTS)
@pytest.mark.parametrize("transfer", PHI)
def test_every_proposal_is_minus_the_gradient_of_its_layers_loss(transfer, loss, goodness):
    network, scheme, x, y = problem(transfer, loss, goodness)
    phi, draws = PHI[transfer], network.backend.draws(0, 0)
    wrong = scheme._wrong(y, draws)
    assert (wrong.sum(axis=1) == 1).all() and (wrong * y == 0).all()

    sweep = network.sweep(x)
    teaching = scheme.teach(sweep, y, draws)
    proposed = network.propose(sweep, teaching)[0] | scheme.adapt(sweep, y, teaching, draws)
    start = {name: value.copy() for name, value in network.parameters().items()} | {"v": label_weights(scheme).copy()}

    def first(w, label):
        return phi(anp.dot(x, w["x__hidden1.w"]) + anp.dot(label, w["v"]) + w["x__hidden1.b"])

    def second(w, below):
        return phi(anp.dot(below, w["hidden1__hidden2.w"]) + w["hidden1__hidden2.b"])

    def layer_loss(own, other, size):
        scale, theta = (1, THETA * size) if goodness == "sum" else (1 / size, THETA)
        up, down = anp.sum(own**2, axis=1) * scale, anp.sum(other**2, axis=1) * scale
        softplus = lambda v: anp.mean(anp.log(1 + anp.exp(v)))  # noqa: E731
        return softplus(theta - up) + softplus(down - theta) if loss == "hinton" else softplus(ALPHA * (down - up))

    z_own, z_wrong = direction(first(start, y)), direction(first(start, wrong))
    read = sweep.rate["hidden2"]

    def cross_entropy(w):
        a = anp.dot(read, w["hidden2__output.w"]) + w["hidden2__output.b"]
        return anp.mean(anp.log(anp.sum(anp.exp(a), axis=1)) - anp.sum(y * a, axis=1))

    of = {
        "x__hidden1": lambda w: layer_loss(first(w, y), first(w, wrong), 5),
        "hidden1__hidden2": lambda w: layer_loss(second(w, z_own), second(w, z_wrong), 4),
        "hidden2__output": cross_entropy,
    }
    wanted = {f"{name}.{key}": -grad(one)(start)[f"{name}.{key}"] for name, one in of.items() for key in "wb"}
    (own_name,) = scheme.parameters()
    wanted[own_name] = -grad(of["x__hidden1"])(start)["v"]
    assert set(proposed) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(proposed[name], value, rtol=1e-6, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("loss", ["hinton", "symba"])
def test_no_downstream_weight_changes_a_hidden_update(loss):
    network, scheme, x, y = problem(loss=loss)
    sweep, draws = network.sweep(x), network.backend.draws(0, 0)

    def proposed():
        return network.propose(sweep, scheme.teach(sweep, y, draws))[0]

    before = proposed()
    for name in ("hidden1__hidden2.w", "hidden2__output.w"):
        network.parameters()[name][...] += 1
        after = proposed()
        assert np.array_equal(before["x__hidden1.w"], after["x__hidden1.w"])
        assert np.array_equal(before["hidden1__hidden2.w"], after["hidden1__hidden2.w"]) == (name == "hidden2__output.w")
        before = after


def test_the_answer_is_the_label_of_most_goodness_without_the_first_layers():
    network, scheme, x, _ = problem("relu")
    p, v = network.parameters(), label_weights(scheme)
    goodness = np.zeros((9, 3))
    for k in range(3):
        h1 = np.maximum(x @ p["x__hidden1.w"] + v[k] + p["x__hidden1.b"], 0)
        h2 = np.maximum(direction(h1) @ p["hidden1__hidden2.w"] + p["hidden1__hidden2.b"], 0)
        goodness[:, k] = (h2**2).sum(axis=1)
    sweep, y = network.sweep(x), np.eye(3)[np.arange(9) % 3]
    expected = np.exp(goodness) / np.exp(goodness).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(scheme.scores(sweep), expected, rtol=1e-10)
    assert scheme.loss(sweep, y) == pytest.approx(-np.log((expected * y).sum(axis=1)).mean())


def test_all_wrong_labels_are_drawn_alike():
    network, scheme, _, _ = problem()
    y = np.eye(3)[np.zeros(30_000, int)]
    wrong = scheme._wrong(y, network.backend.draws(0, 0))
    assert abs(wrong.mean(axis=0) - [0, 0.5, 0.5]).max() < 4 * np.sqrt(0.25 / 30_000)


def test_what_it_is_not_defined_for_is_refused():
    normalised = Network.layered((6,), [5], 3, normalisation=BatchNormalisation())
    for network, task, said in (
        (normalised, 3, "population 'hidden1' is normalised, .*; leave its normalisation out"),
        (Network.layered((6,), [], 3), 3, "no hidden population: expected one or more; add some"),
    ):
        with pytest.raises(InputError, match=f"^scheme 'forward_forward': .*{said}$"):
            pathway("forward_forward").attach(network, task, seed=0)
