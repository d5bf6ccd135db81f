"""The folder that a run gets where nobody named one; and one that many runs share, which one command has to itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from neurosim.errors import RunFileError, quoted, require
from neurosim.modelfile.reading import Contents, beginning, parsed
from neurosim.runfile.disk import replacing
from neurosim.runfile.writer_lock import WriterLock

RUNS = Path("neurosim-runs")


@contextmanager
def made_folder(what: str) -> Iterator[Path]:
    """Make ``neurosim-runs/<what>-<time>``, which nobody else has: runs of the same second add a number.

    It goes again where nothing was written into it.  Raises RunFileError where it cannot be made.
    """
    name, first = f"{what}-{datetime.now():%Y%m%d-%H%M%S}", not RUNS.exists()
    try:
        folder = next(filter(_made, (RUNS / (name if k == 1 else f"{name}-{k}") for k in itertools.count(1))))
    except OSError as cause:
        raise RunFileError(f"folder {RUNS / name}: cannot be made ({cause.strerror}); name another place with --out") from cause
    try:
        yield folder
    finally:
        with suppress(OSError):  # it is not empty
            folder.rmdir()
            if first:
                RUNS.rmdir()


def _made(folder: Path) -> bool:
    """Make a folder; return whether it was not there."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    return True


# ---------------------------------------------------------------------- one command a folder


@dataclass(frozen=True)
class Kind:
    """What a folder of many runs is of.

    what : in words, as ``comparison``; file : that says what it was started with, from which it goes on
    """

    what: str
    file: str

    def check_free(self, folder: Path, overwrite: bool) -> None:
        """Raise RunFileError where ``folder`` holds something that must not be overwritten."""
        fits = not folder.exists() or folder.is_dir() and (overwrite or not any(folder.iterdir()))
        advice = "--overwrite, or another --out"
        if folder.is_dir() and (folder / self.file).exists():
            advice = f"--resume to continue the {self.what} in it, {advice}"
        require(fits, f"folder {folder}: exists and is not empty; give {advice}", RunFileError)

    def read(self, folder: Path) -> Contents:
        """Return what the file in ``folder`` says; raise RunFileError where there is none, or it cannot be read."""
        path = folder / self.file
        require(folder.is_dir(), f"folder {folder}: no such folder; check --out, or leave --resume out", RunFileError)
        said = f"folder {folder}: holds no {self.file}: expected the folder of a {self.what} that was started; check --out"
        require(path.is_file(), said, RunFileError)
        try:
            return parsed(beginning(path), str(path))
        except (OSError, UnicodeDecodeError) as cause:
            why = quoted(str(cause))
            raise RunFileError(f"{path}: cannot be read ({why}); restore it from a copy, or begin again") from cause

    @contextmanager
    def alone(self, folder: Path, started: str | None = None, overwrite: bool = False) -> Iterator[WriterLock]:
        """Have the folder to oneself: between two runs no run file is being written, and another command would not be noticed.

        started : the text of the file, where something new begins; the folder is made, and the file written, which of several
            commands only one can

        Raises RunFileError where another command has the folder, or has begun there, or the folder cannot be written.
        """
        with ExitStack() as stack:
            try:
                if started is not None:
                    folder.mkdir(parents=True, exist_ok=True)
                    self.check_free(folder, overwrite)
                lock = WriterLock(folder / self.file, f"folder {folder}")
                stack.callback(lock.release)
                if started is not None:
                    with replacing(folder / self.file, exclusively=not overwrite) as fresh:
                        fresh.write_text(started, encoding="utf-8")
            except FileExistsError as cause:
                said = f"folder {folder}: another command has started a {self.what} there; give another --out"
                raise RunFileError(said) from cause
            except OSError as cause:
                said = f"folder {folder}: cannot be written ({cause.strerror}); name another place with --out"
                raise RunFileError(said) from cause
            yield lock
