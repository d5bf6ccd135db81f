"""A circuit as one CUDA kernel: a block of threads runs many ticks of one trial.

Its threads share the elements of each action, and wait for each other after it.  The state of a trial lies in the memory that
its block of threads has to itself, as far as that goes: the smallest arrays first.  Wherever the order of elements matters, it is
that of ``llvm_circuit``: the same blocks, the same instructions, the same random words, so that both give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.backends import philox
from neurosim.backends.cuda_builder import Builder, Text, text_of
from neurosim.backends.llvm_blocks import BlockWriter, streams_of
from neurosim.backends.llvm_builder import DOUBLE, LONG, POINTER
from neurosim.backends.llvm_circuit import rows_of
from neurosim.circuit import Action, Circuit, Deliver, Record, Replay, Reset, Threshold, Update
from neurosim.circuit.conflicts import elements_at_once, keeps_to_itself, spikes_at_once, synapses_at_once
from neurosim.circuit.tables import tables_of
from neurosim.errors import InputError

WARP = 32  # threads that vote together
ALIGNED = 16  # bytes
ROOM = 1 << 13  # spikes of a group that a launch may give out, at least
TYPES = {
    np.dtype(np.float64): "double", np.dtype(np.bool_): "unsigned char", np.dtype(np.int32): "int",
    np.dtype(np.uint32): "unsigned int", np.dtype(np.int64): "whole",
}  # fmt: skip
LIBRARY = {f"llvm.{name}.f64": function for name, function in (
    ("sqrt", "sqrt"), ("fabs", "fabs"), ("floor", "floor"), ("ceil", "ceil"), ("pow", "pow"), ("trunc", "trunc"), ("rint", "rint"),
)}  # fmt: skip

LISTS = ("lags", "starts", "alone", "synapses")  # of a delivery

PRELUDE = """typedef long long whole;
#ifndef READ
#define READ(pointer, index) (pointer)[index]
#define WRITE(pointer, index, value) ((pointer)[index] = (value))
extern __shared__ double near_memory[];
#endif
#define ALL 0xffffffffu

// how many numbers of a table are not above a limit, up to the first that is
__device__ whole count_up_to(const double* table, double limit) {
  whole count = 0;
  while (READ(table, count) <= limit) ++count;
  return count;
}

// the random words of an action: a block of four for each four elements, word by word
__device__ void draw(unsigned int* words, const unsigned int* keys, whole blocks, unsigned int tick) {
  for (whole b = threadIdx.x; b < blocks; b += blockDim.x) {
    unsigned int c0 = (unsigned int)b, c1 = 0, c2 = tick, c3 = 0, k0 = READ(keys, 0), k1 = READ(keys, 1);
    for (int round = 0; round < ROUNDS; ++round) {
      unsigned long long first = M0ull * c0, second = M1ull * c2;
      unsigned int next0 = (unsigned int)(second >> 32) ^ c1 ^ k0, next2 = (unsigned int)(first >> 32) ^ c3 ^ k1;
      c1 = (unsigned int)second; c3 = (unsigned int)first; c0 = next0; c2 = next2;
      k0 += W0u; k1 += W1u;
    }
    WRITE(words, b, c0); WRITE(words, b + blocks, c1); WRITE(words, b + 2 * blocks, c2); WRITE(words, b + 3 * blocks, c3);
  }
}

