"""Random changes to a batch of training images that leave its labels true: shifts by some pixels, and mirror images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from neurosim.datasets.arrays import channels_last
from neurosim.errors import DataError, require

Images = NDArray[np.float32]  # (batch, channels, height, width)
Fill = float | tuple[float, ...]


@dataclass(frozen=True)
class Augmentation:
    """A crop, then a flip, each drawn anew for every image; without either, batches pass unchanged.

    Parameters
    ----------
    crop_pad : shift each image by up to this many pixels along each axis (MNIST 2, CIFAR-10 4 in Nokland & Eidnes 2019)
    flip : mirror each image left to right with probability 1/2
    fill : what a crop shifts in, one number or one per channel: the value black has after normalisation, ``DataSet.black``

    Raises
    ------
    DataError
        ``crop_pad`` is negative; when called, the images are not (batch, channels, height, width).
    """

    crop_pad: int = 0
    flip: bool = False
    fill: Fill = 0.0

    def __post_init__(self) -> None:
        require(self.crop_pad >= 0, f"augmentation: crop_pad {self.crop_pad}: expected 0 or more pixels; raise it", DataError)

    def __call__(self, x: Images, generator: np.random.Generator) -> Images:
        """Return the batch, augmented; ``x``, (batch, channels, height, width), is left as it is."""
        if self.crop_pad:
            x = random_crop(x, generator, self.crop_pad, self.fill)
        if self.flip:
            x = horizontal_flip(x, generator)
        return x


def random_crop(x: Images, generator: np.random.Generator, pad: int, fill: Fill = 0.0) -> Images:
    """Return each image cut, at its original size and a random offset, from itself padded by ``pad`` pixels on every side.

    Parameters
    ----------
    x : (batch, channels, height, width)
    fill : value of the padding, one number or one per channel: what black becomes by normalisation, ``DataSet.black``

    Raises
    ------
    DataError
        ``x`` has another shape, as flat images have.
    """
    _check_images("crop", x)
    batch, channels, height, width = x.shape
    padded = np.empty((batch, channels, height + 2 * pad, width + 2 * pad), x.dtype)
    padded[:] = np.reshape(fill, (1, -1, 1, 1))
    padded[:, :, pad : pad + height, pad : pad + width] = x
    windows = sliding_window_view(
        sliding_window_view(padded, height, 2), width, 3
    )  # (batch, channels, top, left, height, width)
    top, left = generator.integers(0, 2 * pad + 1, (2, batch))
    return windows[np.arange(batch), :, top, left]  # (batch, channels, height, width)


def horizontal_flip(x: Images, generator: np.random.Generator) -> Images:
    """Return the batch with each image, with probability 1/2, mirrored left to right.

    Parameters
    ----------
    x : (batch, channels, height, width)

    Raises
    ------
    DataError
        ``x`` has another shape, as flat images have.
    """
    _check_images("flip", x)
    mirrored = generator.random(len(x)) < 0.5  # (batch,)
    out = x.copy()
    out[mirrored] = x[mirrored, :, :, ::-1]
    return out


def _check_images(what: str, x: Images) -> None:
    require(
        x.ndim == 4,
        f"augmentation: {what} of a batch of shape {x.shape}: expected (batch, channels, height, width); "
        f"switch it off for a data set whose shape is (n_features,)",
        DataError,
    )
    require(
        not channels_last(x.shape[1:]),
        f"augmentation: {what} of a batch of shape {x.shape}: expected (batch, channels, height, width), and the channels seem to "
        f"come last; rearrange the images with np.moveaxis(x, -1, 1)",
        DataError,
    )
    require(
        what != "flip" or x.shape[3] > 1,
        f"augmentation: flip of a batch of shape {x.shape}: expected images wider than one pixel, or it does nothing; drop it",
        DataError,
    )
