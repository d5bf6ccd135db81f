"""Finding a data set in the user's own folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from neurosim.datasets import cifar, idx, npz
from neurosim.datasets.arrays import Arrays
from neurosim.datasets.registry import REGISTRY, Entry
from neurosim.errors import DataError, require


class Format(NamedTuple):
    """A way to store a data set: the names a file of it may have, relative to its folder, and who reads the files."""

    spellings: Callable[[str], tuple[str, ...]]
    read: Callable[[Sequence[Path]], Arrays]
    remark: str = ""


def _with_or_without_its_folder(file: str) -> tuple[str, ...]:
    return (file, PurePath(file).name)


FORMATS = {
    "idx": Format(idx.spellings, idx.read_idx_files, " (plain or .gz)"),
    "cifar-python": Format(_with_or_without_its_folder, cifar.read_pickled_batches),
    "cifar-binary": Format(_with_or_without_its_folder, cifar.read_binary_batches),
    "npz": Format(lambda file: (file,), npz.read_npz),
}


def read_folder(entry: Entry, folder: Path) -> Arrays:
    """Return ``entry`` as found in ``folder/<name>`` or ``folder``, in the first format that is complete.

    Raises
    ------
    DataError
        There is no such folder, no format is complete in it (the message lists the files), or a file is damaged.
    """
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
                return FORMATS[name].read([path for path in found if path])
    raise DataError(
        f"data folder {folder}: no complete {entry.name}{_partial(entry, places)}: expected in "
        f"{' or '.join(map(str, places))}: {expected_files(entry)}; put the files there, or give no --data-dir and unset "
        f"NEUROSIM_DATA to download them"
    )


def expected_files(entry: Entry) -> str:
    """Return, in words, the files that hold ``entry``, in each format."""
    return "; or ".join(f"{', '.join(files)}{FORMATS[name].remark}" for name, files in entry.files.items())


def _places(entry: Entry, folder: Path) -> list[Path]:
    # MNIST and its kin have the same file names: a folder named after one of them must not pass for another.
    others = set(REGISTRY) - {entry.name}
    return [folder / entry.name] if folder.resolve().name in others else [folder / entry.name, folder]


def _find(form: Format, files: Sequence[str], place: Path) -> list[Path | None]:
    spelled = ([place / spelling for spelling in form.spellings(file)] for file in files)
    return [next((path for path in paths if path.is_file()), None) for paths in spelled]


def _partial(entry: Entry, places: Sequence[Path]) -> str:
    """Return which files are missing where some are present, or nothing."""
    for place in places:
        for name, files in entry.files.items():
            found = _find(FORMATS[name], files, place)
            if any(found):
                missing = [file for file, path in zip(files, found, strict=True) if path is None]
                return f" ({place} lacks {', '.join(missing)})"
    return ""
