"""Recordings read piece by piece, so that a large one takes no more memory than a small one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from neurosim.runfile.opening import damaged

if TYPE_CHECKING:
    import pandas
    import xarray

BLOCK = 2**23  # bytes
BESIDE = ("epoch", "step", "label")  # what is told of a dimension beside its numbers


def blocks(path: Path, array: xarray.DataArray, least: int = 0) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield a recording in order, as (part of its first axis, part of its second, values); at least once, if only with no values.

    path : of the run file; least : bytes that a block may have, if that is more than BLOCK; a row of the second axis is never cut

    Raises RunFileError where the values cannot be read.
    """
    if array.ndim == 1:
        yield slice(0, len(array)), slice(None), _read(path, array)
        return
    most = max(BLOCK, least)
    first, second = array.shape[:2]
    row = max(1, math.prod(array.shape[2:]) * array.dtype.itemsize)
    columns = max(1, min(second, most // row))
    rows = max(1, most // (columns * row)) if columns == second else 1
    for top in range(0, max(first, 1), rows):
        for left in range(0, max(second, 1), columns):
            part = slice(top, min(top + rows, first)), slice(left, min(left + columns, second))
            yield *part, _read(path, array[part])


def _read(path: Path, array: xarray.DataArray) -> np.ndarray:
    try:
        return np.asarray(array.data.compute(scheduler="synchronous"))
    except OSError as cause:
        raise damaged(path, cause) from cause


def frames(path: Path, array: xarray.DataArray) -> Iterator[pandas.DataFrame]:
    """Yield a recording as tables, one after the other: a row for each recording and sample (or presynaptic neuron).

    Columns: ``recording`` with ``epoch`` and ``step``, ``sample`` with ``label``, and so on for every dimension but the last,
    which is laid out in columns: ``neuron_0``, ``neuron_1``, ..., or ``post_0``, ...; ``value`` for a number that is alone.

    Raises RunFileError where the values cannot be read.
    """
    import pandas as pd

    numbers = {dim: array[dim].values for dim in array.dims}
    alone = array.ndim == 1
    rows = array.dims if alone else array.dims[:-1]
    names = ["value"] if alone else [f"{array.dims[-1]}_{number}" for number in numbers[array.dims[-1]]]
    for first, second, values in blocks(path, array):
        parts = dict(zip(array.dims, (first, second), strict=False))
        within = np.indices(values.shape[: len(rows)]).reshape(len(rows), -1)
        index = {}
        for dim, at in zip(rows, within, strict=True):
            beside = [key for key in BESIDE if key in array.coords and array.coords[key].dims == (dim,)]
            index[str(dim)] = numbers[dim][parts.get(dim, slice(None))][at]
            index |= {key: array.coords[key].values[parts.get(dim, slice(None))][at] for key in beside}
        yield pd.concat([pd.DataFrame(index), pd.DataFrame(values.reshape(-1, len(names)), columns=names)], axis=1)


def escaped(name: str) -> str:
    """Return a variable's name as the name of one file or object, undone by ``urllib.parse.unquote``: no slash, colon or NUL.

    Names come from files that strangers may have made.
    """
    return quote(name, safe=" ,=()[]")
