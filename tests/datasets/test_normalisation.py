from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurosim.datasets import DataSet, Split
from neurosim.datasets.normalisation import normalised
from neurosim.datasets.registry import find
from neurosim.errors import DataError, UnknownNameError


def toy(channels: int) -> DataSet:
    generator = np.random.default_rng(1)

    def split(n: int) -> Split:
        return Split(generator.random((n, channels, 4, 4), np.float32), np.zeros(n, np.int64))

    return DataSet("toy", split(5), split(2), split(3), 1, (channels, 4, 4))


def test_none_changes_nothing() -> None:
    data = toy(1)
    assert normalised(data, None, find("mnist")) is data


def test_standard_uses_the_published_numbers_on_every_split() -> None:
    data = toy(1)
    done = normalised(data, "standard", find("mnist"))
    for part in ("train", "validation", "test"):
        np.testing.assert_allclose(getattr(done, part).x, (getattr(data, part).x - 0.1307) / 0.3081, rtol=1e-4, atol=1e-6)
        assert getattr(done, part).x.dtype == np.float32
        assert getattr(done, part).y is getattr(data, part).y
    assert done.black == pytest.approx((-0.42421,), abs=1e-5)


def test_standard_without_published_numbers_uses_the_training_split_only() -> None:
    data = toy(1)
    done = normalised(data, "standard", find("digits"))
    assert done.train.x.mean() == pytest.approx(0, abs=1e-6)
    assert done.train.x.std() == pytest.approx(1, abs=1e-6)
    expected = (data.test.x - data.train.x.mean()) / data.train.x.std()
    np.testing.assert_allclose(done.test.x, expected, rtol=1e-4, atol=1e-5)


def test_channels_have_their_own_numbers() -> None:
    data = toy(3)
    done = normalised(data, ((0.1, 0.2, 0.3), (1, 2, 4)), find("cifar-10"))
    for channel, (mean, std) in enumerate([(0.1, 1), (0.2, 2), (0.3, 4)]):
        np.testing.assert_allclose(done.train.x[:, channel], (data.train.x[:, channel] - mean) / std, rtol=1e-4, atol=1e-6)
    assert done.black == pytest.approx((-0.1, -0.1, -0.075))


def test_one_number_serves_all_channels() -> None:
    data = toy(3)
    done = normalised(data, (0.5, [0.5]), find("cifar-10"))
    np.testing.assert_allclose(done.test.x, 2 * data.test.x - 1, rtol=1e-4, atol=1e-6)
    assert done.black == (-1.0, -1.0, -1.0)


@pytest.mark.parametrize(
    "wrong",
    [(0, 0), (0, -1), (np.nan, 1), (0, np.inf), ((1, 2), 1), (0, (1, 2)), (0, "a"), (0, None), 0.5, (1, 2, 3), [1]],
)
def test_other_values_are_refused(wrong: Any) -> None:
    with pytest.raises(DataError, match=r"normalise.*expected"):
        normalised(toy(3), wrong, find("cifar-10"))


def test_another_word_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'standard'"):
        normalised(toy(1), "standart", find("mnist"))  # type: ignore[arg-type]
