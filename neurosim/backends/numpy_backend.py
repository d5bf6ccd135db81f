"""NumPy on the CPU: matrix products by NumPy's BLAS, everything else in loops compiled by LLVM."""

from __future__ import annotations

import ctypes
import functools
import math
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from neurosim import reprs
from neurosim.backends import limits, llvm_events, llvm_loops
from neurosim.backends.base import Array, Backend, Program
from neurosim.backends.blas import SMALL, Blas, Call, select_blas
from neurosim.backends.subnormals import SUBNORMALS_AS_ZERO
from neurosim.capture import Accumulation, Graph, Item, Node, Plan, Recorded, accumulations, check_order, planned, scheduled
from neurosim.capture.graph import EVENTS, Shape
from neurosim.capture.recorded import node_of

OUT_OF_PLACE = frozenset({"matmul", "join", "copy", "slice", "part", "bits", "call", "watch", "repeat"})

Bounds = tuple[tuple[int, int, int], ...]  # (start, count, step) of each axis


class NumpyBackend(Backend):
    """Arrays are ``numpy.ndarray``.

    blas : the library that multiplies matrices (see ``select_blas``); by default what the environment says, or the fastest one

    Raises UnknownNameError for another library, BackendError for one that is not installed.
    """

    name = "numpy"
    xp = np
    array = np.ndarray

    def __init__(self, blas: str | None = None) -> None:
        self._library = blas
        limits.limit_threads()
        select_blas(blas)  # which may raise

    def __repr__(self) -> str:
        return reprs.call(type(self).__name__, (), {"blas": self._library} if self._library else {})

    @property
    def blas(self) -> Blas:
        """The library that multiplies matrices."""
        return select_blas(self._library)

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        if isinstance(values, Recorded):
            return values if dtype is None or values.dtype == dtype else values.astype(dtype)
        return np.asarray(values, dtype)

    def to_host(self, array: Array) -> np.ndarray:
        return np.asarray(array)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        return np.zeros(shape, dtype)

    def identity(self, n: int, dtype: Any) -> Array:
        return _identity(n, np.dtype(dtype))

    def program(self, graph: Graph) -> Program:
        return NumpyProgram(self, graph)

    def buffer_bytes(self, graph: Graph) -> int:
        """Return the bytes of buffers and inputs that the captured step would take."""
        items, plan = laid_out(graph)
        inputs = {node for item in items for node in item.reads if node.op == "input"}
        return plan.nbytes + sum(node.nbytes for node in inputs) + self.scratch_bytes(items)

    def scratch_bytes(self, items: list[Item]) -> int:
        """Return the bytes that the threads of event-driven products work in."""
        return llvm_events.Scratch.NBYTES * self.blas.loop_threads() if any(map(_is_event_driven, _products(items))) else 0

    def free_bytes(self) -> int:
        return limits.free_memory().bytes

    def matmul(self, a: Array, b: Array) -> Array:
        if isinstance(a, Recorded) or isinstance(b, Recorded) or a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
            return super().matmul(a, b)
        out = np.empty((a.shape[0], b.shape[1]), np.result_type(a, b))
        function, arguments = self.blas.product(a, b, out)
        function(*arguments)
        return out

    def subnormals_as_zero(self) -> AbstractContextManager[None]:
        return SUBNORMALS_AS_ZERO

    @functools.cached_property
    def event_driven(self) -> Backend:
        return _EventDriven(self._library)

    def positive_inverse_into(self, matrix: Array, out: Array) -> None:
        self.blas.positive_inverse_into(matrix, out)

    def solve_columns_into(self, w: Array, gram: Array, target: Array, sparsity: float, out: Array) -> None:
        np.copyto(out, w)
        for j in range(len(gram)):
            variance = gram[j, j]
            if variance <= 0:  # a pixel that has never been on: no evidence, and nothing to divide by
                continue
            solved = out[j] + (target[j] - gram[j] @ out) / variance
            if sparsity:
                solved = np.sign(solved) * np.maximum(np.abs(solved) - sparsity / variance, 0)
            out[j] = solved

    def windows_into(self, x: Array, *numbers: Any) -> None:
        _, _, sh, sw, ph, pw, out = numbers
        if ph or pw:
            out.fill(0)
        taken = llvm_loops.slider(False, out.dtype, x.shape, out.shape, (sh, sw), (ph, pw))
        taken(np.ascontiguousarray(x), out)

    def unwindows_into(self, values: Array, *numbers: Any) -> None:
        sh, sw, ph, pw, out = numbers
        out.fill(0)
        added = llvm_loops.slider(True, out.dtype, out.shape, values.shape, (sh, sw), (ph, pw))
        added(np.ascontiguousarray(values), out)

    def describe(self) -> str:
        there, ours = os.cpu_count() or 1, limits.processors()
        return f"CPU {platform.machine()}, {ours} {f'of {there} ' if ours < there else ''}cores"


