"""Epochs over a data set: order, augmentation, steps, evaluation."""

from __future__ import annotations

import contextlib
import functools
import logging
import numbers
import time
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from neurosim import interruption, reprs
from neurosim.backends import Backend, Program, as_seed
from neurosim.backends.base import generator
from neurosim.capture import Graph
from neurosim.datasets import DataSet, Split
from neurosim.datasets.arrays import arranged, as_images, to_array
from neurosim.datasets.dataset import check_finite
from neurosim.encoders import Constant, Encoder
from neurosim.errors import InputError, quoted, require
from neurosim.feedback import FeedbackPathway, Phase
from neurosim.network import Clock, Network, Sweep
from neurosim.plasticity import Time, Update
from neurosim.tasks import Sizes, Task, of_data
from neurosim.training.answering import Answer, Answers, answer
from neurosim.training.captured import CapturedStep, EvaluationSource, StepSource
from neurosim.training.evaluation import Evaluation, History
from neurosim.training.progress import show_progress
from neurosim.training.step import Commit, diverged, list_inputs, step
from neurosim.training.trial import Trial

log = logging.getLogger(__name__)

Images = Callable[[np.ndarray], np.ndarray]

EVALUATION_BATCH = 1000
SELDOM = 16  # steps; looking for changes takes 2 to 5 microseconds, and without code of others between steps there are none
NO_BETTER = 1.0  # points of error; what is better than chance by less, or by less than half of it, is called chance
MOST_SAMPLES = 2**28  # of a batch
POSITION = ("epoch", "steps", "phase", "position")  # how far a training is
EVALUATED_OF_TRAINING = 10_000  # of the training split: its first images, so that evaluation stays cheap beside an epoch


class Observer:
    """What may look on while a trainer runs, and stop it (``Trainer.stop``); every method may be left out."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def on_step(self, trainer: Trainer) -> None:
        """After the commit of each step."""

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        """After each epoch's evaluation: split name -> Evaluation (and once before the first epoch)."""


def _is_own(observer: Observer) -> bool:
    """Return whether an observer is the package's own, which changes nothing."""
    return type(observer).__module__.partition(".")[0] == __name__.partition(".")[0]


def _overrides(observer: Observer, method: str) -> bool:
    """Return whether an observer is not the package's own and does something at a moment."""
    return not _is_own(observer) and getattr(observer, method, None) != types.MethodType(getattr(Observer, method), observer)


def _check_count(name: str, count: Any) -> None:
    whole = isinstance(count, numbers.Integral) and not isinstance(count, bool)
    require(whole and count >= 1, f"training: {name} {quoted(count)}: expected 1 or more; give a positive whole number")


def _equal(one: Any, other: Any) -> bool:
    return one.shape == other.shape and bool((one == other).all())


