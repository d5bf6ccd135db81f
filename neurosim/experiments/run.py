"""The engine: a model file's stages, one after the other, into one run file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurosim import reprs
from neurosim.backends import select
from neurosim.catalogue import NO_IMPORTS, Imports
from neurosim.checking import write_cards
from neurosim.datasets import DataSet
from neurosim.datasets.registry import REGISTRY, find
from neurosim.errors import DataError, InputError, RunFileError, quoted, require, utf8
from neurosim.experiments.estimate import about, check_fits, fastest, readout_of
from neurosim.feedback import FeedbackPathway, pathways
from neurosim.modelfile.building import build_network, build_trainer, load_data
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.reading import Contents, locate, override, parsed
from neurosim.modelfile.schema import ModelTable
from neurosim.network import Network
from neurosim.recording.extending import extended, extension, told
from neurosim.recording.plan import RecordingPlan
from neurosim.recording.recorder import Recorder, Stopped, create
from neurosim.runfile import Extension, Run, RunFile, provenance, warn_of_other_arithmetic
from neurosim.runfile.continual import said_of
from neurosim.tasks import Sizes
from neurosim.training import Evaluation, Observer, Trainer


@dataclass
class Job:
    """A model file made ready to run: everything a user can get wrong has been checked.

    data_dir : where the data came from, "" for the default
    trainers : one for each stage, all on the one network
    plan : what will be recorded
    extension : how a run that has a file is given other epochs than it had
    """

    model: ModelFile
    seed: int
    data_dir: str
    data: DataSet
    network: Network
    trainers: list[Trainer]
    plan: RecordingPlan
    extension: Extension | None = None

    __repr__ = reprs.fields

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
            "data_dir": utf8(self.data_dir),
            "data_digest": self.data.digest(),
            "data_scale": self.data.scale,
            "data_content": self.data.content,
            "score": utf8(self.trainers[0].task.score),
            **claims_of(self.trainers[0].pathway),
            **write_cards(self.trainers),
            "data_samples": " ".join(map(str, self.data.samples)),
            "data_shape": " ".join(map(str, self.data.shape)),
            "data_classes": self.data.classes,
            "data_target_shape": " ".join(map(str, self.data.target_shape)),
            **said_of([task.name for task in self.data.tasks], self.epochs),
            **provenance(backend),
        }


def claims_of(pathway: FeedbackPathway) -> dict[str, str]:
    """Return what a user's scheme claims to need; of a shipped one the package says it."""
    return {} if type(pathway) in pathways().values() else {"claims": json.dumps(vars(pathway.claims))}


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
    _check_stated(model, data)
    seed = table.seed if seed is None else seed
    data_dir = data_dir or by_environment(table)
    chosen = None if backend == "auto" else select(backend)
    if data is None and table.data.is_made:
        data = load_data(table.data, data_dir)
    entry = about(table.data, data, data_dir)
    check_fits(table, model.name, data_dir, chosen, entry)
    device = chosen or select(fastest(table, entry))
    data = data or load_data(table.data, data_dir)
    _check_sequence(model, data)
    task = table.task.on(Sizes.of(data))
    network = build_network(
        table.network, table.shown(tuple(data.shape)), task.size, seed=seed, backend=device, readout=readout_of(task)
    )
    trainers = [build_trainer(k, stage, network, task, data, table, seed) for k, stage in enumerate(table.stages)]
    plan = RecordingPlan(trainers, data, table.record)
    return Job(model, seed, data.folder, data, network, trainers, plan)


def by_environment(table: ModelTable) -> str | None:
    """Return the folder of data files that the environment names, for a data set that has any; the run file notes it."""
    published = table.data.name in REGISTRY and not table.data.arrays
    return os.environ.get("NEUROSIM_DATA") if published and find(table.data.name).openml is not None else None


def _check_sequence(model: ModelFile, data: DataSet) -> None:
    """Raise InputError where tasks that are learned one after the other are not those of the model, or it has several stages."""
    table, count = model.table, len(data.tasks)
    if table.data.is_sequence or count:
        same = table.data.arrays or count == table.data.tasks(data.classes)
        said = f"{model.name}: data set {quoted(data.name)} has {count} tasks"
        require(same, f"{said}, not {table.data.tasks(data.classes)}: expected those of the model; give the data of the model")
        stages = f"{model.name}: {len(table.stages)} stages on {count} tasks in sequence"
        require(len(table.stages) == 1, f"{stages}: expected one stage; leave split_by_class and permute out, or the other stages")


