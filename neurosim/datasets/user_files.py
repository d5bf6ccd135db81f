"""A data set in the user's own file or folder, named by its path: which arrays it holds, in which of three forms.

- an .npz file of arrays x_train, y_train, x_test, y_test, with x_validation and y_validation where there are any; or of x and y;
- a .csv file, see ``table``;
- a folder of folders train, test and, where there is one, validation, each with x.npy and y.npy.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from neurosim.datasets.arrays import PARTS
from neurosim.datasets.bounded import LARGEST
from neurosim.datasets.npz import read_members, read_npy_files
from neurosim.datasets.table import read_table
from neurosim.errors import DataError, meant, quoted, require

SUFFIXES = (".npz", ".csv")
PIECE = 2**20  # bytes read at once


class UserFile(NamedTuple):
    """Where a data set lies: ``path``, found under ``name`` in the folder ``base``, which is absolute."""

    name: str
    path: Path
    base: Path

    @property
    def bytes_a_value(self) -> int:
        """What each value takes, at most, while it is loaded, as measured: numbers of 8 bytes, their copies, pandas' columns."""
        return 40 if self.path.suffix.lower() == ".csv" else 20

    def files(self) -> dict[str, Path]:
        """Return the files that hold it, by the names of their arrays; the one file of all arrays is called "all"."""
        if self.path.is_file():
            return {"all": self.path}
        found = {f"{which}_{part}": self.path / part / f"{which}.npy" for part in PARTS for which in "xy"}
        there = {key: path for key, path in found.items() if path.is_file()}
        missing = [f"{part}/{which}.npy" for part in ("train", "test") for which in "xy" if f"{which}_{part}" not in there]
        require(
            not missing,
            f"data set {quoted(self.name)}: no {', '.join(missing)} in {self.path}: expected x.npy and y.npy in each of train, "
            "test and, where there is one, validation; put them there",
            DataError,
        )
        return there

    def read(self, only: str = "") -> dict[str, NDArray[Any]]:
        """Return its arrays, x and y, or x_train, y_train and so on.

        only : "y" for the targets, and stand-ins of the right shape for all else

        Raises DataError where a file cannot be read, is damaged, holds too much, or not what a data set needs.
        """
        files = self.files()
        if "all" not in files:
            return read_npy_files(files, LARGEST, texts="y", only=only)
        if self.path.suffix.lower() == ".csv":
            return read_table(self.path)
        return read_members(self.path, _of_a_data_set, LARGEST, texts="y", only=only)

    def digest(self) -> str:
        """Return a fingerprint of its files."""
        total = hashlib.blake2b(digest_size=16)
        for key, path in sorted(self.files().items()):
            total.update(f"{key}:{path.stat().st_size}:".encode())
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    total.update(piece)
        return total.hexdigest()

    def stamp(self) -> tuple[Any, ...]:
        """Return what changes when a file is replaced or written to: names, sizes and times of its files."""
        return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in self.files().values())


def is_path(name: str) -> bool:
    """Return whether ``name`` is the path of a user's own data set, and not the name of a published one; no file is looked at."""
    return name.lower().endswith(SUFFIXES) or "/" in name or os.sep in name


def find_user_file(name: str, data_dir: str | os.PathLike[str] | None = None) -> UserFile:
    """Return where the file or folder called ``name`` lies.

    A relative path is looked for in ``data_dir``, by default the working directory.  With ``data_dir``, files that have moved are
    found there by their last name, too.

    Raises DataError where there is none, or it is neither a .npz file, a .csv file nor a folder.
    """
    base = Path(data_dir or "").absolute()
    given = base / name  # an absolute path stays as it is
    moved = base / given.name
    places = [given] if not data_dir else [moved, given] if Path(name).is_absolute() else [given, moved]
    path = next((place for place in places if _exists(place)), None)
    if path is None:
        raise DataError(
            f"data set {quoted(name)}: no such file or folder{'' if Path(name).is_absolute() else f' in {base}'}: expected an .npz "
            f"file, a .csv file, or a folder with train and test in it; correct the path{meant(given)}"
        )
    require(
        path.is_dir() or path.suffix.lower() in SUFFIXES,
        f"data set {quoted(name)}: a file of kind {quoted(path.suffix)}: expected .npz, .csv, or a folder; convert it",
        DataError,
    )
    return UserFile(name, path, base if path == given and not Path(name).is_absolute() else path.parent)


def _exists(path: Path) -> bool:
    """Return whether there is a file or a folder; what is neither (a pipe, a device) is never opened."""
    try:
        return path.is_file() or path.is_dir()
    except OSError:  # a name too long, a folder that may not be looked into
        return False


def _of_a_data_set(members: Iterable[str]) -> Sequence[str]:
    """Return which of an .npz file's arrays make a data set: those of splits, else x and y."""
    found = set(members)
    split = [f"{which}_{part}" for part in PARTS for which in "xy"]
    if found.issuperset(("x_train", "y_train")):
        return [key for key in split if key in found]
    require(
        found.issuperset("xy"),
        f"no x_train and y_train, no x and y: expected {', '.join(split)}, or x and y, found {quoted(sorted(found))}; save again",
        DataError,
    )
    return ["x", "y"]
