"""Kernels for the CPU: one vectorised loop each, written as LLVM's intermediate code.

Measured against Numba's compiler for the Adam kernel of 784-512-512-10 (669,706 weights, one thread, 2026-11-24): 0.20 ms against
0.30, because arrays that cannot overlap are said not to; and 10 ms to compile against 120, because nothing has to be inferred.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurosim.backends import philox
from neurosim.backends.machine_code import compiled
from neurosim.backends.windows import Pair
from neurosim.capture.graph import Node, Shape
from neurosim.capture.plan import Spread, loop_shape, nest_of, spread

# fast flags short of "nnan" and "ninf": a diverged run has to be noticed
FAST = "reassoc nsz arcp contract afn"
ARITHMETIC = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
COMPARE = {
    "greater": "ogt", "greater_equal": "oge", "less": "olt", "less_equal": "ole", "equal": "oeq", "not_equal": "une",
}  # fmt: skip
LOGICAL = {"logical_and": "and", "logical_or": "or", "logical_not": "xor"}
OTHERS = {
    "negative", "sqrt", "absolute", "maximum", "minimum", "sign", "where", "cast", "unit", "full", "sum", "max", "assign", "entry",
    "put",
}  # fmt: skip
FUSED = frozenset(ARITHMETIC) | frozenset(COMPARE) | frozenset(LOGICAL) | OTHERS
ON_NUMBERS = frozenset({"power"})  # libm's: for single numbers only
WHOLE_VECTORS = 256  # elements: no vectorised loop takes more of them at a time
TYPES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double", np.dtype(bool): "i1", np.dtype(np.uint32): "i32"}


def fused(node: Node) -> bool:
    """Return whether an operation has its place in a loop; others are NumPy's own, whose tanh and exp are vectorised."""
    return node.op in FUSED or node.op in ON_NUMBERS and node.shape == ()


@dataclass
class Loop:
    """The text of one kernel and the order of its arguments.

    places : where the memory lies that it is given, in order; numbers : the constants it is given
    moves : by how many bytes each place moves on from one row to the next, or, in a loop of one row, from one column to the
        next; None where the rows, or the columns of the one row, do not stand each for itself
    """

    text: str
    places: list[Any]
    numbers: list[float]
    rows: int
    columns: int
    moves: list[int] | None


@dataclass
class _Writer:
    """Collects the lines of one kernel's parts, in the order they run."""

    entry: list[str] = field(default_factory=list)
    row: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    row_end: list[str] = field(default_factory=list)
    end: list[str] = field(default_factory=list)
    count: int = 0

    def value(self, lines: list[str], text: str) -> str:
        """Append ``%v = text`` and return the name."""
        self.count += 1
        lines.append(f"%v{self.count} = {text}")
        return f"%v{self.count}"


def written(nodes: Sequence[Node], space: Shape, where: Callable[[Node], Any]) -> Loop:
    """Return the loop of ``nodes`` over ``space``.

    where : the place of a value in memory, or None where only this kernel reads it; equal places are one argument
    """
    return _Kernel(nodes, space, where).loop()


