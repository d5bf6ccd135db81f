"""Finding a data set in the user's own folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple, Protocol

from neurosim.datasets import cifar, idx, npz
from neurosim.datasets.arrays import Arrays
from neurosim.datasets.registry import REGISTRY, Entry
from neurosim.errors import DataError, quoted, require

PACKED = (".tar", ".tgz", ".tar.gz", ".zip", ".7z", ".rar")


class Read(Protocol):
    def __call__(self, paths: Sequence[Path], most: int = ...) -> Arrays: ...


class Format(NamedTuple):
    """A way to store a data set: the names a file of it may have, relative to its folder, and who reads the files."""

    spellings: Callable[[str], tuple[str, ...]]
    read: Read
    remark: str = ""


def _with_or_without_its_folder(file: str) -> tuple[str, ...]:
    return (file, PurePath(file).name)


FORMATS = {
    "idx": Format(idx.spellings, idx.read_idx_files, " (plain or .gz)"),
    "cifar-python": Format(_with_or_without_its_folder, cifar.read_pickled_batches),
    "cifar-binary": Format(_with_or_without_its_folder, cifar.read_binary_batches),
    "npz": Format(lambda file: (file,), npz.read_npz),
}


class Found(NamedTuple):
    """The files of a data set in one format, in the registry's order."""

    form: str
    paths: list[Path]

    def read(self, entry: Entry) -> Arrays:
        """Return the arrays in the files; raise DataError where one is damaged, or holds more than ``entry`` has."""
        return FORMATS[self.form].read(self.paths, entry.values)


def read_folder(entry: Entry, folder: Path) -> Arrays:
    """Return ``entry`` as found in ``folder``, see ``find_files``; raise DataError where a file is missing or damaged."""
    return find_files(entry, folder).read(entry)


def find_files(entry: Entry, folder: Path) -> Found:
    """Return the files of ``entry`` in ``folder/<name>``, ``folder`` or torchvision's layout, in the first complete format.

    Upper and lower case are the same.

    Raises
    ------
    DataError
        There is no such folder, it may not be read, or no format is complete in it (the message lists the files).
    """
    try:
        return _found(entry, folder)
    except OSError as cause:  # a name that is too long, or a folder that may not be searched
        what = f"data folder {quoted(str(folder))}: cannot be read ({cause.strerror})"
        raise DataError(f"{what}: expected a folder that this user may read; correct --data-dir or NEUROSIM_DATA") from cause


def _found(entry: Entry, folder: Path) -> Found:
    require(
        folder.is_dir(),
        f"data folder {folder}: no such folder: expected one that holds {expected_files(entry)}; "
        f"correct --data-dir or NEUROSIM_DATA",
        DataError,
    )
    places = _places(entry, folder)
    for place in places:
        for name, files in entry.files.items():
            found = _find(FORMATS[name], files, place)
            if None not in found:
                return Found(name, [path for path in found if path])
    raise DataError(
        f"data folder {folder}: no complete {entry.name}{_hint(entry, folder, places)}: expected in "
        f"{' or '.join(map(str, places[:2]))}: {expected_files(entry)}; put the files there, or give no --data-dir and unset "
        f"NEUROSIM_DATA to download them"
    )


def expected_files(entry: Entry) -> str:
    """Return, in words, the files that hold ``entry``, in each format."""
    return "; or ".join(f"{', '.join(files)}{FORMATS[name].remark}" for name, files in entry.files.items())


def _places(entry: Entry, folder: Path) -> list[Path]:
    own = [folder / entry.name, *(folder / name / below for name in entry.folders for below in ("raw", ""))]
    return own if _named_after_another(entry, folder) else [own[0], folder, *own[1:]]


def _named_after_another(entry: Entry, folder: Path) -> str:
    """Return the other data set that ``folder`` is named after, or "": MNIST and its kin have the same file names.

    torchvision puts the files into a folder ``raw`` below.
    """
    path = folder.resolve()
    called = _plain(path.parent.name if path.name in ("raw", "processed") else path.name)
    for other in REGISTRY.values():
        if other is not entry and called in {_plain(name) for name in (other.name, *other.folders)}:
            return other.name
    return "emnist" if called == "emnist" else ""  # EMNIST's files have MNIST's names, and its images are transposed


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _find(form: Format, files: Sequence[str], place: Path) -> list[Path | None]:
    return [next((path for name in form.spellings(file) if (path := _existing(place / name))), None) for file in files]


def _existing(path: Path) -> Path | None:
    """Return ``path``, or the file beside it whose name differs in upper and lower case only."""
    if path.is_file():
        return path
    try:
        alike = [each for each in path.parent.iterdir() if each.name.lower() == path.name.lower() and each.is_file()]
    except OSError:
        return None
    return min(alike, default=None)


def _hint(entry: Entry, folder: Path, places: Sequence[Path]) -> str:
    """Return which files are missing where some are present, what is still packed, or whose folder this is; or nothing."""
    other = _named_after_another(entry, folder)
    if other:
        return f" (it is named after {other}; put the files into a folder of another name if they are {entry.name})"
    for place in places:
        for name, files in entry.files.items():
            found = _find(FORMATS[name], files, place)
            if any(found):
                missing = [file for file, path in zip(files, found, strict=True) if path is None]
                return f" ({place} lacks {', '.join(missing)})"
    packed = sorted(path.name for path in folder.iterdir() if path.name.lower().endswith(PACKED))
    return f" ({quoted(packed[0])[1:-1]} is still packed: unpack it there)" if packed else ""
