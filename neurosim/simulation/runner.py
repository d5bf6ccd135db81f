"""Runs trials of a circuit, one on each core at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from neurosim.backends import limits
from neurosim.backends.base import as_seed
from neurosim.circuit import Circuit, Record
from neurosim.errors import InputError, UnknownNameError, quoted, require
from neurosim.simulation.results import Simulated, SpikeTrains, States
from neurosim.simulation.trial import CircuitProgram, Trial


def simulate(
    program: CircuitProgram, duration: float, *, batch: int = 1, seed: int = 0, initial: Mapping[str, np.ndarray] | None = None
) -> Simulated:
    """Run ``batch`` independent trials of a circuit's program; all that they leave is in memory.

    duration : seconds, to the nearest tick
    seed : decides the random numbers; each trial has its own
    initial : ``group.variable`` -> its values when the trials begin, (batch, n) or what broadcasts to it, SI units

    Raises
    ------
    InputError
        A duration, batch or seed that is none; an initial value of what is not there, or of another shape; more trials than there
        is memory for.
    """
    ticks = ticks_of(program, duration)
    recordings = sum(8 * len(one.elements) * len(one.variables) * -(-ticks // one.every) for one in program.monitors)
    trials = make_trials(program, batch, seed, initial, recordings, "run fewer trials at a time, or record less, or into a file")
    first = trials[0]
    advance(trials, ticks)
    spikes = {name: _spikes(trials, name) for name in program.circuit.groups}
    states = {monitor.name: _states(trials, monitor) for monitor in program.monitors}
    return Simulated(spikes, states, {name: np.stack([trial.state[name] for trial in trials]) for name in first.state})


def ticks_of(program: CircuitProgram, duration: float) -> int:
    """Return a duration, seconds, as ticks; raise InputError where it is none."""
    require(0 <= duration < np.inf, f"duration {quoted(duration)}: expected seconds, 0 or more; change it")
    return round(duration / program.circuit.dt)


def make_trials(
    program: CircuitProgram, batch: int, seed: int, initial: Mapping[str, np.ndarray] | None, more: int, advice: str
) -> list[Trial]:
    """Return ``batch`` trials at their beginning.

    more : bytes that each needs beside its state and buffers

    Raises InputError where there is not so much memory, with ``advice``, or as ``simulate`` does.
    """
    whole = isinstance(batch, int | np.integer) and not isinstance(batch, bool) and batch >= 1
    require(whole, f"batch {quoted(batch)}: expected 1 or more trials; give a positive whole number")
    starts = {name: _initial(program.circuit, name, values, batch) for name, values in (initial or {}).items()}
    first = _trial(program, seed, 0, starts)
    needed, free = batch * (first.nbytes + more), limits.free_memory().bytes
    said = f"batch {batch}: {needed / 2**20:,.0f} MiB of state and recordings, and {free / 2**20:,.0f} MiB are free"
    require(needed <= free, f"{said}; {advice}")
    return [first, *(_trial(program, seed, number, starts) for number in range(1, batch))]


def _initial(circuit: Circuit, name: str, values: np.ndarray, batch: int) -> np.ndarray:
    if name not in circuit.arrays:
        raise UnknownNameError("initial", name, circuit.arrays)
    own = circuit.arrays[name]
    given = np.asarray(values)
    try:
        return np.ascontiguousarray(np.broadcast_to(given, (batch, *own.shape)), own.dtype)
    except ValueError as cause:
        said = f"initial {name!r}: shape {given.shape}: expected (batch, n), {(batch, *own.shape)}"
        raise InputError(f"{said}; give one value for each trial and neuron") from cause


def _trial(program: CircuitProgram, seed: int, number: int, starts: Mapping[str, np.ndarray]) -> Trial:
    return Trial(program, as_seed(seed), number, {name: values[number] for name, values in starts.items()})


def advance(trials: Sequence[Trial], ticks: int, most: float = np.inf) -> None:
    """Run each trial until so many ticks are done, on as many threads as there are cores.

    most : bytes of spikes and recordings; a trial that holds so many stops before
    """
    stopped = threading.Event()

    def to_the_end(trial: Trial) -> None:
        while trial.tick < ticks and trial.held < most and not stopped.is_set():
            trial.run(ticks - trial.tick)

    with ThreadPoolExecutor(min(len(trials), limits.processors())) as pool:
        try:
            list(pool.map(to_the_end, trials))
        finally:
            stopped.set()  # where a Ctrl-C ended the waiting


def _spikes(trials: list[Trial], name: str) -> SpikeTrains:
    none = np.zeros(0, np.int32)
    parts = [(*part, np.full(len(part[0]), trial.number, np.int32)) for trial in trials for part in trial.spikes[name]]
    tick, index, trial = (np.concatenate([none, *(part[k] for part in parts)]) for k in range(3))
    return SpikeTrains(index, tick, trial, trials[0].program.circuit.dt)


def _states(trials: list[Trial], monitor: Record) -> States:
    empty = np.empty((0, len(monitor.elements)))
    found = {
        name: np.stack([np.concatenate([empty, *trial.recorded.get((monitor.name, name), [])]) for trial in trials])
        for name in monitor.variables
    }
    times = max((values.shape[1] for values in found.values()), default=0)
    return States(np.arange(times) * monitor.every * trials[0].program.circuit.dt, monitor.elements, found)
