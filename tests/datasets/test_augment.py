from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurosim.datasets import Augmentation
from neurosim.datasets.augment import horizontal_flip, random_crop
from neurosim.errors import DataError

X = np.random.default_rng(0).random((200, 2, 5, 6), np.float32) + 1


def generator() -> np.random.Generator:
    return np.random.default_rng(3)


def shifted(image: Any, down: int, right: int, fill: Any) -> Any:
    """Return ``image`` moved, pixel by pixel."""
    out = np.empty_like(image)
    for channel, row, column in np.ndindex(image.shape):
        r, c = row - down, column - right
        inside = 0 <= r < image.shape[1] and 0 <= c < image.shape[2]
        out[channel, row, column] = image[channel, r, c] if inside else fill[channel]
    return out


@pytest.mark.parametrize("fill", [0.0, (-1.0, -2.0)])
def test_a_crop_is_a_shift_drawn_for_each_image_from_all_shifts(fill: Any) -> None:
    done = random_crop(X, generator(), 2, fill)
    assert done.shape == X.shape
    assert done.dtype == np.float32
    assert done.flags.c_contiguous
    seen = set()
    values = np.broadcast_to(fill, 2)
    for before, after in zip(X, done, strict=True):
        shifts = [(d, r) for d in range(-2, 3) for r in range(-2, 3) if np.array_equal(shifted(before, d, r, values), after)]
        assert len(shifts) == 1
        seen.add(shifts[0])
    assert len(seen) == 25


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    done = horizontal_flip(X, generator())
    mirrored = [np.array_equal(after, before[:, :, ::-1]) for before, after in zip(X, done, strict=True)]
    same = [np.array_equal(after, before) for before, after in zip(X, done, strict=True)]
    assert np.all(np.array(mirrored) != np.array(same))
    assert 70 < sum(mirrored) < 130
    assert done.dtype == np.float32
    assert done.flags.c_contiguous


def test_the_batch_given_is_left_as_it_is() -> None:
    before = X.copy()
    Augmentation(crop_pad=2, flip=True)(X, generator())
    assert np.array_equal(X, before)


def test_an_augmentation_crops_then_flips_with_its_fill() -> None:
    draws = generator()
    expected = horizontal_flip(random_crop(X, draws, 1, -0.5), draws)
    assert np.array_equal(Augmentation(crop_pad=1, flip=True, fill=-0.5)(X, generator()), expected)
    assert np.array_equal(Augmentation(crop_pad=1)(X, generator()), random_crop(X, generator(), 1))
    assert np.array_equal(Augmentation(flip=True)(X, generator()), horizontal_flip(X, generator()))


def test_no_augmentation_passes_the_batch_and_draws_nothing() -> None:
    draws = generator()
    flat = np.ones((3, 4), np.float32)
    assert Augmentation()(flat, draws) is flat
    assert draws.random() == generator().random()


@pytest.mark.parametrize("augmentation", [Augmentation(crop_pad=1), Augmentation(flip=True)])
def test_flat_images_are_refused(augmentation: Augmentation) -> None:
    with pytest.raises(DataError, match="batch of shape \\(3, 4\\): expected \\(batch, channels, height, width\\)"):
        augmentation(np.ones((3, 4), np.float32), generator())


@pytest.mark.parametrize("augmentation", [Augmentation(crop_pad=1), Augmentation(flip=True)])
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_that_come_last_are_refused(augmentation: Augmentation, channels: int) -> None:
    with pytest.raises(DataError, match="channels seem to come last; rearrange the images"):
        augmentation(np.ones((3, 28, 28, channels), np.float32), generator())


def test_a_flip_that_does_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="wider than one pixel"):
        horizontal_flip(np.ones((3, 1, 4, 1), np.float32), generator())
    assert random_crop(np.ones((3, 1, 4, 1), np.float32), generator(), 1).shape == (3, 1, 4, 1)


def test_a_negative_pad_is_refused() -> None:
    with pytest.raises(DataError, match="crop_pad -1: expected 0 or more"):
        Augmentation(crop_pad=-1)
