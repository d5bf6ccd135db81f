"""Trials on the processor: one on each core at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from neurosim.backends import limits
from neurosim.circuit import Record
from neurosim.errors import InputError
from neurosim.simulation.results import SpikeTrains, States
from neurosim.simulation.trial import Left, Trial

SPIKE = 24  # bytes: while it is kept, and once more where all are put together


class HostTrials:
    """All trials of a run, which begin at one tick."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self.trials, self.program, self.begin = trials, trials[0].program, trials[0].tick

    def __repr__(self) -> str:
        return f"<{len(self.trials)} trials at tick {self.tick}>"

    @property
    def tick(self) -> int:
        """How many ticks all of them have done."""
        return min(trial.tick for trial in self.trials)

    @property
    def is_together(self) -> bool:
        """Whether none has come further than another."""
        return all(trial.tick == self.tick for trial in self.trials)

    def run(self, ticks: int, most: float = np.inf, room: float = np.inf) -> None:
        """Run each trial until so many ticks are done; the machine code lets others run beside it.

        most : bytes of spikes and recordings; a trial that holds its share of them stops before

        Raises InputError where the spikes of all take more than ``room`` bytes.
        """
        stopped, share = threading.Event(), most / len(self.trials)

        def to_the_end(trial: Trial) -> None:
            while trial.tick < ticks and trial.held < share and not stopped.is_set():
                trial.run(ticks - trial.tick)
                if sum(one.spike_count for one in self.trials) * SPIKE > room:
                    said = f"run: by tick {trial.tick:,} of {ticks:,} the spikes take {room / 2**20:,.0f} MiB, all that are free"
                    advice = "run into a file, fewer trials at a time, for a shorter time, or at lower rates"
                    raise InputError(f"{said}: expected fewer; {advice}")

        if len(self.trials) == 1:  # a thread of its own takes longer than a short run
            return to_the_end(self.trials[0])
        with ThreadPoolExecutor(min(len(self.trials), limits.processors())) as pool:
            try:
                list(pool.map(to_the_end, self.trials))
            finally:
                stopped.set()  # where a Ctrl-C ended the waiting

    # ------------------------------------------------------------------ results

    def take(self) -> tuple[dict[str, tuple[np.ndarray, ...]], dict[tuple[str, str], np.ndarray]]:
        """Hand over what was in the ticks that all have done, and was not handed over.

        Returns group -> (tick, index, trial) of its spikes, (spikes,) each; and (monitor, variable) -> (rows, batch, elements)
        """
        parts = [(trial.number, *trial.take(self.tick)) for trial in self.trials]
        spikes = {}
        for name in self.program.circuit.groups:
            columns = [(*own[name], np.full(len(own[name][0]), number, np.int32)) for number, own, _ in parts]
            spikes[name] = tuple(np.concatenate([column[k] for column in columns]) for k in range(3))
        return spikes, {key: np.stack([own[key] for *_, own in parts], axis=1) for key in parts[0][2]}

    def trains(self, name: str) -> SpikeTrains:
        """Return the spikes of a group, in the order of trial, time and neuron."""
        none = np.zeros(0, np.int32)
        parts = [(*part, np.full(len(part[0]), trial.number, np.int32)) for trial in self.trials for part in trial.spikes[name]]
        tick, index, trial = (np.concatenate([none, *(part[k] for part in parts)]) for k in range(3))
        return SpikeTrains(index, tick, trial, self.program.circuit.dt)

    def states(self, monitor: Record) -> States:
        """Return what a monitor recorded from the first tick on."""
        empty = np.empty((0, len(monitor.elements)))
        found = {
            name: np.stack([np.concatenate([empty, *trial.recorded.get((monitor.name, name), [])]) for trial in self.trials])
            for name in monitor.variables
        }
        times = max((values.shape[1] for values in found.values()), default=0)
        first = -(-self.begin // monitor.every)
        return States(np.arange(first, first + times) * monitor.every * self.program.circuit.dt, monitor.elements, found)

    # ------------------------------------------------------------------ going on

    def left(self) -> list[Left]:
        """Return what each trial left, for one that goes on from here."""
        return [trial.left() for trial in self.trials]

    def kept(self) -> dict[str, np.ndarray]:
        """Return what decides all that is to come, beside the tick: ``kind|name`` -> (batch, ...).  All must be together."""
        kept = [_named(left) for left in self.left()]
        return {key: np.stack([own[key] for own in kept]) for key in kept[0]}

    def restore(self, tick: int, kept: Mapping[str, np.ndarray]) -> None:
        """Go on from a tick with what ``kept`` returned then."""
        for number, trial in enumerate(self.trials):
            for key, values in _named(trial.left()).items():
                values[...] = kept[key][number]
            trial.tick = tick


def _named(left: Left) -> dict[str, np.ndarray]:
    """Return the arrays of what a trial left, by ``kind|name``."""
    return {f"{kind}|{name}": values for kind in ("state", "rings") for name, values in getattr(left, kind).items()}
