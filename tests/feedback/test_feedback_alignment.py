"""Feedback alignment by hand: which weights errors come back through, how large they are, and that they stay."""

import numpy as np

from neurosim.feedback import pathway
from neurosim.network import Network


def attached(seed=0, hidden=(300, 200)):
    network = Network.layered((6,), list(hidden), 10, dtype="float64", seed=1)
    scheme = pathway("feedback_alignment")
    scheme.attach(network, 10, seed=seed)
    return network, scheme


def test_feedback_is_drawn_as_forward_weights_are_and_is_not_theirs():
    """Glorot and Bengio 2010, equation 16: +-sqrt(6 / (n_pre + n_post))."""
    network, scheme = attached()
    for name, w in scheme.feedback.items():
        bound = np.sqrt(6 / sum(w.shape))
        assert w.shape == network.projections[name].w.shape
        assert 0.99 * bound < np.abs(w).max() <= bound
        np.testing.assert_allclose(w.std(), bound / np.sqrt(3), rtol=0.05)
        correlation = np.corrcoef(w.ravel(), network.projections[name].w.ravel())[0, 1]
        assert abs(correlation) < 0.1


def test_feedback_follows_from_seed_and_projection():
    (_, one), (_, same), (_, other) = (attached(seed, hidden=(20, 20)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.feedback["hidden1__hidden2"], same.feedback["hidden1__hidden2"])
    assert not np.allclose(one.feedback["hidden1__hidden2"], other.feedback["hidden1__hidden2"])
    assert set(one.memory()) == {f"feedback/{name}.w" for name in ("x__hidden1", "hidden1__hidden2", "hidden2__output")}


def test_the_error_comes_down_one_population_at_a_time():
    network, scheme = attached(hidden=(5, 4))
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(7, 6)), np.eye(10)[draw.integers(0, 10, 7)]
    sweep = network.sweep(x, training=True)
    teaching = scheme.teach(sweep, y, network.backend.draws(0, 0))
    at_output = y - sweep.rate["output"]
    second = np.einsum("ij,bj->bi", scheme.feedback["hidden2__output"], at_output) * (1 - sweep.rate["hidden2"] ** 2)
    first = np.einsum("ij,bj->bi", scheme.feedback["hidden1__hidden2"], second) * (1 - sweep.rate["hidden1"] ** 2)
    np.testing.assert_allclose(teaching["output"].error, at_output, rtol=1e-12)
    np.testing.assert_allclose(teaching["hidden2"].error, second, rtol=1e-12)
    np.testing.assert_allclose(teaching["hidden1"].error, first, rtol=1e-12)
