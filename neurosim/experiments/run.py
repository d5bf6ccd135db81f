"""The engine: a model file's stages, one after the other, into one run file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.backends import select
from neurosim.datasets import DataSet
from neurosim.errors import RunFileError, require
from neurosim.experiments.building import build_network, build_trainer, load_data
from neurosim.experiments.estimate import check_fits, fastest
from neurosim.experiments.model_file import ModelFile
from neurosim.experiments.reading import Contents, locate, override, parsed
from neurosim.experiments.recorder import Recorder, create
from neurosim.experiments.recording_plan import RecordingPlan
from neurosim.network import Network
from neurosim.recording import Run, RunFile, provenance
from neurosim.training import Observer, Trainer


@dataclass
class Job:
    """A model file made ready to run: everything a user can get wrong has been checked.

    data_dir : where the data came from, "" for the default
    trainers : one for each stage, all on the one network
    plan : what will be recorded
    """

    model: ModelFile
    seed: int
    data_dir: str
    data: DataSet
    network: Network
    trainers: list[Trainer]
    plan: RecordingPlan

    @property
    def epochs(self) -> int:
        """The epochs of all stages together."""
        return sum(trainer.epochs for trainer in self.trainers)

    def attributes(self) -> dict[str, Any]:
        """Return what the run file says of this job."""
        backend = self.network.backend
        return {
            "seed": self.seed,
            "backend": backend.name,
            "device": backend.describe(),
            "model_name": self.model.name,
            "data_dir": self.data_dir,
            "data_digest": digest(self.data),
            **provenance(),
        }


def prepare(
    model: ModelFile,
    *,
    seed: int | None = None,
    backend: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
    data: DataSet | None = None,
) -> Job:
    """Return ``model`` with its data loaded, its network built and its trainers checked; nothing is written.

    seed : the model file's own by default
    backend : ``auto`` is the one on which a trial of two seconds went fastest
    data : the model's data set, where it is loaded already

    Raises InputError (or one of its kinds) where anything in it does not fit, the memory that is free included.
    """
    table = model.table
    seed = table.seed if seed is None else seed
    chosen = None if backend == "auto" else select(backend)
    check_fits(table, model.name, data_dir, chosen)
    device = chosen or select(fastest(table))
    data = data or load_data(table.data, data_dir)
    network = build_network(table.network, data.shape, data.classes, seed=seed, backend=device)
    trainers = [build_trainer(k, stage, network, data, table.data, seed) for k, stage in enumerate(table.stages)]
    plan = RecordingPlan(trainers, data, table.record)
    return Job(model, seed, str(Path(data_dir).resolve()) if data_dir else "", data, network, trainers, plan)


def digest(data: DataSet) -> str:
    """Return a fingerprint of all images and labels."""
    total = hashlib.blake2b(digest_size=16)
    for split in (data.train, data.validation, data.test):
        total.update(split.x.data)
        total.update(split.y.data)
    return total.hexdigest()


# ---------------------------------------------------------------------- running


def run(job: Job, out: str | os.PathLike[str], *observers: Observer, overwrite: bool = False) -> Run:
    """Train all stages of ``job`` into the run file ``out``; return what it says.

    Raises
    ------
    RunFileError
        ``out`` exists (without ``overwrite``) or cannot be written.
    DivergedError
        Activity left the finite numbers; the run file is kept, with status ``failed``.
    """
    file = create(Path(out), job.plan, job.attributes(), model=job.model.text, overwrite=overwrite)
    _train(job, file, observers)
    return Run(out)


def reopen(
    path: str | os.PathLike[str],
    *,
    model: str | None = None,
    settings: Iterable[str] = (),
    seed: int | None = None,
    backend: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
) -> Job:
    """Return the job of a run file, to ``resume`` it.

    model, settings, seed, backend : have to agree with the file; data_dir : where the same data lie, if they have moved

    Raises RunFileError where an argument contradicts the file, or the data are not those the run began with.
    """
    with Run(path) as known:
        name, own = known.attributes["model_name"], known.model
    require(bool(own), f"run file {path}: of a trainer made in Python, which alone can go on; it holds no model", RunFileError)
    same = model is None or locate(model).stem == name
    require(same, f"run file {path}: holds a run of {name!r}, not of {model!r}; leave the model out to resume", RunFileError)
    contents = _agreed(known, settings, seed, backend)
    job = prepare(
        ModelFile.of(name, contents),
        seed=int(known.attributes["seed"]),
        backend=known.attributes["backend"],
        data_dir=data_dir or known.attributes["data_dir"] or None,
    )
    same = digest(job.data) == known.attributes["data_digest"]
    require(same, f"run file {path}: its data set {job.data.name!r} has changed since; give the same files", RunFileError)
    return job


def _agreed(known: Run, settings: Iterable[str], seed: int | None, backend: str) -> Contents:
    """Return the contents of the model as it was run; raise RunFileError where an argument says otherwise."""
    contents = parsed(known.model, f"run file {known.path}")
    conflicts = [f"--set {setting}" for setting in settings if override(contents, [setting]) != contents]
    conflicts += [f"--seed {seed}"] if seed not in (None, int(known.attributes["seed"])) else []
    conflicts += [f"--backend {backend}"] if backend not in ("auto", known.attributes["backend"]) else []
    require(
        not conflicts,
        f"run file {known.path}: was started without {', '.join(conflicts)}: expected the same options; leave them out to resume",
        RunFileError,
    )
    return contents


def resume(job: Job, path: str | os.PathLike[str], *observers: Observer) -> Run:
    """Train on from the run file's last checkpoint; what comes out is what an uninterrupted run would have written.

    A complete run is left as it is.
    """
    path = Path(path)
    with Run(path) as known:
        complete = known.status == "complete"
    if not complete:
        file = RunFile.resume(path, series=job.plan.series(), checkpoint=job.plan.layout())
        try:
            state = file.last_checkpoint()
            stage = int(state["position|stage"]) if state else 0
            if state:
                job.trainers[stage].restore(state)
        except BaseException:
            file.close()
            raise
        _train(job, file, observers, stage)
    return Run(path)


def _train(job: Job, file: RunFile, observers: tuple[Observer, ...], stage: int = 0) -> None:
    with Recorder(job.plan, file) as recorder, np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for number, trainer in enumerate(job.trainers[stage:], start=stage):
            if trainer.epoch == 0 and number:
                trainer.steps = job.trainers[number - 1].steps  # the random numbers of a step are never drawn twice
            trainer.fit(job.data, recorder, *observers)
