"""NumPy's .npz, in Keras' layout: arrays x_train, y_train, x_test, y_test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.arrays import Arrays
from neurosim.errors import DataError, require


def read_npz(paths: Sequence[Path]) -> Arrays:
    """Return the data set in the one .npz file of ``paths``; pickled objects in it are refused.

    Raises
    ------
    DataError
        The file is damaged, is not an .npz file, or lacks one of the four arrays.
    """
    (path,) = paths
    arrays = _arrays(path)
    missing = [key for key in Arrays._fields if key not in arrays]
    require(
        not missing, f"file {path}: no {', '.join(missing)}: expected {', '.join(Arrays._fields)}; save it again", DataError
    )
    return Arrays(**{key: arrays[key] for key in Arrays._fields})


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {key: stored[key] for key in Arrays._fields if key in stored}
    except Exception as error:  # zip, deflate and NumPy's header parser each have their own way to fail on damage
        what = f"{type(error).__name__} while reading"
        raise DataError(f"file {path}: {what}: expected an .npz file of plain arrays; save or fetch it again") from None
