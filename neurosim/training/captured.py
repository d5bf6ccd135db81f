"""A phase's training step, or an evaluation, written down and replayed batch after batch, as long as nothing around it changes."""

from __future__ import annotations

import abc
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from neurosim import reprs
from neurosim.backends import Backend, Draws, RecordedDraws
from neurosim.backends.base import Program, reason_of
from neurosim.capture import RECORDED, Graph, Randomness, Reach, Recorded, recording, writeable
from neurosim.errors import NotCapturableError
from neurosim.feedback import FeedbackPathway, Phase
from neurosim.network import Network
from neurosim.plasticity import Time
from neurosim.training.answering import Answers, answer
from neurosim.training.step import Commit, step
from neurosim.training.trial import Trial

log = logging.getLogger(__name__)

OFTEN = 8  # changes in one epoch, after which the rest of it runs as array code: each costs two recordings
CHANCES = 4  # recordings during one of which no other thread draws a random number, if the step itself does not

Apply = Callable[[Time, dict[str, Any], dict[str, Any], dict[str, Any]], None]


@dataclass(frozen=True)
class Source(abc.ABC):
    """All that something which is captured is made of.

    batch : how many samples it is for
    trial : how a sample is shown, of which shape
    outside : classes whose instances take no part in it, though a part of it may know them
    """

    network: Network
    pathway: FeedbackPathway
    batch: int
    seed: int
    trial: Trial
    sample: tuple[int, ...]
    outside: tuple[type, ...]

    @property
    @abc.abstractmethod
    def holders(self) -> list[Any]:
        """What holds the arrays that are read and written."""

    def reach(self) -> Reach:
        """Return all that can be read besides arrays."""
        return Reach([*self.holders, self.trial], (*self.outside, *RECORDED))

    def recorded(self, time: Time) -> tuple[Graph, Reach]:
        """Return the graph, and what it was recorded amid; nothing is computed.

        It is recorded twice.  The first time fills what is made when it is first needed (an optimiser's memory, a compiled
        rule); in the second nothing may change, and the same graph must come out, or the step draws, counts or keeps something
        that a program would repeat as it was.

        Raises NotCapturableError where the step cannot be replayed; everything is then as it was.
        """
        if self.trial.clock.ticks > 1:
            try:
                return self._recorded_twice(time, loops=True)
            except NotCapturableError:
                pass  # a tick that is no turn of a loop; or it cannot be replayed at all, as the other way will tell
        return self._recorded_twice(time, loops=False)

    def _recorded_twice(self, time: Time, loops: bool) -> tuple[Graph, Reach]:
        """Return the same, with the ticks of a trial as ``loops`` or written out."""
        before = self.reach()
        randomness = Randomness(before.values())
        try:
            first = self._recorded(time, loops, before)
            settled = before.again()
            with _later(settled.outsiders):
                second = self._recorded(time, loops, settled)
            change, drawn = settled.difference(), randomness.drawn_from()
            if drawn is not None and self._draws_each_time(time, loops):
                raise NotCapturableError(f"it draws random numbers from {drawn}: draw them from the step's draws")
            if change is not None:
                raise NotCapturableError(f"it changes {change} while it runs: keep what a step counts in an array, count += 1")
            if self.described(first, settled) != self.described(second, settled):
                reason = "it is another one each time it is recorded: does it ask for the time or a trainer, or draw or count?"
                raise NotCapturableError(reason)
        except BaseException as cause:
            before.restore()
            randomness.restore()
            if isinstance(cause, NotCapturableError) or not isinstance(cause, Exception):
                raise
            raise NotCapturableError(reason_of(cause)) from cause
        return second, settled

    def _draws_each_time(self, time: Time, loops: bool) -> bool:
        """Return whether it is the step that draws random numbers; other threads of the process may have, meanwhile."""
        for _ in range(CHANCES):
            now = self.reach()
            randomness = Randomness(now.values())
            self._recorded(time, loops, now)
            if randomness.drawn_from() is None:
                return False
        return True

    def _recorded(self, time: Time, loops: bool, before: Reach) -> Graph:
        graph, network = Graph(loops=loops), self.network
        with network.backend.recording(), recording(graph, before, network.backend.array):
            x = Recorded(graph, graph.input("x", (self.batch, *self.sample), network.dtype))
            target = Recorded(graph, graph.input("target", (self.batch, self.pathway.task.size), network.dtype))
            self.run(x, target, RecordedDraws(graph, self.seed), time)
        return graph

    @abc.abstractmethod
    def run(self, x: Any, target: Any, draws: Draws, time: Time) -> None:
        """Do what is captured, with one batch: x, (batch, *sample), and target, (batch, task.size)."""

    def described(self, graph: Graph, reach: Reach) -> list[bytes]:
        """Return what a graph does, to compare it with another."""
        backend = self.network.backend
        known = {id(value) for value in reach.values() if isinstance(value, backend.array)}
        return graph.described(known, backend.to_host)


