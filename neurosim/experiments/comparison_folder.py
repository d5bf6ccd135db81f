"""The folder of a comparison: what it was started with, in ``comparison.toml``, from which it goes on; one command a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from neurosim.errors import RunFileError, quoted, require
from neurosim.modelfile import reading
from neurosim.modelfile.model_file import ModelFile, validated
from neurosim.modelfile.schema import StartedTable, Training
from neurosim.runfile import being_written
from neurosim.runfile.disk import replacing
from neurosim.runfile.writer_lock import WriterLock

NAME = "comparison.toml"


@dataclass(frozen=True)
class Started:
    """What a comparison was started with.

    models : by row, every override filled in; backends : by row, the one that ``auto`` chose
    data_dir : where the data came from, "" for the default; data_digest : what they were
    """

    models: dict[str, ModelFile]
    seeds: list[int]
    backends: dict[str, str]
    data_dir: str
    data_digest: str

    @property
    def jobs(self) -> list[tuple[str, int]]:
        """Row and seed of every run, in order."""
        return [(row, seed) for seed in self.seeds for row in self.models]

    def contents(self) -> reading.Contents:
        """Return the comparison file that the models are the rows of."""
        first = next(iter(self.models.values())).contents
        stages = {row: model.contents["stages"][0] for row, model in self.models.items()}
        rows = {row: {key: stage[key] for key in stage if key not in Training.model_fields} for row, stage in stages.items()}
        training = {key: value for key, value in first["stages"][0].items() if key in Training.model_fields}
        return first | {"title": first["title"].partition(": ")[2], "training": training, "rows": rows}

    def text(self) -> str:
        """Return what ``comparison.toml`` holds."""
        models = {row: model.contents for row, model in self.models.items()}
        return tomli_w.dumps(vars(self) | {"models": models})


def path_of(folder: Path, row: str, seed: int) -> Path:
    """Return the run file of a row and a seed."""
    return folder / f"{row}-seed{seed}.h5"


# ---------------------------------------------------------------------- one command a folder


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise RunFileError where ``folder`` holds something that must not be overwritten."""
    fits = not folder.exists() or folder.is_dir() and (overwrite or not any(folder.iterdir()))
    advice = "give --overwrite, or another --out"
    if folder.is_dir() and (folder / NAME).exists():
        advice = f"give --resume to go on with the comparison in it, {advice}"
    require(fits, f"folder {folder}: exists and is not empty; {advice}", RunFileError)


@contextmanager
def alone(folder: Path, started: Started | None = None, overwrite: bool = False) -> Iterator[WriterLock]:
    """Have the folder to oneself: between two rows no run file is being written, and another command would not be noticed.

    started : what a new comparison is started with; the folder is made, and ``comparison.toml`` written, which of several commands
        only one can

    Raises RunFileError where another command has the folder, or has begun there, or the folder cannot be written.
    """
    with ExitStack() as stack:
        try:
            if started is not None:
                folder.mkdir(parents=True, exist_ok=True)
                check_free(folder, overwrite)
            lock = WriterLock(folder / NAME, f"folder {folder}")
            stack.callback(lock.release)
            if started is not None:
                with replacing(folder / NAME, exclusively=not overwrite) as fresh:
                    fresh.write_text(started.text(), encoding="utf-8")
        except FileExistsError as cause:
            raise RunFileError(f"folder {folder}: another command has begun a comparison there; give another --out") from cause
        except OSError as cause:
            raise RunFileError(f"folder {folder}: cannot be written ({cause.strerror}); name another place with --out") from cause
        yield lock


def begun(folder: Path) -> Started:
    """Return what the comparison in ``folder`` was started with; raise RunFileError where there is none, or it is going on."""
    path = folder / NAME
    require(folder.is_dir(), f"folder {folder}: no such folder; check --out, or leave --resume out", RunFileError)
    require(path.is_file(), f"folder {folder}: holds no {NAME}: expected a comparison that was begun; check --out", RunFileError)
    try:
        contents = reading.parsed(reading.beginning(path), str(path))
    except (OSError, UnicodeDecodeError) as cause:
        raise RunFileError(f"{path}: cannot be read ({quoted(str(cause))}); restore it from a copy, or compare again") from cause
    table = validated(StartedTable, contents, str(path))
    models = {row: ModelFile.of(row, model) for row, model in table.models.items()}
    whole = set(models) == set(table.backends)
    require(whole, f"{path}: backends of {quoted(sorted(table.backends))}: expected one for each model; restore it", RunFileError)
    started = Started(models, table.seeds, table.backends, table.data_dir, table.data_digest)
    for file in (*(path_of(folder, row, seed) for row, seed in started.jobs), path):
        going = being_written(file)
        require(not going, f"folder {folder}: another process is writing {file.name}; wait until that has ended", RunFileError)
    return started