class _Kernel:
    """Writes one kernel."""

    def __init__(self, nodes: Sequence[Node], space: Shape, where: Callable[[Node], Any]) -> None:
        self.nodes, self.space, self.where = nodes, space, where
        self.made = set(nodes)
        self.out = _Writer()
        self.places: dict[Any, int] = {}
        self.numbers: list[float] = []
        self.names: dict[Any, str] = {}
        self.lying: dict[Any, set[tuple[Spread, int]]] = {}  # of each place: how it lies in the loop, and the bytes of an element
        self.alone = True  # whether no row needs another
        self.apart = False  # whether rows have to be told apart; else the loop runs over all elements at once
        self.nest = nest_of(nodes, space)  # where rows and columns do not do: columns are its innermost axis, rows all others
        self.offsets: dict[tuple[int, ...], str] = {}  # of a row's first element, by an array's strides

    def loop(self) -> Loop:
        for node in self.nodes:
            self._node(node)
        rows, columns = loop_shape(self.space)
        if self.nest is not None:
            columns = self.nest.sizes[-1]
            rows = math.prod(self.space) // columns
        elif not self.apart:
            rows, columns = 1, rows * columns
        return Loop(self._text(), list(self.places), self.numbers, rows, columns, self._moves(rows, columns))

    def _moves(self, rows: int, columns: int) -> list[int] | None:
        """Return what ``Loop.moves`` says of a loop over ``rows`` and ``columns``."""
        lying = [self.lying.get(place, set()) for place in self.places]
        if not self.alone or self.nest is not None or (self.apart and rows == 1) or any(len(ways) != 1 for ways in lying):
            return None
        by = {"full": columns if self.apart else 1, "column": 1, "row": 0, "one": 0}
        return [size * by[lies] for ((lies, size),) in lying]

    # ------------------------------------------------------------------ operands

    def _pointer(self, node: Node) -> str:
        """Return the argument that holds ``node``."""
        return f"%p{self.places.setdefault(self.where(node), len(self.places))}"

    def _operand(self, node: Node, dtype: np.dtype[Any]) -> str:
        """Return the name of a value as an element of ``dtype``."""
        key = (node, dtype)
        if key not in self.names:
            if node.op == "constant":
                self.names[key] = self._number(node.detail, dtype)
            else:
                self.names[key] = self._cast(self._element(node), node.dtype, dtype)
        return self.names[key]

    def _number(self, value: float, dtype: np.dtype[Any]) -> str:
        key = ("number", value)
        if key not in self.names:
            at = len(self.numbers)
            self.numbers.append(value)
            pointer = self.out.value(self.out.entry, f"getelementptr double, ptr %numbers, i64 {at}")
            self.names[key] = self.out.value(self.out.entry, f"load double, ptr {pointer}")
        if dtype == np.float64:
            return self.names[key]
        assert dtype == np.float32, dtype
        return self.out.value(self.out.entry, f"fptrunc double {self.names[key]} to float")

    def _element(self, node: Node) -> str:
        """Return the name of a value of this kernel, or load it."""
        key = ("element", node)
        if key not in self.names:
            if node.base in self.made and node.shape == node.base.shape:
                return self.names["element", node.base]
            self.names[key] = self._load(node)
        return self.names[key]

    def _load(self, node: Node) -> str:
        lies = spread(self.space, node.shape)
        self._lies(node, lies)
        if self.nest is not None and lies not in ("full", "one"):
            lines, index = self._nested(self.nest.strides[node.shape])
        else:
            lines, index = {
                "full": (self.out.body, "%k"),
                "row": (self.out.body, "%j"),
                "column": (self.out.row, "%i"),
                "one": (self.out.entry, "0"),
            }[lies]
        self.apart |= lies in ("row", "column")
        return self._loaded(lines, node, self._pointer(node), index)

    def _lies(self, node: Node, lies: Spread) -> None:
        """Enter how ``node`` lies in the loop."""
        self.lying.setdefault(self.where(node), set()).add((lies, self._dtype(node).itemsize))

    def _loaded(self, lines: list[str], node: Node, start: str, index: str) -> str:
        """Return the name of an element of ``node``'s type, loaded from its place after ``start``."""
        kind = TYPES[self._dtype(node)]
        memory = "i8" if kind == "i1" else kind
        pointer = self.out.value(lines, f"getelementptr {memory}, ptr {start}, i64 {index}")
        loaded = self.out.value(lines, f"load {memory}, ptr {pointer}")
        return self.out.value(lines, f"trunc i8 {loaded} to i1") if kind == "i1" else loaded

    def _from(self, node: Node, turn: Node, first: int, by: int) -> str:
        """Return a pointer to element ``first + by * turn`` of an array; the number of the turn lies in memory."""
        self.alone = False
        add = functools.partial(self.out.value, self.out.entry)
        number = add(f"load i64, ptr {self._pointer(turn)}")
        start = add(f"add i64 {add(f'mul i64 {number}, {by}')}, {first}")
        kind = TYPES[self._dtype(node)]
        return add(f"getelementptr {'i8' if kind == 'i1' else kind}, ptr {self._pointer(node)}, i64 {start}")

    def _nested(self, strides: tuple[int, ...]) -> tuple[list[str], str]:
        """Return where an element of an array with ``strides`` is loaded, once a row or at each column, and its index."""
        offset = self._offset(strides)
        return (self.out.body, self._line(f"add nuw nsw i64 {offset}, %j")) if strides[-1] else (self.out.row, offset)

    def _offset(self, strides: tuple[int, ...]) -> str:
        """Return the index of a row's first element in an array with ``strides``."""
        if strides not in self.offsets:
            add = functools.partial(self.out.value, self.out.row)
            offset = "0"
            for axis, stride in enumerate(strides[:-1]):
                if stride:
                    along = self._along(axis) if stride == 1 else add(f"mul nuw nsw i64 {self._along(axis)}, {stride}")
                    offset = along if offset == "0" else add(f"add nuw nsw i64 {offset}, {along}")
            self.offsets[strides] = offset
        return self.offsets[strides]

    def _along(self, axis: int) -> str:
        """Return the index along an outer axis that a row lies at."""
        key = ("along", axis)
        if key not in self.names:
            assert self.nest is not None
            outer = self.nest.sizes[:-1]
            after = math.prod(outer[axis + 1 :])
            at = self.out.value(self.out.row, f"udiv i64 %i, {after}") if after > 1 else "%i"
            self.names[key] = self.out.value(self.out.row, f"urem i64 {at}, {outer[axis]}") if axis else at
        return self.names[key]

    def _begun(self, strides: tuple[int, ...]) -> str:
        """Return whether a row is the first of those that a total with ``strides`` adds up."""
        add = functools.partial(self.out.value, self.out.row)
        begun = "true"
        for axis, stride in enumerate(strides[:-1]):
            if not stride:
                first = add(f"icmp eq i64 {self._along(axis)}, 0")
                begun = first if begun == "true" else add(f"and i1 {begun}, {first}")
        return begun

    def _cast(self, value: str, source: Any, dtype: np.dtype[Any]) -> str:
        if source == dtype:
            return value
        kinds = TYPES[source], TYPES[dtype]
        if kinds == ("float", "double"):
            return self._line(f"fpext float {value} to double")
        if kinds == ("double", "float"):
            return self._line(f"fptrunc double {value} to float")
        if kinds[0] == "i1":
            return self._line(f"uitofp i1 {value} to {kinds[1]}")
        return self._line(f"fcmp une {kinds[0]} {value}, 0.0")

    def _line(self, text: str) -> str:
        return self.out.value(self.out.body, text)

    @staticmethod
    def _dtype(node: Node) -> np.dtype[Any]:
        assert node.dtype is not None
        return node.dtype

    # ------------------------------------------------------------------ operations

    def _node(self, node: Node) -> None:
        if node.op in ("sum", "max"):
            self._total(node)
            return
        value = self._computed(node)
        self.names["element", node] = value
        if node.op in ("assign", "put") or self.where(node) is not None:
            self._store(node, value)

    def _computed(self, node: Node) -> str:
        dtype, op = self._dtype(node), node.op
        kind = TYPES[dtype]
        if op == "full":
            return self._number(node.detail, dtype)
        if op == "unit":
            return self._unit(node)
        if op in ("cast", "assign", "put"):
            return self._operand(node.inputs[0], dtype)
        if op == "entry":
            return self._loaded(self.out.body, node, self._from(node.inputs[0], node.inputs[1], *node.detail), "%k")
        if op in COMPARE:
            common = np.result_type(*(n.detail if n.dtype is None else n.dtype for n in node.inputs))
            a, b = (self._operand(value, common) for value in node.inputs)
            return self._line(f"fcmp {COMPARE[op]} {TYPES[common]} {a}, {b}")
        if op in LOGICAL:
            values = [self._operand(value, dtype) for value in node.inputs]
            return self._line(f"{LOGICAL[op]} i1 {values[0]}, {values[1] if len(values) > 1 else 'true'}")
        if op == "where":
            condition = self._operand(node.inputs[0], np.dtype(bool))
            a, b = (self._operand(value, dtype) for value in node.inputs[1:])
            return self._line(f"select i1 {condition}, {kind} {a}, {kind} {b}")
        values = [self._operand(value, dtype) for value in node.inputs]
        return self._line(self._formula(op, kind, values))

    def _formula(self, op: str, kind: str, values: list[str]) -> str:
        """Return the instruction of an arithmetic operation."""
        if op in ARITHMETIC:
            return f"{ARITHMETIC[op]} {FAST} {kind} {values[0]}, {values[1]}"
        if op == "negative":
            return f"fneg {FAST} {kind} {values[0]}"
        if op in ("maximum", "minimum"):
            first = self._line(f"fcmp {'ogt' if op == 'maximum' else 'olt'} {kind} {values[1]}, {values[0]}")
            return f"select i1 {first}, {kind} {values[1]}, {kind} {values[0]}"  # a NaN in the first place stays
        if op == "sign":
            above = self._line(f"fcmp ogt {kind} {values[0]}, 0.0")
            below = self._line(f"fcmp olt {kind} {values[0]}, 0.0")
            negative = self._line(f"select i1 {below}, {kind} -1.0, {kind} {values[0]}")  # zeros and NaNs stay
            return f"select i1 {above}, {kind} 1.0, {kind} {negative}"
        name = {"sqrt": "sqrt", "absolute": "fabs", "power": "pow"}[op]
        suffix = "f32" if kind == "float" else "f64"
        return f"call {FAST} {kind} @llvm.{name}.{suffix}({', '.join(f'{kind} {value}' for value in values)})"

    def _unit(self, node: Node) -> str:
        """Turn 32 random bits into a number in [0, 1): as many of them as the type holds."""
        bits, kind = self._element(node.inputs[0]), TYPES[self._dtype(node)]
        if kind == "float":
            bits = self._line(f"lshr i32 {bits}, 8")
        number = self._line(f"uitofp i32 {bits} to {kind}")
        return self._line(f"fmul {kind} {number}, {'0x3E70000000000000' if kind == 'float' else '0x3DF0000000000000'}")

    def _store(self, node: Node, value: str) -> None:
        kind = TYPES[self._dtype(node)]
        if kind == "i1":
            value, kind = self.out.value(self.out.stores, f"zext i1 {value} to i8"), "i8"
        start = self._from(node.inputs[1], node.inputs[2], 0, node.size) if node.op == "put" else self._pointer(node)
        self._lies(node, "full")
        pointer = self.out.value(self.out.stores, f"getelementptr {kind}, ptr {start}, i64 %k")
        self.out.stores.append(f"store {kind} {value}, ptr {pointer}")

    # ------------------------------------------------------------------ totals

    def _axis(self, node: Node) -> int | None:
        """Return over which axis of the loop a total runs: 0 (over rows), 1 (over columns), None (both)."""
        if len(node.detail) == len(self.space):
            return None
        self.apart = True
        return 0 if node.detail == (0,) else 1

    def _total(self, node: Node) -> None:
        dtype = self._dtype(node)
        kind, value = TYPES[dtype], self._operand(node.inputs[0], dtype)
        start = "0.0" if node.op == "sum" else "0xFFF0000000000000"
        if self.nest is not None:
            self._total_over_axes(node, kind, value, start, self.nest.strides[node.shape])
            return
        axis = self._axis(node)
        self.alone &= axis == 1
        self._lies(node, "column")
        if axis == 0:
            self._total_by_column(node, kind, value, start)
            return
        by_row = axis == 1
        held = self.out.value(self.out.entry, f"alloca {kind}")
        (self.out.row if by_row else self.out.entry).append(f"store {kind} {start}, ptr {held}")
        before = self.out.value(self.out.stores, f"load {kind}, ptr {held}")
        after = self._accumulated(node.op, kind, before, value)
        self.out.stores.append(f"store {kind} {after}, ptr {held}")
        lines, index = (self.out.row_end, "%i") if by_row else (self.out.end, "0")
        total = self.out.value(lines, f"load {kind}, ptr {held}")
        pointer = self.out.value(lines, f"getelementptr {kind}, ptr {self._pointer(node)}, i64 {index}")
        lines.append(f"store {kind} {total}, ptr {pointer}")

    def _total_by_column(self, node: Node, kind: str, value: str, start: str) -> None:
        """Add to the column's place in memory, which the first row starts: that loop is vectorised over columns."""
        pointer = self.out.value(self.out.stores, f"getelementptr {kind}, ptr {self._pointer(node)}, i64 %j")
        held = self.out.value(self.out.stores, f"load {kind}, ptr {pointer}")
        before = self.out.value(self.out.stores, f"select i1 %first, {kind} {start}, {kind} {held}")
        self.out.stores.append(f"store {kind} {self._accumulated(node.op, kind, before, value)}, ptr {pointer}")

    def _total_over_axes(self, node: Node, kind: str, value: str, start: str, strides: tuple[int, ...]) -> None:
        """Add to the total's place in memory at each column, or, where columns are added up, at the end of each row."""
        begun, offset = self._begun(strides), self._offset(strides)
        if strides[-1]:
            lines, index = self.out.stores, self.out.value(self.out.stores, f"add nuw nsw i64 {offset}, %j")
        else:
            lines, index = self.out.row_end, offset
            held = self.out.value(self.out.entry, f"alloca {kind}")
            self.out.row.append(f"store {kind} {start}, ptr {held}")
            before = self.out.value(self.out.stores, f"load {kind}, ptr {held}")
            self.out.stores.append(f"store {kind} {self._accumulated(node.op, kind, before, value)}, ptr {held}")
            value = self.out.value(lines, f"load {kind}, ptr {held}")
        pointer = self.out.value(lines, f"getelementptr {kind}, ptr {self._pointer(node)}, i64 {index}")
        if begun != "true":
            earlier = self.out.value(lines, f"load {kind}, ptr {pointer}")
            before = self.out.value(lines, f"select i1 {begun}, {kind} {start}, {kind} {earlier}")
            value = self._accumulated(node.op, kind, before, value, lines)
        lines.append(f"store {kind} {value}, ptr {pointer}")

    def _accumulated(self, op: str, kind: str, before: str, value: str, lines: list[str] | None = None) -> str:
        add = functools.partial(self.out.value, self.out.stores if lines is None else lines)
        if op == "sum":
            return add(f"fadd {FAST} {kind} {before}, {value}")
        larger = add(f"fcmp ogt {kind} {value}, {before}")
        return add(f"select i1 {larger}, {kind} {value}, {kind} {before}")

    # ------------------------------------------------------------------ text

    def _text(self) -> str:
        pointers = ", ".join(f"ptr noalias %p{k}" for k in range(len(self.places)))
        parts = [
            f"define void @NAME({pointers}{', ' if pointers else ''}ptr noalias %numbers, i64 %rows, i64 %columns) {{",
            "entry:", *self.out.entry, "br label %row",
            "row:", "%i = phi i64 [0, %entry], [%i2, %rowend]", "%start = mul i64 %i, %columns", "%first = icmp eq i64 %i, 0",
            *self.out.row, "br label %body",
            "body:", "%j = phi i64 [0, %row], [%j2, %body]", "%k = add nuw nsw i64 %start, %j",
            *self.out.body, *self.out.stores,
            "%j2 = add nuw nsw i64 %j, 1", "%full = icmp eq i64 %j2, %columns", "br i1 %full, label %rowend, label %body",
            "rowend:", *self.out.row_end,
            "%i2 = add nuw nsw i64 %i, 1", "%all = icmp eq i64 %i2, %rows", "br i1 %all, label %exit, label %row",
            "exit:", *self.out.end, "ret void", "}",
        ]  # fmt: skip
        return "\n".join(parts)


