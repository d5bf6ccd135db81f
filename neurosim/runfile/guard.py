"""What a stranger's file may not do: lead elsewhere, claim more than it holds, hold what is no number or text.

HDF5 itself runs no code.  Links and storage outside the file would read, and write, whatever path they name; a dataset of a few
bytes may claim terabytes; object types and filters are not what this package writes.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import h5py
import numpy as np

from neurosim.backends import limits
from neurosim.errors import RunFileError, quoted, require

# what h5py raises for damage, by its place
UNREADABLE = (OSError, LookupError, AttributeError, RuntimeError, TypeError, ValueError, ArithmeticError)
DEFLATE = 1100  # the most that gzip makes of one byte, and a little
DEPTH = 16  # groups within groups; a circle of links has no end
SPARE = 2**20  # bytes that any dataset may have, whatever it takes on the disk
BOMB = 2**28  # bytes that a chunk may become unseen; one that could become more is unpacked as far as it may first
TEXT = 2**20  # characters of a model file
ATTRIBUTE = 2**16  # bytes, or characters
NUMBERS = "iufb"  # kinds of NumPy's types
WIDEST = 8  # bytes of a number: longer ones are not everywhere, and no other format has them
PLAIN: tuple[list[int], ...] = ([], [h5py.h5z.FILTER_FLETCHER32])
COMPRESSED = [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32]


SCALED = {"CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "DIMENSION_LABELS"}  # HDF5's own, of dimension scales


class TooLargeError(RunFileError):
    """Text that is longer than any this package writes: whoever reads it again takes the memory again."""


def children(file: h5py.File, path: str) -> dict[str, h5py.Group | h5py.Dataset]:
    """Return what lies directly under ``path``; raise RunFileError for a link that leads elsewhere."""
    group = direct(file, path)
    require(path.count("/") < DEPTH, f"run file {file.filename}: {quoted(path)} lies too deep; do not trust it", RunFileError)
    is_group = isinstance(group, h5py.Group)
    require(is_group, f"run file {file.filename}: {quoted(path)} is no group: expected one; do not trust it", RunFileError)
    return {name: _linked(file, group, name, f"{path}/{name}") for name in group}


def direct(file: h5py.File, path: str) -> h5py.Group | h5py.Dataset:
    """Return the object at ``path``, every step of which is a link within the file to something made there."""
    item: h5py.Group | h5py.Dataset = file
    for name in filter(None, path.split("/")):
        item = _linked(file, item, name, path)
    return item


def _linked(file: h5py.File, item: h5py.Group | h5py.Dataset, name: str, path: str) -> h5py.Group | h5py.Dataset:
    """Return what ``name`` in ``item`` links to, on the way to ``path``."""
    if not isinstance(item, h5py.Group) or not isinstance(item.get(name, getlink=True), h5py.HardLink):
        told = f"run file {file.filename}: {quoted(path)} is no part of the file itself; do not trust it, ask whoever made it"
        raise RunFileError(told)
    return item[name]


def attributes(item: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    """Return an object's attributes; raise RunFileError for one that is neither number nor text, or is very large.

    A dataset's dimension scales are left out: nothing here reads them, and a copy is given its own.
    """
    names = [name for name in item.attrs if name not in SCALED or not isinstance(item, h5py.Dataset)]
    return {name: _attribute(item, name) for name in names}


def _attribute(item: h5py.Group | h5py.Dataset, name: str) -> Any:
    def wrong(what: str, expected: str) -> str:
        return f"{_named(item)}: attribute {quoted(name)} {what}: expected {expected}; do not trust it"

    found = item.attrs.get_id(name)
    is_text = found.dtype.kind == "S" or h5py.check_string_dtype(found.dtype) is not None
    if found.shape is None or not (is_text or is_number(found.dtype)):
        raise RunFileError(wrong(f"holds {quoted(found.dtype)}", "numbers or text"))
    size = math.prod(map(int, found.shape)) * found.dtype.itemsize
    if size > ATTRIBUTE:
        raise RunFileError(wrong(f"takes {size:,} bytes", f"at most {ATTRIBUTE:,}"))
    value = item.attrs[name]
    if isinstance(value, str) and len(value) > ATTRIBUTE:
        raise TooLargeError(wrong(f"is {len(value):,} characters long", f"at most {ATTRIBUTE:,}"))
    return value


def is_number(dtype: np.dtype[Any]) -> bool:
    """Return whether values of ``dtype`` are numbers that this package, and what it exports to, can hold."""
    return dtype.kind in NUMBERS and dtype.itemsize <= WIDEST


def guarded(dataset: h5py.Dataset) -> h5py.Dataset:
    """Return ``dataset`` if its values are numbers that lie in this file, as this package writes them, in no more room than
    they can take.

    Raises RunFileError otherwise.
    """
    name = _named(dataset)
    require(
        isinstance(dataset, h5py.Dataset) and is_number(dataset.dtype) and dataset.shape is not None,
        f"{name} holds {quoted(getattr(dataset, 'dtype', 'no values'))}: expected numbers; do not trust it",
        RunFileError,
    )
    inside = not dataset.is_virtual and not dataset.external
    require(inside, f"{name} keeps its values in other files; do not trust it", RunFileError)
    used = filters(dataset)
    known = used in PLAIN or used == COMPRESSED
    require(known, f"{name} is packed with filters {quoted(used)}: expected others; do not trust it", RunFileError)
    size, stored = _size(dataset), dataset.id.get_storage_size()
    coming = _size(dataset, dataset.chunks[0]) if dataset.chunks else 0  # rows get their room first and their values then
    fits = size - coming <= _most(dataset, stored) and stored <= dataset.file.id.get_filesize()
    require(fits, f"{name} claims {size:,} bytes and takes {stored:,}: more than it can hold; do not trust it", RunFileError)
    if dataset.chunks:
        _check_chunks(dataset)
    return dataset


def readable(dataset: h5py.Dataset, rows: int | None = None) -> h5py.Dataset:
    """Return a guarded dataset whose first ``rows`` (None: all) lie in the file; raise RunFileError otherwise."""
    size, stored = _size(guarded(dataset), rows), dataset.id.get_storage_size()
    told = f"{_named(dataset)} claims {size:,} bytes and takes {stored:,}: more than it can hold; do not trust it"
    require(size <= _most(dataset, stored), told, RunFileError)
    return dataset


def _size(dataset: h5py.Dataset, rows: int | None = None) -> int:
    """Return the bytes of the first ``rows``, a whole number of any size."""
    shape = dataset.shape if rows is None or not dataset.shape else (rows, *dataset.shape[1:])
    return math.prod(map(int, shape)) * int(dataset.dtype.itemsize)


def _most(dataset: h5py.Dataset, stored: int) -> int:
    """Return how many bytes of values can lie in ``stored`` bytes of the file."""
    return SPARE + (DEFLATE if filters(dataset) == COMPRESSED else 1) * stored


def _check_chunks(dataset: h5py.Dataset) -> None:
    """Raise RunFileError for chunks that take more room than their values need, or unpack to more than those."""
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    packed = filters(dataset) == COMPRESSED
    wrong = f"{_named(dataset)} has chunks that hold more than they may; do not trust it"
    large, fits = [], True

    def look(chunk: h5py.h5d.StoreInfo) -> None:
        nonlocal fits
        fits = fits and chunk.size <= size + size // 8 + 1024 and not (packed and chunk.filter_mask)
        if packed and chunk.size > BOMB // DEFLATE:
            large.append(chunk.chunk_offset)

    dataset.id.chunk_iter(look)
    require(fits, wrong, RunFileError)
    for offset in large:
        raw = dataset.id.read_direct_chunk(offset)[1]
        require(len(zlib.decompressobj().decompress(raw, size + 1)) <= size, wrong, RunFileError)


def filters(dataset: h5py.Dataset) -> list[int]:
    """Return the numbers of a dataset's filters, in order."""
    plist = dataset.id.get_create_plist()
    return [plist.get_filter(k)[0] for k in range(plist.get_nfilters())]


