"""DTP's proposals against its equations written out for a chain 6-5-4-3."""

import numpy as np
import pytest

from neurosim.feedback import pathway
from neurosim.network import Network


@pytest.mark.parametrize("difference", [True, False])
def test_teach_and_adapt_by_hand(difference):
    network = Network.layered((6,), [5, 4], 3, dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    x, y = draw.normal(size=(7, 6)), np.eye(3)[draw.integers(0, 3, 7)]
    scheme = pathway("difference_target_propagation", step=0.2, noise=0.3, difference=difference)
    scheme.attach(network, 3, seed=0)
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(x, training=True, draws=draws)
    teaching = scheme.teach(sweep, y, draws)
    proposed = network.propose(sweep, teaching)[0] | scheme.adapt(sweep, y, teaching, draws)

    W = {name: p.w for name, p in network.projections.items()}
    V = scheme.parameters()["inverse/hidden2__hidden1.w"]
    h1 = np.tanh(x @ W["x__hidden1"])
    h2 = np.tanh(h1 @ W["hidden1__hidden2"])
    logits = np.exp(h2 @ W["hidden2__output"])
    t2 = h2 + 0.2 * (y - logits / logits.sum(1, keepdims=True)) @ W["hidden2__output"].T
    t1 = np.tanh(t2 @ V) + (h1 - np.tanh(h2 @ V) if difference else 0)
    e2, e1 = 2 * (t2 - h2) * (1 - h2**2), 2 * (t1 - h1) * (1 - h1**2)
    np.testing.assert_allclose(proposed["hidden1__hidden2.w"], h1.T @ e2 / 7, rtol=1e-10)
    np.testing.assert_allclose(proposed["x__hidden1.w"], x.T @ e1 / 7, rtol=1e-10)

    noisy = h1 + 0.3 * draws.normal("hidden1__hidden2/reconstruction", h1.shape, h1.dtype)
    code = np.tanh(noisy @ W["hidden1__hidden2"])
    back = np.tanh(code @ V)
    by_hand = code.T @ (2 * (noisy - back) * (1 - back**2)) / 7
    np.testing.assert_allclose(proposed["inverse/hidden2__hidden1.w"], by_hand, rtol=1e-10)