def random_words() -> str:
    """Return the text of the kernel that fills memory with Philox4x32-10 (see ``backends.philox``), a block an iteration.

    The step, and the number of a loop's turn, are read where they lie.
    """
    out = _Writer()
    value = functools.partial(out.value, out.body)
    c = [value("trunc i64 %j to i32"), "%part32", "%step", "%tick32"]
    k: list[str] = ["%key32", "%other32"]
    for _ in range(philox.ROUNDS):
        halves = []
        for word, multiplier in ((c[0], philox.MULTIPLIERS[0]), (c[2], philox.MULTIPLIERS[1])):
            product = value(f"mul i64 {value(f'zext i32 {word} to i64')}, {multiplier}")
            high = value(f"trunc i64 {value(f'lshr i64 {product}, 32')} to i32")
            halves.append((high, value(f"trunc i64 {product} to i32")))
        (high0, low0), (high1, low1) = halves
        first = value(f"xor i32 {value(f'xor i32 {high1}, {c[1]}')}, {k[0]}")
        third = value(f"xor i32 {value(f'xor i32 {high0}, {c[3]}')}, {k[1]}")
        c = [first, low1, third, low0]
        k = [value(f"add i32 {word}, {weyl}") for word, weyl in zip(k, philox.WEYL, strict=True)]
    for number, word in enumerate(c):
        start = value(f"mul i64 %blocks, {number}")
        pointer = value(f"getelementptr i32, ptr %out, i64 {value(f'add i64 %j, {start}')}")
        out.body.append(f"store i32 {word}, ptr {pointer}")
    numbers = ("blocks", "begin", "end", "key", "other", "part", "tick", "by")
    given = ", ".join(["ptr noalias %out", "ptr %step_at", "ptr %turn_at", *(f"i64 %{name}" for name in numbers)])
    entry = [
        f"define void @NAME({given}) {{", "entry:",
        "%step = load i32, ptr %step_at", "%turn = load i64, ptr %turn_at",
        "%later = mul i64 %by, %turn", "%now = add i64 %tick, %later", "%tick32 = trunc i64 %now to i32",
        "%part32 = trunc i64 %part to i32", "%key32 = trunc i64 %key to i32", "%other32 = trunc i64 %other to i32",
        "br label %body",
        "body:", "%j = phi i64 [%begin, %entry], [%j2, %body]",
    ]  # fmt: skip
    tail = ["%j2 = add nuw nsw i64 %j, 1", "%all = icmp eq i64 %j2, %end", "br i1 %all, label %exit, label %body"]
    return "\n".join([*entry, *out.body, *tail, "exit:", "ret void", "}"])


