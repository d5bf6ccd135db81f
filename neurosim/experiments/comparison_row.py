"""One row of a comparison with one seed: trained from its start, or from where it was stopped; and what it reached."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Any

from neurosim.analysis.courses import epochs_to, last_angle, milliseconds_a_step
from neurosim.analysis.summary import REACHED
from neurosim.catalogue import Imports
from neurosim.datasets import DataSet
from neurosim.errors import DivergedError, RunFileError, require
from neurosim.experiments.comparison_table import Result
from neurosim.experiments.run import Job, prepare, reopen, resume, run
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.reading import Contents
from neurosim.runfile import Run
from neurosim.training import Observer

Watch = Callable[[Job], Sequence[Observer]]
Place = str | os.PathLike[str] | None


@dataclass(frozen=True)
class Row:
    """What one row is run with, beside its model and the data.

    path : of its run file; name : in the comparison; data_dir : where the data came from, None for the default
    overwrite : whether it begins again where its run file is there, and does not go on
    """

    path: Path
    name: str
    seed: int
    backend: str
    data_dir: Place
    overwrite: bool


def train(row: Row, model: ModelFile, data: DataSet, *, imports: Imports, watch: Watch = lambda job: ()) -> Result:
    """Train a row to its end; return what it reached.  One that is complete is only read.

    watch : returns the observers of the job that is about to start

    Raises RunFileError where the run file is of something else.  Diverging is a result, and no error.
    """
    path = row.path
    going_on = path.exists() and not row.overwrite
    if going_on:
        job = _reopened(row, model, data, imports)
    else:
        job = prepare(model, seed=row.seed, backend=row.backend, data_dir=row.data_dir, data=data)

    def go() -> None:
        if not going_on:
            run(job, path, *watch(job), overwrite=row.overwrite).close()
        elif job.extension is not None or not _is_complete(path):
            resume(job, path, *watch(job)).close()

    return _reached(job, path, go)


@dataclass(frozen=True)
class Sent:
    """What another process needs to train a row, beside the data."""

    row: Row
    contents: Contents
    imports: Imports


def train_sent(sent: Sent, data: DataSet) -> Result:
    """Train a row in a worker process.  Where one died with it before, it goes on from its last checkpoint."""
    model = ModelFile.of(sent.row.name, sent.contents, sent.imports)
    return train(sent.row, model, data, imports=sent.imports)


def _reopened(row: Row, model: ModelFile, data: DataSet, imports: Imports) -> Job:
    """Return the job of a run file that is there; raise RunFileError where it is of something else.

    Where the comparison was given more epochs since, the run is given them.
    """
    how: dict[str, Any] = {"data_dir": row.data_dir, "data": data, "imports": imports}
    job = reopen(row.path, **how)
    (stage,) = model.table.stages
    longer = job.epochs < stage.epochs
    job = reopen(row.path, **how, epochs=stage.epochs) if longer else job
    own, theirs = ({key: value for key, value in one.contents.items() if key != "title"} for one in (job.model, model))
    titled = longer or job.model.contents["title"] == model.contents["title"]  # which has the epochs
    same = own == theirs and titled and (job.model.name, job.seed) == (model.name, row.seed)
    said = f"run file {row.path}: made with another model or seed than this row of the comparison; move it to another folder"
    require(same, said, RunFileError)
    if job.extension is not None:
        job.model, job.extension = model, replace(job.extension, model=model.text)
    return job


def _is_complete(path: Path) -> bool:
    with Run(path) as known:
        return known.status == "complete"


def _reached(job: Job, path: Path, go: Callable[[], None]) -> Result:
    failure = ""
    try:
        go()
    except DivergedError as error:
        failure = f"diverged: {error}"
    with Run(path) as said:
        test, train = said.metrics.loc["test"], said.metrics.loc["train"]
        step = milliseconds_a_step(said, len(job.trainers[0].pathway.phases))
        hidden = [p.name for p in job.network.projections.values() if p.post != job.network.output]
        angle, reached = last_angle(said, hidden), epochs_to(said, REACHED)
        locality = said.cards[0].summary if said.cards else {}
        tasks = said.continual
    return Result(
        scheme=job.model.name,
        seed=job.seed,
        test_accuracy=100 - float(test["error"].iloc[-1]),
        train_loss=float(train["loss"].iloc[-1]),
        epochs_to_95=reached,
        step_ms=nan if step is None else step,
        angle=nan if angle is None else angle,
        claims=job.trainers[0].pathway.claims,
        failure=failure,
        score=job.trainers[0].task.score,
        locality=locality,
        forgetting=None if tasks is None else tasks.forgetting,
    )
