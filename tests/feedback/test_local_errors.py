"""Options of the local errors, and how the heads start."""

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"loss": "predict"}, "loss 'predict': expected one of pred, sim, predsim"),
        ({"loss": "pred", "beta": 0.5}, "beta 0.5 with loss 'pred'"),
        ({"beta": 1.0}, "beta 1.0"),
        ({"beta": 0}, "beta 0"),
    ],
)
def test_options_out_of_range(options, named):
    with pytest.raises(InputError, match=named):
        pathway("local_errors", **options)


@pytest.mark.parametrize(("free", "beta"), [(False, 0.99), (True, 0.01)])
def test_the_default_beta_is_the_released_one(free, beta):
    assert pathway("local_errors", backprop_free=free).shares == pytest.approx((1 - beta, beta))


def attached(seed=0, **options):
    network = Network.layered((4,), [5, 5], 3, dtype="float64")
    scheme = pathway("local_errors", **options)
    scheme.attach(network, 3, seed=seed)
    return network, scheme


def test_readouts_start_at_zero_but_for_their_bias():
    _, scheme = attached(loss="pred")
    for name, value in scheme.parameters().items():
        assert value.any() == name.endswith(".b")
        assert np.abs(value).max() <= 1 / np.sqrt(5)


def test_fixed_projections_follow_from_the_seed_and_are_neither_learned_nor_stored():
    (_, one), (_, same), (_, other) = (attached(seed, backprop_free=True) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.code, same.code)
    np.testing.assert_array_equal(one.feedback["hidden1"], same.feedback["hidden1"])
    assert not np.array_equal(one.code, other.code)
    assert set(one.parameters()) == {f"pred/hidden{k}/seen__told.{v}" for k in (1, 2) for v in "wb"}
    assert not one.memory()


def test_a_population_whose_neurons_all_agree_has_a_finite_error():
    network, scheme = attached(loss="sim", backprop_free=True)
    for projection in network.projections.values():
        projection.w[...] = 0
    sweep = network.sweep(np.random.default_rng(0).normal(size=(6, 4)), training=True)
    error = scheme.teach(sweep, np.eye(3)[np.arange(6) % 3], network.backend.draws(0, 0))["hidden1"].error
    assert np.isfinite(error).all()
