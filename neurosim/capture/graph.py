"""What a step computes, written down: a graph of array operations without side effects.

Equal operations on equal inputs are one node, so that nothing is computed twice; what nobody reads is never computed at all.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.errors import NotCapturableError

Array = Any
Shape = tuple[int, ...]

COMPARISONS = frozenset({"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"})
LOGICAL = frozenset({"logical_and", "logical_or", "logical_not"})
BITWISE = {"bitwise_and": "logical_and", "bitwise_or": "logical_or", "invert": "logical_not"}  # of truth values: the same
VIEWS = frozenset({"reshape", "transpose"})
GIVEN = frozenset({"leaf", "input", "constant"})
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@dataclass(frozen=True, eq=False)
class Node:
    """One value.

    op : ``leaf`` (an array that lives on between steps), ``input``, ``constant``, ``full``, ``bits``, ``matmul``, ``sum``, ``max``,
        ``reshape``, ``transpose``, ``join``, ``call``, ``assign``, or the name of an elementwise NumPy function
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


class Graph:
    """Nodes, and what a step does with them: arrays to overwrite and totals to watch.

    assigned : leaf -> the value it takes at the end of the step
    watched : (what it is, its values), in order; a step in which they are no finite numbers must not change anything
    refused : why what was asked for has no place in a graph; whoever asked may have gone on another way, which is not the step's
    """

    def __init__(self) -> None:
        self._known: dict[Any, Node] = {}
        self.refused: list[str] = []
        self.assigned: dict[Node, Node] = {}
        self.watched: list[tuple[str, Node]] = []

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

    def unit(self, key: tuple[int, int], part: int, shape: Shape, dtype: Any) -> Node:
        """Return this step's uniform numbers in [0, 1) of the stream ``key`` (see ``capture.philox``)."""
        bits = self.node("bits", (), (math.prod(shape),), np.uint32, (*key, part))
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
        axes = tuple(range(len(value.shape))) if axis is None else (axis,) if isinstance(axis, int) else axis
        axes = tuple(sorted(k % len(value.shape) for k in axes))
        shape = tuple(1 if k in axes else n for k, n in enumerate(value.shape))
        if value.dtype not in FLOATS:
            value = self.cast(value, np.float64)
        found = self.node(op, (self._contiguous(value),), shape, value.dtype, axes)
        if keepdims:
            return found
        return self.reshape(found, tuple(n for k, n in enumerate(value.shape) if k not in axes))

    def matmul(self, a: Node, b: Node) -> Node:
        """Return the matrix product of two matrices."""
        if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != b.shape[0]:
            raise self.refusal(f"matmul of {a.shape} and {b.shape}: expected two matrices that fit")
        return self.node("matmul", (a, b), (a.shape[0], b.shape[1]), np.result_type(a.dtype, b.dtype))

    def reshape(self, value: Node, shape: Shape) -> Node:
        """Return ``value`` in another shape of as many elements, one of which may be -1."""
        if -1 in shape:
            rest = math.prod(n for n in shape if n != -1)
            shape = tuple(value.size // max(rest, 1) if n == -1 else n for n in shape)
        if math.prod(shape) != value.size:
            raise self.refusal(f"reshape of {value.shape} to {shape}: expected as many elements")
        origin = value.inputs[0] if value.op == "reshape" else self._contiguous(value)
        return origin if shape == origin.shape else self.node("reshape", (origin,), shape, value.dtype)

    def transpose(self, value: Node) -> Node:
        """Return the transpose of a matrix."""
        if len(value.shape) != 2:
            raise self.refusal(f"transpose of shape {value.shape}: expected a matrix")
        return value.inputs[0] if value.op == "transpose" else self.node("transpose", (value,), value.shape[::-1], value.dtype)

    def join(self, parts: Sequence[Node]) -> Node:
        """Return matrices side by side."""
        rows = {part.shape[0] for part in parts}
        if len(rows) != 1 or any(len(part.shape) != 2 for part in parts):
            raise self.refusal(f"joining {[part.shape for part in parts]}: expected matrices of as many rows")
        shape = (rows.pop(), sum(part.shape[1] for part in parts))
        return self.node("join", (self._contiguous(p) for p in parts), shape, np.result_type(*(p.dtype for p in parts)))

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
            self.assigned[leaf] = value

    def roots(self) -> tuple[list[Node], list[Node]]:
        """Return what is watched and what is assigned, each a node."""
        watches = [self.node("watch", (value,), (), value.dtype, label) for label, value in self.watched]
        assigns = [self.node("assign", (value, leaf), leaf.shape, leaf.dtype) for leaf, value in self.assigned.items()]
        return watches, assigns

    def watch_sums(self) -> None:
        """Watch sums instead of the values themselves: one number tells."""
        self.watched = [(label, self.reduce("sum", value, None, False)) for label, value in self.watched]

    def needed(self) -> list[Node]:
        """Return every node that a root needs, in the order in which they were written down."""
        watches, assigns = self.roots()
        found: set[Node] = set()
        pending = [*watches, *assigns]
        while pending:
            node = pending.pop()
            if node not in found:
                found.add(node)
                pending.extend(node.inputs)
        return sorted(found, key=lambda node: node.number)


    # ------------------------------------------------------------------ is it sound, is it the same

    def check(self) -> None:
        """Raise NotCapturableError where something was refused, or arrays that a step writes to lie in each other's memory."""
        if self.refused:
            raise NotCapturableError(self.refused[0])
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
        for node in self.needed():  # inputs come before what needs them
            detail = node.detail
            if node.op == "leaf":
                detail = id(detail) if id(detail) in known else _digest(np.ascontiguousarray(read(detail)).tobytes())
            own = repr((node.op, node.shape, node.dtype, detail)).encode()
            marks[node] = _digest(own + b"".join(marks[value] for value in node.inputs))
        watches, assigns = self.roots()
        return [marks[node] for node in watches] + sorted(marks[node] for node in assigns)


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