def _check_stated(model: ModelFile, data: DataSet | None = None) -> None:
    """Raise InputError where a run that began in Python can only go on there, unless the arrays are given as ``data``."""
    where = "continue there, with neurosim.Recorder.resume"
    arrays = f"data set {quoted(model.table.data.name)}: arrays given in Python; {where}"
    require(data is not None or not model.table.data.arrays, arrays)
    for part in model.table.unstated[:1]:
        raise InputError(f"{model.name}: made in Python, and no model file can hold its {quoted(part)}; {where}")


# ---------------------------------------------------------------------- running


def run(
    job: Job, out: str | os.PathLike[str], *observers: Observer, overwrite: bool = False, until: int | None = None
) -> Run:
    """Train all stages of ``job`` into the run file ``out``; return what it says.

    until : the epoch, counted over all stages, after which it is stopped with status ``interrupted``, to be resumed; None: it goes
        on to its end.  What depends on the length, as a schedule does, goes by the whole of it

    Raises
    ------
    RunFileError
        ``out`` exists (without ``overwrite``) or cannot be written.
    DivergedError
        Activity left the finite numbers; the run file is kept, with status ``failed``.
    """
    file = create(Path(out), job.plan, job.attributes(), model=job.model.text, overwrite=overwrite)
    _train(job, file, observers, until)
    return Run(out)


def reopen(
    path: str | os.PathLike[str],
    *,
    model: str | None = None,
    settings: Iterable[str] = (),
    seed: int | None = None,
    backend: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
    data: DataSet | None = None,
    epochs: int | None = None,
    imports: Imports = NO_IMPORTS,
) -> Job:
    """Return the job of a run file, to ``resume`` it.

    model, settings, seed, backend : have to agree with the file; data_dir : where the same data lie, if they have moved
    data : the data set, where it is loaded already; imports : the modules that ``module:Class`` in the file may be of
    epochs : how many the whole run gets, also where it is complete; its last stage is given the others (None: as it was planned)

    Raises RunFileError where an argument contradicts the file, so many epochs are done, or the data are not those the run began
    with.  Says so, in the log, where the run began with other BLAS threads, another BLAS or another device: what comes out then
    differs in the last digits; and what depends on the epochs, where they are others.
    """
    with Run(path) as known:
        name, own = known.attributes["model_name"], known.model
    altered = str(known.attributes.get("altered", ""))
    said = f"run file {path}: its {altered} was changed from Python while it ran; continue there, with neurosim.Recorder.resume"
    require(not altered, said, RunFileError)
    said = f"run file {path}: made by a trainer in Python: it holds no model, so that only that program can continue it"
    require(bool(own), said, RunFileError)
    same = model is None or utf8(locate(model).stem) == name
    held = f"run file {path}: holds a run of {quoted(name)}, not of {quoted(model)}"
    require(same, f"{held}; leave the model out to resume", RunFileError)
    agreed = ModelFile.of(name, _agreed(known, settings, seed, backend), imports)
    more = None
    if epochs is not None:
        with Run(path) as known:
            more = extension(known, agreed.contents, epochs)
    if more is not None:
        agreed = ModelFile.of(name, extended(agreed.contents, more), imports)
    _check_stated(agreed, data)
    noted, expected = str(known.attributes["data_dir"]), str(known.attributes["data_digest"])
    place, data = (data_dir, data) if data is not None else found_again(agreed.table, data_dir, noted, expected)
    same = data.digest() == expected
    require(same, f"run file {path}: its data set {quoted(data.name)} has changed since; give the same files", RunFileError)
    seed, backend = int(known.attributes["seed"]), str(known.attributes["backend"])
    job = prepare(agreed, seed=seed, backend=backend, data_dir=place, data=data)
    warn_of_other_arithmetic(path, known.attributes, job.network.backend)
    if more is not None:
        job.extension = told(path, more, job.trainers[-1], agreed.text)
    return job


