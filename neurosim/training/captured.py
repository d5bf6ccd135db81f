"""A phase's training step, written down and replayed batch after batch, as long as nothing around it changes."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neurosim.backends import Backend, RecordedDraws
from neurosim.backends.base import Program, reason_of
from neurosim.capture import Graph, Randomness, Reach, Recorded, recording
from neurosim.errors import NotCapturableError
from neurosim.feedback import FeedbackPathway, Phase
from neurosim.network import Network
from neurosim.plasticity import Time
from neurosim.training.step import Commit, step

log = logging.getLogger(__name__)

OFTEN = 8  # changes in one epoch, after which the rest of it runs as array code: each costs two recordings

Apply = Callable[[Time, dict[str, Any], dict[str, Any], dict[str, Any]], None]


@dataclass(frozen=True)
class StepSource:
    """All that a phase's step is made of.

    apply : commits, at a ``time``, deltas, states and the pathway's own deltas
    outside : classes whose instances take no part in a step, though a part of it may know them
    """

    network: Network
    pathway: FeedbackPathway
    commits: tuple[Commit, ...]
    phase: Phase
    batch: int
    seed: int
    apply: Apply
    outside: tuple[type, ...]

    def reach(self) -> Reach:
        """Return all that the step can read besides arrays."""
        return Reach([self.network, self.pathway, *self.commits], self.outside)

    def recorded(self, time: Time) -> tuple[Graph, Reach]:
        """Return the graph of one step, and what it was recorded amid; nothing is computed.

        The step is recorded twice.  The first time fills what is made when it is first needed (an optimiser's memory, a compiled
        rule); in the second nothing may change, and the same graph must come out, or the step draws, counts or keeps something
        that a program would repeat as it was.

        Raises NotCapturableError where the step cannot be replayed; everything is then as it was.
        """
        before = self.reach()
        randomness = Randomness(before.values())
        try:
            first = self._recorded(time)
            settled = self.reach()
            second = self._recorded(time)
            change, drawn = settled.difference(), randomness.drawn_from()
            if drawn is not None:
                raise NotCapturableError(f"it draws random numbers from {drawn}: draw them from the step's draws")
            if change is not None:
                raise NotCapturableError(f"it changes {change} while it runs: keep what a step counts in an array, count += 1")
            if self.described(first, settled) != self.described(second, settled):
                raise NotCapturableError("it is another one each time it is recorded: does it ask for the time, or draw or count?")
        except BaseException as cause:
            before.restore()
            randomness.restore()
            if isinstance(cause, NotCapturableError) or not isinstance(cause, Exception):
                raise
            raise NotCapturableError(reason_of(cause)) from cause
        return second, settled

    def _recorded(self, time: Time) -> Graph:
        graph, network, pathway = Graph(), self.network, self.pathway
        holders = [network, pathway, *self.commits]
        with network.backend.recording(), recording(graph, holders, network.backend.array, self.outside):
            x = Recorded(graph, graph.input("x", (self.batch, *network.populations[network.input].shape), network.dtype))
            target = Recorded(graph, graph.input("target", (self.batch, pathway.task.size), network.dtype))
            draws = RecordedDraws(graph, self.seed)
            step(network, pathway, self.phase, x, target, draws, functools.partial(self.apply, time))
        return graph

    def described(self, graph: Graph, reach: Reach) -> list[bytes]:
        """Return what a graph does, to compare it with another."""
        backend = self.network.backend
        known = {id(value) for value in reach.values() if isinstance(value, backend.array)}
        return graph.described(known, backend.to_host)


class CapturedStep:
    """One phase's step: a program, or, where it cannot be captured, None and the reason said once.

    A change of what the step can read (see ``Reach``) takes effect at the next step, which is then recorded anew.
    """

    def __init__(self, source: Callable[[], StepSource], backend: Backend, what: str) -> None:
        self.source, self.backend, self.what = source, backend, what
        self.program: Program | None = None
        self._reach: Reach | None = None
        self._source: StepSource | None = None
        self._described: list[bytes] = []
        self._time: tuple[int, int] | None = None  # epoch and epochs the program is for, or None where it is the same in all
        self._began: tuple[int, int] | None = None
        self._changes = 0  # in this epoch
        self._said: set[str] = set()

    def prepared(self, epoch: int, epochs: int) -> Program | None:
        """Return the program that is right for ``epoch``, or None where array code has to run."""
        source, now = self.source(), (epoch, epochs)
        if self._began != now:
            self._began, self._changes = now, 0
        if source == self._source and self._time in (None, now) and self._reach is not None and self._reach.difference() is None:
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
            self.program, self._described, self._reach = None, [], self._noted(source)
        self._time = now if time.asked else None
        return self.program

    def outdated(self) -> bool:
        """Return whether anything the program stands for has changed; quick, for it is asked before each step."""
        return self.program is not None and self._reach is not None and self._reach.changed()

    def _record(self, source: StepSource, time: Time) -> None:
        graph, self._reach = source.recorded(time)
        described = source.described(graph, self._reach)
        if self.program is None or described != self._described:
            self.program = None  # gives back its memory before the next one takes its own
            self.program = self.backend.capture(graph)
        self._described = described

    def _noted(self, source: StepSource) -> Reach | None:
        try:
            return source.reach()
        except NotCapturableError:
            return None

    def _say(self, reason: str) -> None:
        if reason not in self._said:
            self._said.add(reason)
            log.warning("%s: its step is not captured and runs as array code: %s", self.what, reason)
