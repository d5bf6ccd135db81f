"""A run file made anew from another one, which may be a stranger's or damaged.

HDF5's own copy takes over whatever an object is: a dataset whose values lie in another file would be written there when the run
goes on.  Here groups, datasets and attributes are made as this package makes them, and only guarded numbers and texts come into
them.  What a user added is kept where it is such; a file that holds anything else is refused, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neurosim.errors import RunFileError, quoted, require
from neurosim.runfile import checkpoints, digests
from neurosim.runfile.checkpoints import Layout
from neurosim.runfile.guard import COMPRESSED, children, filters, guarded, text, whole
from neurosim.runfile.packing import FILTERS, fletcher32
from neurosim.runfile.series import Series

CHECKED = {"fletcher32": True}


def copy(old: h5py.File, new: h5py.File, path: Path, without: Iterable[str]) -> None:
    """Copy everything of ``old``, which lies at ``path``, into the empty file ``new``, checksums compared.

    without : attributes of the file that will be written anew

    Raises RunFileError where something leads elsewhere, or is neither number nor text; what h5py raises where it is damaged.
    """
    begin = old.id.get_create_plist().get_userblock()
    require(begin == 0, f"run file {path}: begins with {begin} bytes of something else; remove them to resume", RunFileError)
    seen: set[int] = set()

    def within(place: str) -> None:
        for name, item in children(old, place).items():
            address = h5py.h5o.get_info(item.id).addr
            told = f"run file {path}: {quoted(item.name)} is there under two names; do not trust it"
            require(address not in seen, told, RunFileError)
            seen.add(address)
            made = _made(item, new, f"{place}/{name}")
            _describe(item, made)
            if isinstance(item, h5py.Group):
                within(f"{place}/{name}")

    digests.model(old)
    within("")
    _describe(old, new, without)


def _describe(item: h5py.Group | h5py.Dataset, made: h5py.Group | h5py.Dataset, without: Iterable[str] = ()) -> None:
    """Copy the attributes; those of fixed size keep it."""
    kept = {name: value for name, value in digests.sealed(item).items() if name not in without}
    for name, value in kept.items():
        made.attrs.create(name, value, dtype=item.attrs.get_id(name).dtype)


def _made(item: h5py.Group | h5py.Dataset, new: h5py.File, place: str) -> h5py.Group | h5py.Dataset:
    if isinstance(item, h5py.Group):
        return new.create_group(place)
    if isinstance(item, h5py.Dataset) and h5py.check_string_dtype(item.dtype):
        return new.create_dataset(place, data=text(item), dtype=h5py.string_dtype())
    guarded(item)
    if not item.chunks:
        return new.create_dataset(place, data=whole(item))
    used = filters(item)
    options: dict[str, Any] = FILTERS if used == COMPRESSED else CHECKED if used else {}
    shapes = {"maxshape": item.maxshape, "chunks": item.chunks, "fillvalue": item.fillvalue}
    made = new.create_dataset(place, item.shape, item.dtype, **shapes, **options)
    _copy_chunks(item, made, checked=bool(used))
    return made


def _copy_chunks(item: h5py.Dataset, made: h5py.Dataset, *, checked: bool) -> None:
    """Copy the chunks that lie in the file as they are, packed; ``checked``: they end with their checksum."""
    corners: list[tuple[int, ...]] = []
    item.id.chunk_iter(lambda chunk: corners.append(chunk.chunk_offset))
    for corner in corners:
        if all(at < size for at, size in zip(corner, item.shape, strict=True)):
            mask, raw = item.id.read_direct_chunk(corner)
            agrees = not checked or not mask and fletcher32(raw[:-4]) == int.from_bytes(raw[-4:], "little")
            require(agrees, f"run file {item.file.filename}: {item.name}: a checksum does not agree; run again", RunFileError)
            made.id.write_direct_chunk(corner, raw)


# ---------------------------------------------------------------------- what will be written on


def check_fits(file: h5py.File, path: Path, series: Iterable[Series], layout: Layout | None) -> None:
    """Raise RunFileError unless a copied file holds every dataset that will be written, as it was laid out."""
    for one in series:
        _check(file, path, one.path, (None, *one.shape), one.dtype, COMPRESSED if one.packed else [h5py.h5z.FILTER_FLETCHER32])
    for stage, state in (layout.states if layout else {}).items():
        assert layout is not None
        slots = None if layout.keep is None else layout.keep + 1
        place = f"{checkpoints.PLACE}/{stage}"
        for name in checkpoints.CLOCK:
            _check(file, path, f"{place}/{name}", (slots,), np.dtype(np.int64), [h5py.h5z.FILTER_FLETCHER32])
        for key, (shape, dtype) in state.items():
            _check(file, path, f"{place}/{checkpoints.place_of(key)}", (slots, *shape), dtype, [h5py.h5z.FILTER_FLETCHER32])


def _check(file: h5py.File, path: Path, place: str, most: tuple[int | None, ...], dtype: np.dtype[Any], used: list[int]) -> None:
    item = file.get(place)
    fits = isinstance(item, h5py.Dataset) and item.maxshape == most and item.dtype == dtype and filters(item) == used
    found = f"{item.dtype} of at most {item.maxshape}" if isinstance(item, h5py.Dataset) else "nothing"
    told = f"{quoted(place)} is {found}: expected {dtype} of at most {most}; it does not fit the model, run the model again"
    require(fits, f"run file {path}: {told}", RunFileError)
