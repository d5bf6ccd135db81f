"""What a run writes as it goes: metrics, chosen variables, alignment with back-propagation, checkpoints.

Of a trial of several ticks, what the populations show is that of the last tick.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import tomli_w

from neurosim.datasets import DataSet, Split
from neurosim.errors import RunFileError, quoted, require, utf8
from neurosim.modelfile.description import STARTED, describe, settings
from neurosim.modelfile.model_file import validated
from neurosim.modelfile.reading import Contents, parsed
from neurosim.modelfile.schema import Record
from neurosim.recording.plan import Chosen, RecordingPlan
from neurosim.recording.variables import signals
from neurosim.runfile import Background, Run, RunFile, provenance, warn_of_other_arithmetic
from neurosim.runfile.background import Work
from neurosim.training import Evaluation, Observer, Trainer
from neurosim.training.alignment import Alignment, alignments

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
        self.alignment_seconds = 0.0
        units = {c.request.interval.unit for c in plan.variables} | ({plan.comparisons.unit} if plan.comparisons else set())
        self.by_step = "steps" in units
        self.settings: Contents | None = None  # of a trainer made in Python: as it began
        self.started = b""  # digest of the weights it began with

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

        variables : as ``"hidden*.rate every 1 epoch"``; options : split, samples, alignment, checkpoint, keep (see ``Record``)

        Raises InputError where one of them does not fit, RunFileError where ``path`` exists (without ``overwrite``).
        """
        trainer.check(data)
        record = Record(variables=list(variables), **options)
        plan = RecordingPlan([trainer], data, record)
        backend = trainer.network.backend
        said = {"seed": trainer.seed, "backend": backend.name, "device": backend.describe(), "model_name": trainer.pathway.name}
        said |= {"data_dir": utf8(data.folder), "data_digest": data.digest()}
        said |= {"data_scale": data.scale, "data_content": data.content, "score": utf8(trainer.task.score)}
        model = tomli_w.dumps(describe(trainer, data, record.model_dump(exclude_unset=True)))
        recorder = cls(plan, create(Path(path), plan, said | provenance(), model=model, overwrite=overwrite))
        recorder.settings, recorder.started = settings(trainer, data), _digest_of(trainer)
        recorder.file.checkpoint(0, trainer.epoch, trainer.steps, trainer.state())  # the weights may be others than the seed's
        return recorder

    @classmethod
    def resume(cls, path: str | os.PathLike[str], trainer: Trainer, data: DataSet) -> Self:
        """Return the recorder that goes on with a run file where its last checkpoint left it; ``trainer`` is taken there, too.

        trainer : made as the one that began the run was

        Raises RunFileError where the run is complete, or the trainer or the data are others than it began with.
        """
        trainer.check(data)
        with Run(path) as known:
            told, status, fingerprint = parsed(known.model, f"run file {path}"), known.status, known.attributes.get("data_digest")
            altered = str(known.attributes.get("altered", ""))
        if altered:
            log.warning("run file %s: %s was changed while it ran: it goes on with what this trainer has", path, altered)
        warn_of_other_arithmetic(path, known.attributes, trainer.network.backend)
        _check_same(path, told, describe(trainer, data, told.get("record", {})))
        same = fingerprint == data.digest()
        require(same, f"run file {path}: the data are others than it began with; give the same", RunFileError)
        require(status != "complete", f"run file {path}: complete; there is nothing to go on with", RunFileError)
        plan = RecordingPlan([trainer], data, validated(Record, told.get("record", {}), f"run file {path}: record"))
        renamed = lambda _, state: trainer.pathway.renew(state)  # noqa: E731
        file = RunFile.resume(Path(path), series=plan.series(), checkpoint=plan.layout(), renamed=renamed)
        try:
            trainer.restore(file.last_checkpoint())
            if trainer.epoch >= trainer.epochs:  # it was stopped after its last epoch
                file.set_status("complete")
                raise RunFileError(f"run file {path}: complete; there is nothing to go on with")
        except BaseException:
            file.close()
            raise
        recorder = cls(plan, file)
        recorder.settings = settings(trainer, data)
        return recorder

    # ------------------------------------------------------------------ how a run ends

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Write what waits, say in the file how the run ended, and close it; raise what kept something from being written.

        This goes on to its end on a thread of its own: a signal reaches the main thread only, and is answered afterwards.
        """
        failures: list[BaseException] = []
        ended = threading.Event()  # a thread whose ``join`` was interrupted is taken for one that has ended (Python 3.11)
        once = threading.Lock()

        def end() -> None:
            if once.acquire(blocking=False):
                self._end(error, failures, ended)

        waited = False
        while not waited:
            try:
                if not once.locked():  # an interrupted ``start`` may or may not have started its thread
                    threading.Thread(target=end, name="neurosim-ending").start()
                waited = ended.wait()
            except KeyboardInterrupt as later:
                failures.append(later)
        if failures and error is None:
            raise failures[0]

    def _end(self, error: BaseException | None, failures: list[BaseException], ended: threading.Event) -> None:
        """End the run after ``error``, if any; put into ``failures`` what goes wrong, and say when it is done."""
        try:
            try:
                self._say(error)
            finally:
                self.background.close()
                self.file.close()
        except BaseException as failure:
            failures.append(failure)
        finally:
            ended.set()

    def _say(self, error: BaseException | None) -> None:
        failure: BaseException | None = None
        try:
            self.background.wait()
        except Exception as cause:
            failure = cause
        if isinstance(error, KeyboardInterrupt | Stopped):
            self.file.set_status("interrupted", str(error) or "by the user")
        elif told := error or failure:
            self.file.set_status("failed", str(told) or type(told).__name__)
        else:
            self.file.set_status("complete")
        if failure is not None:
            raise failure

    # ------------------------------------------------------------------ moments

    def on_step(self, trainer: Trainer) -> None:
        if self.by_step:
            self._record(trainer, "steps", trainer.steps)

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        stage = self.plan.trainers.index(trainer)
        if stage and trainer.epoch == 0:
            self.seconds = 0.0
            return  # the stage before has just been evaluated with the same weights
        self._look_for_changes(trainer)
        epoch = self.epoch_of(trainer)
        if epoch == 0:
            self._record(trainer, "steps", 0)
        self._record(trainer, "epochs", epoch)
        self._metrics(trainer, metrics)
        self.background.put(0, lambda: self.file.flush)
        if trainer.epoch and (epoch % self.plan.record.checkpoint == 0 or epoch in (self.until, self._epochs())):
            self._checkpoint(trainer, stage, epoch)

    def _look_for_changes(self, trainer: Trainer) -> None:
        """Note in the file a setting of a trainer made in Python that is no longer what the file states."""
        if self.settings is not None:
            at, before, now = _difference(self.settings, settings(trainer, self.plan.data), "")
            if trainer.written:
                at = f"weights (written by an observer: {trainer.written})"
            elif trainer.steps == 0 and self.started and self.started != _digest_of(trainer):
                at = "weights (set before it began)"
            if at or before != now:
                self.settings = None  # the first one is enough
                self.background.put(0, lambda: functools.partial(self.file.set_text, "altered", at.lstrip(".")))

    def epoch_of(self, trainer: Trainer) -> int:
        """Return the epochs of the whole run that are done."""
        return sum(t.epochs for t in self.plan.trainers[: self.plan.trainers.index(trainer)]) + trainer.epoch

    def _epochs(self) -> int:
        return sum(trainer.epochs for trainer in self.plan.trainers)

    # ------------------------------------------------------------------ what is written

    def _metrics(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        seconds, self.seconds = trainer.seconds - self.seconds, trainer.seconds
        compared, self.alignment_seconds = self.alignment_seconds, 0.0
        for split, evaluation in metrics.items():
            row = {"epoch": self.epoch_of(trainer), "step": trainer.steps, "loss": evaluation.loss, "error": evaluation.error}
            if split == "train":
                row |= {"seconds": seconds} | ({"alignment_seconds": compared} if self.plan.comparisons else {})
            self.background.put(0, functools.partial(self._row, f"metrics/{split}", row))

    def _row(self, group: str, row: Mapping[str, Any]) -> Work:
        return functools.partial(self.file.append, group, row)

    def _checkpoint(self, trainer: Trainer, stage: int, epoch: int) -> None:
        size = sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in trainer.state_layout().values())
        size = max(size, BUFFER // 2)  # one may wait while another is written: more of them would only take memory
        self.background.put(size, lambda: functools.partial(self.file.checkpoint, stage, epoch, trainer.steps, trainer.state()))

    def _record(self, trainer: Trainer, unit: str, count: int) -> None:
        due = [c for c in self.plan.variables if c.request.interval.due(unit, count)]
        clock = {"epoch": self.epoch_of(trainer), "step": trainer.steps}
        if due:
            values = self._values(trainer, due)
            for c in due:
                if c.variable.name in values:
                    self._variable(c, values[c.variable.name], clock)
        if self.plan.comparisons and self.plan.comparisons.due(unit, count):
            self._alignment(trainer, clock)

    def _variable(self, c: Chosen, value: Any, clock: Mapping[str, int]) -> None:
        host, key = self.plan.network.backend.to_host, c.variable.key
        size = int(np.prod(c.shape)) * c.variable.dtype.itemsize

        def prepare() -> Work:
            row = {key: c.variable.taken(host(value), c.numbers), **{f"{key}.{name}": n for name, n in clock.items()}}
            return functools.partial(self.file.append, c.variable.group, row)

        self.background.put(size, prepare)

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
                found |= signals(network, pathway, sweep, target, trainer.seed, trainer.steps)
        return found

    def _shown(self, trainer: Trainer) -> tuple[Any, Any]:
        """Return the probe, (samples, *shape), and its targets, (samples, task.size), on the backend."""
        backend = self.plan.network.backend
        split: Split = getattr(self.plan.data, self.plan.record.split)
        probe = Split(split.x[self.plan.probe], split.y[self.plan.probe])
        return backend.asarray(probe.x), backend.asarray(trainer.targets(probe), self.plan.network.dtype)

    def _alignment(self, trainer: Trainer, clock: Mapping[str, int]) -> None:
        """Compare what the scheme proposes for the batch that comes next, before augmentation, with the exact gradient."""
        started = time.perf_counter()
        backend, data = self.plan.network.backend, self.plan.data
        rows = trainer.upcoming(len(data.train))
        shown = Split(data.train.x[rows], data.train.y[rows])
        x, target = (backend.asarray(values, self.plan.network.dtype) for values in (shown.x, trainer.targets(shown)))
        draws = backend.draws(trainer.seed, trainer.steps)
        found = alignments(self.plan.network, trainer.pathway, x, target, draws, trainer.trial)
        for name in self.plan.network.projections:
            row = {**clock, **vars(found.get(name, NOTHING))}
            self.background.put(0, functools.partial(self._row, f"alignment/{name}", row))
        self.alignment_seconds += time.perf_counter() - started


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
        require(not at, f"run file {path}: {both}: expected the same; make it as it was", RunFileError)


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
