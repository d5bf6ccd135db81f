"""Measures of representations against closed forms, against straight-line loops, and for any shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.analysis import representations as measures
from neurosim.errors import InputError


@pytest.fixture
def draw():
    return np.random.default_rng(1)


# ---------------------------------------------------------------------- centred kernel alignment


@pytest.mark.parametrize("neurons", [5, 80])  # fewer than samples, and more: by two different products
@pytest.mark.parametrize("cka", [measures.linear_cka, measures.debiased_cka])
def test_cka_of_responses_turned_scaled_and_moved_is_1(draw, cka, neurons):
    x = draw.normal(size=(40, neurons))
    turn, _ = np.linalg.qr(draw.normal(size=(neurons, neurons)))
    assert cka(x, 3.7 * x @ turn + draw.normal(size=neurons)) == pytest.approx(1, abs=1e-12)
    assert cka(x, draw.normal(size=(40, neurons))) < 0.9  # a control


def test_cka_of_independent_responses_is_near_its_expectation(draw):
    n, p, q = 100, 60, 30
    pairs = [(draw.normal(size=(n, p)), draw.normal(size=(n, q))) for _ in range(50)]
    biased = np.mean([measures.linear_cka(x, y) for x, y in pairs])
    assert biased == pytest.approx(np.sqrt(p * q / ((n + p) * (n + q))), rel=0.02)
    found = np.array([measures.debiased_cka(x, y) for x, y in pairs])
    assert abs(found.mean()) < 3 * found.std(ddof=1) / np.sqrt(len(pairs))
    assert biased > 0.25  # what the bias is


def test_cka_of_a_shared_part_is_the_share_that_algebra_gives(draw):
    # x = (s, a), y = (s, b), all uncorrelated and of variance 1: |Y'X|^2 = 1 of |X'X| |Y'Y| = 2
    shared, a, b = draw.normal(size=(3, 200_000))
    found = measures.debiased_cka(np.stack([shared, a], axis=1), np.stack([shared, b], axis=1))
    assert found == pytest.approx(0.5, abs=0.02)


def kernels(x, y):
    return (np.array(one) @ np.array(one).T for one in (x, y))


def test_cka_is_what_its_kernels_give(draw):
    """By their kernels: HSIC of centred ones (Kornblith et al. 2019), and its unbiased form (Song et al. 2012)."""
    x, y = draw.normal(size=(12, 4)), draw.normal(size=(12, 30))
    y[:, 0] += x[:, 0]
    n, centre = 12, np.eye(12) - 1 / 12

    def hsic(a, b):
        k, l = kernels(a, b)  # noqa: E741
        return np.trace(k @ centre @ l @ centre)

    def unbiased(a, b):
        k, l = (kernel - np.diag(np.diag(kernel)) for kernel in kernels(a, b))  # noqa: E741
        one = np.ones(n)
        parts = np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ l @ one)
        return parts / (n * (n - 3))

    for found, part in ((measures.linear_cka, hsic), (measures.debiased_cka, unbiased)):
        assert found(x, y) == pytest.approx(part(x, y) / np.sqrt(part(x, x) * part(y, y)), rel=1e-10)


def test_cka_is_not_defined_without_variance_or_enough_samples(draw):
    x = draw.normal(size=(10, 3))
    assert np.isnan(measures.linear_cka(x, np.full((10, 2), 0.1)))
    assert np.isnan(measures.debiased_cka(x[:3], x[:3]))
    with pytest.raises(InputError, match="10 and 9 samples: expected the same samples"):
        measures.linear_cka(x, x[:9])


# ---------------------------------------------------------------------- effective dimension


def test_dimension_of_a_line_is_1_and_of_orthogonal_responses_their_number(draw):
    line = draw.normal(size=(50, 1)) * draw.normal(size=20)
    assert measures.effective_dimension(line) == pytest.approx(1)
    cube = np.concatenate([np.eye(6), -np.eye(6)])  # covariance is exactly isotropic
    assert measures.effective_dimension(cube) == pytest.approx(6)
    assert np.isnan(measures.effective_dimension(np.full((50, 3), 0.1)))


@pytest.mark.parametrize("samples, neurons", [(2000, 10), (100, 100), (50, 400)])
def test_dimension_of_isotropic_responses_is_their_number_but_for_the_stated_bias(draw, samples, neurons):
    found = np.mean([measures.effective_dimension(draw.normal(size=(samples, neurons))) for _ in range(10)])
    assert found == pytest.approx(1 / (1 / neurons + 1 / samples), rel=0.03)


def test_dimension_is_that_of_the_eigenvalues(draw):
    x = draw.normal(size=(30, 8)) * np.arange(1, 9)
    values = np.linalg.eigvalsh(np.cov(x.T))
    assert measures.effective_dimension(x) == pytest.approx(values.sum() ** 2 / (values**2).sum())


# ---------------------------------------------------------------------- sparsity


def test_sparsity_of_one_hot_rates_is_1_and_of_constant_rates_0():
    assert measures.lifetime_sparsity(np.eye(7)) == pytest.approx(np.ones(7))
    assert measures.population_sparsity(3 * np.eye(7)) == pytest.approx(np.ones(7))
    assert measures.lifetime_sparsity(np.full((7, 3), 0.4)) == pytest.approx(np.zeros(3), abs=1e-12)
    assert measures.population_sparsity(np.full((7, 3), 0.4)) == pytest.approx(np.zeros(7), abs=1e-12)


def test_sparsity_of_some_equal_rates_is_the_closed_form():
    rates = np.zeros((10, 1))
    rates[:4] = 2  # 4 of 10: a = 0.4
    assert measures.lifetime_sparsity(rates) == pytest.approx((1 - 0.4) / (1 - 0.1))
    assert measures.population_sparsity(rates.T) == pytest.approx((1 - 0.4) / (1 - 0.1))
    assert measures.lifetime_sparsity(rates * np.resize([1, -1], (10, 1))) == pytest.approx(0.6 / 0.9)  # magnitudes


def test_sparsity_of_silence_is_not_defined():
    rates = np.zeros((5, 2))
    rates[:, 0] = 1
    assert np.isnan(measures.lifetime_sparsity(rates)).tolist() == [False, True]


# ---------------------------------------------------------------------- selectivity


def test_a_neuron_that_answers_one_class_only_is_wholly_selective():
    labels = np.repeat([0, 3, 8], 4)
    rates = np.stack([labels == 3, np.ones(12), np.zeros(12), np.where(labels == 0, 3.0, 1.0), labels - 4.0], axis=1)
    found = measures.class_selectivity(rates, labels)
    assert found[:2] == pytest.approx([1, 0])
    assert np.isnan(found[2])  # silent
    assert found[3] == pytest.approx((3 - 1) / (3 + 1))
    assert np.isnan(found[4])  # below zero for some class
    shares = measures.class_variance(rates, labels)
    assert shares[[0, 3, 4]] == pytest.approx([1, 1, 1])
    assert np.isnan(shares[[1, 2]]).all()


def test_the_variance_between_classes_is_by_hand_and_of_noise_its_bias(draw):
    # classes (0, 2) and (4, 6): means 1 and 5 around 3: between 4 * 4 = 16 of 9 + 1 + 1 + 9 = 20
    assert measures.class_variance([[0.0], [2], [4], [6]], [0, 0, 1, 1]) == pytest.approx([16 / 20])
    noise = measures.class_variance(draw.normal(size=(60, 4000)), np.arange(60) % 10)
    assert noise.mean() == pytest.approx(9 / 59, rel=0.03)


# ---------------------------------------------------------------------- linear probe


def test_a_probe_reads_classes_apart_without_fail_and_shuffled_labels_at_chance(draw):
    labels = np.arange(800) % 4
    rates = draw.normal(size=(800, 6))
    rates[:, 0] += 20 * (labels % 2)
    rates[:, 1] += 20 * (labels // 2)
    assert measures.linear_probe(rates, labels) == 100
    chance, scored = 0.25, 400
    found = measures.linear_probe(rates, draw.permutation(labels)) / 100
    assert abs(found - chance) < 3 * np.sqrt(chance * (1 - chance) / scored)


def test_a_probe_is_scored_on_samples_that_it_was_not_fitted_on(draw):
    labels = np.arange(200) % 2
    rates = draw.normal(size=(200, 300))  # enough neurons to learn all labels by heart
    assert measures.linear_probe(rates, labels) < 70
    fitted, scored = measures.probe_halves(labels)
    assert len(set(np.diff(fitted))) > 2  # not every second one
    assert sorted([*fitted, *scored]) == list(range(200))
    assert np.bincount(labels[fitted]).tolist() == np.bincount(labels[scored]).tolist() == [50, 50]


def test_a_probe_reads_neurons_alike_whatever_their_scale(draw):
    labels = np.arange(200) % 2
    rates = draw.normal(size=(200, 30)) + 0.4 * labels[:, None]
    found = measures.linear_probe(rates, labels)
    assert 60 < found < 100
    assert measures.linear_probe(rates * np.logspace(-4, 4, 30) + 7, labels) == pytest.approx(found)


def test_a_probe_needs_two_classes_and_finite_rates(draw):
    rates = draw.normal(size=(10, 2))
    assert np.isnan(measures.linear_probe(rates, np.zeros(10, int)))
    assert np.isnan(measures.linear_probe(np.where(rates > 0, np.inf, rates), np.arange(10) % 2))
    with pytest.raises(InputError, match=r"labels of shape \(9,\): expected \(10,\)"):
        measures.linear_probe(rates, np.zeros(9, int))


# ---------------------------------------------------------------------- any shape


@settings(max_examples=25, deadline=None)
@given(st.integers(4, 12), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 99))
def test_any_shape_of_population_is_its_neurons_in_order(samples, shape, seed):
    draw = np.random.default_rng(seed)
    rates, labels = draw.random((samples, *shape)), np.arange(samples) % 2
    flat = rates.reshape(samples, -1)
    for measure in (measures.lifetime_sparsity, measures.population_sparsity, measures.effective_dimension):
        np.testing.assert_array_equal(measure(rates), measure(flat))
    for by_class in (measures.class_selectivity, measures.class_variance):
        found = by_class(rates, labels)
        assert found.shape == (flat.shape[1],)
        np.testing.assert_array_equal(found, by_class(flat, labels))
        assert ((found >= -1e-12) & (found <= 1 + 1e-12)).all()
    assert measures.lifetime_sparsity(rates).shape == (flat.shape[1],)
    assert measures.population_sparsity(rates).shape == (samples,)
    assert 1 - 1e-9 <= measures.effective_dimension(rates) <= min(samples - 1, flat.shape[1]) + 1e-9
    other = draw.random((samples, 3))
    assert measures.linear_cka(rates, other) == pytest.approx(measures.linear_cka(other, flat))
    assert -1e-12 <= measures.linear_cka(rates, other) <= 1 + 1e-12
    assert measures.debiased_cka(rates, other) <= 1 + 1e-9


def test_rates_need_samples_and_neurons():
    with pytest.raises(InputError, match=r"rates of shape \(5,\): expected \(samples, neurons\)"):
        measures.effective_dimension(np.ones(5))


def test_rates_that_are_not_finite_have_no_measure():
    rates = np.ones((5, 2))
    rates[0, 0] = np.nan
    assert np.isnan([measures.effective_dimension(rates), measures.linear_cka(rates, rates)]).all()


def test_debiased_cka_of_many_is_that_of_each_two():
    draw = np.random.default_rng(2)
    shared = draw.normal(size=(30, 6))
    rates = [shared @ draw.normal(size=(6, size)) + 0.5 * draw.normal(size=(30, size)) for size in (4, 50, 9)]
    rates += [np.full((30, 3), np.inf), np.ones((30, 2))]  # a run that diverged, and one that answers all alike
    found = measures.debiased_cka_of([measures.kernel(one) for one in rates])
    expected = [[measures.debiased_cka(one, other) for other in rates] for one in rates]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.isnan(measures.kernel(shared[:3])).all()
