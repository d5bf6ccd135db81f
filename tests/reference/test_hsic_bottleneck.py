"""The HSIC bottleneck against automatic and finite differences of its objective, written as in the released code."""

import autograd.numpy as anp
import mpmath
import numpy as np
import pytest
from autograd import grad

from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.neurons import BatchNormalisation

TRANSFERS = {"tanh": anp.tanh, "relu": lambda a: anp.maximum(a, 0), "leaky_relu": lambda a: anp.where(a > 0, a, 0.01 * a)}
NORMALISATIONS = [None, BatchNormalisation(), BatchNormalisation(affine=False)]


def relation(values, sigma):
    """Return K H (K H + epsilon m I)^-1 with a general inverse, as the released code does."""
    m, d = values.shape
    distance = anp.sum((values[:, None, :] - values[None, :, :]) ** 2, axis=2)
    centred = anp.dot(anp.exp(-distance / (2 * sigma**2 * d)), np.eye(m) - np.ones((m, m)) / m)
    return anp.dot(centred, anp.linalg.inv(centred + 1e-5 * m * np.eye(m)))


def nhsic(a, b, sigma):
    return anp.trace(anp.dot(relation(a, sigma), relation(b, sigma)))


def objective(z, x, y, sigma, beta):
    return nhsic(z, x, sigma) - beta * nhsic(z, y, sigma)


def layer(weights, name, x, phi, normalised):
    drive = anp.dot(x, weights[f"{name}.w"]) + weights[f"{name}.b"]
    post = name.split("__")[1]
    if normalised:
        drive = (drive - anp.mean(drive, axis=0)) / anp.sqrt(anp.var(drive, axis=0) + 1e-5)
    if f"{post}.gain" in weights:
        drive = drive * weights[f"{post}.gain"] + weights[f"{post}.shift"]
    return phi(drive)