class Trainer:
    """Trains ``network`` with the teaching signals of ``pathway``.

    task : what the output should do (default: ``Classification`` for data with classes, otherwise ``Regression``)
    clock : how many ticks a trial has, and in which of them the output is compared with the target (default: one tick)
    encoder : what is shown in each tick
    optimiser : for the network's synapses; feedback_optimiser : for those of the pathway (default: the same)
    epochs, batch : how many passes over the data, and how many samples in one step.  Schedules such as ``Milestones`` count in
        shares of ``epochs``
    shuffle : a new order in each epoch, which ``seed`` and the epoch decide; otherwise file order, in which samples that do not
        fill a last batch are never shown
    seed : decides order, noise, dropout and the pathway's initial weights (default: the network's, so that one seed is enough)
    augment : a callable (x, generator) -> x on host batches
    name : distinguishes the random numbers and the state of the stages of one run

    Raises
    ------
    InputError
        ``batch`` or ``epochs`` is not a positive whole number, the seed is invalid, or a batch is larger than the training split.
    """

    def __init__(
        self,
        network: Network,
        pathway: FeedbackPathway,
        optimiser: Update,
        *,
        task: Task | None = None,
        clock: Clock | None = None,
        encoder: Encoder | None = None,
        feedback_optimiser: Update | None = None,
        epochs: int = 10,
        batch: int = 128,
        shuffle: bool = True,
        seed: int | None = None,
        augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
        name: str = "train",
    ) -> None:
        for name_of, count in (("epochs", epochs), ("batch", batch)):
            _check_count(name_of, count)
        require(batch <= MOST_SAMPLES, f"training: batch {quoted(batch)}: expected at most {MOST_SAMPLES:,}; give a smaller one")
        self.network, self.pathway, self._task = network, pathway, task
        self.trial = Trial(clock or Clock(), encoder or Constant())
        self.epochs, self.batch, self.shuffle, self.augment, self.name = epochs, batch, shuffle, augment, name
        self.seed = network.seed if seed is None else as_seed(seed)
        self.commit = Commit(optimiser, network.backend, network)
        self.feedback_commit = Commit(feedback_optimiser or optimiser, network.backend)
        self.sample: tuple[int, ...] = tuple(network.input_shape)  # until the data say otherwise
        self.sizes: Sizes | None = None
        self.epoch = 0
        self.steps = 0
        self.phase = 0  # passes of this epoch that are done
        self.position = 0  # batches of the pass after those that are done
        self.stopped = ""  # why the last ``fit`` ended before its time; empty where it did not
        self.seconds = 0.0
        self.whole = False  # whether an interrupted ``fit`` ended between two steps, all observers having seen the one before
        self.written = ""  # the observers that wrote into weights while one of the package's own recorded the run
        self._forget()

    def __repr__(self) -> str:
        task = self.task if self.pathway.attached else self._task
        what = f"{reprs.brief(self.pathway)}, {self.commit!r}" + ("" if task is None else f", {reprs.brief(task)}")
        static = self.trial.clock == Clock() and type(self.trial.encoder) is Constant
        shown = "" if static else f", {reprs.brief(self.trial.clock)}, {reprs.brief(self.trial.encoder)}"
        where = f"epoch {self.epoch} of {self.epochs}, batch {self.batch}, seed {self.seed}"
        return f"<Trainer: {what}{shown}; {where}\n {self.network!r}>"

    def _forget(self) -> None:
        """Let go of all that is made anew when it is needed."""
        self._programs: dict[Phase, CapturedStep] = {}
        self._evaluation: tuple[CapturedStep, Answers] | None = None
        self._holding: weakref.WeakSet[Program] = weakref.WeakSet()  # those that have the training data
        self._held: tuple[Any, Any] = (None, None)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy takes over: all but the programs, which know this trainer's arrays, and the data they were given."""
        return {name: value for name, value in vars(self).items() if name not in ("_programs", "_evaluation", "_holding", "_held")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    # ------------------------------------------------------------------ training

    def fit(self, data: DataSet, *observers: Observer, epochs: int | None = None, progress: bool = True) -> History:
        """Train, and return the evaluation of each epoch that was trained: a list of split name -> Evaluation.

        Of data with tasks (``datasets.sequences.in_sequence``), each task is learned for an equal share of ``self.epochs``, one
        after the other; in epochs beyond, the last one goes on.

        A warning says so if the training error at the end is no better than chance.  After a ``fit`` that was interrupted within
        an epoch, the next one goes on there: the rest of the epoch comes first, and counts as one of its epochs.

        epochs : how many to train from here, also beyond ``self.epochs``; without it, as many as are missing from ``self.epochs``.
            Schedules that count in shares of the training (``Milestones``) go by ``self.epochs`` in either case.  In epochs beyond
            it they stay as they are at its end; what counts in epochs (``StepDecay``) goes on.  So the same epochs give the same
            weights, in one call or in several
        progress : whether a bar on stderr, or in the notebook, shows how far it is.  There is none if stderr is no terminal, in a
            worker process, or while another one is shown

        Raises
        ------
        InputError
            Pathway and network do not fit the data; or, without ``epochs``, all epochs are done, by an earlier call or in the
            state that was restored.
        DivergedError
            Activity is no longer finite.
        """
        last = self._last_epoch(epochs)
        self.check(data)
        self.stopped, history = "", History(first=self.epoch + 1)
        with show_progress(self, data, last, progress) as show, interruption.holding():
            if self.at_start:
                show(self._report(data, observers))
                self._let_go()
            while self.epoch < last and not self.stopped:
                self.run_epoch(data, *observers)
                history.append(self._report(data, observers))
                show(history[-1])
                self._let_go()
        if history:
            self._tell_of_chance(self._learned(data), history[-1]["train"].error)
        return history

    def _last_epoch(self, epochs: int | None) -> int:
        """Return the number of the epoch after which a ``fit`` of so many ends."""
        if epochs is not None:
            _check_count("epochs", epochs)
            return self.epoch + int(epochs)
        require(
            self.epoch < self.epochs,
            f"training: all {self.epochs} epochs are done: expected some to go; give fit(..., epochs=5) to train five more, raise "
            "trainer.epochs, or make a new Trainer",
        )
        return self.epochs

    def stop(self, why: str = "by an observer") -> None:
        """Let ``fit`` end after this epoch and its evaluation; to be called by an observer, at any moment, or by another thread.

        A stop within an epoch waits for its end, so that the training can go on from there (``fit`` again), bit by bit as though
        it had not been stopped.

        why : is kept in ``self.stopped``, and in the run file where the training is recorded
        """
        self.stopped = str(why) or "by an observer"

    def _tell_of_chance(self, data: DataSet, error: float) -> None:
        """Warn where ``error``, in per cent of the training images looked at, is that of an answer that ignores the input."""
        chance = self.task.chance(self.targets(_first(data.train)))
        if error > chance - min(NO_BETTER, chance / 2):
            log.warning(
                "scheme %r: no better than chance: training error %.2f %% after %d epochs, where %s has %.2f %%; lower the "
                "learning rate, unless this is meant (a control, or a stage in which the output does not learn)",
                self.pathway.name, error, self.epoch, self.task.guess, chance,
            )  # fmt: skip

    def check(self, data: DataSet) -> None:
        """Join pathway and network to ``data``; raise InputError where they do not fit."""
        size, of = min(map(len, data.parts("train"))), " of the smallest task" if data.tasks else ""
        require(self.batch <= size, f"training: batch {self.batch} exceeds the {size} training samples{of}; give a smaller batch")
        whole = self.epochs % (len(data.tasks) or 1) == 0
        said = f"training: {self.epochs} epochs of {len(data.tasks)} tasks"
        require(whole, f"{said}: expected as many for each; give a multiple of {len(data.tasks)}")
        self.trial.check(self.network, tuple(data.shape), data.name)
        self.sample, self.sizes = tuple(data.shape), Sizes.of(data)
        scheme = self.pathway
        task = self.task_on(data)
        if not scheme.attached:
            scheme.attach(self.network, task, self.seed)
        require(
            scheme.network is self.network,
            f"scheme {scheme.name!r}: this pathway object teaches another network: expected a new one for each network; "
            f"make one with pathway({scheme.name!r}, ...)",
        )
        require(
            (scheme.task.name, scheme.task.size) == (task.name, task.size),
            f"scheme {scheme.name!r}: this pathway object was joined to task {scheme.task.name!r} of size {scheme.task.size}: data "
            f"set {data.name!r} has {task.name!r} of size {task.size}; make a new one with pathway({scheme.name!r}, ...)",
        )
        size = type(task).of(Sizes.of(data), **{k: v for k, v in task.options().items() if k != "size"}).size
        said = f"task {task.name!r} of size {task.size}: data set {data.name!r}"
        require(task.size == size, f"{said} has targets of size {size}; make a task for it")
        self.network.check_modulators(task.modulators, f"task {task.name!r}")

    @property
    def task(self) -> Task:
        """What the output should do; known once the trainer is joined to its data."""
        return self.pathway.task

    def task_on(self, data: DataSet) -> Task:
        """Return the task that the trainer was given, or else what ``data`` are made for."""
        return self._task or of_data(data)

    def targets(self, split: Split) -> np.ndarray:
        """Return the target vectors of a split, (n, task.size), on the host."""
        return self.task.targets(split.x, split.y)

    def run_epoch(self, data: DataSet, *observers: Observer) -> None:
        """Run every phase of one epoch, or what is left; the samples that do not fill a last batch rest until the next order.

        What an observer, the augmentation or the caller changes (a learning rate, a dropout, a rule, any attribute of what takes
        part, the parts themselves) takes effect at the next step; what another thread changes, after ``SELDOM`` steps at most.

        An epoch that was interrupted is gone on with after its last step.

        Raises InputError where the batch size changes within a pass over the data, besides what ``fit`` does.
        """
        self.check(data)
        data = data.during(self.epoch, self.epochs)
        self.whole = False
        looked_at = 1 if self.augment is not None or not all(map(_is_own, observers)) else SELDOM
        watched = [observer for observer in observers if _overrides(observer, "on_step")]
        for phase in self.pathway.phases[self.phase :]:
            captured = self._captured(phase)
            program = captured.prepared(self.epoch, self.epochs)
            images = self._images(data)
            run, batch, augment = self._runner(phase, program, data, images), self.batch, self.augment
            for rows in self._batches(len(data.train)):
                require(
                    self.batch == batch,
                    f"training: batch was {batch} and is {self.batch} within an epoch: expected it to change between epochs only",
                )
                if self.augment is not augment:
                    run, augment = self._runner(phase, program, data, images), self.augment
                if self.steps % looked_at == 0 and captured.outdated():
                    program, before = captured.prepared(self.epoch, self.epochs), program
                    if program is not before:
                        self._finish(before)
                        run = self._runner(phase, program, data, images)
                started = time.perf_counter()
                try:
                    with self.network.backend.subnormals_as_zero():
                        run(rows)
                except FloatingPointError as cause:
                    raise diverged(cause, self.steps, self.network) from cause
                self.seconds += time.perf_counter() - started
                self.steps += 1
                self.position += 1
                if self.position == len(data.train) // batch:
                    self.phase, self.position = self.phase + 1, 0
                with self._watched(watched, observers):
                    for observer in observers:
                        observer.on_step(self)
                if not self.at_end_of_epoch:  # whose evaluation is part of it
                    self._let_go()
            self._finish(program)
        self.epoch, self.phase, self.position = self.epoch + 1, 0, 0

    def _learned(self, data: DataSet) -> DataSet:
        """Return the task of the last epoch that was begun, or the first one; of data without tasks the data."""
        return data.during(self.epoch if self.within_epoch else max(0, self.epoch - 1), self.epochs)

    def steps_in(self, data: DataSet, first: int, last: int) -> int:
        """Return how many steps the epochs from ``first``, counted from 0, to before ``last`` have."""
        passes = len(self.pathway.phases)
        if not data.tasks:
            return (last - first) * (len(data.train) // self.batch) * passes
        return sum(len(data.during(epoch, self.epochs).train) // self.batch for epoch in range(first, last)) * passes

    def _let_go(self) -> None:
        """Let a signal that waits interrupt the training, between two steps."""
        self.whole = True
        interruption.let_go()
        self.whole = False

    @property
    def at_start(self) -> bool:
        """Whether no step is done yet."""
        return self.epoch == self.phase == self.position == 0

    @property
    def within_epoch(self) -> bool:
        """Whether some steps of this epoch are done, and some or its evaluation are not."""
        return bool(self.phase or self.position)

    @property
    def at_end_of_epoch(self) -> bool:
        """Whether every step of this epoch is done, and its evaluation is what comes next."""
        return self.phase == len(self.pathway.phases)

    @contextlib.contextmanager
    def _watched(self, watched: Sequence[Observer], observers: Sequence[Observer]) -> Iterator[None]:
        """Note in ``written`` what ``watched`` write into the weights, where an observer of the package's own may tell of it."""
        if self.written or not watched or not any(map(_is_own, observers)):
            yield
            return
        before = {name: value.copy() for name, value in self._weights().items()}
        yield
        now = self._weights()
        same = [name for name, value in before.items() if name in now and _equal(now[name], value)]
        if len(same) != max(len(now), len(before)):
            self.written = ", ".join(sorted({type(observer).__name__ for observer in watched}))

    def _weights(self) -> dict[str, Any]:
        """Return all that learns or remembers: the network's arrays and the pathway's."""
        parts: dict[str, Network | FeedbackPathway] = {"network": self.network, "pathway": self.pathway}
        held = {kind: part.parameters() | part.memory() for kind, part in parts.items()}
        return {f"{kind}|{name}": value for kind, values in held.items() for name, value in values.items()}

    def check_finite(self) -> None:
        """Wait for the steps so far, which may run on beside us; raise DivergedError where anything was no finite number."""
        for captured in self._programs.values():
            self._finish(captured.program)

    def _finish(self, program: Program | None) -> None:
        """Wait for a program that runs on beside us, and look whether all was finite."""
        started = time.perf_counter()
        try:
            if program is not None:
                program.check()
        except FloatingPointError as cause:
            raise diverged(cause, self.steps, self.network) from cause
        self.seconds += time.perf_counter() - started

    def _images(self, data: DataSet) -> Images:
        """Return what gives the images of one pass, as they are augmented in it, for the numbers of samples."""
        x, jitter = data.train.x, generator(self.seed, f"augment/{self.name}", self.epoch)

        def images(rows: np.ndarray) -> np.ndarray:
            return x[rows] if self.augment is None else self.augment(x[rows], jitter)

        if self.augment is not None:  # a pass that goes on draws again what its batches so far have drawn
            for rows in self._order(len(x))[: self.position * self.batch].reshape(-1, self.batch):
                images(rows)
        return images

    def _runner(self, phase: Phase, program: Program | None, data: DataSet, images: Images) -> Callable[[np.ndarray], None]:
        """Return what runs one step after the other, from the pass's next on, on the samples of given numbers, (batch,)."""
        targets = self._held_by_backend(data)["target"]
        if program is None:
            return lambda rows: self.run_as_array_code(phase, images(rows), targets[rows])
        if self.augment is not None:
            return lambda rows: program.run_on({"x": images(rows), "target": targets[rows]}, self.steps)
        if program not in self._holding:
            program.hold(self._held_by_backend(data))
            self._holding.add(program)
        program.order(self._order(len(data.train))[self.position * self.batch :])
        return lambda rows: program.run(self.steps)

    def _held_by_backend(self, data: DataSet) -> dict[str, Any]:
        """Return the training images and their targets on the backend, brought there once for all passes."""
        if self._held[0] is not data or (self.augment is None and "x" not in self._held[1]):
            backend, targets = self.network.backend, self.targets(data.train)
            arrays = {"target": targets} if self.augment else {"x": data.train.x, "target": targets}
            self._holding.clear()  # of other data
            self._held = data, {name: backend.asarray(values, self.network.dtype) for name, values in arrays.items()}
        held: dict[str, Any] = self._held[1]
        return held

    def _captured(self, phase: Phase) -> CapturedStep:
        if phase not in self._programs:
            what = f"scheme {self.pathway.name!r}, phase {phase.name!r}"
            self._programs[phase] = CapturedStep(functools.partial(self._source, phase), self.network.backend, what)
        return self._programs[phase]

    def recorded(self, phase: Phase) -> Graph:
        """Return the graph of one step of ``phase``; raise NotCapturableError where it has none.

        Optimisers then have the memory that the step works on, which is empty before the first one.
        """
        return self._source(phase).recorded(Time(self.epoch, self.epochs))[0]

    def _source(self, phase: Phase) -> StepSource:
        commits = self.commit, self.feedback_commit
        return StepSource(**self._shown(self.batch), commits=commits, phase=phase, apply=self._commit)

    def _shown(self, batch: int) -> dict[str, Any]:
        """Return what a captured step or evaluation of ``batch`` samples is made of."""
        parts = {"network": self.network, "pathway": self.pathway, "trial": self.trial}
        return parts | {
            "batch": batch, "seed": self.seed, "sample": self.sample, "outside": (Backend, Observer, Program, Trainer),
        }  # fmt: skip

    def run_as_array_code(self, phase: Phase, x: Any, target: Any) -> None:
        """Run one step without capturing it."""
        backend, now = self.network.backend, Time(self.epoch, self.epochs)
        x, target, draws = backend.asarray(x, self.network.dtype), backend.asarray(target), backend.draws(self.seed, self.steps)
        step(self.network, self.pathway, phase, x, target, draws, functools.partial(self._commit, now), self.trial)

    def _order(self, size: int, epoch: int | None = None) -> np.ndarray:
        """Return an epoch's order (None: of this one), which no scheme decides: those with two passes an epoch see it twice."""
        order, epoch = np.arange(size), self.epoch if epoch is None else epoch
        return generator(self.seed, f"order/{self.name}", epoch).permutation(order) if self.shuffle else order

    def _batches(self, size: int) -> Iterator[np.ndarray]:
        """Yield the numbers of the samples of each batch that this pass still has."""
        order = self._order(size)
        for start in range(self.position * self.batch, size - self.batch + 1, self.batch):
            yield order[start : start + self.batch]

    def upcoming(self, size: int) -> np.ndarray:
        """Return the numbers of the samples, of ``size``, that the next step will be shown, (batch,)."""
        at = self.position % (size // self.batch) * self.batch
        return self._order(size, self.epoch + self.at_end_of_epoch)[at : at + self.batch]

    def _commit(self, now: Time, deltas: dict[str, Any], states: dict[str, Any], own: dict[str, Any]) -> None:
        solved = {f"{p.name}.w" for p in self.network.projections.values() if p.rule is not None and p.rule.solves}
        self.commit.apply(self.network.parameters(), deltas, now, solved)
        self.feedback_commit.apply(self.pathway.parameters(), own, now, set())
        memory = self.network.memory() if states else {}
        for name, value in states.items():
            memory[name][...] = value

    # ------------------------------------------------------------------ evaluation

    def _report(self, data: DataSet, observers: tuple[Observer, ...]) -> dict[str, Evaluation]:
        now = self._learned(data)
        self.calibrate(now)
        metrics = {"train": self.evaluate(_first(now.train))}
        metrics |= {name: self._evaluated(data, name) for name in ("validation", "test") if len(getattr(data, name))}
        with self._watched([observer for observer in observers if _overrides(observer, "on_epoch")], observers):
            for observer in observers:
                observer.on_epoch(self, metrics)
        return metrics

    def _evaluated(self, data: DataSet, name: str) -> Evaluation:
        """Return the evaluation of a split; of data with tasks, the mean over all of them."""
        found = [self.evaluate(split) for split in data.parts(name)]
        return Evaluation.over(found) if data.tasks else found[0]

    def calibrate(self, data: DataSet) -> None:
        """Let pathway and task learn from the training data how to read the output."""
        # a pathway's own way of reading the output is handed targets, which not every task gives away; the task's own sees them
        calibrate = type(self.pathway).calibrate if self.task.gives_target else FeedbackPathway.calibrate
        calibrate(self.pathway, self._evaluation_sweeps(data.train))

    def predict(self, x: Any) -> np.ndarray:
        """Return what the network answers to samples, as the task has it (``Task.answer``): classes, (n,), or real targets.

        x : (n, *sample), of any real type, scaled as the training data; what ``from_arrays`` rearranges is rearranged

        They are shown ``EVALUATION_BATCH`` at a time, in evaluation: no noise, no dropout.  Raises InputError where the trainer has
        not seen its data yet (``fit`` or ``check``), DataError where ``x`` are no such samples.
        """
        sizes, values = self._known_sizes("predict"), to_array(x, "given to predict")
        arranged(values, self.sample, "given to predict")
        if not len(values):
            return self.predict(np.zeros((1, *self.sample)))[:0]
        host, answers = self.network.backend.to_host, []
        for start in range(0, len(values), EVALUATION_BATCH):
            part = as_images(values[start : start + EVALUATION_BATCH], self.sample, "given to predict")
            check_finite("samples given to predict", "sample", part, start)
            answers.append(self.task.answer(host(self.scores(part)), sizes))
        return np.concatenate(answers)

    def score(self, data: DataSet | Split) -> float:
        """Return how good the network's answers are, as scikit-learn counts it: 1 at best.

        It is 1 less the error of ``evaluate``.  Where there are classes, the share of right answers (without a teacher: of its
        probe); where there are real targets, R squared, several numbers weighted by their variance; of reward, the share that is
        had of what acting at random misses.

        data : a data set, of which the test split is taken (of one with tasks, those of all of them: the mean), or a split

        Raises InputError where a split is given to a trainer that has not seen its data yet (``fit`` or ``check``).
        """
        if isinstance(data, DataSet):
            self.check(data)
            self.calibrate(self._learned(data))
            return 1 - self._evaluated(data, "test").error / 100
        require(isinstance(data, Split), f"score: {quoted(data)}: expected a data set or a split; give one such as data.test")
        self._known_sizes("score")
        return 1 - self.evaluate(data).error / 100

    def _known_sizes(self, what: str) -> Sizes:
        if self.sizes is None or not self.pathway.attached:
            raise InputError(f"training: {what}: the trainer has not seen its data yet: expected fit(data) or check(data) first")
        return self.sizes

    def evaluate(self, split: Split) -> Evaluation:
        """Return loss and error over a whole split, in evaluation mode; raise DivergedError where activity is not finite.

        Of a trial of several ticks, the loss is the mean over the ticks in which the output is asked, and the answer is that of
        their mean scores.  Sums stay on the device until the last batch, and come back together.
        """
        backend = self.network.backend
        inputs = list_inputs(self.network)
        sums = backend.zeros((2 + len(inputs),), np.float64)
        loss, missed, *totals = sums[:, None]  # views, added to in place
        for part in _parts(split):
            target = backend.asarray(self.targets(part), self.network.dtype)
            found = self._answer(part.x, target)
            loss += found.loss * (len(part) / self.trial.clock.asked)
            for value, total in zip(found.totals, totals, strict=True):
                total += value
            missed += self.task.missed(self._mean(found.scores), target)
        results = backend.to_host(sums).tolist()
        for what, value in zip(inputs, results[2:], strict=True):
            if not np.isfinite(value):
                raise diverged(FloatingPointError(what, value, None), self.steps, self.network)
        return Evaluation(results[0] / len(split.y), 100 * results[1] / self.task.most(self.targets(split)))

    def scores(self, x: np.ndarray) -> Any:
        """Return the network's answer to samples ``x``, (n, *sample), in evaluation: (n, task.size), on the backend.

        It is the mean of the answers in the ticks in which the output is asked.
        """
        program = self._evaluated_at_once(x)
        with self.network.backend.subnormals_as_zero():
            if program is not None:
                target = np.zeros((len(x), self.task.size), self.network.dtype)
                return self._mean(self._answered(program, x, target).scores)
            first, *others = (self.pathway.scores(sweep) for sweep in self._answers(x))
            return self._mean(sum(others, start=first))

    def _answer(self, x: np.ndarray, target: Any) -> Answer:
        """Return what the network answers to samples x, (n, *sample), in evaluation; an encoder draws the same each time."""
        program, backend = self._evaluated_at_once(x), self.network.backend
        with backend.subnormals_as_zero():
            if program is not None:
                return self._answered(program, x, target)
            draws = backend.draws(self.seed, 0) if self.trial.encoder.stochastic else None
            return answer(self.network, self.pathway, self.trial, backend.asarray(x), target, draws)

    def _answered(self, program: Program, x: np.ndarray, target: Any) -> Answer:
        """Return what a captured evaluation finds."""
        assert self._evaluation is not None
        found = self._evaluation[1]
        program.run_on({"x": x, "target": target}, 0)
        loss, *totals = found.sums
        return Answer(found.scores.copy(), loss, tuple(totals))

    def _evaluated_at_once(self, x: np.ndarray) -> Program | None:
        """Return a captured evaluation of samples ``x``, or None where array code has to do it.

        Trials of one tick are as quick in array code, unless the scheme asks the network for more.  Other numbers of samples come
        once in a split.
        """
        if (self.trial.clock.ticks == 1 and not self.pathway.asks_more) or x.shape != (EVALUATION_BATCH, *self.sample):
            return None
        if self._evaluation is None:
            network, size = self.network, self.task.size
            answers = Answers(network.backend, len(x), size, len(list_inputs(network)), network.dtype)
            what = f"scheme {self.pathway.name!r}, evaluation"
            self._evaluation = CapturedStep(functools.partial(self._source_of, answers), network.backend, what), answers
        return self._evaluation[0].prepared(self.epoch, self.epochs)

    def _source_of(self, answers: Answers) -> EvaluationSource:
        return EvaluationSource(**self._shown(EVALUATION_BATCH), answers=answers)

    def _mean(self, total: Any) -> Any:
        """Return the mean over the ticks in which the output is asked, of which ``total`` is the sum."""
        asked = self.trial.clock.asked
        return total if asked == 1 else total / total.dtype.type(asked)

    def _answers(self, x: np.ndarray) -> Iterator[Sweep]:
        """Yield the sweeps of a trial, in evaluation, in which the output is asked."""
        return (sweep for tick, sweep in enumerate(self._sweeps(x)) if self.trial.clock.asks(tick))

    def show(self, x: np.ndarray) -> Sweep:
        """Return the sweep of the last tick of a trial, in evaluation, for samples ``x``, (n, *sample)."""
        (last,) = deque(self._sweeps(x), maxlen=1)
        return last

    def show_ticks(self, x: np.ndarray) -> list[Sweep]:
        """Return the sweep of each tick of a trial, in evaluation, for samples ``x``, (n, *sample): for rasters and traces."""
        return list(self._sweeps(x))

    def _sweeps(self, x: np.ndarray) -> Iterator[Sweep]:
        """Yield the sweep of each tick of a trial, in evaluation; an encoder draws the same each time."""
        backend = self.network.backend
        draws = backend.draws(self.seed, 0) if self.trial.encoder.stochastic else None
        return self.trial.run(self.network, backend.asarray(x), draws=draws)

    def _evaluation_sweeps(self, split: Split) -> Iterator[tuple[Sweep, np.ndarray]]:
        for part in _parts(split):
            yield from ((sweep, self.targets(part)) for sweep in self._answers(part.x))

    # ------------------------------------------------------------------ state

    def state(self) -> dict[str, Any]:
        """Return all a resumed run needs, as flat name -> host array; random numbers need none (see ``backends.base``)."""
        host = self.network.backend.to_host
        groups = {
            "network": self.network.parameters() | self.network.memory(),
            "pathway": self.pathway.parameters() | self.pathway.memory(),
            "optimiser": self.commit.state(),
            "feedback_optimiser": self.feedback_commit.state(),
        }
        flat = {f"{group}|{name}": np.array(host(value)) for group, values in groups.items() for name, value in values.items()}
        return flat | {f"position|{name}": np.int64(getattr(self, name)) for name in POSITION}

    def state_layout(self) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Return the shape and dtype of all that ``state`` may ever return, by name.

        An optimiser remembers a parameter from its first change on; one that never changes has no memory in ``state``.
        """
        own, others = self.network.parameters(), self.pathway.parameters()
        arrays = {f"network|{name}": value for name, value in (own | self.network.memory()).items()}
        arrays |= {f"pathway|{name}": value for name, value in (others | self.pathway.memory()).items()}
        layout = {name: (tuple(value.shape), np.dtype(value.dtype)) for name, value in arrays.items()}
        for group, commit, parameters in (("optimiser", self.commit, own), ("feedback_optimiser", self.feedback_commit, others)):
            for name, value in parameters.items():
                layout[f"{group}|{name}:updates"] = (), np.dtype(np.int64)
                layout |= {f"{group}|{name}:{key}": (value.shape, np.dtype(value.dtype)) for key in commit.state_names(name)}
        return layout | {f"position|{name}": ((), np.dtype(np.int64)) for name in POSITION}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned, in place; the trainer must have been joined to its data with ``check``."""
        state = self.pathway.renew(state)
        targets = {f"network|{k}": v for k, v in (self.network.parameters() | self.network.memory()).items()}
        targets |= {f"pathway|{k}": v for k, v in (self.pathway.parameters() | self.pathway.memory()).items()}
        for name, target in targets.items():
            require(name in state, f"checkpoint: {quoted(name)} is missing; the model does not fit this run file")
            shape = state[name].shape
            require(target.shape == shape, f"checkpoint: {quoted(name)} has shape {shape}, not {target.shape}")
            target[...] = self.network.backend.asarray(state[name])
        for commit, group in ((self.commit, "optimiser"), (self.feedback_commit, "feedback_optimiser")):
            commit.restore({k.split("|", 1)[1]: v for k, v in state.items() if k.startswith(f"{group}|")})
        for name in POSITION:  # a file of before has no phase and position: it goes on between epochs
            setattr(self, name, int(state.get(f"position|{name}", 0)))
        self._forget()  # programs know the optimisers' arrays as they were


def _parts(split: Split) -> Iterator[Split]:
    """Yield a split in parts that are evaluated at once."""
    for start in range(0, len(split.y), EVALUATION_BATCH):
        yield Split(split.x[start : start + EVALUATION_BATCH], split.y[start : start + EVALUATION_BATCH])


def _first(train: Split) -> Split:
    """Return the training images that are evaluated."""
    return Split(train.x[:EVALUATED_OF_TRAINING], train.y[:EVALUATED_OF_TRAINING])