class _EventDriven(NumpyBackend):
    """NumPy whose matrix product multiplies only what is not zero in its first factor, where that is faster."""

    @property
    def event_driven(self) -> Backend:
        return self

    def matmul(self, a: Array, b: Array) -> Array:
        for factor in (a, b):
            if isinstance(factor, Recorded):
                graph = factor.graph
                return Recorded(graph, graph.matmul(node_of(graph, a), node_of(graph, b), events=True))
        if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
            return super().matmul(a, b)
        out, scratch = np.empty((a.shape[0], b.shape[1]), np.result_type(a, b)), llvm_events.Scratch()
        function, arguments = self.blas.event_product(a, b, out, self.blas.product(a, b, out), scratch)
        function(*arguments)
        return out


class DraftBackend(NumpyBackend):
    """NumPy whose initial weights are neither drawn nor touched: for asking what a model of any size would take."""

    def initial(self, draw: Callable[[], np.ndarray], shape: tuple[int, ...], dtype: Any) -> Array:
        return np.empty(shape, dtype)


@functools.lru_cache(maxsize=4)
def _identity(n: int, dtype: np.dtype[Any]) -> np.ndarray:
    return np.eye(n, dtype=dtype)


def laid_out(graph: Graph) -> tuple[list[Item], Plan]:
    """Return a step's items in order, and where their values lie."""
    graph.watch_sums()
    items = scheduled(graph, llvm_loops.fused)
    check_order(items)
    return items, planned(items, lambda item: item.op not in OUT_OF_PLACE)


