"""What a run writes as it goes: metrics, chosen variables, alignment with back-propagation, what steps do, checkpoints.

Of a trial of several ticks, what the populations show is that of the last tick.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import tomli_w

from neurosim.checking import write_cards
from neurosim.datasets import DataSet, Split
from neurosim.errors import RunFileError, quoted, require, utf8
from neurosim.modelfile.description import STARTED, describe, settings
from neurosim.modelfile.model_file import validated
from neurosim.modelfile.reading import Contents, parsed
from neurosim.modelfile.schema import Record
from neurosim.recording import extending
from neurosim.recording.extending import extended, extension
from neurosim.recording.plan import Chosen, RecordingPlan
from neurosim.recording.variables import signals
from neurosim.runfile import Background, Run, RunFile, provenance, warn_of_other_arithmetic
from neurosim.runfile.background import Work
from neurosim.runfile.continual import said_of
from neurosim.runfile.ending import to_the_end
from neurosim.training import Evaluation, Observer, Trainer
from neurosim.training.alignment import Alignment, alignments
from neurosim.training.directions import gauss_newton, propose, step_effect

log = logging.getLogger(__name__)

BUFFER = 64 << 20  # bytes of recordings that may wait for the disk
NOTHING = Alignment(np.nan, np.nan, np.nan)


class Stopped(Exception):
    """Raised within a recorder's ``with`` statement where a run is to go on later; its text is the file's reason."""


class Recorder(Observer):
    """Writes what a plan says into a run file; epochs and steps count on over the stages.

    Values are copied at their moment and written by another thread, of which at most BUFFER bytes wait.  Use it in a ``with``
    statement: in the end everything is on the disk, and the file says how the run ended.

    until : the epoch after which the run will be stopped, which has a checkpoint; None: it is not
    """

    def __init__(self, plan: RecordingPlan, file: RunFile, until: int | None = None) -> None:
        self.plan, self.file, self.until = plan, file, until
        self.background = Background(BUFFER)
        self.seconds = 0.0
        self.compared = dict.fromkeys(plan.comparisons, 0.0)  # seconds since the last evaluation
        units = {c.request.interval.unit for c in plan.variables} | {interval.unit for interval in plan.comparisons.values()}
        self.by_step = "steps" in units
        self.settings: Contents | None = None  # of a trainer made in Python: as it began
        self.started = b""  # digest of the weights it began with
        self.unkept: tuple[Trainer, int] | None = None  # trainer and epoch, where the last epoch has no checkpoint yet
        self.seen: Trainer | None = None  # the one that trained last

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        trainer: Trainer,
        data: DataSet,
        *variables: str,
        overwrite: bool = False,
        **options: Any,
    ) -> Self:
        """Return the recorder of a trainer made in Python, to be given to ``trainer.fit``.

        The file holds the model file that would make the trainer again, so that it gives its network back and can be resumed.

        variables : as ``"hidden*.rate every 1 epoch"``; options : split, samples, alignment, gauss_newton, step_effect,
            checkpoint, keep (see ``Record``)

        Raises InputError where one of them does not fit, RunFileError where ``path`` exists (without ``overwrite``).
        """
        trainer.check(data)
        record = Record(variables=list(variables), **options)
        plan = RecordingPlan([trainer], data, record)
        backend = trainer.network.backend
        said = {"seed": trainer.seed, "backend": backend.name, "device": backend.describe(), "model_name": trainer.pathway.name}
        said |= {"data_dir": utf8(data.folder), "data_digest": data.digest()}
        said |= {"data_samples": " ".join(map(str, data.samples)), "data_shape": " ".join(map(str, data.shape))}
        said |= {"data_scale": data.scale, "data_content": data.content, "score": utf8(trainer.task.score)} | write_cards([trainer])
        said |= said_of([task.name for task in data.tasks], trainer.epochs)
        model = tomli_w.dumps(describe(trainer, data, record.model_dump(exclude_unset=True)))
        recorder = cls(plan, create(Path(path), plan, said | provenance(backend), model=model, overwrite=overwrite))
        recorder.settings, recorder.started = settings(trainer, data), _digest_of(trainer)
        now, state = (trainer.epoch, trainer.steps), trainer.state()  # the weights may be others than the seed's
        recorder.file.checkpoint(0, *now, state, number=plan.number(trainer.steps))
        return recorder

    @classmethod
    def resume(cls, path: str | os.PathLike[str], trainer: Trainer, data: DataSet, *, epochs: int | None = None) -> Self:
        """Return the recorder that goes on with a run file where its last checkpoint left it; ``trainer`` is taken there, too.

        trainer : made as the one that began the run was
        epochs : how many the run gets in all, also where it is complete; ``trainer`` is given as many (None: as it was planned).
            What depends on them is said in the log

        Raises RunFileError where the run is complete, or so many epochs are done, or the trainer or the data are others than it
        began with.
        """
        trainer.check(data)
        with Run(path) as known:
            told, status, fingerprint = parsed(known.model, f"run file {path}"), known.status, known.attributes.get("data_digest")
            altered = str(known.attributes.get("altered", ""))
            more = None if epochs is None or not told else extension(known, told, epochs)
        own = describe(trainer, data, told.get("record", {}))
        if more is not None:
            told = extended(told, more)
            own["stages"][0]["epochs"] = more.after
        model = tomli_w.dumps(told)
        if altered:
            log.warning("run file %s: %s was changed while it ran; the run continues with what this trainer has now", path, altered)
        warn_of_other_arithmetic(path, known.attributes, trainer.network.backend)
        _check_same(path, told, own)
        same = fingerprint == data.digest()
        require(same, f"run file {path}: the data are not those that it was started with; give the same data", RunFileError)
        nothing = f"run file {path}: it is complete: there is nothing left to train, unless it is given more epochs=..."
        require(status != "complete" or more is not None, nothing, RunFileError)
        if more is not None:
            trainer.epochs = more.after
            more = extending.told(path, more, trainer, model)
        plan = RecordingPlan([trainer], data, validated(Record, told.get("record", {}), f"run file {path}: record"))
        renamed = lambda _, state: trainer.pathway.renew(state)  # noqa: E731
        how: dict[str, Any] = {"series": plan.series(), "checkpoint": plan.layout(), "renamed": renamed}
        file = RunFile.resume(Path(path), **how, extension=more)
        try:
            trainer.restore(file.last_checkpoint())
            if trainer.epoch >= trainer.epochs:  # it was stopped after its last epoch
                file.set_status("complete")
                raise RunFileError(nothing)
        except BaseException:
            file.close()
            raise
        recorder = cls(plan, file)
        recorder.settings = settings(trainer, data)
        return recorder

    def __repr__(self) -> str:
        return f"<Recorder of {self.file.path}: {self.plan!r}>"

    # ------------------------------------------------------------------ how a run ends

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Write what waits, say in the file how the run ended, and close it; raise what kept something from being written.

        This goes on to its end whatever signal comes (see ``runfile.ending``).
        """
        failures = to_the_end(functools.partial(self._end, error))
        if failures and error is None:
            raise failures[0]

    def _end(self, error: BaseException | None) -> None:
        """End the run after ``error``, if any."""
        try:
            self._say(error)
        finally:
            self.background.close()
            self.file.close()

    def _say(self, error: BaseException | None) -> None:
        failure: BaseException | None = None
        try:
            if error is None:
                self._keep_last()
            elif isinstance(error, KeyboardInterrupt):
                self._keep_now()
            self.background.wait()
        except Exception as cause:
            failure = cause
        if isinstance(error, KeyboardInterrupt | Stopped):
            self.file.set_status("interrupted", str(error) or "by the user")
        elif told := error or failure:
            self.file.set_status("failed", str(told) or type(told).__name__)
        else:
            self.file.set_status(*self._ending())
        if failure is not None:
            raise failure

    def _keep_last(self) -> None:
        """Write the checkpoint of the last epoch, where it was not known to be the last."""
        if self.unkept is not None:
            trainer, epoch = self.unkept
            if self.epoch_of(trainer) == epoch and not trainer.within_epoch:
                self._checkpoint(trainer)

    def _keep_now(self) -> None:
        """Write a checkpoint of where a signal has interrupted the run, if that is between two steps and has none."""
        trainer = self.seen
        if trainer is not None and trainer.whole:
            if not trainer.within_epoch:
                self._keep_last()
            elif not self.plan.checkpoints.due("steps", trainer.steps):
                trainer.check_finite()
                self._checkpoint(trainer)

    def _ending(self) -> tuple[str, str]:
        """Return status and reason of a run that no error ended: who stopped it, or how far ``fit`` was to go."""
        trainers = self.plan.trainers
        stages = ["" if len(trainers) == 1 else f"stage {k}, " for k in range(len(trainers))]
        ends = [f"{stage}epoch {t.epoch} of {t.epochs}" for stage, t in zip(stages, trainers, strict=True)]
        stopped = [f"stopped after {end}: {t.stopped}" for end, t in zip(ends, trainers, strict=True) if t.stopped]
        if stopped:
            return "complete", "; ".join(stopped)
        return ("complete", "") if trainers[-1].epoch >= trainers[-1].epochs else ("interrupted", f"after {ends[-1]}")

    # ------------------------------------------------------------------ moments

    def on_step(self, trainer: Trainer) -> None:
        self.seen = trainer
        if self.by_step:
            self._record(trainer, "steps", trainer.steps)
        if self.plan.checkpoints.due("steps", trainer.steps) and not trainer.at_end_of_epoch:
            trainer.check_finite()
            self._checkpoint(trainer)

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        if trainer.epoch == 0 and trainer is not self.plan.trainers[0]:
            self.seconds = 0.0
            return  # the stage before has just been evaluated with the same weights
        self.seen = trainer
        self._look_for_changes(trainer)
        epoch = self.epoch_of(trainer)
        if epoch == 0:
            self._record(trainer, "steps", 0)
        self._record(trainer, "epochs", epoch)
        self._metrics(trainer, metrics)
        self.background.put(0, lambda: self.file.flush)
        self.unkept = (trainer, epoch) if trainer.epoch else None
        if trainer.epoch and (epoch in (self.until, self.plan.epochs) or self.plan.is_checkpoint(epoch, trainer.steps)):
            self._checkpoint(trainer)

    def _look_for_changes(self, trainer: Trainer) -> None:
        """Note in the file a setting of a trainer made in Python that is no longer what the file states."""
        if self.settings is not None:
            at, before, now = _difference(self.settings, settings(trainer, self.plan.data), "")
            if trainer.written:
                at = f"weights (written by an observer: {trainer.written})"
            elif trainer.steps == 0 and self.started and self.started != _digest_of(trainer):
                at = "weights (set before it began)"
            elif trainer.epoch > trainer.epochs:
                at = f"epochs (trained on beyond {trainer.epochs})"
            if at or before != now:
                self.settings = None  # the first one is enough
                self.background.put(0, lambda: functools.partial(self.file.set_text, "altered", at.lstrip(".")))

    def epoch_of(self, trainer: Trainer) -> int:
        """Return the epochs of the whole run that are done."""
        return sum(t.epochs for t in self.plan.trainers[: self.plan.trainers.index(trainer)]) + trainer.epoch

    # ------------------------------------------------------------------ what is written

    def _metrics(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        seconds, self.seconds = trainer.seconds - self.seconds, trainer.seconds
        compared, self.compared = self.compared, dict.fromkeys(self.compared, 0.0)
        for split, evaluation in metrics.items():
            row = {"epoch": self.epoch_of(trainer), "step": trainer.steps, "loss": evaluation.loss, "error": evaluation.error}
            if split == "train":
                row |= {"seconds": seconds} | {f"{name}_seconds": spent for name, spent in compared.items()}
            self.background.put(0, functools.partial(self._row, f"metrics/{split}", row))
        for number, one in enumerate(metrics["test"].tasks if "test" in metrics else (), start=1):
            row = {"epoch": self.epoch_of(trainer), "step": trainer.steps, "loss": one.loss, "error": one.error}
            self.background.put(0, functools.partial(self._row, f"tasks/{number}", row))

    def _row(self, group: str, row: Mapping[str, Any]) -> Work:
        return functools.partial(self.file.append, group, row)

    def _checkpoint(self, trainer: Trainer) -> None:
        size = sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in trainer.state_layout().values())
        size = max(size, BUFFER // 2)  # one may wait while another is written: more of them would only take memory
        self.unkept = None
        stage, epoch, step = self.plan.trainers.index(trainer), self.epoch_of(trainer), trainer.steps
        how: dict[str, Any] = {"number": self.plan.number(step), "passing": self._passing}
        self.background.put(size, lambda: functools.partial(self.file.checkpoint, stage, epoch, step, trainer.state(), **how))

    def _passing(self, epoch: int, step: int, within: bool) -> bool:
        """Return whether a checkpoint was only there because the run was to end, or to stop, then: one that goes on has none."""
        return epoch != self.plan.epochs and not self.plan.is_checkpoint(None if within else epoch, step)

    def _record(self, trainer: Trainer, unit: str, count: int) -> None:
        due = [c for c in self.plan.variables if c.request.interval.due(unit, count)]
        clock = {"epoch": self.epoch_of(trainer), "step": trainer.steps}
        if due:
            values = self._values(trainer, due)
            for c in due:
                if c.variable.name in values:
                    self._variable(c, values[c.variable.name], clock)
            rate = values.get(f"{self.plan.network.output}.rate")
            if self.plan.answered and rate is not None:
                self._response(rate, clock)
        self._compare(trainer, [name for name, interval in self.plan.comparisons.items() if interval.due(unit, count)], clock)

    def _variable(self, c: Chosen, value: Any, clock: Mapping[str, int]) -> None:
        host, key = self.plan.network.backend.to_host, c.variable.key
        size = int(np.prod(c.shape)) * c.variable.dtype.itemsize

        def prepare() -> Work:
            row = {key: c.variable.taken(host(value), c.numbers), **{f"{key}.{name}": n for name, n in clock.items()}}
            return functools.partial(self.file.append, c.variable.group, row)

        self.background.put(size, prepare)

    def _response(self, rate: Any, clock: Mapping[str, int]) -> None:
        rates = self.plan.network.backend.to_host(rate).reshape(len(rate), -1)
        answers = np.where(np.isnan(rates).any(axis=1), -1, rates.argmax(axis=1))
        row = {"neuron": answers, **{f"neuron.{name}": n for name, n in clock.items()}}
        self.background.put(answers.nbytes, functools.partial(self._row, self.plan.answered, row))

    def _values(self, trainer: Trainer, due: Sequence[Chosen]) -> dict[str, Any]:
        """Return every array that one of ``due`` may be, by name; those of another stage's pathway are not there."""
        network, pathway = self.plan.network, trainer.pathway
        found = {**network.parameters(), **network.memory(), **pathway.parameters(), **pathway.memory()}
        shown = {c.variable.name for c in due if c.variable.shown}
        if shown:
            x, target = self._shown(trainer)
            sweep = trainer.show(x)
            for name, population in network.populations.items():
                found |= {f"{name}.{key}": sweep[name].value(key) for key in population.neurons.variables}
            if shown - set(found):
                asked = copy.deepcopy(trainer)  # a scheme may count what it teaches
                found |= signals(asked.network, asked.pathway, sweep, target, trainer.seed, trainer.steps)
        return found

    def _shown(self, trainer: Trainer) -> tuple[Any, Any]:
        """Return the probe, (samples, *shape), and its targets, (samples, task.size), on the backend."""
        backend = self.plan.network.backend
        split: Split = getattr(self.plan.data, self.plan.record.split)
        probe = Split(split.x[self.plan.probe], split.y[self.plan.probe])
        return backend.asarray(probe.x), backend.asarray(trainer.targets(probe), self.plan.network.dtype)

    def _compare(self, trainer: Trainer, due: Sequence[str], clock: Mapping[str, int]) -> None:
        """Look at what the scheme proposes for the batch that comes next, before augmentation, in those ways that are ``due``."""
        train = self.plan.data.during(trainer.epoch + trainer.at_end_of_epoch, trainer.epochs).train
        rows = trainer.upcoming(len(train)) if due else np.zeros(0, int)
        for name in due:
            started = time.perf_counter()
            batch = Split(train.x[rows], train.y[rows])
            if name == "step_effect":
                row = {**clock, **step_effect(trainer, batch)._asdict()}
                self.background.put(0, functools.partial(self._row, name, row))
            else:
                found = self._aligned(trainer, batch) if name == "alignment" else _curved(trainer, batch)
                for projection in self.plan.network.projections:
                    row = {**clock, **vars(found.get(projection, NOTHING))}
                    self.background.put(0, functools.partial(self._row, f"{name}/{projection}", row))
            self.compared[name] += time.perf_counter() - started

    def _aligned(self, trainer: Trainer, batch: Split) -> Mapping[str, Alignment]:
        """Return how each projection's proposed change lies to minus the exact gradient."""
        trainer = copy.deepcopy(trainer)  # a scheme may count what it teaches
        backend = trainer.network.backend
        x, target = (backend.asarray(values, trainer.network.dtype) for values in (batch.x, trainer.targets(batch)))
        draws = backend.draws(trainer.seed, trainer.steps)
        return alignments(trainer.network, trainer.pathway, x, target, draws, trainer.trial)


def _curved(trainer: Trainer, batch: Split) -> Mapping[str, Alignment]:
    """Return how each projection's proposed change lies to Gauss and Newton's."""
    proposed, curved = propose(trainer, batch), gauss_newton(trainer, batch)
    return {name: Alignment.of(change, curved[name]) for name, change in proposed.items()}


def _digest_of(trainer: Trainer) -> bytes:
    """Return a digest of all that the trainer's network has learned."""
    digest = hashlib.blake2b(digest_size=8)
    for value in trainer.network.parameters().values():
        digest.update(np.ascontiguousarray(trainer.network.backend.to_host(value)).data)
    return digest.digest()


def _check_same(path: str | os.PathLike[str], told: Contents, own: Contents) -> None:
    """Raise RunFileError, naming what differs, where a trainer is described otherwise than the run file says."""
    require(bool(told), f"run file {path}: holds no model, as those of earlier versions; run again", RunFileError)
    own = parsed(tomli_w.dumps(own), "description")
    for one in (told, own):  # where a training starts is in the checkpoint
        one["unstated"] = [part for part in one.get("unstated", []) if not str(part).endswith(STARTED)]
    for key in ("seed", "data", "task", "clock", "encoder", "network", "stages", "unstated"):
        at, before, now = _difference(told.get(key), own.get(key), key)
        both = f"{at} was {quoted(before)} and is {quoted(now)} in this trainer"
        require(not at, f"run file {path}: {both}: expected the same; make the trainer as it was", RunFileError)


def _difference(told: Any, own: Any, at: str) -> tuple[str, Any, Any]:
    """Return the path of the first difference, and the two values there; an empty path where there is none."""
    pairs: list[tuple[Any, Any, Any]] = []
    if isinstance(told, dict) and isinstance(own, dict):
        pairs = [(key, told.get(key), own.get(key)) for key in dict.fromkeys([*told, *own])]
    elif isinstance(told, list) and isinstance(own, list) and len(told) == len(own):
        pairs = [(key, *pair) for key, pair in enumerate(zip(told, own, strict=True))]
    elif told != own:
        return at, told, own
    found = (_difference(one, other, f"{at}.{key}") for key, one, other in pairs)
    return next((difference for difference in found if difference[0]), ("", None, None))


def create(path: Path, plan: RecordingPlan, attributes: Mapping[str, Any], *, model: str = "", overwrite: bool = False) -> RunFile:
    """Return the new run file of a plan."""
    return RunFile.create(
        path,
        model=model,
        attributes=attributes,
        series=plan.series(),
        constants=plan.constants(),
        checkpoint=plan.layout(),
        overwrite=overwrite,
    )
