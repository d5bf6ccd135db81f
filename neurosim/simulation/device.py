"""Trials on a GPU: all of them at once, each by a block of threads, many ticks in one launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurosim.backends import philox
from neurosim.backends.cuda_circuit import CircuitKernel, Memory
from neurosim.backends.llvm_circuit import rows_of
from neurosim.circuit import Record
from neurosim.errors import require
from neurosim.simulation.results import SpikeTrains, States
from neurosim.simulation.trial import NOTHING, CircuitProgram, Left

THREADS = 512  # of a block, at most
NEAR = 0  # bytes of a trial's state that lie in a block's own memory, at most: a layout that no GPU has run yet
SLICE = 1000  # ticks of one launch, so that a run can be interrupted
WORD = np.dtype(np.uint64)  # in which memory is asked for and copied

Given = tuple[tuple[str, str, tuple[int, ...]], ...]  # the tables of which each trial has its own: name, type, shape


class DeviceProgram:
    """The kernel of a circuit, and what all its trials read, on the device."""

    def __init__(self, program: CircuitProgram, backend: Any, own: frozenset[str], given: Given, threads: int, shared: int) -> None:
        self.text = CircuitKernel(program.circuit, own, threads, shared, {name: (dtype, shape) for name, dtype, shape in given})
        self.threads = threads
        self.kernel = backend.strict_kernel(self.text.source, self.text.near)
        self.tables = backend.asarray(_filled(self.text.tables, self.text.values))


class DeviceTrials:
    """All trials of a run.

    state : the arrays of which each trial has its own; starts : ``group.variable`` -> its values when the trials begin, (batch, n)
    tables : name -> each trial's own, in place of the program's; before : what the trials go on from, of each

    Raises InputError where the device has less memory free than the trials need.
    """

    def __init__(
        self,
        program: CircuitProgram,
        backend: Any,
        seed: int,
        batch: int,
        starts: Mapping[str, np.ndarray],
        tables: Mapping[str, Sequence[np.ndarray]] = NOTHING,
        before: Sequence[Left] = (),
    ) -> None:
        self.program, self.backend, self.batch = program, backend, batch
        self.begin = self.tick = before[0].tick if before else 0
        circuit = program.circuit
        left = [name for name in (before[0].state if before else ()) if name in circuit.arrays]  # its inputs may be others
        starts = {name: np.stack([one.state[name] for one in before]) for name in left} | dict(starts)
        self.state = sorted({*circuit.changing(), *starts})
        padded = {name: _padded(values) for name, values in tables.items()}
        given = tuple((name, values.dtype.str, values.shape[1:]) for name, values in sorted(padded.items()))
        self.device = _on_device(program, backend, frozenset(self.state), given)
        memory = self.device.text.trial
        needed, free = batch * memory.nbytes, backend.free_bytes()
        said = f"batch {batch}: {needed / 2**20:,.0f} MiB of state and buffers, and {free / 2**20:,.0f} MiB are free on the GPU"
        require(needed <= free, f"{said}; run fewer trials at a time")
        self.memory = backend.zeros((batch, memory.nbytes // WORD.itemsize), WORD)
        for name in self.state:
            self._send(name, starts.get(name, circuit.arrays[name][None]))
        for name, values in padded.items():
            self._send(name, values)
        for k, (action, _) in enumerate(self.device.text.streams):
            keys = [philox.key_of(seed, f"trial{number}/{action}/{k}") for number in range(batch)]
            self._send(f"keys words {k}", np.array(keys, np.uint32))
        self.spikes: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in circuit.groups}
        self.recorded: dict[tuple[str, str], list[np.ndarray]] = {}
        rings = {f"rings|{name}": np.stack([one.rings[name] for one in before]) for name in (before[0].rings if before else ())}
        self.restore(self.begin, rings)
        self.most = min([SLICE, *(rows_of(monitor) * monitor.every for monitor in program.monitors)])

    def _words(self, name: str, count: int | None = None) -> slice:
        """Return where an array of each trial lies, or the first ``count`` elements of it."""
        place = self.device.text.trial.places[name]
        size = place.nbytes if count is None else count * place.dtype.itemsize
        return slice(place.at // WORD.itemsize, place.at // WORD.itemsize + -(-size // WORD.itemsize))

    def _send(self, name: str, values: np.ndarray) -> None:
        """Bring an array to the trials.  values : (batch, ...), or (1, ...), the same for all"""
        rows = np.ascontiguousarray(values).reshape(len(values), -1).view(np.uint8)
        at = self._words(name)
        padded = np.zeros((len(rows), (at.stop - at.start) * WORD.itemsize), np.uint8)
        padded[:, : rows.shape[1]] = rows
        self.memory[:, at] = self.backend.asarray(padded.view(WORD))

    def fetch(self, name: str, count: int | None = None) -> np.ndarray:
        """Return an array of all trials, (batch, ...), or the first ``count`` elements of it, (batch, count)."""
        place = self.device.text.trial.places[name]
        shape = place.shape if count is None else (count,)
        rows = np.ascontiguousarray(self.backend.to_host(self.memory[:, self._words(name, count)])).view(np.uint8)
        size = int(np.prod(shape)) * place.dtype.itemsize
        return np.ascontiguousarray(rows[:, :size]).view(place.dtype).reshape(self.batch, *shape)

    @property
    def is_together(self) -> bool:
        """Whether no trial has come further than another, which is so between two calls of ``run``."""
        return True

    def run(self, ticks: int, most: float = np.inf, room: float = np.inf) -> None:
        """Run all trials to tick ``ticks``.

        most : bytes of spikes and recordings; where so many are held, they stop before

        Raises InputError where spikes and recordings take more than ``room`` bytes.
        """
        while self.tick < ticks and self._held() < most:
            end = min(ticks, (self.tick // self.most + 1) * self.most)
            least = self.tick
            while least < end:  # a trial stops where there might be no room for its spikes
                arguments = (self.device.tables, self.memory, np.int64(self.batch), np.int64(end))
                self.device.kernel((self.batch,), (self.device.threads,), arguments, shared_mem=self.device.text.near)
                least = int(self.fetch("tick").min())
                self._take_spikes()
            self._take_recordings(end)
            full = f"run: by tick {end:,} of {ticks:,} the spikes take more than the {room / 2**20:,.0f} MiB that are free"
            require(self._held() <= room, f"{full}: expected fewer; run into a file, or fewer trials at a time")
            self.tick = end

    def _take_spikes(self) -> None:
        """Bring the spikes of a launch: how many each trial has, (batch,), and ticks and neurons, (batch, most), those first."""
        counts = self.fetch("counts")
        for k, (name, found) in enumerate(self.spikes.items()):
            most = int(counts[:, k].max())
            if most:
                found.append((counts[:, k], *(self.fetch(f"out {what} {name}", most) for what in ("tick", "index"))))

    def _take_recordings(self, end: int) -> None:
        for monitor in self.program.monitors:
            rows = np.arange(-(-self.tick // monitor.every), -(-end // monitor.every)) % rows_of(monitor)
            for name in monitor.variables:
                held = self.fetch(f"record {name} {monitor.name}")
                self.recorded.setdefault((monitor.name, name), []).append(held[:, rows])

    # ------------------------------------------------------------------ results

    def _held(self) -> int:
        """The bytes of spikes and recordings that were not handed over."""
        spikes = sum(part.nbytes for parts in self.spikes.values() for each in parts for part in each)
        return spikes + sum(part.nbytes for parts in self.recorded.values() for part in parts)

    def take(self) -> tuple[dict[str, tuple[np.ndarray, ...]], dict[tuple[str, str], np.ndarray]]:
        """Hand over what was not handed over.

        Returns group -> (tick, index, trial) of its spikes, (spikes,) each, ticks ascending within each trial; and
        (monitor, variable) -> (rows, batch, elements)
        """
        trains = {name: self.trains(name) for name in self.spikes}
        spikes: dict[str, tuple[np.ndarray, ...]] = {name: (one.tick, one.index, one.trial) for name, one in trains.items()}
        recorded = self.recorded.items()
        rows = {key: np.ascontiguousarray(np.concatenate(parts, axis=1).swapaxes(0, 1)) for key, parts in recorded if parts}
        self.spikes, self.recorded = {name: [] for name in self.spikes}, {}
        return spikes, rows

    def left(self) -> list[Left]:
        """Return what each trial left, for one that goes on from here."""
        rings = [_ring(name) for name in self.program.circuit.groups]
        fetched = [{name: self.fetch(name) for name in names} for names in (self.state, rings)]
        each = [[{name: values[k] for name, values in parts.items()} for k in range(self.batch)] for parts in fetched]
        return [Left(self.tick, *parts) for parts in zip(*each, strict=True)]

    def kept(self) -> dict[str, np.ndarray]:
        """Return what decides all that is to come, beside the tick: ``group|name`` -> (batch, ...)."""
        rings = {f"rings|{name}": self.fetch(name) for name in map(_ring, self.program.circuit.groups)}
        return {f"state|{name}": self.fetch(name) for name in self.state} | rings

    def restore(self, tick: int, kept: Mapping[str, np.ndarray]) -> None:
        """Go on from a tick with what ``kept`` returned then."""
        for key, values in kept.items():
            self._send(key.partition("|")[2], values)
        self._send("tick", np.full((self.batch, 1), tick, np.int64))
        self.tick = tick

    def trains(self, name: str) -> SpikeTrains:
        """Return the spikes of a group, in the order of trial, time and neuron."""
        counts = sum((part[0] for part in self.spikes[name]), np.zeros(self.batch, np.int64))
        tick, index = (np.empty(int(counts.sum()), np.int32) for _ in range(2))
        ends = np.cumsum(counts) - counts  # of what each trial has been given so far
        for count, *rows in self.spikes[name]:
            for trial in np.flatnonzero(count):
                place = slice(ends[trial], ends[trial] + count[trial])
                for all_of_them, row in zip((tick, index), rows, strict=True):
                    all_of_them[place] = row[trial, : count[trial]]
            ends += count
        trial_of = np.repeat(np.arange(self.batch, dtype=np.int32), counts)
        return SpikeTrains(index, tick, trial_of, self.program.circuit.dt)

    def states(self, monitor: Record) -> States:
        """Return what a monitor recorded."""
        empty = np.empty((self.batch, 0, len(monitor.elements)))
        parts = {name: [empty, *self.recorded.get((monitor.name, name), [])] for name in monitor.variables}
        found = {name: np.concatenate(part, axis=1) for name, part in parts.items()}
        times = max((values.shape[1] for values in found.values()), default=0)
        first = -(-self.begin // monitor.every)
        return States(np.arange(first, first + times) * monitor.every * self.program.circuit.dt, monitor.elements, found)


def _ring(group: str) -> str:
    """Return the name of a group's spikes that are on their way."""
    return f"ring {group}"


