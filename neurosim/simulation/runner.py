"""Runs trials of a circuit: one on each core at a time, or all at once on a GPU."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from neurosim.backends import NumpyBackend, limits, select
from neurosim.backends.base import Backend, as_seed
from neurosim.circuit import Circuit, Record
from neurosim.errors import InputError, UnknownNameError, quoted, require
from neurosim.simulation.device import DeviceTrials
from neurosim.simulation.results import Simulated, SpikeTrains, States
from neurosim.simulation.trial import CircuitProgram, Trial


def simulate(
    program: CircuitProgram,
    duration: float,
    *,
    batch: int = 1,
    seed: int = 0,
    initial: Mapping[str, np.ndarray] | None = None,
    backend: str = "numpy",
) -> Simulated:
    """Run ``batch`` independent trials of a circuit's program.

    duration : seconds, to the nearest tick
    seed : decides the random numbers; each trial has its own
    initial : ``group.variable`` -> its values when the trials begin, (batch, n) or what broadcasts to it, SI units
    backend : ``numpy`` runs a trial on each core, ``cupy`` all at once on a GPU, ``auto`` as ``cupy`` where a GPU answers

    Raises
    ------
    InputError
        A duration, batch or seed that is none; an initial value of what is not there, or of another shape; more trials than there
        is memory for.
    BackendError
        ``cupy`` was asked for and no CUDA device answers.
    """
    whole = isinstance(batch, int | np.integer) and not isinstance(batch, bool) and batch >= 1
    require(whole, f"batch {quoted(batch)}: expected 1 or more trials; give a positive whole number")
    require(0 <= duration < np.inf, f"duration {quoted(duration)}: expected seconds, 0 or more; change it")
    circuit, ticks = program.circuit, round(duration / program.circuit.dt)
    starts = {name: _initial(circuit, name, values, batch) for name, values in (initial or {}).items()}
    recordings = sum(8 * len(one.elements) * len(one.variables) * -(-ticks // one.every) for one in program.monitors)
    chosen = select(backend)
    if not isinstance(chosen, NumpyBackend):
        return _on_device(program, chosen, ticks, as_seed(seed), batch, starts, recordings)
    first = _trial(program, seed, 0, starts)
    _check_memory(batch, first.nbytes + recordings)
    trials = [first, *(_trial(program, seed, number, starts) for number in range(1, batch))]
    _run(trials, ticks)
    spikes = {name: _spikes(trials, name) for name in circuit.groups}
    states = {monitor.name: _states(trials, monitor) for monitor in program.monitors}
    return Simulated(spikes, states, {name: np.stack([trial.state[name] for trial in trials]) for name in first.state})


def _on_device(
    program: CircuitProgram, backend: Backend, ticks: int, seed: int, batch: int, starts: Mapping[str, np.ndarray], recordings: int
) -> Simulated:
    """Run all trials on a GPU.  recordings : bytes of what one of them records"""
    state = {*program.circuit.changing(), *starts}
    _check_memory(batch, recordings + sum(program.circuit.arrays[name].nbytes for name in state))
    trials = DeviceTrials(program, backend, seed, batch, starts)
    trials.run(ticks)
    spikes = {name: trials.trains(name) for name in program.circuit.groups}
    states = {monitor.name: trials.states(monitor) for monitor in program.monitors}
    return Simulated(spikes, states, {name: trials.fetch(name) for name in trials.state})


def _check_memory(batch: int, each: int) -> None:
    """Raise InputError where there is less memory than ``batch`` trials of ``each`` bytes need."""
    needed, free = batch * each, limits.free_memory().bytes
    said = f"batch {batch}: {needed / 2**20:,.0f} MiB of state and recordings, and {free / 2**20:,.0f} MiB are free"
    require(needed <= free, f"{said}; run fewer trials at a time, or record less")


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


def _run(trials: list[Trial], ticks: int) -> None:
    """Run each trial to its end, on as many threads as there are cores; the machine code lets others run beside it."""
    stopped = threading.Event()

    def to_the_end(trial: Trial) -> None:
        while trial.tick < ticks and not stopped.is_set():
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
    return States(np.arange(times) * (monitor.every * trials[0].program.circuit.dt), monitor.elements, found)
