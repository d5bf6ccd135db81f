"""``load``: from a data set's name to its images in memory."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.arrays import Arrays, assemble
from neurosim.datasets.dataset import DataSet, Split
from neurosim.datasets.digits import read_digits
from neurosim.datasets.folder import read_folder
from neurosim.datasets.normalisation import Normalise, normalised
from neurosim.datasets.openml import download
from neurosim.datasets.registry import Entry, find
from neurosim.errors import DataError, require


def load(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    validation: int = 0,
    normalise: Normalise = None,
    limit: int | None = None,
) -> DataSet:
    """Return the data set called ``name`` (see ``names()``), pixels in [0, 1], images (channels, height, width).

    Digits come with scikit-learn.  The others are read from ``data_dir``, else from the folder in the environment
    variable NEUROSIM_DATA, else downloaded from OpenML into scikit-learn's cache.

    Parameters
    ----------
    data_dir : folder with the data set's files, or with a folder of them named like the data set
    validation : how many of the last training images, in file order, become the validation split (of MNIST's 60,000
        the papers take 10,000)
    normalise : "standard" for the papers' mean and standard deviation, or (mean, std), each one number or one per channel
    limit : keep at most this many training images, the first ones; applied last

    Raises
    ------
    UnknownNameError
        No data set has that name.
    DataError
        Files are missing or damaged, the download failed, or an argument does not fit the data set.
    """
    entry = find(name)
    require(limit is None or limit >= 1, f"limit {limit}: expected at least 1 training image; raise it or drop it", DataError)
    arrays = _read(entry, data_dir)
    scaled = arrays._replace(x_train=_unit_range(arrays.x_train, entry), x_test=_unit_range(arrays.x_test, entry))
    data = assemble(entry.name, scaled, entry.shape, entry.classes, validation)
    data = normalised(data, normalise, entry)
    share = validation / len(arrays.y_train)
    loaded = {"name": entry.name, "validation": share, "normalise": normalise, "limit": limit}
    return replace(data, train=Split(data.train.x[:limit], data.train.y[:limit]), loaded=loaded)


def _read(entry: Entry, data_dir: str | os.PathLike[str] | None) -> Arrays:
    if entry.openml is None:
        return read_digits()
    folder = data_dir or os.environ.get("NEUROSIM_DATA")
    return read_folder(entry, Path(folder)) if folder else download(entry)


def _unit_range(x: NDArray[Any], entry: Entry) -> NDArray[Any]:
    """Return ``x`` in [0, 1]: integers are bytes, 0 to 255; floating-point numbers have to be in [0, 1] already."""
    if x.dtype.kind not in "uif":
        return x  # as_images says what is wrong with it
    top = 1 if x.dtype.kind == "f" else 255
    low, high = x.min(initial=0), x.max(initial=0)
    require(
        not (low < 0 or high > top),  # so put, NaN passes, and DataSet names the image that holds it
        f"data set {entry.name}: {x.dtype} pixels from {low} to {high}: expected 0 to {top}; rescale them",
        DataError,
    )
    return x if top == 1 else np.divide(x, np.float32(255), dtype=np.float32)