WINDOWS = """define void @NAME(ptr noalias %in, ptr noalias %out, i64 %rows) {{
entry:
  br label %row
row:
  %i = phi i64 [0, %entry], [%i2, %rowend]
  %y = urem i64 %i, {down}
  %i_j = udiv i64 %i, {down}
  %q = urem i64 %i_j, {kw}
  %i_p = udiv i64 %i_j, {kw}
  %p = urem i64 %i_p, {kh}
  %image = udiv i64 %i_p, {kh}
  %y_scaled = mul i64 %y, {sh}
  %y_moved = add i64 %y_scaled, %p
  %line = sub i64 %y_moved, {ph}
  %before = sub i64 {pw}, %q
  %before_up = add i64 %before, {sw_less}
  %before_windows = sdiv i64 %before_up, {sw}
  %has_before = icmp sgt i64 %before, 0
  %first = select i1 %has_before, i64 %before_windows, i64 0
  %last = sub i64 {last}, %q
  %last_window = sdiv i64 %last, {sw}
  %windows = add i64 %last_window, 1
  %fewer = icmp slt i64 %windows, {across}
  %end_here = select i1 %fewer, i64 %windows, i64 {across}
  %has_last = icmp sge i64 %last, 0
  %inside = icmp ult i64 %line, {height}
  %has_any = and i1 %has_last, %inside
  %end = select i1 %has_any, i64 %end_here, i64 0
  %image_lines = mul i64 %image, {height}
  %all_lines = add i64 %image_lines, %line
  %line_start = mul i64 %all_lines, {width}
  %there = sub i64 %line_start, %before
  %here = mul i64 %i, {across}
  %some = icmp slt i64 %first, %end
  br i1 %some, label %body, label %rowend
body:
  %x = phi i64 [%first, %row], [%x2, %body]
  %x_scaled = mul nsw i64 %x, {sw}
  %in_image = add nsw i64 %there, %x_scaled
  %in_windows = add nsw i64 %here, %x
{body}
  %x2 = add nsw i64 %x, 1
  %full = icmp eq i64 %x2, %end
  br i1 %full, label %rowend, label %body
rowend:
  %i2 = add nuw nsw i64 %i, 1
  %all = icmp eq i64 %i2, %rows
  br i1 %all, label %exit, label %row
exit:
  ret void
}}"""


