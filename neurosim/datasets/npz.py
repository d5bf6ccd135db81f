"""NumPy's .npz and .npy: arrays whose headers are looked at before any of them is read; pickled objects are refused."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from neurosim.datasets.arrays import Arrays
from neurosim.datasets.bounded import LARGEST
from neurosim.errors import DataError, quoted, require

NUMBERS = "buif"  # kinds of array that are read: whatever else there is becomes no pixel and no label
TEXTS = "SU"  # beside them, where labels may be texts
WIDEST = 8  # bytes a number
LONGEST = 4096  # bytes a text
PIECE = 2**20  # bytes read at once; NumPy takes 2**18
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}

Wanted = Callable[[Iterable[str]], Sequence[str]]  # which of a file's arrays are read


class Declared(NamedTuple):
    """What the header of an array says; ``end``: bytes of the header."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    end: int

    @property
    def values(self) -> int:
        """How many numbers it holds, or as many as take the place of its texts."""
        return math.prod(self.shape) * max(1, -(-self.dtype.itemsize // WIDEST))

    def stand_in(self) -> NDArray[Any]:
        """Return an array of zeros, of the declared shape and type, that takes no memory."""
        return np.broadcast_to(np.zeros((), self.dtype), self.shape)


def read_npz(paths: Sequence[Path], most: int = LARGEST) -> Arrays:
    """Return the data set in the one .npz file of ``paths``, in Keras' layout: x_train, y_train, x_test, y_test.

    most : how many values the four arrays may have together

    Raises
    ------
    DataError
        The file is damaged, is not an .npz file, lacks one of the four arrays, or holds more than a data set has.
    """
    (path,) = paths
    return Arrays(**read_members(path, _all_four, most))


def _all_four(members: Iterable[str]) -> Sequence[str]:
    keys, members = Arrays._fields, sorted(members)
    missing = [key for key in keys if key not in members]
    require(
        not missing,
        f"no {', '.join(missing)}: expected {', '.join(keys)}, found {quoted(members)}; save it again",
        DataError,
    )
    return keys


def read_members(path: Path, wanted: Wanted, most: int = LARGEST, *, texts: str = "", only: str = "") -> dict[str, NDArray[Any]]:
    """Return arrays of the .npz file at ``path``, by name.

    wanted : says, from the names of all arrays, which are read
    most : how many values these may have together
    texts : what the names of those begin with that may be texts
    only : what the names of those begin with that are read, by default all; of the others a stand-in is returned

    Raises
    ------
    DataError
        As ``read_npz``.
    """
    with _reading(path, "npz") as file, zipfile.ZipFile(_zip_in_pieces(file)) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        declared = {}
        for key in wanted(members):
            with _member(archive, members[key], key) as stream:
                kinds = NUMBERS + TEXTS if texts and key.startswith(texts) else NUMBERS
                declared[key] = _declared(stream, members[key].file_size, key, kinds, "npz")
        _check_total(declared, most)
        found = {}
        for key, header in declared.items():
            if key.startswith(only):
                with _member(archive, members[key], key) as stream:
                    found[key] = npy.read_array(stream, allow_pickle=False)
            else:
                found[key] = header.stand_in()
        return found


def read_npy_files(paths: Mapping[str, Path], most: int = LARGEST, *, texts: str = "", only: str = "") -> dict[str, NDArray[Any]]:
    """Return the arrays of .npy files, by the names that ``paths`` gives them; see ``read_members``."""
    declared = {}
    for key, path in paths.items():
        with _reading(path, "npy") as file:
            kinds = NUMBERS + TEXTS if texts and key.startswith(texts) else NUMBERS
            declared[key] = _declared(_in_pieces(file), path.stat().st_size, path.name, kinds, "npy")
    _check_total(declared, most)
    found = {}
    for key, path in paths.items():
        if key.startswith(only):
            with _reading(path, "npy") as file:
                found[key] = npy.read_array(_in_pieces(file), allow_pickle=False)
        else:
            found[key] = declared[key].stand_in()
    return found


@contextmanager
def _reading(path: Path, form: str) -> Iterator[IO[bytes]]:
    """Yield the file at ``path``, opened; whatever is wrong with it while it is read becomes a DataError that names it."""
    try:
        with path.open("rb") as file:
            yield file
    except DataError as error:
        raise DataError(f"file {path}: {error}") from None
    except MemoryError:
        raise
    except Exception as error:  # zip, deflate and NumPy's header parser each have their own way to fail on damage
        what = f"{type(error).__name__} while reading"
        raise DataError(f"file {path}: {what}: expected an .{form} file of plain arrays; save or fetch it again") from None


def _check_total(declared: Mapping[str, Declared], most: int) -> None:
    total = sum(header.values for header in declared.values())
    require(
        total <= most,
        f"arrays of {total:,} values: expected at most {most:,}, as many as the data set has; check what it is",
        DataError,
    )


@contextmanager
def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, key: str) -> Iterator[IO[bytes]]:
    kinds = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # NumPy writes these; LZMA's window alone could take 4 GB
    require(info.compress_type in kinds, f"{key} is packed by method {info.compress_type}: expected an .npz file", DataError)
    with archive.open(info) as member:
        yield member


def _declared(stream: IO[bytes], length: int, key: str, kinds: str, form: str) -> Declared:
    """Return what an array's header says, where that agrees with its ``length`` in bytes and its kind is one of ``kinds``."""
    read_header = HEADERS.get(npy.read_magic(stream))
    require(read_header is not None, f"{key} is of an unknown version: expected an .{form} file of plain arrays", DataError)
    assert read_header is not None
    shape, _, dtype = read_header(stream)
    header = Declared(shape, dtype, stream.tell())
    widest = LONGEST if dtype.kind in TEXTS else WIDEST
    require(
        dtype.kind in kinds and dtype.itemsize <= widest,
        f"{key} holds {quoted(dtype.str)}: expected an .{form} file of plain arrays of numbers; convert them and save it again",
        DataError,
    )
    require(
        min(shape, default=0) >= 0 and length == header.end + math.prod(shape) * dtype.itemsize,
        f"{key} of shape {quoted(shape)} in {length:,} bytes: expected an .{form} file whose sizes agree; save it again",
        DataError,
    )
    return header


class _InPieces:
    """A file that is read piece by piece, as NumPy reads arrays; what is read at once, a zip's list of members, is short."""

    def __init__(self, file: IO[bytes], what: str) -> None:
        self.file, self.what = file, what

    def read(self, size: int = -1) -> bytes:
        require(size <= PIECE, f"a {self.what.format(size)}; check what it is", DataError)
        return self.file.read(size if size >= 0 else PIECE)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def _zip_in_pieces(file: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], _InPieces(file, "list of {:,} bytes of members: expected an .npz file of a few arrays"))


def _in_pieces(file: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], _InPieces(file, "header of {:,} bytes: expected an .npy file of a plain array"))
