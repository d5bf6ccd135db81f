"""A circuit as one function of LLVM's intermediate code, which runs many ticks of one trial."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from llvmlite import ir

from neurosim.backends import philox
from neurosim.backends.llvm_blocks import BlockWriter, streams_of
from neurosim.backends.llvm_builder import BYTE, DOUBLE, INT, LONG, POINTER, Builder, Value, text_of
from neurosim.circuit import Action, Circuit, Deliver, Record, Replay, Reset, Threshold, Update
from neurosim.circuit.tables import tables_of
from neurosim.errors import InputError

ROWS = 256  # recordings of one monitor that a call may write, at most
HELD = 1 << 19  # numbers of one variable that these may be, where one recording has not more
CHUNK = 64  # neurons that are looked at together: where none of them spikes, none is looked at alone
DECLARED = ('@"llvm.sqrt.f64"', '@"llvm.fabs.f64"', '@"llvm.pow.f64"')  # in ``machine_code``


def rows_of(monitor: Record) -> int:
    """Return how many recordings of a monitor a call may write."""
    return max(1, min(ROWS, HELD // max(1, len(monitor.elements))))


class CircuitText:
    """Writes the module of one circuit.

    slots : what the entries of the table point to, by name, in order
    streams : (action, call, elements) of each stream of random words
    """

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.module = ir.Module("circuit")
        self.slots: dict[str, int] = {}
        self.streams: list[tuple[str, int]] = []
        self.library: dict[str, ir.Function] = {}
        actions = [self._action(k, action) for k, action in enumerate(circuit.actions)]
        self._run(actions)

    def text(self) -> str:
        """Return the module's text, its function called @NAME, as ``backends.machine_code`` takes it."""
        lines = text_of(self.module).splitlines()
        return "\n".join(line for line in lines if not (line.startswith("declare") and any(name in line for name in DECLARED)))

    def slot(self, name: str) -> int:
        """Return the place of a pointer in the table."""
        return self.slots.setdefault(name, len(self.slots))

    def stream(self, action: str, elements: int) -> str:
        """Return the table's name of a new stream of random words, one for each element."""
        self.streams.append((action, elements))
        return f"words {len(self.streams) - 1}"

    def called(self, name: str, arguments: int = 1) -> ir.Function:
        """Return a function of the C library, or an intrinsic."""
        if name not in self.library:
            self.library[name] = ir.Function(self.module, ir.FunctionType(DOUBLE, [DOUBLE] * arguments), name)
        return self.library[name]

    def _action(self, number: int, action: Action) -> tuple[ir.Function, list[str]]:
        return _Action(self, f"action{number}", action).finished()

    def _run(self, actions: list[tuple[ir.Function, list[str]]]) -> None:
        function = ir.Function(self.module, ir.FunctionType(LONG, [POINTER, LONG, LONG, LONG]), "NAME")
        table, first, ticks, room = function.args
        build = Builder(function)
        end = build.add(first, ticks)
        header, body, done = (function.append_basic_block(name) for name in ("tick", "body", "done"))
        entry = build.block
        build.branch(header)
        build.position_at_end(header)
        tick = build.phi(LONG)
        tick.add_incoming(first, entry)
        going = build.icmp_signed("<", tick, end)
        pointer = {}
        build.cbranch(going, body, done)
        build.position_at_end(body)
        for name in [f"out count {group}" for group in self.circuit.groups]:
            self.slot(name)
        for name, at in self.slots.items():
            pointer[name] = build.load(build.gep(table, [LONG(at)], source_etype=POINTER), typ=POINTER)
        for group in self.circuit.groups.values():
            count = build.load(pointer[f"out count {group.name}"], typ=LONG)
            fits = build.icmp_signed("<=", build.add(count, LONG(group.size)), room)
            more = function.append_basic_block("room")
            build.cbranch(fits, more, done)
            build.position_at_end(more)
        for called, names in actions:
            build.call(called, [*(pointer[name] for name in names), tick])
        tick.add_incoming(build.add(tick, LONG(1)), build.block)
        build.branch(header)
        build.position_at_end(done)
        build.ret(build.sub(tick, first))