TAKEN = """  %source = getelementptr {kind}, ptr %in, i64 %in_image
  %place = getelementptr {kind}, ptr %out, i64 %in_windows
  %value = load {kind}, ptr %source
  store {kind} %value, ptr %place"""

ADDED = """  %source = getelementptr {kind}, ptr %in, i64 %in_windows
  %place = getelementptr {kind}, ptr %out, i64 %in_image
  %value = load {kind}, ptr %source
  %held = load {kind}, ptr %place
  %total = fadd {kind} %held, %value
  store {kind} %total, ptr %place"""


def windowed(back: bool, dtype: np.dtype[Any], images: Shape, windows: Shape, stride: Pair, padding: Pair) -> str:
    """Return the text of the kernel that takes windows from images, or, ``back``, adds them to images (see ``Backend.windows``).

    Element q of the windows of a row lies at columns ``x * stride + q - padding``, of which the image has ``first <= x < end``.
    """
    (height, width), (kh, kw, down, across) = images[2:], windows[2:]
    (sh, sw), (ph, pw) = stride, padding
    body = ADDED.format(kind=TYPES[dtype]) if back else TAKEN.format(kind=f"i{8 * dtype.itemsize}")
    return WINDOWS.format(
        body=body, height=height, width=width, kh=kh, kw=kw, down=down, across=across, sh=sh, sw=sw, sw_less=sw - 1, ph=ph, pw=pw,
        last=width - 1 + pw,
    )  # fmt: skip


