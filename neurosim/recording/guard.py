"""What a stranger's file may not do: lead elsewhere, claim more than it holds, hold what is no number or text.

HDF5 itself runs no code.  Links and storage outside the file would read whatever path they name; a dataset of a few bytes may
claim terabytes; object types are not what this package writes.
"""

from __future__ import annotations

import math

import h5py
import numpy as np
import psutil

from neurosim.errors import RunFileError, require

DEFLATE = 1100  # the most that gzip makes of one byte, and a little
DEPTH = 16  # groups within groups; a circle of links has no end
SPARE = 2**20  # bytes that any dataset may have, whatever it takes on the disk


def children(file: h5py.File, path: str) -> dict[str, h5py.Group | h5py.Dataset]:
    """Return what lies directly under ``path``; raise RunFileError for a link that leads elsewhere."""
    group = direct(file, path)
    require(path.count("/") < DEPTH, f"run file {file.filename}: {path} lies too deep; do not trust it", RunFileError)
    is_group = isinstance(group, h5py.Group)
    require(is_group, f"run file {file.filename}: {path} is no group: expected one; do not trust it", RunFileError)
    return {name: direct(file, f"{path}/{name}") for name in group}


def direct(file: h5py.File, path: str) -> h5py.Group | h5py.Dataset:
    """Return the object at ``path``, every step of which is a link within the file to something made there."""
    item: h5py.Group | h5py.Dataset = file
    for name in filter(None, path.split("/")):
        link = item.get(name, getlink=True) if isinstance(item, h5py.Group) else None
        require(
            isinstance(link, h5py.HardLink),
            f"run file {file.filename}: {path} is no part of the file itself; do not trust it, ask whoever made it",
            RunFileError,
        )
        item = item[name]
    return item


def guarded(dataset: h5py.Dataset) -> h5py.Dataset:
    """Return ``dataset`` if its values are numbers that lie in this file, as many as it takes room for, and fit into memory.

    Raises RunFileError otherwise.
    """
    name = f"run file {dataset.file.filename}: {dataset.name}"
    require(
        isinstance(dataset, h5py.Dataset) and dataset.dtype.kind in "iufb",
        f"{name} holds {getattr(dataset, 'dtype', 'no values')}: expected numbers; do not trust it",
        RunFileError,
    )
    inside = not dataset.is_virtual and not dataset.external
    require(inside, f"{name} keeps its values in other files; do not trust it", RunFileError)
    size = math.prod(map(int, dataset.shape)) * dataset.dtype.itemsize  # in whole numbers of any size
    stored = dataset.id.get_storage_size()
    fits = size <= SPARE + DEFLATE * stored
    require(fits, f"{name} claims {size:,} bytes and takes {stored:,}: more than it can hold; do not trust it", RunFileError)
    return dataset


def whole(dataset: h5py.Dataset, rows: int | None = None) -> np.ndarray:
    """Return the first ``rows`` of a guarded dataset's values (None: all).

    Raises RunFileError where they do not fit into the memory that is free.
    """
    guarded(dataset)
    size = math.prod(map(int, dataset.shape)) * dataset.dtype.itemsize
    free = psutil.virtual_memory().available
    name = f"run file {dataset.file.filename}: {dataset.name}"
    require(size < free, f"{name} takes {size:,} bytes, more than the {free:,} that are free; read a part of it", RunFileError)
    values: np.ndarray = dataset[:rows] if dataset.shape else dataset[()]
    return values


def text(item: h5py.Dataset, most: int = 2**20) -> str:
    """Return a dataset's text; raise RunFileError where it is none, or longer than ``most`` bytes."""
    name = f"run file {item.file.filename}: {item.name}"
    is_text = isinstance(item, h5py.Dataset) and item.shape == () and h5py.check_string_dtype(item.dtype) is not None
    require(is_text and not item.is_virtual and not item.external, f"{name} is no text; do not trust it", RunFileError)
    found = item.asstr()[()]
    size = f"{len(found):,} characters long: expected at most {most:,}"
    require(len(found) <= most, f"{name} is {size}; do not trust it", RunFileError)
    return str(found)
