"""Options of the local errors, and how the heads start."""

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.feedback.local_errors import LocalErrors
from neurosim.network import Network, Population, Projection
from neurosim.plasticity import PlasticityRule


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


@pytest.mark.parametrize("free", [False, True])
def test_readouts_start_at_zero_but_for_the_bias_of_the_plain_ones(free):
    _, scheme = attached(loss="pred", backprop_free=free)
    assert len(scheme.parameters()) == 4
    for name, value in scheme.parameters().items():
        assert value.any() == (name.endswith(".b") and not free)
        assert np.abs(value).max() <= 1 / np.sqrt(5)


def test_heads_start_elsewhere_with_another_seed():
    (_, one), (_, same), (_, other) = (attached(seed) for seed in (0, 0, 1))
    for name, value in one.parameters().items():
        np.testing.assert_array_equal(same.parameters()[name], value)
        zero = name.startswith("pred/") and name.endswith(".w")
        assert np.array_equal(other.parameters()[name], value) == zero


def fixed(scheme, name):
    """Return the weights of one of the scheme's networks of one projection."""
    (projection,) = scheme.networks[name].projections.values()
    assert projection.rule is None
    return projection.w


def test_fixed_projections_follow_from_the_seed_and_are_not_learned():
    (_, one), (_, same), (_, other) = (attached(seed, backprop_free=True) for seed in (0, 0, 1))
    for kind, fan_in, shape in (("label", 3, (3, 128)), ("feedback", 5, (128, 5))):  # 128 neurons: the released code's code
        first, again, another = (fixed(scheme, f"{kind}/hidden1") for scheme in (one, same, other))
        np.testing.assert_array_equal(first, again)
        assert first.shape == shape and not np.array_equal(first, another)
        assert not np.array_equal(first, fixed(one, f"{kind}/hidden2"))
        for name in ("hidden1", "hidden2"):
            assert 0.9 / np.sqrt(fan_in) < np.abs(fixed(one, f"{kind}/{name}")).max() <= 1 / np.sqrt(fan_in)
    assert set(one.parameters()) == {f"pred/hidden{k}/input__output.{v}" for k in (1, 2) for v in "wb"}
    names = ("feedback/hidden{}/output__hidden{}.w", "label/hidden{}/target__code.w")
    assert set(one.memory()) == {name.format(k, k) for k in (1, 2) for name in names}


def test_a_rule_given_to_the_fixed_feedback_is_followed():
    network, scheme = attached(loss="pred", backprop_free=True)
    (projection,) = scheme.networks["feedback/hidden1"].projections.values()
    projection.rule = PlasticityRule("dw = rate_pre * rate_post + error_post * 0.5")
    draws, target = network.backend.draws(0, 0), np.eye(3)[np.arange(6) % 3]
    sweep = network.sweep(np.random.default_rng(0).normal(size=(6, 4)), training=True)
    teaching = scheme.teach(sweep, target, draws)
    change = scheme.adapt(sweep, target, teaching, draws)["feedback/hidden1/output__hidden1.w"]
    code = (target @ fixed(scheme, "label/hidden1") > 0) * 1.0
    sent = (code - 0.5) / 128  # the readout starts at zero, so that its sigmoid is at a half
    expected = sent.T @ sweep.rate["hidden1"] / 6 + 0.5 * teaching["hidden1"].error.mean(axis=0)
    np.testing.assert_allclose(change, expected, rtol=1e-12, atol=1e-15)
    assert "feedback/hidden1/output__hidden1.w" in scheme.parameters()


@pytest.mark.parametrize("loss", ["pred", "sim"])
def test_every_population_gets_the_label_through_its_own_projection(loss):
    """Two populations that do the same get different codes of one label, and so different errors."""
    populations = [Population("x", 4), Population("one", 4), Population("two", 4), Population("output", 3, transfer="softmax")]
    copied = {"connectivity": "one_to_one", "initial": 1, "bias": False, "rule": None}
    links = [Projection("x", "one", **copied), Projection("one", "two", **copied), Projection("two", "output")]
    network = Network(populations, links, dtype="float64")
    scheme = pathway("local_errors", loss=loss, backprop_free=True)
    scheme.attach(network, 3, seed=0)
    if loss == "pred":  # the way back is the same, the label's is not
        fixed(scheme, "feedback/two")[...] = fixed(scheme, "feedback/one")
    sweep = network.sweep(np.random.default_rng(0).normal(size=(6, 4)), training=True)
    teaching = scheme.teach(sweep, np.eye(3)[np.arange(6) % 3], network.backend.draws(0, 0))
    np.testing.assert_array_equal(sweep.rate["one"], sweep.rate["two"])
    assert not np.allclose(teaching["one"].error, teaching["two"].error)