# ---------------------------------------------------------------------- calling


def bound(loop: Loop, address: int, memory: Callable[[Any], np.ndarray]) -> tuple[Any, tuple[Any, ...]]:
    """Return the compiled loop as a function and its arguments, which point to the ``memory`` of each place."""
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(loop.places) + 1), ctypes.c_int64, ctypes.c_int64)
    numbers = np.array(loop.numbers or [0.0])
    arguments: list[Any] = [ctypes.c_void_p(memory(place).ctypes.data) for place in loop.places]
    arguments += [ctypes.c_void_p(numbers.ctypes.data), ctypes.c_int64(loop.rows), ctypes.c_int64(loop.columns)]
    function = prototype(address)
    function.numbers = numbers  # type: ignore[attr-defined]  # kept alive as long as the function
    return function, tuple(arguments)


class Job:
    """Calls of one function that threads take in turn, each with arguments of its own.

    calls : the arguments of each, in words of 64 bits; pointers, numbers : how many of them are which, in this order
    numbering : where the functions lie that tell a thread its number, and how many threads there are
    address : of the job's memory; function : of the code that a thread runs on it
    """

    def __init__(self, function: Any, calls: Sequence[Sequence[int]], pointers: int, numbers: int, numbering: list[int]) -> None:
        words = [*numbering, ctypes.cast(function, ctypes.c_void_p).value, len(calls), *itertools.chain(*calls)]
        self.memory, self.kept = np.array(words, np.int64), function
        self.address = ctypes.c_void_p(self.memory.ctypes.data)
        self.address.job = self  # type: ignore[attr-defined]  # kept alive as long as its address
        text = _in_turn(pointers, numbers)
        self.function = ctypes.c_void_p(compiled([text])[text])