// lists the neurons whose bits are set, in their order, among the spikes on their way and those given out; returns how many
__device__ int list(const unsigned int* bits, int words, int* slot, int* index, int* ticks, int tick, int* totals) {
  int count = 0;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int first = 0; first < words; first += blockDim.x) {
    const int word = first + threadIdx.x;
    unsigned int mask = word < words ? READ(bits, word) : 0;
    const int own = __popc(mask);
    int upto = own;
    for (int step = 1; step < 32; step *= 2) {
      const int other = __shfl_up_sync(ALL, upto, step);
      if (lane >= step) upto += other;
    }
    if (lane == 31) WRITE(totals, warp, upto);
    __syncthreads();
    int at = count + upto - own;
    for (int w = 0; w < blockDim.x / 32; ++w) {
      const int held = READ(totals, w);
      if (w < warp) at += held;
      count += held;
    }
    for (; mask; mask &= mask - 1, ++at) {
      const int neuron = word * 32 + __ffs(mask) - 1;
      WRITE(slot, 1 + at, neuron);
      WRITE(index, at, neuron);
      WRITE(ticks, at, tick);
    }
    __syncthreads();
  }
  return count;
}
"""
for _word, _number in (
    ("ROUNDS", philox.ROUNDS), ("M0", philox.MULTIPLIERS[0]), ("M1", philox.MULTIPLIERS[1]), ("W0", philox.WEYL[0]),
    ("W1", philox.WEYL[1]),
):  # fmt: skip
    PRELUDE = PRELUDE.replace(_word, str(_number))


@dataclass(frozen=True)
class Place:
    """Where an array lies in memory: bytes from its start, type, shape."""

    at: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize


Wanted = dict[str, tuple[Any, tuple[int, ...]]]  # arrays that are to be placed: name -> type, shape


class Memory:
    """Arrays, one after the other, by name."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.nbytes = 0

    def add(self, name: str, dtype: Any, shape: tuple[int, ...]) -> None:
        place = Place(self.nbytes, np.dtype(dtype), shape)
        self.places[name] = place
        self.nbytes += -(-place.nbytes // ALIGNED) * ALIGNED


class CircuitKernel:
    """Writes the kernel of one circuit, called NAME: ``(tables, own, trials, end)``.

    own : names of the arrays of which each trial has its own; given : the same of tables, name -> type, shape
    threads : of a block, whole warps; shared : bytes of memory that a block may have to itself
    tables, trial : where what all trials read lies, and what each trial has; the first ``near`` bytes of it are the block's own
    values : the tables by name; streams : (action, elements) of each stream of random words
    """

    def __init__(self, circuit: Circuit, own: frozenset[str], threads: int, shared: int, given: Wanted | None = None) -> None:
        self.circuit, self.threads, self.given = circuit, threads, given or {}
        self.tables, self.build = Memory(), Builder(depth=3)
        self.values: dict[str, np.ndarray] = {}
        self.streams: list[tuple[str, int]] = []
        self.seldom: Wanted = {"tick": (np.int64, (1,)), "counts": (np.int64, (len(circuit.groups),)), **self.given}
        for name, values in circuit.arrays.items():
            if name not in own:
                self.table(name, values)
        self.often: Wanted = {name: (circuit.arrays[name].dtype, circuit.arrays[name].shape) for name in sorted(own)}
        self.rooms = {name: max(ROOM, 4 * group.size) for name, group in circuit.groups.items()}
        for name, group in circuit.groups.items():
            self.often[f"ring {name}"] = np.int32, (group.depth, group.size + 1)
            self.often[f"bits {name}"] = np.uint32, (-(-group.size // WARP),)
            self.seldom |= {f"out {what} {name}": (np.int32, (self.rooms[name],)) for what in ("tick", "index")}
        actions = [_Action(self, action) for action in circuit.actions]
        self.trial, self.near = self._placed(shared)
        self.source = self._source(actions)

    def table(self, name: str, values: np.ndarray) -> None:
        """Let all trials read an array, or each its own."""
        if name in self.given:
            return
        self.values[name] = np.ascontiguousarray(values)
        self.tables.add(name, values.dtype, values.shape)

    def stream(self, action: str, elements: int) -> str:
        """Return the name of a new stream of random words, one for each element."""
        name = f"words {len(self.streams)}"
        self.streams.append((action, elements))
        self.often[name] = np.uint32, (4 * -(-elements // 4),)
        self.often[f"keys {name}"] = np.uint32, (2,)
        return name

    def _placed(self, shared: int) -> tuple[Memory, int]:
        """Return the memory of a trial, and how many of its bytes a block may have to itself."""
        placed = Memory()
        sizes = {name: math.prod(shape) * np.dtype(dtype).itemsize for name, (dtype, shape) in self.often.items()}
        far = []
        for name in sorted(sizes, key=sizes.__getitem__):
            if placed.nbytes + sizes[name] + ALIGNED <= shared:
                placed.add(name, *self.often[name])
            else:
                far.append(name)
        near = placed.nbytes
        for name, about in [*((name, self.often[name]) for name in far), *self.seldom.items()]:
            placed.add(name, *about)
        return placed, near

    def pointer(self, name: str) -> str:
        """Return an expression that points to an array."""
        if name in self.tables.places:
            place = self.tables.places[name]
            return f"((const {TYPES[place.dtype]}*)(tables + {place.at}))"
        place = self.trial.places[name]
        return f"(({TYPES[place.dtype]}*)({'near' if place.at < self.near else 'far'} + {place.at}))"

    def _copied(self, to: str, of: str) -> None:
        """Write that the block's own memory is copied from the trial's, or to it."""
        with self.build.within(f"for (whole k = threadIdx.x; k < {self.near // 8}; k += blockDim.x)"):
            self.build.line(f"WRITE((whole*){to}, k, READ((whole*){of}, k));")

    def _source(self, actions: list[_Action]) -> str:
        build, circuit = self.build, self.circuit
        for action in actions:
            action.write()
        body, build.lines, build.depth = build.lines, [], 0
        arguments = "const unsigned char* __restrict__ tables, unsigned char* own, whole trials, whole end"
        with build.within(f'extern "C" __global__ void __launch_bounds__({self.threads}) NAME({arguments})'):
            build.line(f"__shared__ int totals[{self.threads // WARP}];")
            build.line("unsigned char* const near = (unsigned char*)near_memory;")
            with build.within("for (whole trial = blockIdx.x; trial < trials; trial += gridDim.x)"):
                build.line(f"unsigned char* const far = own + trial * {self.trial.nbytes}ll;")
                build.line(f"whole tick = READ({self.pointer('tick')}, 0);")
                self._copied("near", "far")
                build.line("__syncthreads();")
                for k in range(len(circuit.groups)):
                    build.line(f"whole out{k} = 0;")
                fits = [f"out{k} + {circuit.groups[name].size} <= {room}" for k, (name, room) in enumerate(self.rooms.items())]
                with build.within(f"for (; {' && '.join(['tick < end', *fits])}; ++tick)"):
                    build.line(f"const double time = (double)tick * {circuit.dt!r};")
                    build.lines += body
                self._copied("far", "near")
                with build.within("if (threadIdx.x == 0)"):
                    build.line(f"WRITE({self.pointer('tick')}, 0, tick);")
                    for k in range(len(circuit.groups)):
                        build.line(f"WRITE({self.pointer('counts')}, {k}, out{k});")
                build.line("__syncthreads();")
        return PRELUDE + "\n".join(build.lines) + "\n"


class _Action:
    """Writes what the threads of a block do in one action."""

    def __init__(self, kernel: CircuitKernel, action: Action) -> None:
        self.kernel, self.action, self.name, self.build = kernel, action, action.name, kernel.build
        circuit = kernel.circuit
        self.arrays, self.dt = circuit.arrays, circuit.dt
        self.tick, self.time = Text("tick", LONG), Text("time", DOUBLE)
        self.pointer: dict[str, Any] = {}
        self.random = [] if isinstance(action, Replay) else [
            kernel.stream(action.name, self._elements()) for _ in range(streams_of(action.block))
        ]  # fmt: skip
        self.tables = _lists(action) if isinstance(action, Deliver) else tables_of(action)
        for name, values in self.tables.items():
            kernel.table(name, values)
        if isinstance(action, Threshold | Replay | Deliver | Reset):
            self.group = circuit.groups[action.group]
            self.out = f"out{list(circuit.groups).index(action.group)}"
        if isinstance(action, Record):
            for name in action.variables:
                kernel.seldom[f"record {name} {action.name}"] = np.float64, (rows_of(action), len(action.elements))

    def called(self, name: str, arguments: int = 1) -> str:
        return LIBRARY.get(name, name)

    def unit(self, call: int, element: Any) -> Text:
        words = self.kernel.pointer(self.random[call])
        return self.build.new(DOUBLE, f"(double)READ({words}, {text_of(element)}) * {2.0**-32!r}")

    def _elements(self) -> int:
        action = self.action
        if isinstance(action, Update):
            return action.size
        if isinstance(action, Threshold):
            return self.kernel.circuit.groups[action.group].size
        said = f"{action.name!r}: it draws random numbers for each spike"
        raise InputError(f"{said}: expected them for each neuron and tick only; leave rand() and randn() out")

    def write(self) -> None:
        written = {
            Update: self._update, Record: self._record, Threshold: self._threshold, Replay: self._replay,
            Deliver: self._deliver, Reset: self._reset,
        }  # fmt: skip
        named = [] if isinstance(self.action, Replay) else [place.array for place in self.action.block.places.values()]
        self.pointer = {name: Text(self.kernel.pointer(name), POINTER) for name in [*self.tables, *named]}
        with self.build.within(""):
            for name in self.random:
                blocks = self.kernel.trial.places[name].shape[0] // 4
                words, keys = self.kernel.pointer(name), self.kernel.pointer(f"keys {name}")
                self.build.line(f"draw({words}, {keys}, {blocks}, (unsigned int)tick);")
            if self.random:
                self.build.line("__syncthreads();")
            written[type(self.action)]()
            self.build.line("__syncthreads();")

    @contextmanager
    def _each(self, size: int | str, at_once: bool = True) -> Iterator[Text]:
        """Write a loop over elements: each thread takes some, or the first takes all, one after the other."""
        head = f"for (whole k = threadIdx.x; k < {size}; k += blockDim.x)"
        alone = f"for (whole k = threadIdx.x ? {size} : 0; k < {size}; ++k)"
        with self.build.within(head if at_once else alone):
            yield Text("k", LONG)

    def _sides(self, synapse: Any) -> list[Text]:
        """Return the neurons on either side of a synapse, where the elements are synapses."""
        if f"pre {self.name}" in self.pointer:
            return [self.build.integer(self.pointer[f"{side} {self.name}"], synapse) for side in ("pre", "post")]
        return []

    # ------------------------------------------------------------------ actions

    def _update(self) -> None:
        assert isinstance(self.action, Update)
        scope = BlockWriter(self, self.action.block)
        with self._each(self.action.size, elements_at_once(self.action)) as k:
            scope.each(k, *self._sides(k))

    def _record(self) -> None:
        action, build = self.action, self.build
        assert isinstance(action, Record)
        scope = BlockWriter(self, action.block)
        count = len(action.elements)
        with build.within(f"if (tick % {action.every} == 0)"):
            build.line(f"const whole start = tick / {action.every} % {rows_of(action)} * {count};")
            with self._each(count) as k:
                element = build.integer(self.pointer[f"elements {action.name}"], k)
                found = scope.each(element, *self._sides(element))
                for name, local in action.variables.items():
                    record = self.kernel.pointer(f"record {name} {action.name}")
                    build.line(f"WRITE({record}, start + k, {text_of(scope.number(found[local]))});")

    def _slot(self, tick: str) -> str:
        """Return the pointer to a group's spikes of a tick: their number, then the neurons."""
        return f"{self.kernel.pointer(f'ring {self.group.name}')} + {tick} % {self.group.depth} * {self.group.size + 1}"

    def _out(self, what: str) -> str:
        return f"{self.kernel.pointer(f'out {what} {self.group.name}')} + {self.out}"

    def _threshold(self) -> None:
        action, build = self.action, self.build
        assert isinstance(action, Threshold)
        assert not any(not one.local for one in action.block.each), f"{action.name}: a condition assigns to a variable"
        scope = BlockWriter(self, action.block)
        size, bits = self.group.size, self.kernel.pointer(f"bits {self.group.name}")
        words = -(-size // WARP)
        build.line("int any = 0;")
        with build.within(f"for (whole k = threadIdx.x; k < {words * WARP}; k += blockDim.x)"):
            build.line("bool spikes = false;")
            with build.within(f"if (k < {size})"):
                build.line(f"spikes = {text_of(scope.each(Text('k', LONG))[action.condition])};")
                if action.refractory:
                    free, since = map(self.kernel.pointer, action.refractory)
                    build.line(f"if (spikes) {{ WRITE({free}, k, 0); WRITE({since}, k, time); }}")
            build.line("const unsigned int mask = __ballot_sync(ALL, spikes);")
            build.line(f"if (k % {WARP} == 0) WRITE({bits}, k / {WARP}, mask);")
            build.line("any |= mask != 0;")
        build.line("int count = 0;")
        build.line(f"int* const slot = {self._slot('tick')};")
        arguments = f"{bits}, {words}, slot, {self._out('index')}, {self._out('tick')}, (int)tick, totals"
        build.line(f"if (__syncthreads_or(any)) count = list({arguments});")
        self._count()

    def _count(self) -> None:
        self.build.line("if (threadIdx.x == 0) WRITE(slot, 0, count);")
        self.build.line(f"{self.out} += count;")

    def _replay(self) -> None:
        action, build = self.action, self.build
        assert isinstance(action, Replay)
        starts, indices = (self.kernel.pointer(f"{what} {action.name}") for what in ("starts", "indices"))
        there = f"tick < READ({self.kernel.pointer(f'ticks {action.name}')}, 0)"
        build.line(f"const int start = {there} ? READ({starts}, tick) : 0;")
        build.line(f"const int count = {there} ? READ({starts}, tick + 1) - start : 0;")
        build.line(f"int* const slot = {self._slot('tick')};")
        with self._each("count"):
            build.line(f"const int neuron = READ({indices}, start + k);")
            build.line("WRITE(slot, 1 + k, neuron);")
            for what, value in (("index", "neuron"), ("tick", "(int)tick")):
                build.line(f"WRITE({self._out(what)}, k, {value});")
        self._count()

    def _reset(self) -> None:
        action, build = self.action, self.build
        assert isinstance(action, Reset)
        scope = BlockWriter(self, action.block)
        build.line(f"const int* const slot = {self._slot('tick')};")
        build.line("const int count = READ(slot, 0);")
        with self._each("count", spikes_at_once(action)):
            scope.each(build.new(LONG, "READ(slot, 1 + k)"))

    def _deliver(self) -> None:
        """Write a loop over lags and spikes, in order; the synapses of one spike are done at once where the circuit lets them."""
        action, build = self.action, self.build
        assert isinstance(action, Deliver)
        lists = {what: self.kernel.pointer(f"{what} {self.name}") for what in LISTS if f"{what} {self.name}" in self.pointer}
        scope = BlockWriter(self, action.block)
        with build.within(f"for (int lag = 0; lag < {len(action.lags)}; ++lag)"):
            build.line(f"const whole sent = tick - READ({lists['lags']}, lag);")
            build.line("if (sent < 0) continue;")
            build.line(f"const bool alone = READ({lists['alone']}, lag);")
            build.line(f"const int* const slot = {self._slot('sent')};")
            build.line("const int count = READ(slot, 0);")
            build.line(f"const int* const starts = {lists['starts']} + lag * {self.group.size + 1};")
            with build.within("for (int spike = 0; spike < count; ++spike)"):
                build.line("const int neuron = READ(slot, 1 + spike);")
                build.line("const whole first = READ(starts, neuron), after = READ(starts, neuron + 1);")
                build.line("if (first == after) continue;")
                build.line("const whole begin = !alone ? first + threadIdx.x : threadIdx.x ? after : first;")
                with build.within("for (whole at = begin; at < after; at += alone ? 1 : blockDim.x)"):
                    synapse = build.new(LONG, f"READ({lists['synapses']}, at)" if "synapses" in lists else "at")
                    scope.each(synapse, *self._sides(synapse))
                if not keeps_to_itself(action.block):
                    build.line("__syncthreads();")


def _lists(action: Deliver) -> dict[str, np.ndarray]:
    """Return the tables of a delivery: the lists of all lags as one, and which lags have to do synapse after synapse."""
    before = np.cumsum([0, *(len(lag.synapses) for lag in action.lags)])
    starts = [lag.starts + first for lag, first in zip(action.lags, before[:-1], strict=True)]
    synapses = np.concatenate([np.zeros(0, np.int32), *(lag.synapses for lag in action.lags)])
    found = {
        "lags": np.array([lag.ticks for lag in action.lags], np.int32),
        "starts": np.concatenate([np.zeros(0, np.int32), *starts]).astype(np.int32),
        "alone": np.array([not at_once for at_once in synapses_at_once(action)], bool),
        "synapses": synapses.astype(np.int32),
    }
    if (synapses == np.arange(len(synapses))).all():
        del found["synapses"]
    others = {name: values for name, values in tables_of(action).items() if not name.startswith(("starts ", "synapses "))}
    return others | {f"{what} {action.name}": values for what, values in found.items()}
