"""Direct feedback alignment by hand: which weights errors come back through, how large they are, and that they stay."""

import numpy as np

from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection


def attached(seed=0, hidden=(300, 200)):
    network = Network.layered((6,), list(hidden), 10, dtype="float64", seed=1)
    scheme = pathway("direct_feedback_alignment")
    scheme.attach(network, 10, seed=seed)
    return network, scheme


def feedback(scheme):
    """Return the feedback weights, (n_output, n), by population."""
    return {name: projection.w for name, link in scheme.networks.items() for projection in link.projections.values()}


def test_feedback_is_uniform_between_bounds_that_neurons_and_classes_decide():
    """Glorot and Bengio 2010, equation 16: +-sqrt(6 / (n + classes)), as the forward weights."""
    _, scheme = attached()
    for name, size in (("hidden1", 300), ("hidden2", 200)):
        w, bound = feedback(scheme)[name], np.sqrt(6 / (size + 10))
        assert w.shape == (10, size)
        assert 0.99 * bound < np.abs(w).max() <= bound
        np.testing.assert_allclose(w.std(), bound / np.sqrt(3), rtol=0.05)
        assert abs(w.mean()) < 0.05 * bound


def test_feedback_follows_from_seed_and_population():
    (_, one), (_, same), (_, other) = (attached(seed, hidden=(20, 20)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(feedback(one)["hidden1"], feedback(same)["hidden1"])
    assert not np.allclose(feedback(one)["hidden1"], feedback(other)["hidden1"])
    assert not np.allclose(feedback(one)["hidden1"], feedback(one)["hidden2"])
    assert set(one.memory()) == {f"feedback/{name}/output__{name}.w" for name in ("hidden1", "hidden2")}


def test_the_error_is_the_outputs_through_the_feedback_times_the_slope():
    network, scheme = attached(hidden=(5, 4))
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(7, 6)), np.eye(10)[draw.integers(0, 10, 7)]
    sweep = network.sweep(x, training=True)
    teaching = scheme.teach(sweep, y, network.backend.draws(0, 0))
    for name in ("hidden1", "hidden2"):
        wanted = np.zeros_like(sweep.rate[name])
        for sample in range(7):
            for neuron in range(wanted.shape[1]):
                on_rate = sum(
                    feedback(scheme)[name][k, neuron] * (y[sample, k] - sweep.rate["output"][sample, k]) for k in range(10)
                )
                wanted[sample, neuron] = on_rate * (1 - sweep.rate[name][sample, neuron] ** 2)
        np.testing.assert_allclose(teaching[name].error, wanted, rtol=1e-12)
    np.testing.assert_array_equal(teaching["output"].error, y - sweep.rate["output"])


def test_silenced_neurons_get_no_error():
    populations = [Population("x", 6), Population("hidden1", 8, transfer="tanh", dropout=0.5)]
    network = Network(
        [*populations, Population("output", 3, transfer="softmax")],
        [Projection("x", "hidden1"), Projection("hidden1", "output")],
        dtype="float64",
    )
    scheme = pathway("direct_feedback_alignment")
    scheme.attach(network, 3, seed=0)
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(np.random.default_rng(0).normal(size=(7, 6)), training=True, draws=draws)
    error = scheme.teach(sweep, np.eye(3)[np.arange(7) % 3], draws)["hidden1"].error
    silent = sweep["hidden1"].mask == 0
    assert silent.any() and not error[silent].any() and error[~silent].all()