def _padded(tables: Sequence[np.ndarray]) -> np.ndarray:
    """Return a table of each trial as one array; rows of other lengths are filled up to the next power of two.

    So there are few lengths, for each of which a kernel is compiled.
    """
    if len({table.shape for table in tables}) == 1 and tables[0].ndim > 1:
        return np.stack(tables)
    length = 1 << max(max(map(len, tables)) - 1, 0).bit_length()
    return np.stack([np.pad(table, (0, length - len(table))) for table in tables])


def _on_device(program: CircuitProgram, backend: Any, own: frozenset[str], given: Given) -> DeviceProgram:
    """Return what a GPU runs for a program; it is kept with the program."""
    circuit = program.circuit
    sizes = [32, *(group.size for group in circuit.groups.values()), *(len(circuit.arrays[name]) for name in own)]
    threads = min(THREADS, -(-max(sizes) // 32) * 32)
    key = own, given, threads, min(NEAR, backend.shared_bytes())
    if key not in program.on_device:
        program.on_device[key] = DeviceProgram(program, backend, *key)
    found: DeviceProgram = program.on_device[key]
    return found


def _filled(memory: Memory, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the memory that holds ``values``, each in its place."""
    found = np.zeros(max(memory.nbytes, WORD.itemsize), np.uint8)
    for name, place in memory.places.items():
        found[place.at : place.at + place.nbytes] = values[name].reshape(-1).view(np.uint8)
    return found.view(WORD)
