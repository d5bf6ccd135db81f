"""Feedback alignment by hand: which weights errors come back through, how large they are, and that they stay."""

import numpy as np

from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection


def attached(seed=0, hidden=(300, 200)):
    network = Network.layered((6,), list(hidden), 10, dtype="float64", seed=1)
    scheme = pathway("feedback_alignment")
    scheme.attach(network, 10, seed=seed)
    return network, scheme


def feedback(scheme):
    """Return the feedback weights, (n_above, n_below), by the name of the forward projection."""
    return {name: projection.w for name, link in scheme.networks.items() for projection in link.projections.values()}


def test_feedback_is_drawn_as_forward_weights_are_and_is_not_theirs():
    """Glorot and Bengio 2010, equation 16: +-sqrt(6 / (n_pre + n_post))."""
    network, scheme = attached()
    for name, w in feedback(scheme).items():
        bound = np.sqrt(6 / sum(w.shape))
        assert w.shape == network.projections[name].w.T.shape
        assert 0.99 * bound < np.abs(w).max() <= bound
        np.testing.assert_allclose(w.std(), bound / np.sqrt(3), rtol=0.05)
        correlation = np.corrcoef(w.ravel(), network.projections[name].w.T.ravel())[0, 1]
        assert abs(correlation) < 0.1


def test_feedback_follows_from_seed_and_projection():
    (_, one), (_, same), (_, other) = (attached(seed, hidden=(20, 20)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(feedback(one)["hidden1__hidden2"], feedback(same)["hidden1__hidden2"])
    assert not np.allclose(feedback(one)["hidden1__hidden2"], feedback(other)["hidden1__hidden2"])


def test_no_matrix_is_kept_that_no_error_crosses():
    """None into the input, none along a delay, none from where no error is."""
    _, scheme = attached()
    names = {"feedback/hidden1__hidden2/hidden2__hidden1.w", "feedback/hidden2__output/output__hidden2.w"}
    assert set(scheme.memory()) == names and not scheme.parameters()
    populations = [Population("x", 4), Population("a", 4), Population("b", 4), Population("output", 3, transfer="softmax")]
    links = [Projection("x", "a"), Projection("x", "b"), Projection("a", "b", delay=1), Projection("a", "a", delay=2)]
    links += [Projection("b", "output"), Projection("b", "output", name="more", connectivity="all_to_all")]
    scheme = pathway("feedback_alignment")
    scheme.attach(Network([*populations], links), 3, seed=0)
    assert set(scheme.networks) == {"b__output", "more"}


def test_feedback_synapses_are_projections_from_the_population_above():
    network, scheme = attached(hidden=(5, 4))
    (projection,) = scheme.networks["hidden1__hidden2"].projections.values()
    assert (projection.pre, projection.post, projection.rule, projection.bias) == ("hidden2", "hidden1", None, False)
    assert "hidden2 -> hidden1 all_to_all: fixed" in scheme.networks["hidden1__hidden2"].summary()


def test_the_error_comes_down_one_population_at_a_time():
    network, scheme = attached(hidden=(5, 4))
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(7, 6)), np.eye(10)[draw.integers(0, 10, 7)]
    sweep = network.sweep(x, training=True)
    teaching = scheme.teach(sweep, y, network.backend.draws(0, 0))
    at_output = y - sweep.rate["output"]
    second = np.einsum("ji,bj->bi", feedback(scheme)["hidden2__output"], at_output) * (1 - sweep.rate["hidden2"] ** 2)
    first = np.einsum("ji,bj->bi", feedback(scheme)["hidden1__hidden2"], second) * (1 - sweep.rate["hidden1"] ** 2)
    np.testing.assert_allclose(teaching["output"].error, at_output, rtol=1e-12)
    np.testing.assert_allclose(teaching["hidden2"].error, second, rtol=1e-12)
    np.testing.assert_allclose(teaching["hidden1"].error, first, rtol=1e-12)