def split(loop: Loop, call: tuple[Any, tuple[Any, ...]], parts: int) -> list[list[int]]:
    """Return a loop's call as at most ``parts`` calls, as words: the call's arguments, moved on to where each begins."""
    _, (*pointers, numbers, _, _) = call
    assert loop.moves is not None
    whole = loop.rows if loop.rows > 1 else loop.columns
    ends = [whole * part // parts for part in range(parts)]
    if loop.rows == 1:  # vectors, unrolled, begin and end where they do in the whole loop: every element rounds as there
        ends = [end - end % WHOLE_VECTORS for end in ends]
    ends = [*dict.fromkeys(ends), whole]  # no part is empty: a kernel's loops run at least once
    calls = []
    for start, end in itertools.pairwise(ends):
        moved = (pointer.value + start * move for pointer, move in zip(pointers, loop.moves, strict=True))
        calls.append([*moved, numbers.value, *((1, end - start) if loop.rows == 1 else (end - start, loop.columns))])
    return calls


def _in_turn(pointers: int, numbers: int) -> str:
    """Return the text of the code that makes each of a job's calls that is the calling thread's turn."""
    lines = [
        "define void @NAME(ptr %job) {", "entry:", *_word("%own", 0, "ptr"), *_word("%all", 1, "ptr"), *_word("%kernel", 2, "ptr"),
        *_word("%parts", 3, "i64"), "%number = call i32 %own()", "%threads = call i32 %all()", "%first = zext i32 %number to i64",
        "%by = zext i32 %threads to i64", "%some = icmp slt i64 %first, %parts", "br i1 %some, label %body, label %exit",
        "body:", "%part = phi i64 [%first, %entry], [%next, %body]", f"%before = mul i64 %part, {pointers + numbers}",
        "%start = add i64 %before, 4",
    ]  # fmt: skip
    kinds = ["ptr"] * pointers + ["i64"] * numbers
    for k, kind in enumerate(kinds):
        lines += _word(f"%a{k}", f"%at{k}", kind, [f"%at{k} = add i64 %start, {k}"])
    given = ", ".join(f"{kind} %a{k}" for k, kind in enumerate(kinds))
    lines += [
        f"call void %kernel({given})", "%next = add i64 %part, %by", "%more = icmp slt i64 %next, %parts",
        "br i1 %more, label %body, label %exit", "exit:", "ret void", "}",
    ]  # fmt: skip
    return "\n".join(lines)


def _word(name: str, at: int | str, kind: str, before: Sequence[str] = ()) -> list[str]:
    """Return the lines that load a word of a job."""
    return [*before, f"{name}_at = getelementptr i64, ptr %job, i64 {at}", f"{name} = load {kind}, ptr {name}_at"]


MIRROR = """define void @NAME(ptr %out, i64 %n) {{
entry:
  br label %row
row:
  %i = phi i64 [0, %entry], [%i2, %rowend]
  %start = mul i64 %i, %n
  %some = icmp ugt i64 %i, 0
  br i1 %some, label %body, label %rowend
body:
  %j = phi i64 [0, %row], [%j2, %body]
  %line = mul i64 %j, %n
  %there = add i64 %line, %i
  %here = add i64 %start, %j
  %source = getelementptr {kind}, ptr %out, i64 %there
  %place = getelementptr {kind}, ptr %out, i64 %here
  %value = load {kind}, ptr %source
  store {kind} %value, ptr %place
  %j2 = add nuw nsw i64 %j, 1
  %full = icmp eq i64 %j2, %i
  br i1 %full, label %rowend, label %body
rowend:
  %i2 = add nuw nsw i64 %i, 1
  %all = icmp eq i64 %i2, %n
  br i1 %all, label %exit, label %row
exit:
  ret void
}}"""


def mirror(out: np.ndarray) -> tuple[Any, tuple[Any, ...]]:
    """Return the call that copies the upper half of a square matrix to the lower one."""
    text = MIRROR.format(kind=TYPES[out.dtype])
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(compiled([text])[text])
    return function, (ctypes.c_void_p(out.ctypes.data), ctypes.c_int64(len(out)))


@functools.lru_cache(maxsize=256)
def slider(back: bool, dtype: np.dtype[Any], images: Shape, windows: Shape, stride: Pair, padding: Pair) -> Any:
    """Return the compiled kernel of ``windowed`` as a function of (values, out); out holds zeros where nothing is written."""
    text = windowed(back, dtype, images, windows, stride, padding)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(compiled([text])[text])
    rows = ctypes.c_int64(math.prod(windows[:-1]))
    return lambda values, out: function(values.ctypes.data, out.ctypes.data, rows)


RANDOM_POINTERS, RANDOM_NUMBERS = 3, 8  # that the generator is called with
STILL = np.zeros((), np.int64)  # the turn of what is in no loop


def random_calls(
    out: np.ndarray, key: tuple[int, ...], step: ctypes.c_uint32, turn: np.ndarray, ticks: tuple[int, int], parts: int
) -> tuple[Any, list[list[int]]]:
    """Return the compiled generator, and the words of at most ``parts`` calls that fill ``out`` together.

    step, turn : read by each call where they lie
    key : its two words, and the part
    ticks : the tick of the first turn, and by how much it goes on with each
    """
    text, blocks = random_words(), -(-out.size // 4)
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * RANDOM_POINTERS, *[ctypes.c_int64] * RANDOM_NUMBERS)
    function = prototype(compiled([text])[text])
    function.read = step, turn  # type: ignore[attr-defined]  # kept alive as long as the function
    places = [out.ctypes.data, ctypes.addressof(step), turn.ctypes.data]
    parts = min(parts, blocks)  # none is empty: the generator's loop runs at least once
    ends = [blocks * part // parts for part in range(parts + 1)]
    return function, [[*places, blocks, *pair, *key, *ticks] for pair in itertools.pairwise(ends)]