def test_a_population_whose_neurons_all_agree_has_a_finite_error():
    network, scheme = attached(loss="sim", backprop_free=True)
    for projection in network.projections.values():
        projection.w[...] = 0
    sweep = network.sweep(np.random.default_rng(0).normal(size=(6, 4)), training=True)
    error = scheme.teach(sweep, np.eye(3)[np.arange(6) % 3], network.backend.draws(0, 0))["hidden1"].error
    assert np.isfinite(error).all()


@pytest.mark.parametrize("options", [{"loss": "pred"}, {"loss": "sim"}, {"backprop_free": True}])
def test_adapt_answers_the_labels_it_is_given(options):
    network, scheme = attached(**options)
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(np.random.default_rng(0).normal(size=(6, 4)), training=True)
    target, other = np.eye(3)[np.arange(6) % 3], np.eye(3)[[0, 0, 1, 2, 2, 1]]
    alone = scheme.adapt(sweep, other, {}, draws)
    first = scheme.adapt(sweep, target, scheme.teach(sweep, target, draws), draws)
    then = scheme.adapt(sweep, other, {}, draws)
    assert set(alone) == set(then) == set(scheme.parameters())
    for name, change in alone.items():
        np.testing.assert_array_equal(then[name], change)
        assert not np.array_equal(first[name], change)


@pytest.mark.parametrize("options", LocalErrors.variants, ids=str)
def test_an_image_of_neurons_is_taught_like_a_row_of_them(options):
    errors = []
    for shape in ((2, 2, 3), (12,)):
        hidden = Population("hidden1", shape, transfer="tanh")
        populations = [Population("x", 4), hidden, Population("output", 3, transfer="softmax")]
        network = Network(populations, [Projection("x", "hidden1"), Projection("hidden1", "output")], dtype="float64")
        network.projections["x__hidden1"].w[...] = np.linspace(-1, 1, 48).reshape(4, 12)
        scheme = pathway("local_errors", **options)
        scheme.attach(network, 3, seed=0)
        for value in scheme.parameters().values():
            value += np.linspace(-0.5, 0.5, value.size).reshape(value.shape)
        sweep = network.sweep(np.random.default_rng(0).normal(size=(6, 4)), training=True)
        errors.append(scheme.teach(sweep, np.eye(3)[np.arange(6) % 3], network.backend.draws(0, 0))["hidden1"].error)
        assert errors[-1].shape == (6, *shape)
    np.testing.assert_allclose(errors[0].reshape(6, 12), errors[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("options", LocalErrors.variants, ids=str)
def test_float32_stays_close_to_float64(options):
    found = {}
    for dtype in ("float32", "float64"):
        network = Network.layered((4,), [8, 8], 3, dtype=dtype, seed=1)
        scheme = pathway("local_errors", **options)
        scheme.attach(network, 3, seed=0)
        for value in scheme.parameters().values():
            value += np.linspace(-0.5, 0.5, value.size).reshape(value.shape).astype(dtype)
        sweep = network.sweep(np.random.default_rng(0).normal(size=(12, 4)), training=True)
        target, draws = np.eye(3, dtype=dtype)[np.arange(12) % 3], network.backend.draws(0, 0)
        teaching = scheme.teach(sweep, target, draws)
        found[dtype] = {"error": teaching["hidden2"].error} | scheme.adapt(sweep, target, teaching, draws)
    for name, value in found["float32"].items():
        exact = found["float64"][name]
        assert value.dtype == np.float32
        assert np.abs(exact).max() > 0
        np.testing.assert_allclose(value, exact, rtol=0, atol=2e-5 * np.abs(exact).max(), err_msg=name)