def found_again(
    table: ModelTable, data_dir: str | os.PathLike[str] | None, noted: str, expected: str
) -> tuple[str | os.PathLike[str] | None, DataSet]:
    """Return folder and data set: of ``data_dir``, else of the folder ``noted``, or of the one the environment names by now.

    expected : the digest that decides; where no folder's data have it, the first one's are returned
    """
    places = [data_dir] if data_dir else list(dict.fromkeys([noted or None, by_environment(table)]))
    found: list[tuple[str | os.PathLike[str] | None, DataSet]] = []
    failure = DataError(f"data set {table.data.name}: not found")
    for place in places:
        try:
            found.append((place, load_data(table.data, place)))
        except DataError as cause:
            failure = cause if place == places[0] else failure
        else:
            if found[-1][1].digest() == expected:
                return found[-1]
    if not found:
        raise failure
    return found[0]


def _agreed(known: Run, settings: Iterable[str], seed: int | None, backend: str) -> Contents:
    """Return the contents of the model as it was run; raise RunFileError where an argument says otherwise."""
    contents = parsed(known.model, f"run file {known.path}")
    conflicts = [f"--set {setting}" for setting in settings if override(contents, [setting]) != contents]
    conflicts += [f"--seed {seed}"] if seed not in (None, int(known.attributes["seed"])) else []
    conflicts += [f"--backend {backend}"] if backend not in ("auto", known.attributes["backend"]) else []
    require(
        not conflicts,
        f"run file {known.path}: was not started with {', '.join(conflicts)}: expected the same options; leave these out to resume",
        RunFileError,
    )
    return contents


def resume(job: Job, path: str | os.PathLike[str], *observers: Observer, until: int | None = None) -> Run:
    """Train on from the run file's last checkpoint; what comes out is what an uninterrupted run would have written.

    until : as of ``run``
    A run that is complete, or has come to ``until``, is left as it is, unless the job gives it other epochs.
    """
    path = Path(path)
    with Run(path) as known:
        done = has_reached(known, until)
    if not done or job.extension is not None:
        renamed = lambda stage, state: job.trainers[stage].pathway.renew(state)  # noqa: E731
        how: dict[str, Any] = {"series": job.plan.series(), "checkpoint": job.plan.layout(), "renamed": renamed}
        file = RunFile.resume(path, **how, extension=job.extension)
        _train(job, file, observers, until, resumed=True)
    return Run(path)


def has_reached(known: Run, until: int | None = None) -> bool:
    """Return whether a run is complete, or can go on from the end of epoch ``until`` or of a later one."""
    return known.status == "complete" or until is not None and max(known.checkpoints, default=0) >= until


class _Until(Observer):
    """Stops a run after an epoch; the last of the observers, so that all of them see it."""

    def __init__(self, recorder: Recorder, epoch: int) -> None:
        self.recorder, self.epoch = recorder, epoch

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        if self.recorder.epoch_of(trainer) >= self.epoch:
            raise Stopped(f"after {self.epoch} epochs, as asked")


def _train(job: Job, file: RunFile, observers: tuple[Observer, ...], until: int | None, resumed: bool = False) -> None:
    until = until if until is not None and until < job.epochs else None
    try:
        recorder = Recorder(job.plan, file, until)
    except BaseException:
        file.set_status("interrupted", "before it began")
        file.close()
        raise
    observers = observers if until is None else (*observers, _Until(recorder, until))
    with suppress(Stopped), recorder, np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        stage = _restored(job, file) if resumed else 0
        for number, trainer in enumerate(job.trainers[stage:], start=stage):
            if trainer.at_start and number:
                trainer.steps = job.trainers[number - 1].steps  # the random numbers of a step are never drawn twice
            if trainer.epoch < trainer.epochs:  # a checkpoint may lie at the end of its stage
                trainer.fit(job.data, recorder, *observers, progress=False)  # who shows how far it is, is an observer


def _restored(job: Job, file: RunFile) -> int:
    """Put a job back to the last checkpoint, if there is one; return its stage."""
    state = file.last_checkpoint()
    if not state:
        return 0
    stage = int(state["position|stage"])
    job.trainers[stage].restore(state)
    return stage