def whole(dataset: h5py.Dataset, rows: int | None = None) -> np.ndarray:
    """Return the first ``rows`` of a guarded dataset's values (None: all).

    Raises RunFileError where they do not fit into the memory that is free.
    """
    size = _size(readable(dataset, rows), rows)
    if size > SPARE:
        free = limits.free_memory().bytes
        require(size < free, f"{_named(dataset)} takes {size:,} bytes, more than the {free:,} that are free", RunFileError)
    values: np.ndarray = dataset[:rows] if dataset.shape else dataset[()]
    return values


def text(item: h5py.Dataset, most: int = TEXT) -> str:
    """Return a dataset's text; raise RunFileError where it is none, or longer than ``most`` bytes."""
    name = _named(item)
    is_text = isinstance(item, h5py.Dataset) and item.shape == () and h5py.check_string_dtype(item.dtype) is not None
    require(is_text and not item.is_virtual and not item.external, f"{name} is no text; do not trust it", RunFileError)
    fits = item.dtype.itemsize <= most
    require(fits, f"{name} is {item.dtype.itemsize:,} characters long: expected at most {most:,}; do not trust it", TooLargeError)
    found = item.asstr()[()]
    size = f"{len(found):,} characters long: expected at most {most:,}"
    require(len(found) <= most, f"{name} is {size}; do not trust it", TooLargeError)
    return str(found)


def _named(item: h5py.Group | h5py.Dataset) -> str:
    return f"run file {item.file.filename}: {item.name}"