class _Action:
    """Writes the function of one action: ``void action(the pointers it needs, tick)``."""

    def __init__(self, emitter: CircuitText, function: str, action: Action) -> None:
        self.emitter, self.action, self.name, self.called = emitter, action, action.name, emitter.called
        circuit = emitter.circuit
        self.arrays, self.dt = circuit.arrays, circuit.dt
        self.random = [] if isinstance(action, Replay) else self._streams(streams_of(action.block))
        self.names = self._pointers()
        for each in self.names:
            emitter.slot(each)
        kinds = ir.FunctionType(ir.VoidType(), [*[POINTER] * len(self.names), LONG])
        self.function = ir.Function(emitter.module, kinds, function)
        self.function.linkage = "internal"
        for argument in self.function.args[:-1]:
            argument.add_attribute("noalias")
        self.pointer = dict(zip(self.names, self.function.args, strict=False))
        self.tick = self.function.args[-1]
        self.build = Builder(self.function)
        self.time = self.build.fmul(self.build.sitofp(self.tick, DOUBLE), DOUBLE(circuit.dt))

    def _streams(self, count: int) -> list[str]:
        """Return the names of the random words that the block takes."""
        return [self.emitter.stream(self.name, self._elements()) for _ in range(count)]

    def _pointers(self) -> list[str]:
        """Return the names of all that the action reads or writes, each once."""
        action = self.action
        found = [*tables_of(action), *(f"keys {name}" for name in self.random), *self.random]
        if not isinstance(action, Replay):
            found += sorted({place.array for place in action.block.places.values()})
        if isinstance(action, Threshold | Replay | Deliver | Reset):
            self.group = self.emitter.circuit.groups[action.group]
            found.append(f"ring {self.group.name}")
        if isinstance(action, Threshold | Replay):
            found += [f"out {what} {self.group.name}" for what in ("count", "tick", "index")]
        if isinstance(action, Threshold) and action.refractory:
            found += action.refractory
        if isinstance(action, Record):
            found += [f"record {name} {action.name}" for name in action.variables]
        return list(dict.fromkeys(found))

    def _elements(self) -> int:
        action = self.action
        if isinstance(action, Update):
            return action.size
        if isinstance(action, Threshold):
            return self.emitter.circuit.groups[action.group].size
        said = f"{action.name!r}: it draws random numbers for each spike"
        raise InputError(f"{said}: expected them for each neuron and tick only; leave rand() and randn() out")

    def finished(self) -> tuple[ir.Function, list[str]]:
        write = {
            Update: self._update, Record: self._record, Threshold: self._threshold, Replay: self._replay,
            Deliver: self._deliver, Reset: self._reset,
        }  # fmt: skip
        write[type(self.action)]()
        self.build.ret_void()
        return self.function, self.names

    # ------------------------------------------------------------------ actions

    def _update(self) -> None:
        assert isinstance(self.action, Update)
        self._draw()
        scope = BlockWriter(self, self.action.block)
        with self.build.loop(LONG(0), LONG(self.action.size)) as k:
            scope.each(k, *self._sides(k))

    def _sides(self, synapse: Value) -> list[Value]:
        """Return the neurons on either side of a synapse, where the elements are synapses."""
        if f"pre {self.name}" in self.pointer:
            return [self.build.integer(self.pointer[f"{side} {self.name}"], synapse) for side in ("pre", "post")]
        return []

    def _record(self) -> None:
        action, build = self.action, self.build
        assert isinstance(action, Record)
        scope = BlockWriter(self, action.block)
        with build.if_then(build.icmp_signed("==", build.srem(self.tick, LONG(action.every)), LONG(0))):
            row = build.srem(build.sdiv(self.tick, LONG(action.every)), LONG(rows_of(action)))
            start = build.mul(row, LONG(len(action.elements)))
            with build.loop(LONG(0), LONG(len(action.elements))) as k:
                element = build.integer(self.pointer[f"elements {action.name}"], k)
                found = scope.each(element, *self._sides(element))
                for name, local in action.variables.items():
                    value = scope.number(found[local])
                    build.store(value, build.element(self.pointer[f"record {name} {action.name}"], build.add(start, k), DOUBLE))

    def _slot(self, tick: Value) -> Value:
        """Return the pointer to a group's spikes of a tick: their number, then the neurons."""
        row = self.build.srem(tick, LONG(self.group.depth))
        at = self.build.mul(row, LONG(self.group.size + 1))
        return self.build.element(self.pointer[f"ring {self.group.name}"], at, INT)

    def _threshold(self) -> None:
        action, build = self.action, self.build
        assert isinstance(action, Threshold)
        self._draw()
        scope = BlockWriter(self, action.block)
        slot = self._slot(self.tick)
        count = build.alloca(LONG)
        build.store(LONG(0), count)
        size = self.group.size
        seen = build.alloca(BYTE)
        with build.loop(LONG(0), LONG(-(-size // CHUNK))) as chunk:
            start = build.mul(chunk, LONG(CHUNK))
            beyond = build.add(start, LONG(CHUNK))
            end = build.select(build.icmp_signed("<", beyond, LONG(size)), beyond, LONG(size))
            build.store(BYTE(0), seen)
            with build.loop(start, end) as k:
                spikes = build.zext(scope.each(k)[action.condition], BYTE)
                build.store(build.or_(build.load(seen, typ=BYTE), spikes), seen)
            with build.if_then(build.icmp_unsigned("!=", build.load(seen, typ=BYTE), BYTE(0)), likely=False):
                with build.loop(start, end) as k:
                    with build.if_then(scope.each(k)[action.condition], likely=False):
                        at = build.load(count, typ=LONG)
                        build.store(build.trunc(k, INT), build.element(slot, build.add(at, LONG(1)), INT))
                        build.store(build.add(at, LONG(1)), count)
                        if action.refractory:
                            free, since = (self.pointer[name] for name in action.refractory)
                            build.store(BYTE(0), build.element(free, k, BYTE))
                            build.store(self.time, build.element(since, k, DOUBLE))
        self._written(slot, build.load(count, typ=LONG))

    def _written(self, slot: Value, count: Value) -> None:
        """Note how many spikes there are, and append them to what the circuit gives out."""
        build, name = self.build, self.group.name
        build.store(build.trunc(count, INT), slot)
        total = self.pointer[f"out count {name}"]
        before = build.load(total, typ=LONG)
        with build.loop(LONG(0), count) as k:
            at = build.add(before, k)
            neuron = build.load(build.element(slot, build.add(k, LONG(1)), INT), typ=INT)
            build.store(neuron, build.element(self.pointer[f"out index {name}"], at, INT))
            build.store(build.trunc(self.tick, INT), build.element(self.pointer[f"out tick {name}"], at, INT))
        build.store(build.add(before, count), total)

    def _replay(self) -> None:
        action, build = self.action, self.build
        assert isinstance(action, Replay)
        starts, indices, ticks = (self.pointer[f"{what} {action.name}"] for what in ("starts", "indices", "ticks"))
        last = build.integer(ticks, LONG(0))
        there = build.icmp_signed("<", self.tick, last)
        at = build.select(there, self.tick, LONG(0))
        start = build.integer(starts, at)
        after = build.integer(starts, build.select(there, build.add(at, LONG(1)), LONG(0)))
        count = build.select(there, build.sub(after, start), LONG(0))
        slot = self._slot(self.tick)
        with build.loop(LONG(0), count) as k:
            neuron = build.load(build.element(indices, build.add(start, k), INT), typ=INT)
            build.store(neuron, build.element(slot, build.add(k, LONG(1)), INT))
        self._written(slot, count)

    @contextmanager
    def _spikes(self, tick: Value) -> Iterator[Value]:
        slot = self._slot(tick)
        with self.build.loop(LONG(0), self.build.integer(slot, LONG(0))) as k:
            yield self.build.integer(slot, self.build.add(k, LONG(1)))

    def _reset(self) -> None:
        assert isinstance(self.action, Reset)
        scope = BlockWriter(self, self.action.block)
        with self._spikes(self.tick) as neuron:
            scope.each(neuron)

    def _deliver(self) -> None:
        action, build = self.action, self.build
        assert isinstance(action, Deliver)
        scope = BlockWriter(self, action.block)
        for number, lag in enumerate(action.lags):
            starts, synapses = (self.pointer[f"{what} {number} {action.name}"] for what in ("starts", "synapses"))
            ordered = bool((lag.synapses == np.arange(len(lag.synapses))).all())
            with build.if_then(build.icmp_signed(">=", self.tick, LONG(lag.ticks))):
                with self._spikes(build.sub(self.tick, LONG(lag.ticks))) as neuron:
                    first, after = build.integer(starts, neuron), build.integer(starts, build.add(neuron, LONG(1)))
                    with build.loop(first, after) as at:
                        synapse = at if ordered else build.integer(synapses, at)
                        scope.each(synapse, *self._sides(synapse))

    # ------------------------------------------------------------------ random numbers

    def _draw(self) -> None:
        """Fill the buffers of this action's random words, a Philox block for four elements (see ``backends.philox``)."""
        build, blocks = self.build, -(-self._elements() // 4) if self.random else 0
        for name in self.random:
            keys = self.pointer[f"keys {name}"]
            first = [build.load(build.element(keys, LONG(k), INT), typ=INT) for k in range(2)]
            with build.loop(LONG(0), LONG(blocks)) as block:
                c = [build.trunc(block, INT), INT(0), build.trunc(self.tick, INT), INT(0)]
                k = list(first)
                for _ in range(philox.ROUNDS):
                    halves = []
                    for word, multiplier in ((c[0], philox.MULTIPLIERS[0]), (c[2], philox.MULTIPLIERS[1])):
                        product = build.mul(build.zext(word, LONG), LONG(multiplier))
                        halves.append((build.trunc(build.lshr(product, LONG(32)), INT), build.trunc(product, INT)))
                    (high0, low0), (high1, low1) = halves
                    c = [build.xor(build.xor(high1, c[1]), k[0]), low1, build.xor(build.xor(high0, c[3]), k[1]), low0]
                    k = [build.add(word, INT(weyl)) for word, weyl in zip(k, philox.WEYL, strict=True)]
                for number, word in enumerate(c):
                    at = build.add(block, LONG(number * blocks))
                    build.store(word, build.element(self.pointer[name], at, INT))

    def unit(self, call: int, index: Value) -> Value:
        """Return the random number in [0, 1) of an element."""
        word = self.build.load(self.build.element(self.pointer[self.random[call]], index, INT), typ=INT)
        return self.build.fmul(self.build.uitofp(word, DOUBLE), DOUBLE(2.0**-32))