class NumpyProgram(Program):
    """A list of calls on arrays that were laid out beforehand."""

    def __init__(self, backend: NumpyBackend, graph: Graph) -> None:
        self.backend = backend
        self.items, self.plan = laid_out(graph)
        self.buffers = [_aligned(size) for size in self.plan.sizes]
        given = {node for item in self.items for node in item.reads if node.op == "input"}
        self.inputs = {node.detail: np.zeros(node.shape, node.dtype) for node in given}
        self.nbytes = self.plan.nbytes + sum(array.nbytes for array in self.inputs.values()) + backend.scratch_bytes(self.items)
        self.step = ctypes.c_uint32()
        self.turns: dict[Node, np.ndarray] = {}  # the number of the turn of each loop that asks for it
        self.data: Mapping[str, np.ndarray] = {}
        self.rows = np.zeros(0, np.intp)
        self.position = 0
        self.scratch = llvm_events.Scratch()
        self.moving = {item.nodes[0] for item in _moving_inputs(self.items)}
        self.added = {item: one for item, one in accumulations(self.items).items() if self._added_product(item, one)}
        self.done = {one.adding for one in self.added.values()}
        kernel_items = [(item, space) for item, space in kernels(self.items) if item not in self.done]
        self.loops = {item: llvm_loops.written(item.nodes, space, self._place) for item, space in kernel_items}
        self.addresses = llvm_loops.compiled([loop.text for loop in self.loops.values()])
        self.calls = [(item, call) for item in self.items for call in self._call(item)]

    def hold(self, data: Mapping[str, np.ndarray]) -> None:
        self.data = {name: np.ascontiguousarray(data[name], values.dtype) for name, values in self.inputs.items()}

    def order(self, rows: np.ndarray) -> None:
        self.rows, self.position = rows, 0

    def run(self, step: int) -> None:
        batch = len(next(iter(self.inputs.values())))
        chosen = self.rows[self.position : self.position + batch]
        self.position += batch
        for name, values in self.inputs.items():
            np.take(self.data[name], chosen, axis=0, out=values, mode="clip")  # "raise" would gather into a copy first
        self.replay(step)

    def run_on(self, batch: Mapping[str, np.ndarray], step: int) -> None:
        for name, values in self.inputs.items():
            values[...] = batch[name]
        self.replay(step)

    def replay(self, step: int) -> None:
        """Run the step on what the inputs hold."""
        self.step.value = step
        for _, (function, arguments) in self.calls:
            function(*arguments)

    # ------------------------------------------------------------------ memory

    def _place(self, node: Node) -> Any:
        """Return what stands for a value's memory: a leaf or input itself, a buffer's number, or None."""
        return self.plan.where(node)

    def _memory(self, place: Any) -> np.ndarray:
        if isinstance(place, int):
            return self.buffers[place]
        if place.op == "turn":
            return self.turns.setdefault(place, np.zeros((), np.int64))
        found: np.ndarray = place.detail if place.op == "leaf" else self.inputs[place.detail]
        return found

    def _array(self, node: Node) -> Any:
        """Return a value as an array of its own shape, or as a number."""
        if node.op == "constant":
            return node.detail
        if node.op == "transpose":
            return self._array(node.inputs[0]).transpose(node.detail)
        if node.op == "reshape":
            return self._array(node.inputs[0]).reshape(node.shape)
        if node in self.moving:
            value, turn = map(self._array, node.inputs)
            return _part(value, turn, *node.detail)
        place = self._place(node)
        if isinstance(place, int):
            return np.ndarray(node.shape, node.dtype, self.buffers[place])
        return self._memory(place)

    # ------------------------------------------------------------------ calls

    def _call(self, item: Item) -> list[Call]:
        if item in self.done or item.nodes[0] in self.moving:
            return []
        if item in self.loops:
            loop = self.loops[item]
            return [self.backend.blas.shared(loop, llvm_loops.bound(loop, self.addresses[loop.text], self._memory))]
        node = item.nodes[0]
        if node.op == "repeat":
            return self._repeat(item)
        if node.op == "watch":
            return [(_check, (self._array(node.inputs[0]), node.detail))]
        if node.op == "matmul":
            return [self._product(item)]
        out = self._array(node)
        if node.op == "bits":
            return [self._bits(node, out)]
        if node.op == "part":
            return [(_take_part, (out, *map(self._array, node.inputs), *node.detail))]
        inputs = [self._array(value) for value in node.inputs]
        if node.op == "join":
            ends = np.cumsum([part.shape[node.detail] for part in inputs])
            places = np.split(out, ends[:-1], node.detail)
            return [(np.copyto, pair) for pair in zip(places, inputs, strict=True)]
        if node.op == "copy":
            return [(np.copyto, (out, inputs[0]))]
        if node.op == "slice":
            return [(np.copyto, (out, inputs[0][tuple(_slice(*bounds) for bounds in node.detail)]))]
        if node.op == "call":
            name, *constants = node.detail
            return [(getattr(self.backend, f"{name}_into"), (*inputs, *constants, out))]
        inputs = [np.asarray(value, node.dtype) if isinstance(value, float) else value for value in inputs]
        call = self.backend.blas.function(node.op, inputs[0], out) if len(inputs) == 1 else None
        return [call or (getattr(np, node.op), (*inputs, out))]

    def _product(self, item: Item) -> Call:
        """Return the call of a product, whose factors may be another part of an input at each turn."""
        node = item.nodes[0]
        turns = [value.base.inputs[1] for value in node.inputs if value.base in self.moving]
        if not turns:
            return self._bound(item)
        turn, bound = self._memory(turns[0]), {}

        def multiply() -> None:
            number = int(turn)
            if number not in bound:
                bound[number] = self._bound(item)
            function, arguments = bound[number]
            function(*arguments)

        return multiply, ()

    def _bound(self, item: Item) -> Call:
        """Return the call of a product of what its factors are now."""
        node, blas = item.nodes[0], self.backend.blas
        a, b = map(self._array, node.inputs)
        added = self.added.get(item)
        out = self._array(node if added is None else added.into)
        call = blas.product(a, b, out) if added is None else self._added_product(item, added)
        assert call is not None
        if not _is_event_driven(node):
            return call
        return blas.event_product(a, b, out, call, self.scratch, None if added is None else added.scale)

    def _added_product(self, item: Item, added: Accumulation) -> Call | None:
        """Return the call that adds a product to what lies there; None where the library cannot."""
        a, b = map(self._array, item.nodes[0].inputs)
        return self.backend.blas.added_product(a, b, added.scale, self._array(added.into))

    def _repeat(self, item: Item) -> list[Call]:
        """Return the calls that bring what is carried to its place, and the one that takes all turns."""
        body = item.turns
        assert body is not None
        starts = dict(zip(item.nodes[0].detail.carried, item.nodes[0].inputs, strict=False))
        begin = [(np.copyto, (self._array(node), self._array(starts[node]))) for node in body.carried]
        turn = np.zeros((), np.int64) if body.turn is None else self._memory(body.turn)
        return [*begin, (_take_turns, (body.times, turn, [call for inner in item.body for call in self._call(inner)]))]

    def _bits(self, node: Node, out: np.ndarray) -> Call:
        """Return the call that fills ``out`` with a tick's random bits; in a loop the tick goes on with its turns."""
        *key, first, by = node.detail
        turn = self._memory(node.inputs[0]) if node.inputs else llvm_loops.STILL
        return self.backend.blas.random_bits(out, tuple(key), self.step, turn, (first, by))


