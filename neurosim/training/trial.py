"""One trial: a sample shown for some ticks, each of which starts from the state of the one before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from neurosim.backends import Draws
from neurosim.encoders import Constant, Encoder
from neurosim.errors import InputError
from neurosim.feedback import FeedbackPathway
from neurosim.network import Clock, Network, Sweep, Teaching
from neurosim.tasks import Task


class Tick(NamedTuple):
    """One tick of a trial: its number, whether the output is asked in it, and its input, (batch, *shape)."""

    number: int
    asked: bool
    x: Any


@dataclass(frozen=True)
class Trial:
    """How a network is shown a sample."""

    clock: Clock = Clock()
    encoder: Encoder = Constant()

    def check(self, network: Network, sample: tuple[int, ...], name: str) -> None:
        """Raise InputError where samples of this shape, of data set ``name``, do not fit the network's input."""
        shape = self.encoder.shape(sample, self.clock.ticks)
        if shape != tuple(network.input_shape):
            given = f"data set {name!r} has {sample}"
            given += "" if shape == sample else f", which encoder {self.encoder.name!r} makes {shape}"
            inputs = " and ".join(map(repr, network.inputs))
            raise InputError(f"input population {inputs} has shape {network.input_shape}: {given}")

    def ticks(self, x: Any, draws: Draws | None = None) -> Iterator[Tick]:
        """Yield the ticks of a trial of samples ``x``, (batch, *sample); ``draws`` are the step's."""
        for tick in range(self.clock.ticks):
            own = None if draws is None else draws.at(tick)
            yield Tick(tick, self.clock.asks(tick), self.encode(x, tick, own))

    def encode(self, x: Any, tick: int, draws: Draws | None) -> Any:
        """Return the input of a tick, (batch, *shape), for samples ``x``, (batch, *sample); ``draws`` are the tick's."""
        if not self.encoder.stochastic:
            return self.encoder.encode(x, tick)
        return self.encoder.encode(x, tick, draws)  # type: ignore[call-arg] # of those that draw

    def run(self, network: Network, x: Any, *, training: bool = False, draws: Draws | None = None) -> Iterator[Sweep]:
        """Yield the sweep of each tick for samples ``x``, (batch, *sample).

        draws : of the step; outside of training only an encoder draws
        """
        state = None
        for tick in self.ticks(x, draws):
            own = None if draws is None else draws.at(tick.number)
            sweep = network.sweep(tick.x, state, training=training, draws=own)
            state = sweep.state
            yield sweep

    def sweeps(self, network: Network, x: Any, *, training: bool = False, draws: Draws | None = None) -> list[Sweep]:
        """Return the sweep of each tick for samples ``x``, (batch, *sample)."""
        return list(self.run(network, x, training=training, draws=draws))

    def outcomes(self, pathway: FeedbackPathway, sweeps: Sequence[Sweep], target: Any, draws: Draws) -> list[Any]:
        """Return what the pathway is given in each tick: what its task makes of ``target``; None where the output is not asked."""
        output, ask = pathway.network.output, pathway.task.outcome
        return [
            ask(pathway.network.backend, sweep[output], target, draws.at(tick)) if self.clock.asks(tick) else None
            for tick, sweep in enumerate(sweeps)
        ]


def teach_ticks(
    pathway: FeedbackPathway, sweeps: Sequence[Sweep], outcomes: Sequence[Any], draws: Draws
) -> list[dict[str, Teaching]]:
    """Return the teaching signals of each tick; none where the output is not asked, unless the pathway answers whole trials."""
    if pathway.answers == "trial":
        return pathway.teach_trial(sweeps, outcomes, draws)
    return [
        {} if outcome is None else pathway.teach(sweep, outcome, draws.at(tick))
        for tick, (sweep, outcome) in enumerate(zip(sweeps, outcomes, strict=True))
    ]


def modulators_of(task: Task, outcome: Any) -> dict[str, Any]:
    """Return what a task broadcasts in a tick; nothing of it, 0, where the output is not asked."""
    return dict.fromkeys(task.modulators, 0.0) if outcome is None else task.broadcast(outcome)


def add_changes(total: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, those of one name added."""
    return {**total, **{name: total[name] + change if name in total else change for name, change in more.items()}}
