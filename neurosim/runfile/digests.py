"""What never changes in a run file, and has no checksum of HDF5's: the model's text, and attributes.

Texts of any length lie in HDF5's global heap, which has none.  Every object has an attribute ``digests``, of fixed size, which HDF5
does check: JSON of name -> BLAKE2b of the attribute's value, ``/model`` for the model's text.  ``status`` and ``reason`` change
while the run goes; they are of fixed size and checked by HDF5.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import h5py
import numpy as np

from neurosim.errors import RunFileError, quoted, require
from neurosim.runfile.guard import attributes, direct, text

NAME = "digests"
MODEL = "/model"


def seal_all(file: h5py.File, changing: Iterable[str]) -> None:
    """Write the digests of everything in a file that was just made; attributes that are ``changing`` have none."""
    _seal(file, {MODEL: digest(text(direct(file, "model")))}, set(changing))
    file.visititems(lambda name, item: _seal(item, {}, set()))


def _seal(item: h5py.Group | h5py.Dataset, kept: dict[str, str], without: set[str]) -> None:
    kept |= {name: digest(value) for name, value in attributes(item).items() if name not in without | {NAME}}
    if kept:
        item.attrs[NAME] = np.bytes_(json.dumps(kept))


def sealed(item: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    """Return an object's attributes as they were written, ``digests`` left out.

    Raises RunFileError for one that has changed since.  What has no digest, as in older files, or was added, is not compared.
    """
    found = attributes(item)
    for name, value in _digests(item, found).items():
        if name != MODEL:
            agrees = name in found and digest(found[name]) == value
            require(agrees, _changed(item, f"attribute {quoted(name)}"), RunFileError)
    found.pop(NAME, None)
    return found


def model(file: h5py.File) -> str:
    """Return the model's text as it was written; raise RunFileError where it has changed since."""
    found, known = text(direct(file, "model")), _digests(file, attributes(file))
    require(known.get(MODEL, digest(found)) == digest(found), _changed(file, MODEL), RunFileError)
    return found


def digest(value: Any) -> str:
    """Return a fingerprint of an attribute's value or a text."""
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogateescape")
    else:
        array = np.asarray(value)
        values = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
        data = f"{array.dtype.str}{array.shape}".encode() + values
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _digests(item: h5py.Group | h5py.Dataset, found: Mapping[str, Any]) -> dict[str, str]:
    if NAME not in found:
        return {}
    known = json.loads(found[NAME])
    require(isinstance(known, dict), _changed(item, f"attribute {NAME!r}"), RunFileError)
    return known


def _changed(item: h5py.Group | h5py.Dataset, what: str) -> str:
    return f"run file {item.file.filename}: {item.name}: {what} has changed since it was written; restore it from a copy"
