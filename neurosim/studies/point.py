"""One point of a study, run by whatever process gets it; all it needs is in its task, all that comes of it in the folder."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from neurosim.analysis.courses import hidden_projections, last_angle
from neurosim.catalogue import NO_IMPORTS, Imports, is_outside
from neurosim.datasets import DataSet
from neurosim.errors import DivergedError, NeurosimError, RunFileError, quoted, require
from neurosim.experiments.run import has_reached, prepare, reopen, resume, run
from neurosim.modelfile.building import load_data
from neurosim.modelfile.model_file import ModelFile, validated
from neurosim.modelfile.reading import parsed
from neurosim.modelfile.schema import Data
from neurosim.runfile import Run
from neurosim.studies.halving import Rung
from neurosim.workers import Ended

COMPLETE, STOPPED, DIVERGED, FAILED = "complete", "stopped", "diverged", "failed"
MADE_WITH = {"neurosim": "neurosim_version", "commit": "git_commit"} | {
    same: same for same in ("score", "backend", "threads", "created")
}


@dataclass(frozen=True)
class PointToRun:
    """What a worker needs to run one point.

    path : of the run file, as every worker sees it; model_name, model : the model file, as TOML
    data_dir, data_digest : where its data lie ("" for the default), and what they have to be ("" where that is not known)
    imports : the modules that ``module:Class`` in it may be of
    rung : at whose end it is stopped; None: it goes on to its own end
    """

    path: str
    number: int
    seed: int
    model_name: str
    model: str
    backend: str
    data_dir: str
    data_digest: str
    imports: Imports = NO_IMPORTS
    rung: Rung | None = None

    @property
    def name(self) -> str:
        """What it is called among the tasks of a study."""
        return f"point-{self.number}-seed{self.seed}{'' if self.rung is None else f'-rung{self.rung.number}'}"

    @property
    def until(self) -> int | None:
        """The epoch after which it is stopped."""
        return None if self.rung is None else self.rung.epochs


@dataclass(frozen=True)
class PointResult:
    """What came of one point.

    status : ``complete``, ``stopped`` at the end of a rung, ``diverged``, or ``failed``; reason : why it is not complete, one line
    numbers : column of the table -> value; those it had, where it did not come to its end
    """

    number: int
    seed: int
    status: str
    reason: str
    numbers: dict[str, Any]


def perform(task: PointToRun, data: DataSet | None = None) -> PointResult:
    """Run one point to its end, or that of a rung, from its last checkpoint where there is one; return what came of it.

    data : its data set, where that is no file's
    A point that has come so far already is only read.  What goes wrong with one is its outcome, and no exception: others go on.
    """
    path, status, reason = Path(task.path), STOPPED if task.rung else COMPLETE, str(task.rung or "")
    try:
        with _gone(task, path, data) as said:
            return PointResult(task.number, task.seed, status, reason, measured(said, task.until))
    except DivergedError as cause:
        status, reason = DIVERGED, str(cause)
    except (NeurosimError, OSError, MemoryError) as cause:
        status, reason = FAILED, str(cause) or type(cause).__name__
    return PointResult(task.number, task.seed, status, reason, _measured_if_any(path, task.until))


def outcome_of(ended: Ended[PointToRun, PointResult]) -> PointResult:
    """Return what came of a point; where its worker could not even say so, why it failed."""
    cause = ended.failure
    if cause is None:
        return ended.result()
    why = " ".join(str(cause).split())[:200]
    reason = why if isinstance(cause, NeurosimError) else f"{type(cause).__name__}: {why}"
    return PointResult(ended.task.number, ended.task.seed, FAILED, reason, {})


def _measured_if_any(path: Path, until: int | None) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        with Run(path) as said:
            return measured(said, until)
    except RunFileError:  # which is the reason already
        return {}


def _gone(task: PointToRun, path: Path, given: DataSet | None) -> Run:
    """Return the run of a point, which has come as far as its task says."""
    model = ModelFile.of(task.model_name, parsed(task.model, f"point {task.number}"), task.imports)
    options: dict[str, Any] = {"data_dir": task.data_dir or None}
    if not path.exists():
        data = given or _loaded(task.model, task.data_dir)
        _check_data(task, data)
        return run(prepare(model, seed=task.seed, backend=task.backend, data=data, **options), path, until=task.until)
    if not _has_reached(task, path, model):
        data = given or _loaded(task.model, task.data_dir)
        return resume(reopen(path, data=data, imports=task.imports, **options), path, until=task.until)
    return Run(path)


def _check_data(task: PointToRun, data: DataSet | None) -> None:
    if data is None or not task.data_digest:
        return
    same = data.digest() == task.data_digest
    require(same, f"data set {quoted(data.name)}: is not the one that the study was started with; give every worker the same files")


def _has_reached(task: PointToRun, path: Path, model: ModelFile) -> bool:
    """Return whether a run file has come as far as its task says; raise RunFileError where it is of another point."""
    with Run(path) as known:
        own = parsed(known.model, f"run file {path}") if known.model else {}
        same = own == parsed(model.text, path.name) and int(known.attributes["seed"]) == task.seed
        said = f"run file {path}: made with another model or seed than point {task.number}; move it to another folder"
        require(same, said, RunFileError)
        return has_reached(known, task.until)


@functools.lru_cache(maxsize=2)
def _data_of(table: str, data_dir: str) -> DataSet:
    """Return the data set of a [data] table, given as TOML; the points of a study have one, or a few."""
    return load_data(validated(Data, parsed(table, "data"), "data"), data_dir or None)


def _loaded(model: str, data_dir: str) -> DataSet | None:
    """Return the data set of a model, loaded once in a process; None for one that a user's function makes for each run."""
    contents = parsed(model, "model")["data"]
    return None if is_outside(contents["name"]) else _data_of(tomli_w.dumps(contents), data_dir)


def measured(said: Run, until: int | None = None) -> dict[str, Any]:
    """Return what a run says as columns of the table: metrics of its last epoch, angle, time, and what it was made with.

    until : the last epoch that counts; the angle is the last one there is
    """
    found: dict[str, Any] = {"epochs": 0}
    metrics = said.metrics if until is None else said.metrics[said.metrics.index.get_level_values("epoch") <= until]
    for split in metrics.index.get_level_values("split").unique():
        course = metrics.loc[split].sort_index()
        found["epochs"] = max(found["epochs"], int(course.index[-1]))
        found |= {f"{split}_{name}": float(course[name].iloc[-1]) for name in ("loss", "error")}
    found["angle_to_backprop"] = last_angle(said, hidden_projections(said, parsed(said.model, said.path.name)))
    found["seconds"] = float(metrics["seconds"].sum())
    return found | {name: said.attributes.get(key, "") for name, key in MADE_WITH.items()}
