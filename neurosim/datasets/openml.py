"""Downloading from OpenML, through scikit-learn and into its cache."""

from __future__ import annotations

import warnings
from http.client import HTTPException
from typing import Any

import numpy as np

from neurosim.datasets.arrays import Arrays
from neurosim.datasets.folder import expected_files
from neurosim.datasets.registry import Entry
from neurosim.errors import DataError, quoted, require


def download(entry: Entry) -> Arrays:
    """Return ``entry`` from OpenML or scikit-learn's cache; its rows are the training images, then the test images.

    Raises
    ------
    DataError
        The download failed (the message says how to do without), or did not bring the number of images expected.
    """
    images, labels = _fetch(entry)
    total = entry.train + entry.test
    require(
        len(images) == total,
        f"data set {entry.name} from OpenML: {len(images)} images: expected {total}; "
        f"clear scikit-learn's cache (sklearn.datasets.clear_data_home) and try again",
        DataError,
    )
    try:
        with np.errstate(invalid="ignore"):
            x, y = images.astype(np.uint8), labels.astype(np.int64)  # OpenML gives float64 pixels, and classes as text
        require(np.array_equal(x, images), "pixels that are no bytes", DataError)
    except ValueError as error:  # a DataError is one as well
        raise DataError(
            f"data set {entry.name} from OpenML: {quoted(str(error))[1:-1]}: expected bytes and numbers of classes; "
            f"clear scikit-learn's cache (sklearn.datasets.clear_data_home) and try again"
        ) from None
    return Arrays(x[: entry.train], y[: entry.train], x[entry.train :], y[entry.train :])


def _fetch(entry: Entry) -> tuple[Any, Any]:
    from sklearn.datasets import fetch_openml

    assert entry.openml is not None
    name, version = entry.openml
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its warnings say that it tries again; the error below says the rest
            # liac-arff: the other parser needs pandas
            images, labels = fetch_openml(name, version=version, as_frame=False, parser="liac-arff", return_X_y=True)
    except (OSError, HTTPException, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"data set {entry.name}: download from OpenML failed ({reason}): expected a network; or put "
            f"{expected_files(entry)} into a folder of your choice and name it by --data-dir FOLDER or NEUROSIM_DATA=FOLDER "
            f"(they are found at {entry.source})"
        ) from None
    return images, labels
