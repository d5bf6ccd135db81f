"""What a network answers to samples, in evaluation: its scores, their loss, and whether all activity was finite."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from neurosim.backends import Backend, Draws
from neurosim.capture import scan
from neurosim.feedback import FeedbackPathway
from neurosim.network import Network
from neurosim.training.step import list_inputs
from neurosim.training.trial import Tick, Trial


class Answer(NamedTuple):
    """Sums over the ticks in which the output is asked.

    scores : (batch, task.size); loss : the mean over the batch, a number; totals : of each of ``list_inputs``, over the batch
    """

    scores: Any
    loss: Any
    totals: tuple[Any, ...]


class Answers:
    """Arrays for one answer after the other: scores, (batch, size), and sums, (1 + inputs,), of the loss and the totals."""

    def __init__(self, backend: Backend, batch: int, size: int, inputs: int, dtype: Any) -> None:
        self.scores = backend.zeros((batch, size), dtype)
        self.sums = backend.zeros((1 + inputs,), np.float64)

    def take(self, answer: Answer) -> None:
        """Keep an answer."""
        self.scores[...] = answer.scores
        for at, value in enumerate((answer.loss, *answer.totals)):
            self.sums[at] = value


def answer(network: Network, pathway: FeedbackPathway, trial: Trial, x: Any, target: Any, draws: Draws | None) -> Answer:
    """Return what the network answers to samples x, (batch, *sample), whose targets are ``target``, (batch, task.size).

    draws : for encoders that draw
    """
    inputs = list_inputs(network).values()

    def show(carried: tuple[Any, Answer | None], tick: Tick) -> tuple[tuple[Any, Answer | None]]:
        state, before = carried
        own = None if draws is None else draws.at(tick.number)
        sweep = network.sweep(trial.encode(tick, own), state, draws=own)
        if not tick.asked:
            return ((sweep.state, before),)
        totals = tuple(sweep[population].value(name).sum() for population, name in inputs)
        loss = network.backend.asarray(pathway.loss(sweep, target), np.float64)  # many ticks may be asked: summed in full precision
        found = Answer(pathway.scores(sweep), loss, totals)
        return ((sweep.state, found if before is None else _sum(before, found)),)

    ((_, found),) = scan(show, (None, None), trial.ticks(x))
    assert found is not None  # a clock asks in one tick at least
    return found


def _sum(one: Answer, other: Answer) -> Answer:
    totals = tuple(a + b for a, b in zip(one.totals, other.totals, strict=True))
    return Answer(one.scores + other.scores, one.loss + other.loss, totals)
