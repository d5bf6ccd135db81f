"""Whether files hold what was published under a data set's name: by the checksums that the registry records.

What is known to be another data set, or another part of this one, is refused.  What is merely different is loaded, with a warning
and a note in the run file: people train on subsets, on binarised images and on wrong labels for good reasons, and a number of
theirs is only wrong where it passes for a number on the published images.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets import idx
from neurosim.datasets.arrays import Arrays
from neurosim.datasets.registry import IDX_FILES, REGISTRY, Entry
from neurosim.errors import DataError, require

log = logging.getLogger(__name__)

AS_PUBLISHED = "as published"
UNKNOWN = "not compared: no checksum is recorded"
PUBLISHED = {md5: (entry, file) for entry in REGISTRY.values() for file, md5 in entry.md5.items()}


def compared(entry: Entry, arrays: Arrays, found: Mapping[str, str]) -> str:
    """Return how ``arrays`` compare with the published ones, for the run file.

    found : the checksums that their files have, by the names the registry gives the files

    Raises
    ------
    DataError
        A file holds what was published as another file, of this or another data set.
    """
    for file, md5 in found.items():
        owner, published_as = PUBLISHED.get(md5, (entry, file))
        require(
            (owner, published_as) == (entry, file),
            f"data set {entry.name}: {file} holds what was published as {owner.name}'s {published_as}: expected its own content; "
            "give each file its own name, or name that data set",
            DataError,
        )
    differences = []
    for part, x, published in (("training", arrays.x_train, entry.train), ("test", arrays.x_test, entry.test)):
        if len(x) != published:
            differences.append(f"{len(x):,} {part} images, not {published:,}")
    other = [file for file, md5 in found.items() if md5 != entry.md5.get(file, md5)]
    if other and not differences:
        differences.append(f"other content in {', '.join(other)}")
    if differences:
        return f"not as published: {'; '.join(differences)}"
    return AS_PUBLISHED if found else UNKNOWN


def warn(entry: Entry, content: str) -> None:
    """Say in one line that a data set is not as published."""
    if content not in (AS_PUBLISHED, UNKNOWN):
        log.warning(
            "data set %s: %s: it is loaded as it is, but results on it are not results on %s (checksums: data/README.md)",
            *(entry.name, content, entry.name),
        )


def checksums(entry: Entry, form: str, paths: Sequence[Path], arrays: Arrays) -> dict[str, str]:
    """Return the checksums of a data set's files, without compression, by the names the registry gives the files.

    Where the registry records IDX files, arrays are compared as such files, whatever they were stored in.
    """
    if form == "cifar-python":
        files = zip(entry.files[form], paths, strict=True)
        return {file: hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for file, path in files}
    if not set(IDX_FILES) <= set(entry.md5):
        return {}
    return {file: _idx_checksum(values, entry) for file, values in zip(IDX_FILES, arrays, strict=True)}


def _idx_checksum(values: NDArray[Any], entry: Entry) -> str:
    """Return the checksum of the IDX file that would hold ``values``, images or labels; "" where it could not hold them."""
    found = _as_bytes(values)
    if found is None or not len(values):
        return ""
    pixels = math.prod(entry.shape)
    return idx.md5(found, (len(values), *entry.shape[1:]) if found.size == len(values) * pixels else (len(values),))


def _as_bytes(values: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Return whole numbers below 256 as bytes, and numbers from 0 to 1 as what they were before a division by 255."""
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind not in "buif" or not values.size or not 0 <= values.min() <= values.max() <= 255:  # nor NaN
        return None
    numbers = values.astype(np.float64)
    if values.max() <= 1 and values.dtype.kind == "f":
        numbers *= 255
    whole = np.rint(numbers)
    return whole.astype(np.uint8) if np.allclose(numbers, whole, rtol=0, atol=1e-3) else None