def problem(transfer, normalisation, output="softmax"):
    populations = [Population("x", 6)]
    options = {"transfer": transfer, "normalisation": normalisation}
    populations += [Population("hidden1", 5, **options), Population("hidden2", 4, **options)]
    populations.append(Population("output", 3, **options) if output == "units" else Population("output", 3, transfer="softmax"))
    links = [Projection("x", "hidden1"), Projection("hidden1", "hidden2"), Projection("hidden2", "output")]
    network = Network(populations, links, dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    for p in network.parameters().values():
        p += 0.3 * draw.normal(size=p.shape)
    return network, draw.random((9, 6)), np.eye(3)[draw.integers(0, 3, 9)]


def proposals(scheme, network, x, y):
    scheme.attach(network, 3, seed=0)
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(x, training=True, draws=draws)
    return network.propose(sweep, scheme.teach(sweep, y, draws))[0], sweep


@pytest.mark.parametrize("output", ["softmax", "rest", "units"])
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("transfer", TRANSFERS)
def test_every_proposal_is_minus_the_gradient_of_its_objective(transfer, normalisation, output):
    network, x, y = problem(transfer, normalisation, output)
    beta, sigmas = 7.0, {"hidden1": 0.8, "hidden2": 1.5, "output": 1.1}
    proposed, sweep = proposals(pathway("hsic_bottleneck", beta=beta, sigma=sigmas, output=output), network, x, y)
    weights = {name: value.copy() for name, value in network.parameters().items()}
    links = {"x__hidden1": x, "hidden1__hidden2": sweep.rate["hidden1"], "hidden2__output": sweep.rate["hidden2"]}
    checked = set()
    for name, below in links.items():
        post = name.split("__")[1]
        if post == "output" and output == "rest":
            continue

        def loss(w, name=name, below=below, post=post):
            if post == "output" and output == "softmax":
                logits = anp.dot(below, w[f"{name}.w"]) + w[f"{name}.b"]
                return anp.mean(anp.log(anp.sum(anp.exp(logits), axis=1)) - anp.sum(y * logits, axis=1))
            return objective(layer(w, name, below, TRANSFERS[transfer], normalisation is not None), x, y, sigmas[post], beta)

        gradient = grad(loss)(weights)
        for own in (f"{name}.w", f"{name}.b", f"{post}.gain", f"{post}.shift"):
            if own in proposed:
                scale = np.abs(gradient[own]).max()
                np.testing.assert_allclose(proposed[own], -gradient[own], rtol=1e-6, atol=1e-6 * scale + 1e-12, err_msg=own)
                checked.add(own)
    assert checked == set(proposed)
    if output == "rest":
        assert not any("output" in name for name in proposed)
    else:
        assert set(proposed) == set(network.parameters())


def test_the_gradient_by_finite_differences():
    network, x, y = problem("tanh", None)
    scheme = pathway("hsic_bottleneck", beta=7.0, sigma=1.5)
    _, sweep = proposals(scheme, network, x, y)
    z = sweep.rate["hidden2"]
    numeric = np.empty_like(z)
    for index in np.ndindex(z.shape):
        step = np.zeros_like(z)
        step[index] = 1e-5
        numeric[index] = (objective(z + step, x, y, 1.5, 7.0) - objective(z - step, x, y, 1.5, 7.0)) / 2e-5
    error = scheme.teach(sweep, y, network.backend.draws(0, 0))["hidden2"].error
    expected = -len(z) * numeric * (1 - z**2)
    np.testing.assert_allclose(error, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_duplicate_samples_and_float32_stay_close_to_float64():
    """Duplicate rows make the centred kernel singular but for its regulariser."""
    errors = {}
    for dtype in ("float32", "float64"):
        network = Network.layered((6,), [5, 4], 3, dtype=dtype, seed=2)
        x = np.random.default_rng(3).random((6, 6)).repeat(2, axis=0)
        y = np.eye(3)[np.arange(12) // 2 % 3]
        scheme = pathway("hsic_bottleneck")
        scheme.attach(network, 3, seed=0)
        sweep = network.sweep(x, training=True)
        errors[dtype] = scheme.teach(sweep, y.astype(dtype), network.backend.draws(0, 0))["hidden1"].error
    assert errors["float32"].dtype == np.float32
    np.testing.assert_allclose(errors["float32"], errors["float64"], rtol=0, atol=2e-3 * np.abs(errors["float64"]).max())


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("spread", [0.1, 0.01])
def test_float32_costs_no_more_than_the_conditioning_says(scale, spread):
    """Activity in two tight clusters near and many kernel widths apart: off by at most 2 * 2**-24 times the condition number.

    An inverse in float32 is off by about half of that.  Distances in float32, K for K - 11', or X and Y in float32 exceed it.
    """
    draw = np.random.default_rng(5)
    labels = np.arange(64) % 2
    z = scale * (draw.normal(size=(2, 32))[labels] + spread * draw.normal(size=(64, 32)))
    x, y = draw.random((64, 16)), np.eye(2)[labels]
    scheme = pathway("hsic_bottleneck", sigma=1.0)
    scheme.attach(Network.layered((2,), [2], 2), 2, seed=0)
    narrow = [values.astype(np.float32) for values in (z, x, y)]
    found, exact = (
        scheme._error(values, scheme._target_relation(inputs, wanted, 1.0), 1.0)
        for values, inputs, wanted in (narrow, [values.astype(np.float64) for values in narrow])
    )
    assert found.dtype == np.float32
    condition = np.linalg.cond(scheme._kernel(z, 1.0)[2])
    assert np.linalg.norm(found - exact) < 2 * condition * 2**-24 * np.linalg.norm(exact)


def gradient_in_fifty_digits(z, x, y, sigma, beta):
    """Return dL/dZ by papers' closed form with one-sided centring throughout, rounded to float64 at the very end."""
    with mpmath.workdps(50):
        m, d = z.shape
        matrices = [mpmath.matrix(values.tolist()) for values in (z, x, y)]
        h = mpmath.eye(m) - mpmath.ones(m) / m
        c = mpmath.mpf("1e-5") * m
        relations, parts = [], []
        for values in matrices:
            width = 2 * mpmath.mpf(sigma) ** 2 * values.cols
            k = mpmath.matrix(m, m)
            for i, j in np.ndindex(m, m):
                k[i, j] = mpmath.exp(-sum((values[i, n] - values[j, n]) ** 2 for n in range(values.cols)) / width)
            inverse = (k * h + c * mpmath.eye(m)) ** -1
            relations.append(k * h * inverse)
            parts.append((k, inverse))
        (k, inverse), wanted = parts[0], relations[1] - mpmath.mpf(beta) * relations[2]
        g = (h * c * inverse * wanted * inverse).T
        s = mpmath.matrix(m, m)
        for i, j in np.ndindex(m, m):
            s[i, j] = -(g[i, j] * k[i, j] + g[j, i] * k[j, i]) / (2 * mpmath.mpf(sigma) ** 2 * d)
        sums = [sum(s[i, j] for j in range(m)) for i in range(m)]
        product = s * matrices[0]
        found = [[float(2 * (sums[i] * matrices[0][i, n] - product[i, n])) for n in range(d)] for i in range(m)]
    return np.array(found)


def test_the_gradient_keeps_eleven_digits():
    network, x, y = problem("tanh", None)
    scheme = pathway("hsic_bottleneck", beta=7.0, sigma=1.5)
    _, sweep = proposals(scheme, network, x, y)
    z = sweep.rate["hidden2"]
    expected = -len(z) * gradient_in_fifty_digits(z, x, y, 1.5, 7.0) * (1 - z**2)
    error = scheme.teach(sweep, y, network.backend.draws(0, 0))["hidden2"].error
    np.testing.assert_allclose(error, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