@dataclass(frozen=True)
class StepSource(Source):
    """A phase's step.

    apply : commits, at a ``time``, deltas, states and the pathway's own deltas
    """

    commits: tuple[Commit, ...]
    phase: Phase
    apply: Apply

    @property
    def holders(self) -> list[Any]:
        return [self.network, self.pathway, *self.commits]

    def run(self, x: Any, target: Any, draws: Draws, time: Time) -> None:
        step(self.network, self.pathway, self.phase, x, target, draws, functools.partial(self.apply, time), self.trial)


@dataclass(frozen=True)
class EvaluationSource(Source):
    """An evaluation, which writes what it finds into ``answers``."""

    answers: Answers

    @property
    def holders(self) -> list[Any]:
        return [self.network, self.pathway, self.answers]

    def run(self, x: Any, target: Any, draws: Draws, time: Time) -> None:
        self.answers.take(answer(self.network, self.pathway, self.trial, x, target, draws))


@contextmanager
def _later(outsiders: Sequence[Any]) -> Iterator[None]:
    """Let trainers and observers that a part of the step knows stand elsewhere than they do: a step that asks them shows it."""
    told = [vars(one) for one in outsiders if hasattr(one, "__dict__")]
    moved = [{name: value for name, value in own.items() if type(value) in (int, float)} for own in told]
    try:
        for own, numbers in zip(told, moved, strict=True):
            own.update({name: value + 1 for name, value in numbers.items()})
        yield
    finally:
        for own, numbers in zip(told, moved, strict=True):
            own.update(numbers)


class CapturedStep:
    """One phase's step, or an evaluation: a program, or, where it cannot be captured, None and the reason said once.

    A change of what the step can read (see ``Reach``) takes effect at the next step, which is then recorded anew.
    """

    def __init__(self, source: Callable[[], Source], backend: Backend, what: str) -> None:
        self.source, self.backend, self.what = source, backend, what
        self.program: Program | None = None
        self._reach: Reach | None = None
        self._source: Source | None = None
        self._described: list[bytes] = []
        self._written: list[Any] = []  # the arrays that the program writes into
        self._time: tuple[int, int] | None = None  # epoch and epochs the program is for, or None where it is the same in all
        self._began: tuple[int, int] | None = None
        self._changes = 0  # in this epoch
        self._said: set[str] = set()

    def __repr__(self) -> str:
        return f"<CapturedStep of {self.what}: {reprs.brief(self.program)}>"

    def prepared(self, epoch: int, epochs: int) -> Program | None:
        """Return the program that is right for ``epoch``, or None where array code has to run."""
        source, now = self.source(), (epoch, epochs)
        if self._began != now:
            self._began, self._changes = now, 0
        if source == self._source and self._time in (None, now) and self._reach is not None and self._reach.difference() is None:
            if all(map(writeable, self._written)):
                return self.program
        self._changes += self._source is not None
        self._source = source
        if self._changes > OFTEN:
            change = self._reach and self._reach.difference()
            self._say(f"{change} changed more than {OFTEN} times in one epoch, and each time it would be recorded anew")
            self.program, self._reach = None, None
            return None
        time = Time(*now)
        try:
            self._record(source, time)
        except NotCapturableError as reason:
            self._say(str(reason))
            self.program, self._described, self._written, self._reach = None, [], [], self._noted(source)
        self._time = now if time.asked else None
        return self.program

    def outdated(self) -> bool:
        """Return whether anything the program stands for has changed; quick, for it is asked before each step."""
        if self.program is None or self._reach is None:
            return False
        return self._reach.changed() or not all(map(writeable, self._written)) or self.source() != self._source

    def _record(self, source: Source, time: Time) -> None:
        graph, self._reach = source.recorded(time)
        described = source.described(graph, self._reach)
        if self.program is None or described != self._described:
            self.program = None  # gives back its memory before the next one takes its own
            self.program = self.backend.capture(graph)
            self._written = [leaf.detail for leaf in graph.assigned]
        self._described = described

    def _noted(self, source: Source) -> Reach | None:
        try:
            return source.reach()
        except NotCapturableError:
            return None

    def _say(self, reason: str) -> None:
        if reason not in self._said:
            self._said.add(reason)
            log.warning("%s: the step could not be recorded, and runs as plain array code, which is slower: %s", self.what, reason)
