"""Runs trials of a circuit: one on each core at a time, or all at once on a GPU."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurosim.backends import NumpyBackend, limits, select
from neurosim.backends.base import as_seed
from neurosim.circuit import Circuit
from neurosim.errors import InputError, UnknownNameError, quoted, require
from neurosim.simulation.device import DeviceTrials
from neurosim.simulation.host import HostTrials
from neurosim.simulation.results import Simulated
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
    """Run ``batch`` independent trials of a circuit's program; all that they leave is in memory (see ``simulate_into``).

    duration : seconds, to the nearest tick
    seed : decides the random numbers; each trial has its own
    initial : ``group.variable`` -> its values when the trials begin, (batch, n) or what broadcasts to it, SI units
    backend : ``numpy`` or ``cupy``; both give the same bits

    Raises
    ------
    InputError
        A duration, batch or seed that is none; an initial value of what is not there, or of another shape; more trials than there
        is memory for.
    BackendError
        ``cupy`` was asked for and no CUDA device answers.
    """
    ticks = ticks_of(program, duration)
    recordings = sum(8 * len(one.elements) * len(one.variables) * -(-ticks // one.every) for one in program.monitors)
    trials = make_trials(program, batch, seed, initial, backend, recordings * batch, "record less, or into a file")
    trials.run(ticks)
    spikes = {name: trials.trains(name) for name in program.circuit.groups}
    return Simulated(spikes, {monitor.name: trials.states(monitor) for monitor in program.monitors}, trials.final())


def ticks_of(program: CircuitProgram, duration: float) -> int:
    """Return a duration, seconds, as ticks; raise InputError where it is none."""
    require(0 <= duration < np.inf, f"duration {quoted(duration)}: expected seconds, 0 or more; change it")
    return round(duration / program.circuit.dt)


def make_trials(
    program: CircuitProgram, batch: int, seed: int, initial: Mapping[str, np.ndarray] | None, backend: str, more: int, advice: str
) -> HostTrials | DeviceTrials:
    """Return ``batch`` trials at their beginning.

    more : bytes that they need beside their state and buffers

    Raises InputError where there is not so much memory, with ``advice``, or as ``simulate`` does; BackendError.
    """
    whole = isinstance(batch, int | np.integer) and not isinstance(batch, bool) and batch >= 1
    require(whole, f"batch {quoted(batch)}: expected 1 or more trials; give a positive whole number")
    starts = {name: _initial(program.circuit, name, values, batch) for name, values in (initial or {}).items()}
    chosen, number = select(backend), as_seed(seed)
    if isinstance(chosen, NumpyBackend):
        first = Trial(program, number, 0, {name: values[0] for name, values in starts.items()})
        _check_memory(batch, batch * first.nbytes + more, advice)
        return HostTrials(program, number, batch, starts)
    state = {*program.circuit.changing(), *starts}
    _check_memory(batch, batch * sum(program.circuit.arrays[name].nbytes for name in state) + more, advice)
    return DeviceTrials(program, chosen, number, batch, starts)


def _check_memory(batch: int, needed: int, advice: str) -> None:
    """Raise InputError where there is less memory than so many bytes."""
    free = limits.free_memory().bytes
    said = f"batch {batch}: {needed / 2**20:,.0f} MiB of state and recordings, and {free / 2**20:,.0f} MiB are free"
    require(needed <= free, f"{said}; run fewer trials at a time, {advice}")


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
