"""What a step computes, written down: a graph of array operations without side effects.

Equal operations on equal inputs are one node, so that nothing is computed twice; what nobody reads is never computed at all.
"""

from __future__ import annotations

import functools
import hashlib
import math
import operator
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurosim.errors import NotCapturableError, quoted

Array = Any
Shape = tuple[int, ...]

COMPARISONS = frozenset({"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"})
LOGICAL = frozenset({"logical_and", "logical_or", "logical_not"})
BITWISE = {"bitwise_and": "logical_and", "bitwise_or": "logical_or", "invert": "logical_not"}  # of truth values: the same
VIEWS = frozenset({"reshape", "transpose"})
GIVEN = frozenset({"leaf", "input", "constant", "carried", "turn"})
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
EVENTS = "events"  # detail of a product whose first factor may be mostly zeros, as spikes are


@dataclass(frozen=True, eq=False)
class Node:
    """One value.

    op : ``leaf`` (an array that lives on between steps), ``input``, ``constant``, ``full``, ``bits``, ``matmul``, ``sum``, ``max``,
        ``reshape``, ``transpose``, ``slice``, ``copy``, ``join``, ``call``, ``assign``, the name of an elementwise NumPy function;
        ``repeat`` with its ``repeated`` and ``stacked`` values; within what is repeated also ``turn`` (its number), ``entry`` and
        ``part`` (what a turn reads of a larger array), and ``put`` (what it writes into one)
    dtype : None for a Python number, which takes the type of what it meets
    detail : what the op needs beside its inputs: the array, the number, the axes, ...
    """

    op: str
    inputs: tuple[Node, ...]
    shape: Shape
    dtype: np.dtype[Any] | None
    detail: Any
    number: int

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of the value, stored."""
        assert self.dtype is not None
        return self.size * self.dtype.itemsize

    @property
    def base(self) -> Node:
        """The value whose memory this one shows."""
        return self.inputs[0].base if self.op in VIEWS else self


@dataclass(frozen=True)
class Body:
    """What a ``repeat`` does: ``assigns`` write into ``carried`` what the next of its ``times`` turns starts from.

    given : the values from outside that a turn reads
    puts : each writes what a turn makes into its own entry of a stack, (times, *shape)
    watched : (what it is, its values) of each turn
    turn : the number of the turn, from 0; None where no turn asks for it
    """

    times: int
    carried: tuple[Node, ...]
    assigns: tuple[Node, ...]
    given: frozenset[Node]
    puts: tuple[Node, ...] = ()
    watched: tuple[tuple[str | None, Node], ...] = ()
    turn: Node | None = None

    def live(self, read: Collection[Node]) -> Body:
        """Return what of it is needed by those ``read`` of its values, ``repeated`` and ``stacked``, and by what it watches."""
        puts = tuple(put for put in self.puts if any(node.op == "stacked" and node.detail == put.detail for node in read))
        by_place = {node.inputs[1]: node for node in self.assigns}
        wanted = {self.carried[node.detail] for node in read if node.op == "repeated"}
        pending = [*puts, *(value for _, value in self.watched)]
        seen: set[Node] = set()
        while True:
            wanted |= {node for node in reached(pending, self.given) if node in self._places}
            if not wanted - seen:
                break
            pending = [by_place[place] for place in wanted - seen if place in by_place]
            seen |= wanted
        return replace(
            self,
            carried=tuple(place for place in self.carried if place in wanted),
            assigns=tuple(node for node in self.assigns if node.inputs[1] in wanted),
            puts=puts,
        )

    @functools.cached_property
    def _places(self) -> frozenset[Node]:
        return frozenset(self.carried)


class Graph:
    """Nodes, and what a step does with them: arrays to overwrite and totals to watch.

    assigned : leaf -> the value it takes at the end of the step
    watched : (what it is, its values), in order; a step in which they are no finite numbers must not change anything.  Of a
        ``repeat`` that watches something in its turns: (None, it)
    refused : why what was asked for has no place in a graph; whoever asked may have gone on another way, which is not the step's
    body : the number of the repeated body that is being recorded; 0 outside of all
    bodies : how many there have been
    loops : whether ``scan`` may make loops; otherwise it writes every turn out
    touched : while a body is recorded that may write into arrays from outside: those it wrote into, and what they were
    """

    def __init__(self, *, loops: bool = True) -> None:
        self.loops = loops
        self.body = self.bodies = 0
        self.touched: dict[int, tuple[Any, Node]] | None = None
        self._summed = False
        self._known: dict[Any, Node] = {}
        self.refused: list[str] = []
        self.assigned: dict[Node, Node] = {}
        self.watched: list[tuple[str | None, Node]] = []

    def __repr__(self) -> str:
        return f"<Graph of {len(self._known):,} nodes, {len(self.assigned)} arrays written>"

    def node(
        self, op: str, inputs: Iterable[Node] = (), shape: Shape = (), dtype: Any = None, detail: Any = None, key: Any = None
    ) -> Node:
        """Return the node of this operation; ``key`` stands for a detail that has no hash."""
        inputs = tuple(inputs)
        own = (op, tuple(node.number for node in inputs), shape, dtype, detail if key is None else key)
        if own not in self._known:
            self._known[own] = Node(op, inputs, shape, None if dtype is None else np.dtype(dtype), detail, len(self._known))
        return self._known[own]

    def refusal(self, reason: str) -> NotCapturableError:
        """Return the error that says ``reason``, and remember it."""
        self.refused.append(reason)
        return NotCapturableError(reason)

    # ------------------------------------------------------------------ what is given

    def leaf(self, array: Array) -> Node:
        """Return the node of an array that outlives the step."""
        if not array.flags.c_contiguous:
            raise self.refusal(another_order(array))
        return self.node("leaf", (), array.shape, array.dtype, array, key=id(array))

    def input(self, name: str, shape: Shape, dtype: Any) -> Node:
        """Return the node of something every step brings anew."""
        return self.node("input", (), shape, dtype, name)

    def constant(self, value: Any) -> Node:
        """Return the node of a number; NumPy's own keep their type, Python's take that of what they meet."""
        dtype = value.dtype if isinstance(value, np.generic) and not isinstance(value, np.bool_) else None
        return self.node("constant", (), (), dtype, float(value))

    def full(self, shape: Shape, dtype: Any, value: float) -> Node:
        """Return an array whose elements are all ``value``."""
        return self.node("full", (), shape, dtype, float(value))

    def unit(self, key: tuple[int, int], part: int, shape: Shape, dtype: Any, tick: int | Turn = 0) -> Node:
        """Return this step's uniform numbers in [0, 1) of the stream ``key`` in a tick (see ``backends.philox``)."""
        first, by, turn = (tick.first, tick.by, (tick.node,)) if isinstance(tick, Turn) else (tick, 0, ())
        bits = self.node("bits", turn, (math.prod(shape),), np.uint32, (*key, part, first, by))
        return self.node("unit", (self.reshape(bits, shape),), shape, dtype)

    # ------------------------------------------------------------------ what is computed

    def elementwise(self, op: str, *inputs: Node) -> Node:
        """Return ``op`` applied element by element, inputs broadcast as NumPy does."""
        if op in BITWISE and all(node.dtype == np.dtype(bool) for node in inputs):
            op = BITWISE[op]
        shape = np.broadcast_shapes(*(node.shape for node in inputs))
        dtype = self._dtype(op, inputs)
        simpler = self._simplified(op, inputs, shape, dtype)
        if simpler is not None:
            return simpler
        return self.node(op, (self._contiguous(node) for node in inputs), shape, dtype)

    def _dtype(self, op: str, inputs: Sequence[Node]) -> np.dtype[Any]:
        if op in COMPARISONS or op in LOGICAL:
            return np.dtype(bool)
        values = inputs[1:] if op == "where" else inputs
        dtype = np.result_type(*(node.detail if node.dtype is None else node.dtype for node in values))
        if dtype not in FLOATS:
            if op == "where":  # of two numbers
                return np.dtype(np.float64)
            kinds = ", ".join(str(node.dtype) for node in values)
            raise self.refusal(f"{op} of {kinds} gives {dtype}: expected float32 or float64")
        return dtype

    def _simplified(self, op: str, inputs: tuple[Node, ...], shape: Shape, dtype: np.dtype[Any]) -> Node | None:
        """Return what the operation comes to where that is one of its inputs, or a cheaper operation."""
        first, second = inputs[0], inputs[-1]

        def same(node: Node) -> bool:
            return node.shape == shape and node.dtype == dtype

        if op == "positive":
            return first
        if op == "square":
            return self.elementwise("multiply", first, first)
        if op in ("add", "multiply"):
            neutral = 0.0 if op == "add" else 1.0
            for kept, other in ((first, second), (second, first)):
                if _is(other, neutral) and same(kept):
                    return kept
        if op in ("subtract", "divide") and _is(second, 0.0 if op == "subtract" else 1.0) and same(first):
            return first
        if op == "power" and _is(second, 2.0):
            return self.elementwise("multiply", first, first)
        return None

    def cast(self, value: Node, dtype: Any) -> Node:
        """Return ``value`` with elements of ``dtype``."""
        if value.dtype == np.dtype(dtype):
            return value
        return self.node("cast", (self._contiguous(value),), value.shape, dtype)

    def reduce(self, op: str, value: Node, axis: int | tuple[int, ...] | None, keepdims: bool) -> Node:
        """Return ``sum`` or ``max`` of ``value`` over ``axis`` (None: all)."""
        axes = tuple(sorted(self.axes(axis, len(value.shape))))
        shape = tuple(1 if k in axes else n for k, n in enumerate(value.shape))
        if value.dtype not in FLOATS:
            value = self.cast(value, np.float64)
        if not axes and value.shape:
            return value
        found = self.node(op, (self._contiguous(value),), shape, value.dtype, axes)
        if keepdims:
            return found
        return self.reshape(found, tuple(n for k, n in enumerate(value.shape) if k not in axes))

    def axes(self, axis: Any, count: int) -> tuple[int, ...]:
        """Return which of ``count`` axes a number, several, or None (all) stand for."""
        if axis is None:
            return tuple(range(count))
        try:
            axes = tuple(operator.index(k) for k in (axis if isinstance(axis, tuple | list) else (axis,)))
        except TypeError as cause:
            raise self.refusal(f"axis {quoted(axis)}: expected a whole number") from cause
        if any(not -count <= k < count for k in axes) or len({k % count for k in axes}) < len(axes):
            raise self.refusal(f"axis {quoted(axis)}: expected different axes of {count}")
        return tuple(k % count for k in axes)

    def matmul(self, a: Node, b: Node, *, events: bool = False) -> Node:
        """Return the matrix product over the last two axes, (..., n, k) times (..., k, m); axes before them are broadcast.

        events : whether ``a`` may be mostly zeros, as spikes are
        """
        if len(a.shape) < 2 or len(b.shape) < 2 or a.shape[-1] != b.shape[-2]:
            raise self.refusal(f"matmul of {a.shape} and {b.shape}: expected two matrices that fit, or stacks of them")
        dtype = np.result_type(a.dtype, b.dtype)
        a, b = (self.cast(value, dtype) for value in (a, b))
        (n, k), m = a.shape[-2:], b.shape[-1]
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        detail = EVENTS if events else None
        if math.prod(b.shape[:-2]) == 1 and math.prod(a.shape[:-2]) > 1 and not _is_turned(a):  # one product instead of many
            rows, matrix = self.reshape(a, (-1, k)), b if len(b.shape) == 2 else self.reshape(b, (k, m))
            return self.reshape(self.node("matmul", (rows, matrix), (rows.shape[0], m), dtype, detail), (*stack, n, m))
        a, b = (self._stacked(value, stack) for value in (a, b))
        return self.node("matmul", (a, b), (*stack, n, m), dtype, detail)

    def _stacked(self, value: Node, stack: Shape) -> Node:
        """Return a factor of a product of stacks: one matrix, or as many as the stack has, each in order or transposed."""
        own = value.shape[:-2]
        if math.prod(own) != 1 and own != stack:
            value = self.expand(value, (*stack, *value.shape[-2:]))
        return value if value.op != "transpose" or _is_turned(value) else self._contiguous(value)

    def expand(self, value: Node, shape: Shape) -> Node:
        """Return ``value`` broadcast to ``shape``."""
        own = (1,) * (len(shape) - len(value.shape)) + value.shape
        if len(own) != len(shape) or any(n not in (1, wanted) for n, wanted in zip(own, shape, strict=True)):
            raise self.refusal(f"broadcasting {value.shape} to {shape}: expected shapes that fit")
        return value if value.shape == shape else self.elementwise("add", value, self.full(shape, value.dtype, 0.0))

    def reshape(self, value: Node, shape: Shape) -> Node:
        """Return ``value`` in another shape of as many elements, one of which may be -1."""
        if -1 in shape:
            rest = math.prod(n for n in shape if n != -1)
            shape = tuple(value.size // max(rest, 1) if n == -1 else n for n in shape)
        if math.prod(shape) != value.size:
            raise self.refusal(f"reshape of {value.shape} to {shape}: expected as many elements")
        if value.op == "entry":
            return self.node("entry", value.inputs, shape, value.dtype, value.detail)
        origin = value.inputs[0] if value.op == "reshape" else self._contiguous(value)
        return origin if shape == origin.shape else self.node("reshape", (origin,), shape, value.dtype)

    def transpose(self, value: Node, axes: Sequence[int] | None = None) -> Node:
        """Return ``value`` with its axes in the order ``axes``; None: reversed."""
        count = len(value.shape)
        order = tuple(range(count))[::-1] if axes is None else self.axes(tuple(axes), count)
        if len(order) != count:
            raise self.refusal(f"transpose of shape {value.shape} by {tuple(order)}: expected {count} axes")
        if value.op == "transpose":
            value, order = value.inputs[0], tuple(value.detail[k] for k in order)
        if order == tuple(range(count)):
            return value
        return self.node("transpose", (value,), tuple(value.shape[k] for k in order), value.dtype, order)

    def slice(self, value: Node, bounds: Sequence[tuple[int, int, int]]) -> Node:
        """Return the part of ``value`` that lies at (start, count, step) of each axis."""
        shape = tuple(count for _, count, _ in bounds)
        if shape == value.shape and all(step == 1 for (_, count, step) in bounds if count > 1):
            return value
        if 0 in shape:
            raise self.refusal(f"a slice of shape {shape}: expected at least one element")
        return self.node("slice", (self._contiguous(value),), shape, value.dtype, tuple(bounds))

    def replaced(self, value: Node, bounds: Sequence[tuple[int, int, int]], part: Node) -> Node:
        """Return ``value`` with ``part`` where ``slice`` would read."""
        start = [(0, n, 1) for n in value.shape]
        for axis, ((first, count, step), n) in enumerate(zip(bounds, value.shape, strict=True)):
            if (first, count) == (0, n) and (step == 1 or n == 1):
                continue
            if step != 1 and count > 1:
                raise self.refusal(f"writing at every {step}th of an axis: expected neighbours, such as [2:5]")
            before, here, after = (
                self.slice(value, [*start[:axis], (at, many, 1), *start[axis + 1 :]]) if many else None
                for at, many in ((0, first), (first, count), (first + count, n - first - count))
            )
            assert here is not None
            inner = self.replaced(here, [*((0, k, 1) for k in here.shape[: axis + 1]), *bounds[axis + 1 :]], part)
            return self.join([node for node in (before, inner, after) if node is not None], axis)
        return part

    def join(self, parts: Sequence[Node], axis: int) -> Node:
        """Return arrays one after the other along ``axis``."""
        if not parts or any(len(part.shape) != len(parts[0].shape) for part in parts):
            raise self.refusal(f"joining {[part.shape for part in parts]}: expected arrays of as many axes")
        (axis,) = self.axes(axis, len(parts[0].shape))
        shapes = [part.shape for part in parts]
        rests = {(shape[:axis], shape[axis + 1 :]) for shape in shapes}
        if len(rests) != 1:
            raise self.refusal(f"joining {shapes} along axis {axis}: expected equal shapes but for that axis")
        ((before, after),) = rests
        if len(parts) == 1:
            return parts[0]
        shape, dtype = (*before, sum(part.shape[axis] for part in parts), *after), np.result_type(*(part.dtype for part in parts))
        return self.node("join", (self._contiguous(self.cast(part, dtype)) for part in parts), shape, dtype, axis)

    def repeat(
        self,
        times: int,
        starts: Sequence[Node],
        carried: Sequence[Node],
        results: Sequence[Node],
        *,
        outputs: Sequence[Node] = (),
        watched: Iterable[tuple[str | None, Node]] = (),
        turn: Node | None = None,
    ) -> tuple[list[Node], list[Node]]:
        """Return what ``starts`` become after ``times`` turns, of which each makes ``results`` of ``carried``, and the stacks.

        outputs : what each turn makes besides; a stack, (times, *shape), holds each turn's.  Of what is the same in all turns it is
            the value itself
        watched : what must be finite in each turn
        turn : the node that stands for the number of the turn
        """
        again = frozenset(carried) | ({turn} if turn is not None else frozenset())
        results, outputs = ([self._contiguous(value) for value in values] for values in (results, outputs))
        watched = list(watched)
        turning = depending([*results, *outputs, *(value for _, value in watched)], again)  # the rest is computed once, before
        made = turning - again
        # one that is moved from place to place is read before its place is written
        ends = [self.node("copy", (value,), value.shape, value.dtype) if value.base in again else value for value in results]
        ends = [place if value is place else end for place, value, end in zip(carried, results, ends, strict=True)]
        kept = [(end, place) for end, place in zip(ends, carried, strict=True) if end is not place]
        assigns = tuple(self.node("assign", pair, pair[1].shape, pair[1].dtype) for pair in kept)
        made |= {end for end, _ in kept if end.op == "copy"}
        puts = tuple(self._put(times, value, turn, k) for k, value in enumerate(outputs) if turn is not None and value in turning)
        given = {value for node in made for value in node.inputs} | {value for value in results if value not in turning}
        given = {node for node in given - made - again if node.op != "constant"}
        full = {node for node in given if node.op == "full"}  # cheaper written in each loop than kept
        self.watched += [pair for pair in watched if pair[1] not in turning]
        within = tuple(pair for pair in watched if pair[1] in turning)
        body = Body(times, tuple(carried), assigns, frozenset(given - full), puts, within, turn)
        order = sorted(body.given, key=lambda node: node.number)
        turns = self.node("repeat", (*(self._contiguous(node) for node in starts), *order), (), None, body)
        self.watched += [(None, turns)] if within else []
        stacks = {put.detail: self.node("stacked", (turns,), put.inputs[1].shape, put.dtype, put.detail) for put in puts}
        ends = [self.node("repeated", (turns,), node.shape, node.dtype, k) for k, node in enumerate(carried)]
        return ends, [stacks.get(k, value) for k, value in enumerate(outputs)]

    def _put(self, times: int, value: Node, turn: Node, k: int) -> Node:
        """Return what writes a turn's ``value`` into its entry of stack ``k``."""
        stack = self.node("carried", (), (times, *value.shape), value.dtype, (turn.detail, "stack", k))
        return self.node("put", (value, stack, turn), value.shape, value.dtype, k)

    def turn(self, number: int) -> Node:
        """Return what stands for the number of the turn in the repeated body ``number``."""
        return self.node("turn", (), (), np.int64, number)

    def entry(self, value: Node, first: int, by: int, shape: Shape, turn: Node) -> Node:
        """Return neighbours in memory, as many as ``shape`` has: in turn k from element ``first + by * k`` of ``value`` on."""
        return self.node("entry", (self._contiguous(value), turn), shape, value.dtype, (first, by))

    def moving(self, value: Node, bounds: Sequence[tuple[int, int, int]], axis: int, by: int, turn: Node) -> Node:
        """Return what ``slice`` would, but that it starts ``by`` further along ``axis`` at each turn."""
        shape = tuple(count for _, count, _ in bounds)
        inner = value.shape[axis + 1 :]
        whole = all(one == (0, n, 1) for one, n in zip(bounds[axis + 1 :], inner, strict=True))
        if whole and bounds[axis][2] == 1 and all(n == 1 for n in value.shape[:axis]):
            size = math.prod(inner)
            return self.entry(value, bounds[axis][0] * size, by * size, shape, turn)
        return self.node("part", (self._contiguous(value), turn), shape, value.dtype, (tuple(bounds), axis, by))

    def call(self, name: str, inputs: Sequence[Node], shape: Shape, dtype: Any, *constants: float) -> Node:
        """Return what the backend's own routine ``name`` makes of ``inputs``."""
        return self.node("call", (self._contiguous(node) for node in inputs), shape, dtype, (name, *constants))

    def _contiguous(self, value: Node) -> Node:
        return self.node("copy", (value,), value.shape, value.dtype) if value.op == "transpose" else value

    # ------------------------------------------------------------------ what is done with it

    def assign(self, leaf: Node, value: Node) -> None:
        """Let ``leaf`` hold ``value`` from the end of the step on."""
        if value is leaf:
            self.assigned.pop(leaf, None)
        else:
            self.assigned[leaf] = self._contiguous(value)

    def roots(self) -> tuple[list[Node], list[Node]]:
        """Return what is watched and what is assigned, each a node."""
        watches = self.watches(self.watched)
        assigns = [self.node("assign", (value, leaf), leaf.shape, leaf.dtype) for leaf, value in self.assigned.items()]
        return watches, assigns

    def watch_sums(self) -> None:
        """Watch sums instead of the values themselves: one number tells."""
        self._summed = True

    def watches(self, watched: Iterable[tuple[str | None, Node]]) -> list[Node]:
        """Return what looks whether what is watched is finite, each a node."""
        return [value if label is None else self._watch(label, value) for label, value in watched]

    def _watch(self, label: str, value: Node) -> Node:
        seen = self.reduce("sum", value, None, False) if self._summed else value
        return self.node("watch", (seen,), (), seen.dtype, label)

    def needed(self) -> list[Node]:
        """Return every node that a root needs, in the order in which they were written down; not what is repeated."""
        watches, assigns = self.roots()
        return reached([*watches, *assigns])

    def counted(self) -> list[tuple[Node, int]]:
        """Return every node that a root needs, those of repeated bodies too, and how often a step computes it."""
        watches, assigns = self.roots()
        found: list[tuple[Node, int]] = []
        pending = [(reached([*watches, *assigns]), 1)]
        while pending:
            nodes, times = pending.pop()
            found += [(node, times) for node in nodes]
            for node in nodes:
                if node.op == "repeat":
                    body = node.detail.live([value for value in nodes if value.inputs[:1] == (node,)])
                    roots = [*body.puts, *body.assigns, *(value for _, value in body.watched)]
                    pending.append(([value for value in reached(roots, body.given) if value not in body.given], times * body.times))
        return sorted(found, key=lambda pair: pair[0].number)

    # ------------------------------------------------------------------ is it sound, is it the same

    def check(self) -> None:
        """Raise NotCapturableError where something was refused, or arrays that a step writes to lie in each other's memory."""
        if self.refused:
            raise NotCapturableError(self.refused[0])
        if any(node.op in ("carried", "turn") for node in self.needed()):
            raise self.refusal("a value of a repeated body is used outside of it: carry it, and use what repeat returns")
        for leaf in self.assigned:
            if not writeable(leaf.detail):
                raise self.refusal(f"it writes into an array of shape {leaf.shape} that is read-only: hold one that is not")
        leaves = sorted((_start(node.detail), node.number, node) for node in self._known.values() if node.op == "leaf")
        end, last = 0, None
        for start, _, node in leaves:
            if start < end and node.nbytes and (node in self.assigned or last in self.assigned):
                shapes = f"{node.shape} and {last and last.shape}"
                raise self.refusal(f"arrays of shape {shapes} share memory: hold one, and make views of it in the step")
            if start + node.nbytes > end:
                end, last = start + node.nbytes, node

    def described(self, known: Collection[int], read: Callable[[Array], np.ndarray]) -> list[bytes]:
        """Return all that the step does, so that equal descriptions are equal steps.

        known : the ids of arrays that live on, which stand for themselves; others, which the step made, are told by their values
        read : brings an array to the host
        """
        marks: dict[Node, bytes] = {}
        for node in dict.fromkeys(node for node, _ in self.counted()):  # inputs come before what needs them
            detail = node.detail
            if node.op == "repeat":
                made = [*detail.assigns, *detail.puts]
                watched = [(label, marks[value]) for label, value in detail.watched]
                detail = (detail.times, [marks[value] for value in made if value in marks], watched)
            if node.op == "leaf":
                detail = id(detail) if id(detail) in known else _digest(np.ascontiguousarray(read(detail)).tobytes())
            own = repr((node.op, node.shape, None if node.dtype is None else node.dtype.str, detail)).encode()
            marks[node] = _digest(own + b"".join(marks[value] for value in node.inputs))
        watches, assigns = self.roots()
        return [marks[node] for node in watches] + sorted(marks[node] for node in assigns)


@dataclass(frozen=True)
class Turn:
    """A whole number that goes on from turn to turn of a loop: ``first + by * turn``.

    node : what stands for the number of the turn
    """

    node: Node
    first: int
    by: int


def reached(roots: Iterable[Node], given: Collection[Node] = ()) -> list[Node]:
    """Return all that ``roots`` are made of, they included, in the order in which it was written down; no more than ``given``."""
    found: set[Node] = set()
    pending = list(roots)
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += () if node in given else node.inputs
    return sorted(found, key=lambda node: node.number)


def depending(roots: Iterable[Node], on: Collection[Node]) -> set[Node]:
    """Return what ``roots`` are made of that is made of one of ``on``, these included."""
    found: set[Node] = set()
    for node in reached(roots):
        if node in on or any(value in found for value in node.inputs):
            found.add(node)
    return found


def _is_turned(node: Node) -> bool:
    """Return whether a value is a stack of matrices, each transposed, which a product reads as it lies."""
    return node.op == "transpose" and node.detail == (*range(len(node.shape) - 2), len(node.shape) - 1, len(node.shape) - 2)


def _start(array: Array) -> int:
    """Return where an array's memory begins."""
    interface = getattr(array, "__array_interface__", None) or array.__cuda_array_interface__
    return int(interface["data"][0])


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _is(node: Node, value: float) -> bool:
    return node.op in ("constant", "full") and node.detail == value


def another_order(array: Array) -> str:
    """Return what is said of an array that is not contiguous."""
    return f"an array of shape {array.shape} is a view in another order: hold a contiguous copy of it"


def writeable(array: Array) -> bool:
    """Return whether an array may be written into; those of a device always."""
    return not isinstance(array, np.ndarray) or array.flags.writeable
