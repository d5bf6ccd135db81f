"""Run files, named one by one or by the folder that they lie in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from neurosim.errors import RunFileError, meant, require

ENDING = ".h5"
ADVICE = f"expected run files, whose names end in {ENDING}; name another folder"


def run_files(places: Iterable[Path]) -> Iterator[Path]:
    """Yield the run files that are named, and those in folders that are named, by name.

    Raises RunFileError for a folder without any.
    """
    for place in places:
        check_there(place)
        found = in_folder(place) if place.is_dir() else [place]
        require(bool(found), f"folder {place}: holds no run file: {ADVICE}", RunFileError)
        yield from found


def check_there(place: Path) -> None:
    """Raise RunFileError where there is neither a file nor a folder."""
    if not place.exists():
        raise RunFileError(f"run file {place}: no such file or folder; check the name{meant(place)}")


def in_folder(folder: Path) -> list[Path]:
    """Return the run files in a folder by name: those directly in it, or, where there are none, those in folders within it."""
    return sorted(folder.glob(f"*{ENDING}")) or sorted(folder.rglob(f"*{ENDING}"))
