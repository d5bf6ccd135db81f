"""The folder of a comparison: what it was started with, in ``comparison.toml``, from which it goes on; one command a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tomli_w

from neurosim.catalogue import NO_IMPORTS, Imports
from neurosim.errors import RunFileError, quoted, require
from neurosim.experiments.comparison_plan import Plan
from neurosim.experiments.folders import Kind
from neurosim.modelfile.model_file import ModelFile, validated
from neurosim.modelfile.schema import StartedTable
from neurosim.runfile import being_written

KIND = Kind("comparison", "comparison.toml")
NAME = KIND.file


@dataclass(frozen=True)
class Started:
    """What a comparison was started with.

    plan : what it runs; backends : by row, the one that ``auto`` chose
    data_dir : where the data came from, "" for the default; data_digest : what they were
    """

    plan: Plan
    seeds: list[int]
    backends: dict[str, str]
    data_dir: str
    data_digest: str

    @property
    def jobs(self) -> list[tuple[str, int]]:
        """Row and seed of every run, in order."""
        return [(row, seed) for seed in self.seeds for row in self.models]

    @property
    def models(self) -> dict[str, ModelFile]:
        """The model file of each row."""
        return self.plan.models

    def text(self) -> str:
        """Return what ``comparison.toml`` holds."""
        facts = {key: value for key, value in vars(self).items() if key != "plan"}
        return tomli_w.dumps(facts | {"comparison": self.plan.contents})


def path_of(folder: Path, row: str, seed: int) -> Path:
    """Return the run file of a row and a seed."""
    return folder / f"{row}-seed{seed}.h5"


def begun(folder: Path, imports: Imports = NO_IMPORTS) -> Started:
    """Return what the comparison in ``folder`` was started with; raise RunFileError where there is none, or it is going on."""
    path = folder / NAME
    table = validated(StartedTable, KIND.read(folder), str(path))
    plan = Plan.of(table.comparison, str(path), imports)
    whole = set(plan.models) == set(table.backends)
    require(whole, f"{path}: backends of {quoted(sorted(table.backends))}: expected one for each row; restore it", RunFileError)
    started = Started(plan, table.seeds, table.backends, table.data_dir, table.data_digest)
    for file in (*(path_of(folder, row, seed) for row, seed in started.jobs), path):
        going = being_written(file)
        require(not going, f"folder {folder}: another process is writing {file.name}; wait until that has ended", RunFileError)
    return started
