"""A phase's training step, written down once and replayed batch after batch."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from neurosim.backends import Backend, RecordedDraws
from neurosim.backends.base import Program
from neurosim.capture import Graph, Recorded, recording
from neurosim.errors import NotCapturableError
from neurosim.feedback import FeedbackPathway, Phase
from neurosim.network import Network
from neurosim.plasticity import Time
from neurosim.training.step import Commit, step

log = logging.getLogger(__name__)

Apply = Callable[[Time, dict[str, Any], dict[str, Any], dict[str, Any]], None]


def recorded(
    network: Network, pathway: FeedbackPathway, commits: list[Commit], phase: Phase, batch: int, seed: int, apply: Apply, time: Time
) -> Graph:
    """Return the graph of one step of ``phase`` on batches of ``batch``; nothing is computed, nothing changes.

    apply : commits, at a ``time``, deltas, states and the pathway's own deltas
    Raises NotCapturableError where the step does something that has no place in a graph.
    """
    graph = Graph()
    with network.backend.recording(), recording(graph, _holders(network, pathway, commits), network.backend.array):
        x = Recorded(graph, graph.input("x", (batch, *network.populations[network.input].shape), network.dtype))
        target = Recorded(graph, graph.input("target", (batch, pathway.classes), network.dtype))
        step(network, pathway, phase, x, target, RecordedDraws(graph, seed), functools.partial(apply, time))
    return graph


def _holders(network: Network, pathway: FeedbackPathway, commits: list[Commit]) -> list[Any]:
    """Return the objects that hold every array that outlives a step."""
    networks = [network, *pathway.networks.values()]
    parts = [part for own in networks for part in (*own.populations.values(), *own.projections.values())]
    return [pathway, *networks, *parts, *commits]


class CapturedStep:
    """One phase's step: a program, or, where it cannot be captured, None and the reason said once.

    epoch : the epoch the program is for, or None where it is the same in all
    """

    def __init__(self, record: Callable[[Time], Graph], backend: Backend, what: str) -> None:
        self.record, self.backend, self.what = record, backend, what
        self.program: Program | None = None
        self.epoch: int | None = None
        self.tried = False

    def prepared(self, epoch: int, epochs: int) -> Program | None:
        """Return the program that is right for ``epoch``."""
        if self.tried and self.epoch in (None, epoch):
            return self.program
        time = Time(epoch, epochs)
        try:
            self.program = self.backend.capture(self.record(time))
        except NotCapturableError as reason:
            if not self.tried:
                log.warning("%s: its step is not captured and runs as array code: %s", self.what, reason)
            self.program = None
        self.tried = True
        self.epoch = epoch if time.asked else None
        return self.program
