"""Runs trials of a circuit: one on each core at a time, or all at once on a GPU."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from neurosim.backends import NumpyBackend, limits, select
from neurosim.backends.base import Backend, as_seed
from neurosim.circuit import Circuit, Record, Replay
from neurosim.circuit.tables import replayed
from neurosim.errors import InputError, ShapeError, UnknownNameError, quoted, require
from neurosim.simulation.device import DeviceTrials
from neurosim.simulation.results import Simulated, SpikeTrains, States
from neurosim.simulation.trial import NOTHING, CircuitProgram, Trial

Train = tuple[np.ndarray, np.ndarray]  # the neuron and the tick of each spike
SPIKE = 24  # bytes: while it is kept, and once more where all are put together


def simulate(
    program: CircuitProgram,
    duration: float,
    *,
    batch: int = 1,
    seed: int = 0,
    initial: Mapping[str, np.ndarray] | None = None,
    backend: str = "numpy",
    trains: Mapping[str, Sequence[Train]] = NOTHING,
    timed: Mapping[str, np.ndarray] = NOTHING,
    after: Simulated | None = None,
) -> Simulated:
    """Run ``batch`` independent trials of a circuit's program.

    duration : seconds, to the nearest tick
    seed : decides the random numbers; each trial has its own
    initial : ``group.variable`` -> its values when the trials begin, (batch, n) or what broadcasts to it, SI units
    backend : ``numpy`` runs a trial on each core, ``cupy`` all at once on a GPU, ``auto`` as ``cupy`` where a GPU answers
    trains : group whose spikes are replayed -> the (index, tick) of each trial's, (spikes,) each, in place of the circuit's
    timed : name of values in time -> those of each trial, (batch, steps) or (batch, steps, n), in place of the circuit's
    after : a run of the same program; the trials go on where its trials ended, and ``initial`` is set then

    Raises
    ------
    InputError
        A duration, batch or seed that is none; an initial value, spikes or values in time of what is not there, or of another
        shape; more trials, recordings or spikes than there is memory for; an ``after`` of other trials.
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
    own = _tables(circuit, batch, trains, timed)
    _check_after(program, after, batch)
    if not isinstance(chosen, NumpyBackend):
        said = "backend 'cupy': trains, timed and after are not there on a GPU: expected none"
        require(not own and after is None, f"{said}; run with backend='numpy'")
        return _on_device(program, chosen, ticks, as_seed(seed), batch, starts, recordings)
    number = as_seed(seed)

    def trial(k: int) -> Trial:
        start = {name: values[k] for name, values in starts.items()}
        return Trial(program, number, k, start, own.get(k, NOTHING), None if after is None else after.left[k])

    first = trial(0)
    room = _check_memory(batch, first.nbytes + recordings)
    trials = [first, *map(trial, range(1, batch))]
    begin = first.tick
    _run(trials, begin + ticks, room)
    spikes = {name: _spikes(trials, name) for name in circuit.groups}
    states = {monitor.name: _states(trials, monitor, begin) for monitor in program.monitors}
    final = {name: np.stack([trial.state[name] for trial in trials]) for name in first.state}
    return Simulated(spikes, states, final, [trial.left() for trial in trials])


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


def _check_memory(batch: int, each: int) -> int:
    """Return how many bytes ``batch`` trials of ``each`` bytes leave free; raise InputError where there are not so many."""
    needed, free = batch * each, limits.free_memory().bytes
    said = f"batch {batch}: {needed / 2**20:,.0f} MiB of state and recordings, and {free / 2**20:,.0f} MiB are free"
    require(needed <= free, f"{said}; run fewer trials at a time, or record less")
    return free - needed


