"""The program of a circuit, and the trials that run it."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from neurosim.backends import philox
from neurosim.backends.llvm_circuit import CircuitText, rows_of
from neurosim.backends.machine_code import compiled
from neurosim.backends.subnormals import SUBNORMALS_AS_ZERO
from neurosim.circuit import Circuit, Record
from neurosim.circuit.tables import tables_of

ROOM = 1 << 16  # spikes of a group that a call may give out, at least
NOTHING: Mapping[str, Any] = MappingProxyType({})
SLICE = 1000  # ticks of one call, so that a run can be interrupted


class Left(NamedTuple):
    """What a trial left.  tick : how far it came; state : ``group.variable`` -> its values; rings : spikes on their way"""

    tick: int
    state: Mapping[str, np.ndarray]
    rings: Mapping[str, np.ndarray]


class CircuitProgram:
    """The machine code of a circuit, and what all its trials read.

    slots : what the entries of a trial's table point to, by name; streams : (action, elements) of each stream of random words
    on_device : what a GPU runs and reads in its place, by what it depends on (see ``device``)
    """

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        written = CircuitText(circuit)
        self.slots, self.streams = written.slots, written.streams
        self.text = text = written.text()
        prototype = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        self.function = prototype(compiled([text])[text])
        self.monitors = [action for action in circuit.actions if isinstance(action, Record)]
        changing = circuit.changing()
        self.shared = {name: values for name, values in circuit.arrays.items() if name not in changing}
        for action in circuit.actions:
            self.shared |= tables_of(action)
        self.on_device: dict[Any, Any] = {}

    def __repr__(self) -> str:
        return f"<CircuitProgram of {self.circuit!r}>"


class Trial:
    """One trial: its own state, spikes on their way, and random numbers.

    number : which, of all trials; start : ``group.variable`` -> its values when the trial begins, where not the circuit's
    tables : those of the program's tables that are the trial's own, by name
    before : what another trial left, which this one goes on from
    """

    def __init__(
        self,
        program: CircuitProgram,
        seed: int,
        number: int,
        start: Mapping[str, np.ndarray],
        tables: Mapping[str, np.ndarray] = NOTHING,
        before: Left | None = None,
    ) -> None:
        self.program, self.number, self.tick = program, number, 0
        circuit = program.circuit
        if before is not None:
            kept = {name: values for name, values in before.state.items() if name in circuit.arrays}  # its inputs may be others
            self.tick, start = before.tick, {**kept, **start}
        self.state = {name: np.array(start.get(name, circuit.arrays[name])) for name in {*circuit.changing(), *start}}
        self.room = max([ROOM, *(4 * group.size for group in circuit.groups.values())])
        self.buffers = self._buffers(seed)
        if before is not None:
            self.buffers |= {name: ring.copy() for name, ring in before.rings.items()}
        self.tables = tables
        self.spike_count = 0  # so far
        self.spikes: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in circuit.groups}
        self.recorded: dict[tuple[str, str], list[np.ndarray]] = {}
        known = {**program.shared, **tables, **self.state, **self.buffers}
        self.table = np.array([known[name].ctypes.data for name in program.slots], np.uint64)
        self.most = min([SLICE, *(rows_of(monitor) * monitor.every for monitor in program.monitors)])

    def _buffers(self, seed: int) -> dict[str, np.ndarray]:
        """Return what a trial needs beside its state: spikes on their way and given out, random words, recordings."""
        found: dict[str, np.ndarray] = {}
        for name, group in self.program.circuit.groups.items():
            found[f"ring {name}"] = np.zeros((group.depth, group.size + 1), np.int32)
            found[f"out count {name}"] = np.zeros(1, np.int64)
            found |= {f"out {what} {name}": np.empty(self.room, np.int32) for what in ("tick", "index")}
        for k, (action, elements) in enumerate(self.program.streams):
            found[f"words {k}"] = np.empty(4 * -(-elements // 4), np.uint32)
            found[f"keys words {k}"] = np.array(philox.key_of(seed, f"trial{self.number}/{action}/{k}"), np.uint32)
        for monitor in self.program.monitors:
            shape = rows_of(monitor), len(monitor.elements)
            found |= {f"record {name} {monitor.name}": np.empty(shape) for name in monitor.variables}
        return found

    @property
    def held(self) -> int:
        """The bytes of spikes and recordings that were given out and not taken yet."""
        parts = [part for found in self.spikes.values() for part in found]
        rows = [part for found in self.recorded.values() for part in found]
        return sum(ticks.nbytes + index.nbytes for ticks, index in parts) + sum(part.nbytes for part in rows)

    def take(self, before: int) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[tuple[str, str], np.ndarray]]:
        """Hand over what was before a tick, and keep the rest.

        Returns group -> (tick, index) of its spikes, (spikes,) each; and (monitor, variable) -> (rows, elements)
        """
        spikes, rows = {}, {}
        for name, found in self.spikes.items():
            ticks, index = (np.concatenate([np.zeros(0, np.int32), *(part[k] for part in found)]) for k in range(2))
            cut = int(np.searchsorted(ticks, before))
            spikes[name] = ticks[:cut], index[:cut]
            self.spikes[name] = [(ticks[cut:].copy(), index[cut:].copy())]
        for monitor in self.program.monitors:
            for variable in monitor.variables:
                key = monitor.name, variable
                found = np.concatenate([np.empty((0, len(monitor.elements))), *self.recorded.get(key, [])])
                there = -(-self.tick // monitor.every) - len(found)  # the number of the first row that is held
                cut = max(-(-before // monitor.every) - there, 0)
                rows[key], self.recorded[key] = found[:cut], [found[cut:].copy()]
        return spikes, rows

    @property
    def nbytes(self) -> int:
        """The bytes of its state, tables and buffers; spikes and recordings that were given out are not counted."""
        return sum(array.nbytes for array in (*self.state.values(), *self.tables.values(), *self.buffers.values()))

    def left(self) -> Left:
        """Return what another trial can go on from."""
        return Left(self.tick, self.state, {name: ring for name, ring in self.buffers.items() if name.startswith("ring ")})

    def run(self, ticks: int) -> None:
        """Run at most ``ticks`` more ticks, as many as one call may; ``tick`` says how far it came."""
        most = (self.tick // self.most + 1) * self.most - self.tick
        with SUBNORMALS_AS_ZERO:
            done = self.program.function(self.table.ctypes.data, self.tick, min(ticks, most), self.room)
        for monitor in self.program.monitors:
            first, after = -(-self.tick // monitor.every), -(-(self.tick + done) // monitor.every)
            for name in monitor.variables:
                rows = self.buffers[f"record {name} {monitor.name}"]
                self.recorded.setdefault((monitor.name, name), []).append(rows[np.arange(first, after) % len(rows)])
        self.tick += done
        for name, found in self.spikes.items():
            count: Any = self.buffers[f"out count {name}"]
            ticks_of, index = (self.buffers[f"out {what} {name}"][: count[0]].copy() for what in ("tick", "index"))
            found.append((ticks_of, index))
            self.spike_count += len(index)
            count[0] = 0
