"""``load``: from a data set's name to its images in memory."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from neurosim.datasets.arrays import Arrays, assemble, check_whole
from neurosim.datasets.dataset import DataSet, Split
from neurosim.datasets.digits import read_digits
from neurosim.datasets.folder import find_files
from neurosim.datasets.normalisation import Normalise, normalised
from neurosim.datasets.openml import download
from neurosim.datasets.published import AS_PUBLISHED, checksums, compared, warn
from neurosim.datasets.registry import Entry, find
from neurosim.datasets.scaling import unit_range
from neurosim.errors import DataError, require


def load(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    validation: float = 0,
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
        the papers take 10,000), or a float below 1: the share of those that there are
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
    if limit is not None:
        check_whole("limit", limit)
        require(limit >= 1, f"limit {limit}: expected at least 1 training image; raise it or drop it", DataError)
    try:
        return _loaded(entry, _folder(entry, data_dir), validation, normalise, limit)
    except MemoryError:
        raise DataError(
            f"data set {entry.name}: its {entry.train + entry.test:,} images do not fit into the memory: expected some "
            f"{2 * 4 * entry.values / 2**30:.1f} GiB that are free; give this process more"
        ) from None


def _loaded(entry: Entry, folder: Path | None, validation: float, normalise: Normalise, limit: int | None) -> DataSet:
    arrays, content = _read(entry, folder)
    arrays, scale = unit_range(arrays, entry.name)
    data = assemble(entry.name, arrays, entry.shape, entry.classes, validation)
    data = normalised(data, normalise, entry)
    train = Split(data.train.x[:limit], data.train.y[:limit])
    share = len(data.validation) / len(arrays.y_train)
    loaded = {"name": entry.name, "validation": share, "normalise": normalise, "limit": limit}
    place = str(folder.resolve()) if folder else ""
    data = replace(data, train=train, scale=scale, content=content, folder=place, loaded=loaded)
    warn(entry, content)  # last, so that an error is the only line that there is
    return data


def _folder(entry: Entry, data_dir: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder that a data set is read from, or None where it comes with, or through, scikit-learn."""
    folder = data_dir or os.environ.get("NEUROSIM_DATA")
    return Path(folder) if folder and entry.openml else None


def _read(entry: Entry, folder: Path | None) -> tuple[Arrays, str]:
    """Return a data set as it is stored, and how it compares with what was published."""
    if entry.openml is None:
        return read_digits(), AS_PUBLISHED
    if folder is None:
        arrays, form, paths = download(entry), "", []
    else:
        found = find_files(entry, folder)
        arrays, form, paths = found.read(entry), found.form, found.paths
    return arrays, compared(entry, arrays, checksums(entry, form, paths, arrays))