def _tables(
    circuit: Circuit, batch: int, trains: Mapping[str, Sequence[Train]], timed: Mapping[str, np.ndarray]
) -> dict[int, dict[str, np.ndarray]]:
    """Return for each trial the tables that are its own; nothing where there are none."""
    found: dict[int, dict[str, np.ndarray]] = {}
    replays = {action.group: action for action in circuit.actions if isinstance(action, Replay)}
    for group, given in trains.items():
        if group not in replays:
            raise UnknownNameError("trains: group with given spikes", group, replays or ["(none)"])
        said = f"trains of group {group!r}: those of {len(given)} trials"
        require(len(given) == batch, f"{said}: expected {batch}; give one (index, tick) for each trial")
        size = circuit.groups[group].size
        for number, train in enumerate(given):
            tables = replayed(*_sorted(f"trains of group {group!r}, trial {number}", size, *train))
            found.setdefault(number, {}).update({f"{name} {replays[group].name}": values for name, values in tables.items()})
    known = {name: of for action in circuit.actions if not isinstance(action, Replay) for name, of in action.block.timed.items()}
    for name, values in timed.items():
        if name not in known:
            raise UnknownNameError("timed: values in time", name, known or ["(none)"])
        shape = (batch, *known[name].values.shape)
        require(values.shape == shape, f"timed {name!r}: shape {values.shape}: expected {shape}; reshape it", ShapeError)
        users = [action.name for action in circuit.actions if not isinstance(action, Replay) and name in action.block.timed]
        for number in range(batch):
            own = np.ascontiguousarray(values[number], float)
            found.setdefault(number, {}).update({f"timed {name} {user}": own for user in users})
    return found


def _sorted(where: str, size: int, index: np.ndarray, tick: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each tick's spikes begin, and their neurons, in the order of ticks, of a tick in that of the neurons."""
    index, tick = np.asarray(index, np.int64), np.asarray(tick, np.int64)
    pairs = index.ndim == 1 and index.shape == tick.shape
    require(pairs, f"{where}: shapes {index.shape} and {tick.shape}: expected one index and one tick for each spike; correct them")
    there = not len(index) or bool(index.min() >= 0 and index.max() < size and tick.min() >= 0)
    require(there, f"{where}: expected neurons from 0 to {size - 1} and ticks of 0 or more; correct them")
    order = np.lexsort((index, tick))
    index, tick = index[order], tick[order]
    twice = (np.diff(index) == 0) & (np.diff(tick) == 0)
    require(not twice.any(), f"{where}: a neuron spikes twice in one tick: expected once; leave one out, or lower dt")
    starts = np.searchsorted(tick, np.arange(int(tick.max(initial=-1)) + 2))
    return starts.astype(np.int32), index.astype(np.int32)


def _check_after(program: CircuitProgram, after: Simulated | None, batch: int) -> None:
    """Raise InputError where a run cannot go on from ``after``."""
    if after is not None:
        rings = {f"ring {name}": (group.depth, group.size + 1) for name, group in program.circuit.groups.items()}
        same = all({name: ring.shape for name, ring in one.rings.items()} == rings for one in after.left)
        said = f"after: a run that left {len(after.left)} trials"
        fits = same and len(after.left) == batch
        require(fits, f"{said}: expected {batch} of the same network, on the CPU; give the run that it was, and its batch")


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


def _run(trials: list[Trial], end: int, room: int) -> None:
    """Run each trial to the tick ``end``, on as many threads as there are cores; the machine code lets others run beside it.

    Raises InputError where the spikes of all take more than ``room`` bytes.
    """
    stopped = threading.Event()

    def to_the_end(trial: Trial) -> None:
        while trial.tick < end and not stopped.is_set():
            trial.run(end - trial.tick)
            if sum(one.spike_count for one in trials) * SPIKE > room:
                said = f"run: by tick {trial.tick:,} of {end:,} the spikes take more than the {room / 2**20:,.0f} MiB that are free"
                raise InputError(f"{said}: expected fewer; run fewer trials at a time, for a shorter time, or at lower rates")

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


def _states(trials: list[Trial], monitor: Record, begin: int) -> States:
    """Return what a monitor recorded from tick ``begin`` on."""
    empty = np.empty((0, len(monitor.elements)))
    found = {
        name: np.stack([np.concatenate([empty, *trial.recorded.get((monitor.name, name), [])]) for trial in trials])
        for name in monitor.variables
    }
    times = max((values.shape[1] for values in found.values()), default=0)
    first = -(-begin // monitor.every)
    return States(np.arange(first, first + times) * (monitor.every * trials[0].program.circuit.dt), monitor.elements, found)
