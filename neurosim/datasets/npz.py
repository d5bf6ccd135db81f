"""NumPy's .npz, in Keras' layout: arrays x_train, y_train, x_test, y_test."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

from numpy.lib import format as npy

from neurosim.datasets.arrays import Arrays
from neurosim.datasets.bounded import LARGEST
from neurosim.errors import DataError, quoted, require

NUMBERS = "buif"  # kinds of array that are read: whatever else there is becomes no pixel and no label
WIDEST = 8  # bytes a number
PIECE = 2**20  # bytes read at once; NumPy takes 2**18
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npz(paths: Sequence[Path], most: int = LARGEST) -> Arrays:
    """Return the data set in the one .npz file of ``paths``; pickled objects in it are refused.

    most : how many values the four arrays may have together

    Raises
    ------
    DataError
        The file is damaged, is not an .npz file, lacks one of the four arrays, or holds more than a data set has.
    """
    (path,) = paths
    try:
        with path.open("rb") as file, zipfile.ZipFile(cast(IO[bytes], _InPieces(file))) as archive:
            return _arrays(archive, most)
    except DataError as error:
        raise DataError(f"file {path}: {error}") from None
    except Exception as error:  # zip, deflate and NumPy's header parser each have their own way to fail on damage
        what = f"{type(error).__name__} while reading"
        raise DataError(f"file {path}: {what}: expected an .npz file of plain arrays; save or fetch it again") from None


def _arrays(archive: zipfile.ZipFile, most: int) -> Arrays:
    """Return the four arrays, once all four headers have been looked at."""
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    missing = [key for key in Arrays._fields if key not in members]
    require(
        not missing,
        f"no {', '.join(missing)}: expected {', '.join(Arrays._fields)}, found {quoted(sorted(members))}; save it again",
        DataError,
    )
    sizes = {key: _declared(archive, members[key], key) for key in Arrays._fields}
    require(
        sum(sizes.values()) <= most,
        f"arrays of {sum(sizes.values()):,} values: expected at most {most:,}, as many as the data set has; check what it is",
        DataError,
    )
    found = []
    for key in Arrays._fields:
        with archive.open(members[key]) as member:
            found.append(npy.read_array(member, allow_pickle=False))
    return Arrays(*found)


def _declared(archive: zipfile.ZipFile, info: zipfile.ZipInfo, key: str) -> int:
    """Return how many values a member says it has, where that agrees with its size in the archive and its kind is read."""
    kinds = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # NumPy writes these; LZMA's window alone could take 4 GB
    require(info.compress_type in kinds, f"{key} is packed by method {info.compress_type}: expected an .npz file", DataError)
    with archive.open(info) as member:
        read_header = HEADERS.get(npy.read_magic(member))
        require(read_header is not None, f"{key} is of an unknown version: expected an .npz file of plain arrays", DataError)
        assert read_header is not None
        shape, _, dtype = read_header(member)
        before = member.tell()
    require(
        dtype.kind in NUMBERS and dtype.itemsize <= WIDEST,
        f"{key} holds {quoted(dtype.str)}: expected an .npz file of plain arrays of numbers; convert them and save it again",
        DataError,
    )
    size = math.prod(shape)
    require(
        min(shape, default=0) >= 0 and info.file_size == before + size * dtype.itemsize,
        f"{key} of shape {quoted(shape)} in {info.file_size:,} bytes: expected an .npz file whose sizes agree; save it again",
        DataError,
    )
    return size


class _InPieces:
    """A file that is read piece by piece, as NumPy reads arrays; a zip's list of members, read at once, has to be short."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def read(self, size: int = -1) -> bytes:
        require(size <= PIECE, f"a list of {size:,} bytes of members: expected an .npz file of four arrays", DataError)
        return self.file.read(size if size >= 0 else PIECE)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)
