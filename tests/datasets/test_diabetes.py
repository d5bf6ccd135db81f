from __future__ import annotations

import numpy as np
from sklearn.datasets import load_diabetes

from neurosim.datasets import load


def test_the_training_samples_are_standardised_and_the_test_samples_by_their_numbers() -> None:
    data = load("diabetes")
    assert (data.shape, data.classes, data.target_shape, data.labels) == ((10,), 0, (1,), ())
    assert (len(data.train), len(data.validation), len(data.test)) == (342, 0, 100)
    for values in (data.train.x, data.train.y):
        np.testing.assert_allclose(values.mean(0, dtype=np.float64), 0, atol=1e-6)
        np.testing.assert_allclose(values.std(0, dtype=np.float64), 1, atol=1e-6)
    assert abs(data.test.x.mean()) > 1e-3
    assert "not in the test split" in data.scale


def test_every_patient_is_there_once_with_their_own_target() -> None:
    """Undo the scaling by least squares against the raw numbers, and find each patient among them."""
    x, y = load_diabetes(return_X_y=True, scaled=False)
    data = load("diabetes", validation=42)
    rows = np.concatenate([split.x for split in (data.train, data.validation, data.test)])
    targets = np.concatenate([split.y[:, 0] for split in (data.train, data.validation, data.test)])
    order = np.random.RandomState(0).permutation(442)
    for scaled, raw in zip([*rows.T, targets], [*x[order].T, y[order]], strict=True):
        slope, start = np.polyfit(scaled, raw, 1)
        np.testing.assert_allclose(slope * scaled + start, raw, atol=1e-4)
        assert slope > 0


def test_a_linear_fit_explains_what_the_literature_finds() -> None:
    """A linear model has R squared of about a half on these data (Efron et al. 2004): the targets belong to the features."""
    data = load("diabetes")
    weights, *_ = np.linalg.lstsq(data.train.x, data.train.y, rcond=None)
    explained = 1 - ((data.test.x @ weights - data.test.y) ** 2).mean() / data.test.y.var()
    assert 0.4 < explained < 0.7
    shuffled, *_ = np.linalg.lstsq(data.train.x, np.random.default_rng(0).permutation(data.train.y), rcond=None)
    assert 1 - ((data.test.x @ shuffled - data.test.y) ** 2).mean() / data.test.y.var() < 0.1
