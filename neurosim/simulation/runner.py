"""Runs trials of a circuit: one on each core at a time, or all at once on a GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurosim.backends import NumpyBackend, limits, select
from neurosim.backends.base import as_seed
from neurosim.circuit import Circuit, Replay
from neurosim.circuit.tables import replayed
from neurosim.errors import InputError, ShapeError, UnknownNameError, quoted, require
from neurosim.simulation.device import DeviceTrials
from neurosim.simulation.host import HostTrials
from neurosim.simulation.results import LastValues, Simulated
from neurosim.simulation.trial import NOTHING, CircuitProgram, Trial

Train = tuple[np.ndarray, np.ndarray]  # the neuron and the tick of each spike


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
    """Run ``batch`` independent trials of a circuit's program; all that they leave is in memory (see ``simulate_into``).

    duration : seconds, to the nearest tick
    seed : decides the random numbers; each trial has its own
    initial : ``group.variable`` -> its values when the trials begin, (batch, n) or what broadcasts to it, SI units
    backend : ``numpy`` runs a trial on each core, ``cupy`` all at once on a GPU, ``auto`` as ``cupy`` where a GPU answers
    trains : group whose spikes are replayed -> the (index, tick) of each trial's, (spikes,) each, in place of the circuit's
    timed : name of values that change in time -> those of each trial, (batch, steps) or (batch, steps, n), in place of its own
    after : a run of the same program; the trials go on where its trials ended, and ``initial`` is set then

    Raises
    ------
    InputError
        A duration, batch or seed that is none; an initial value, spikes or values in time of what is not there, or of another
        shape; more trials, recordings or spikes than there is memory for; an ``after`` of other trials.
    BackendError
        ``cupy`` was asked for and no CUDA device answers.
    """
    ticks = ticks_of(program, duration)
    recordings = sum(8 * len(one.elements) * len(one.variables) * -(-ticks // one.every) for one in program.monitors)
    given: dict[str, Any] = {"seed": seed, "initial": initial, "backend": backend, "trains": trains, "timed": timed, "after": after}
    trials, room = make_trials(program, batch, batch * recordings, "or record less, or into a file", **given)
    trials.run(trials.tick + ticks, room=room)
    spikes = {name: trials.trains(name) for name in program.circuit.groups}
    states = {monitor.name: trials.states(monitor) for monitor in program.monitors}
    left = trials.left()
    return Simulated(spikes, states, LastValues([one.state for one in left]), left)


def ticks_of(program: CircuitProgram, duration: float) -> int:
    """Return a duration, seconds, as ticks; raise InputError where it is none."""
    require(0 <= duration < np.inf, f"duration {quoted(duration)}: expected seconds, 0 or more; change it")
    return round(duration / program.circuit.dt)


def make_trials(
    program: CircuitProgram,
    batch: int,
    more: int,
    advice: str,
    *,
    seed: int = 0,
    initial: Mapping[str, np.ndarray] | None = None,
    backend: str = "numpy",
    trains: Mapping[str, Sequence[Train]] = NOTHING,
    timed: Mapping[str, np.ndarray] = NOTHING,
    after: Simulated | None = None,
) -> tuple[HostTrials | DeviceTrials, int]:
    """Return ``batch`` trials at their beginning, and how many bytes they leave free.

    more : bytes that all need beside their state and buffers; the others : see ``simulate``

    Raises InputError where there is not so much memory, with ``advice``, or as ``simulate`` does; BackendError.
    """
    whole = isinstance(batch, int | np.integer) and not isinstance(batch, bool) and batch >= 1
    require(whole, f"batch {quoted(batch)}: expected 1 or more trials; give a positive whole number")
    starts = {name: _initial(program.circuit, name, values, batch) for name, values in (initial or {}).items()}
    chosen, number = select(backend), as_seed(seed)
    own = _tables(program.circuit, batch, trains, timed)
    _check_after(program, after, batch)
    if not isinstance(chosen, NumpyBackend):
        tables = {name: [own[k][name] for k in range(batch)] for name in own.get(0, ())}
        before = () if after is None else after.left
        state = {*program.circuit.changing(), *starts}
        room = _check_memory(batch, batch * sum(program.circuit.arrays[name].nbytes for name in state) + more, advice)
        return DeviceTrials(program, chosen, number, batch, starts, tables, before), room

    def trial(k: int) -> Trial:
        start = {name: values[k] for name, values in starts.items()}
        return Trial(program, number, k, start, own.get(k, NOTHING), None if after is None else after.left[k])

    first = trial(0)
    room = _check_memory(batch, batch * first.nbytes + more, advice)
    return HostTrials([first, *map(trial, range(1, batch))]), room


def _check_memory(batch: int, needed: int, advice: str) -> int:
    """Return how much memory so many bytes leave free; raise InputError where there are not so many."""
    free = limits.free_memory().bytes
    said = f"batch {batch}: {needed / 2**20:,.0f} MiB of state and recordings, and {free / 2**20:,.0f} MiB are free"
    require(needed <= free, f"{said}; run fewer trials at a time, {advice}")
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
        require(fits, f"{said}: expected {batch} of the same network; give the run that it was, and its batch")


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
