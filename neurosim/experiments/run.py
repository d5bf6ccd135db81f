"""The engine: a model file's stages, one after the other, into one run file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.backends import select
from neurosim.datasets import DataSet
from neurosim.errors import UnknownNameError
from neurosim.experiments.building import build_network, build_trainer, load_data
from neurosim.experiments.model_file import ModelFile
from neurosim.experiments.recorder import Recorder
from neurosim.network import Network
from neurosim.recording import RunFile, provenance
from neurosim.training import Evaluation, Observer, Trainer


@dataclass
class Job:
    """A model file made ready to run: everything a user can get wrong has been checked.

    data_dir : where the data came from, "" for the default
    trainers : one for each stage, all on the one network
    """

    model: ModelFile
    seed: int
    data_dir: str
    data: DataSet
    network: Network
    trainers: list[Trainer]

    @property
    def epochs(self) -> int:
        """The epochs of all stages together."""
        return sum(trainer.epochs for trainer in self.trainers)

    def attributes(self) -> dict[str, Any]:
        """Return what the run file says of this job."""
        backend = self.network.backend
        own = {"seed": self.seed, "backend": backend.name, "device": backend.describe(), "data_dir": self.data_dir}
        return own | {"model_name": self.model.name, "schemes": json.dumps([t.pathway.name for t in self.trainers])} | provenance()


def prepare(
    model: ModelFile, *, seed: int = 1, backend: str = "auto", data_dir: str | os.PathLike[str] | None = None
) -> Job:
    """Return ``model`` with its data loaded, its network built and its trainers checked; nothing is written.

    Raises InputError (or one of its kinds) where anything in it does not fit.
    """
    table = model.table
    device = select(backend)
    data = load_data(table.data, data_dir)
    network = build_network(table.network, data.shape, data.classes, seed=seed, backend=device)
    trainers = [build_trainer(k, stage, network, data, table.data, seed) for k, stage in enumerate(table.stages)]
    _check_recordable(model, network)
    return Job(model, seed, str(Path(data_dir).resolve()) if data_dir else "", data, network, trainers)


def _check_recordable(model: ModelFile, network: Network) -> None:
    record = model.table.record
    known = {f"{name}.{variable}" for name in network.populations for variable in ("drive", "potential", "rate")}
    for name in record.populations:
        if name not in known:
            raise UnknownNameError("record: population variable", name, known)
    for name in record.projections:
        if name not in network.parameters():
            raise UnknownNameError("record: projection variable", name, network.parameters())


def run(job: Job, out: str | os.PathLike[str], *observers: Observer, overwrite: bool = False) -> dict[str, Evaluation]:
    """Train all stages of ``job`` into the run file ``out``; return the last evaluation: split name -> Evaluation.

    Raises
    ------
    RunFileError
        ``out`` exists (without ``overwrite``) or cannot be written.
    DivergedError
        Activity left the finite numbers; the run file is kept, with status ``failed``.
    """
    with RunFile.create(Path(out), model=job.model.text, attributes=job.attributes(), overwrite=overwrite) as file:
        return _train(job, file, observers)


def _train(job: Job, file: RunFile, observers: tuple[Observer, ...], stage: int = 0) -> dict[str, Evaluation]:
    recorder = Recorder(file, job)
    with _status_kept(file), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for number, trainer in enumerate(job.trainers[stage:], start=stage):
            if trainer.epoch == 0 and number:
                trainer.steps = job.trainers[number - 1].steps  # the random numbers of a step are never drawn twice
            trainer.fit(job.data, recorder, *observers)
        file.set_status("complete")
    return recorder.last


@contextmanager
def _status_kept(file: RunFile) -> Iterator[None]:
    """Write into the file how the run ended, whatever ended it."""
    try:
        yield
    except KeyboardInterrupt:
        file.set_status("interrupted", "interrupted by the user")
        raise
    except Exception as cause:
        file.set_status("failed", str(cause) or type(cause).__name__)
        raise