def kernels(items: list[Item]) -> list[tuple[Item, Shape]]:
    """Return the items that are loops over elements, those of repeated bodies too, and their spaces."""
    return [found for item in items for found in (kernels(item.body) if item.space is None else [(item, item.space)])]


def _products(items: list[Item]) -> Iterator[Node]:
    """Yield the matrix products of a schedule, those of repeated bodies too."""
    for item in items:
        if item.op == "repeat":
            yield from _products(item.body)
        elif item.op == "matmul":
            yield item.nodes[0]


def _is_event_driven(node: Node) -> bool:
    """Return whether a product may leave out zeros: where it is small, a BLAS does not notice them."""
    return node.detail == EVENTS and node.size * node.inputs[0].shape[-1] > SMALL


def _take_turns(times: int, turn: np.ndarray, calls: list[Call]) -> None:
    for number in range(times):
        turn[()] = number
        for function, arguments in calls:
            function(*arguments)


def _moving_inputs(items: list[Item]) -> Iterator[Item]:
    """Yield the parts of inputs that only products read: a BLAS reads them where they lie."""
    for item in items:
        if item.op == "repeat":
            yield from _moving_inputs(item.body)
        elif item.op == "part" and item.nodes[0].inputs[0].op == "input":
            if all(other.op == "matmul" for other in items if item.nodes[0] in other.reads):
                yield item


def _take_part(out: np.ndarray, *of: Any) -> None:
    """Copy what ``_part`` returns into ``out``."""
    np.copyto(out, _part(*of))


def _part(value: np.ndarray, turn: np.ndarray, bounds: Bounds, axis: int, by: int) -> np.ndarray:
    """Return what lies at ``bounds``, in each turn ``by`` further along ``axis``."""
    first, count, step = bounds[axis]
    moved = (*bounds[:axis], (first + by * int(turn), count, step), *bounds[axis + 1 :])
    return value[tuple(_slice(*one) for one in moved)]


def _slice(start: int, count: int, step: int) -> slice:
    """Return the slice that takes ``count`` elements from ``start``."""
    end = start + count * step
    return slice(start, None if end < 0 else end, step)


def _aligned(size: int) -> np.ndarray:
    """Return ``size`` bytes that start on a cache line."""
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]


def _check(total: np.ndarray, what: str) -> None:
    if not math.isfinite(total[()]):
        raise FloatingPointError(what, float(total[()]), None)
