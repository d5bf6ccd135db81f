"""Products of a matrix that is mostly zeros, such as the spikes of a batch in a tick: only what is not zero is multiplied.

Each element's sum begins at the first neuron and goes on in order, whatever the blocks and threads: its bits depend on the two
matrices alone.  Columns are taken in panels that a core's registers hold; the rows of a panel are copied to where they lie one
behind the other, if they are read often; and which elements are not zero is held as bits, 32 in a word.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from neurosim.backends.llvm_builder import BOOL, DOUBLE, INT, LONG, POINTER, Builder, Value, text_of
from neurosim.backends.machine_code import compiled

BITS = 32  # of a word
VECTORS = 8  # registers of 64 bytes that a panel's sums take
ALIGNED = 64  # bytes
ROWS = 2048  # whose bits are held at a time
DEEP = {True: 1024, False: 128}  # rows of b that are held at a time, by whether a's rows lie in order: a panel of them fits a cache
COPIED = 4  # how often, at least, a row of b is added up on average where a panel is copied
SAMPLED = 16  # every so many lines are looked at to tell how much is not zero
DENSE = 0.25  # share that is not zero above which a BLAS is faster (on one thread, both take as long at about a third)
POINTERS, NUMBERS = 5, 7  # that the kernel is called with
KINDS: dict[np.dtype[Any], tuple[Any, str]] = {np.dtype(np.float32): (ir.FloatType(), "f32"), np.dtype(np.float64): (DOUBLE, "f64")}


@dataclass(frozen=True)
class Lines:
    """How a matrix lies: the elements of its rows, or of its columns, are in order, and lines are ``step`` elements apart."""

    rows: bool
    step: int

    @staticmethod
    def of(matrix: np.ndarray) -> Lines | None:
        """Return how ``matrix`` lies; None where neither rows nor columns are lines that do not overlap."""
        size = matrix.itemsize
        for rows, (lines, within), length in (
            (True, matrix.strides, matrix.shape[1]), (False, matrix.strides[::-1], matrix.shape[0])
        ):  # fmt: skip
            if within == size and lines >= length * size and lines % size == 0:
                return Lines(rows, lines // size)
        return None


class Scratch:
    """Memory that products use one after the other, for each thread its own: bits, and a panel."""

    BITS, PANEL = ROWS * max(DEEP.values()) // BITS * 4, (max(DEEP.values()) + 1) * VECTORS * ALIGNED
    NBYTES = BITS + PANEL + ALIGNED  # of a thread

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []

    def addresses(self, part: int) -> tuple[int, int]:
        """Return where the bits and the panel of a thread are."""
        while len(self.parts) <= part:
            self.parts.append(np.empty(self.NBYTES, np.uint8))
        start: int = self.parts[part].ctypes.data
        start += -start % ALIGNED
        return start, start + self.BITS


def takes(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> bool:
    """Return whether the kernel can write ``a @ b`` into ``out``."""
    plain = a.ndim == b.ndim == 2 and b.flags.c_contiguous and out.flags.c_contiguous and 0 not in (*a.shape, *out.shape)
    return plain and a.dtype == b.dtype == out.dtype and out.dtype in KINDS and Lines.of(a) is not None


def worthwhile(out: np.ndarray) -> float:
    """Return which share of ``a`` may be other than zero for the kernel to be faster than a BLAS on as many threads."""
    across = VECTORS * ALIGNED // out.itemsize
    return DENSE * out.shape[1] / (-(-out.shape[1] // across) * across)


def split(
    a: np.ndarray, b: np.ndarray, out: np.ndarray, scale: float | None, scratch: Scratch, parts: int
) -> tuple[Any, list[list[int]]]:
    """Return the kernel that writes ``a @ b`` into ``out``, or adds ``scale`` times it, and the words of at most ``parts`` calls.

    Each call takes some panels of columns, and, where there are fewer panels than parts, some rows.
    """
    lines = Lines.of(a)
    assert lines is not None
    (m, k), n, across = a.shape, out.shape[1], VECTORS * ALIGNED // out.itemsize
    panels = -(-n // across)
    columns = min(parts, panels)
    rows = min(parts // columns, m)
    words = []
    for part in range(rows * columns):
        (row, end), (first, last) = _ends(m, rows, part // columns), _ends(panels, columns, part % columns)
        column, right = first * across, min(last * across, n)
        places = [array.ctypes.data for array in (a[row:], b[:, column:], out[row:, column:])]
        factor = int(np.float64(1 if scale is None else scale).view(np.int64))
        sizes = [factor, int(scale is not None), k, lines.step, n, end - row, right - column]
        words.append([*places, *scratch.addresses(part), *sizes])
    return _function(_product_text(out.dtype, lines.rows), None, POINTERS, NUMBERS), words


def _ends(whole: int, parts: int, part: int) -> tuple[int, int]:
    """Return the first and the end of a part of ``whole``."""
    return whole * part // parts, whole * (part + 1) // parts


def count(a: np.ndarray) -> tuple[Any, tuple[Any, ...], int]:
    """Return the call that counts what is not zero in every 16th line of ``a``, and how many elements it looks at."""
    lines = Lines.of(a)
    assert lines is not None
    many, length = a.shape if lines.rows else a.shape[::-1]
    function = _function(_count_text(a.dtype), ctypes.c_int64, 1, 3)
    given = ctypes.c_void_p(a.ctypes.data), *map(ctypes.c_int64, (lines.step, many, length))
    return function, given, -(-many // SAMPLED) * length


@functools.cache
def _function(text: str, returned: Any, pointers: int, numbers: int) -> Any:
    return ctypes.CFUNCTYPE(returned, *[ctypes.c_void_p] * pointers, *[ctypes.c_int64] * numbers)(compiled([text])[text])


@functools.cache
def _product_text(dtype: np.dtype[Any], by_rows: bool) -> str:
    return _Product(dtype, by_rows).text()


@functools.cache
def _count_text(dtype: np.dtype[Any]) -> str:
    """Return the text of the function that counts what is not zero in sampled lines."""
    kind, _ = KINDS[dtype]
    module = ir.Module("count")
    function = ir.Function(module, ir.FunctionType(LONG, [POINTER, LONG, LONG, LONG]), "NAME")
    a, step, lines, length = function.args
    build = _Builder(function)
    total = build.variable(LONG)
    build.store(LONG(0), total)
    with build.loop(LONG(0), build.ceiling(lines, SAMPLED)) as sample:
        line = build.element(a, build.mul(build.mul(sample, LONG(SAMPLED)), step), kind)
        with build.loop(LONG(0), length) as k:
            found = build.not_zero(build.load(build.element(line, k, kind), typ=kind))
            build.store(build.add(build.load(total, typ=LONG), build.zext(found, LONG)), total)
    build.ret(build.load(total, typ=LONG))
    return text_of(module)


class _Builder(Builder):
    """Adds variables, vectors and their blocks."""

    def variable(self, kind: Any) -> Value:
        """Return a place on the stack; where nothing else asks for its address it becomes a register."""
        place = self.alloca(kind)
        place.type = POINTER
        return place

    def ceiling(self, number: Value, by: int) -> Value:
        """Return how many blocks of ``by`` hold ``number``."""
        return self.sdiv(self.add(number, LONG(by - 1)), LONG(by))

    def least(self, first: Value, second: Value) -> Value:
        return self.select(self.icmp_signed("<", first, second), first, second)

    def not_zero(self, value: Value) -> Value:
        zero = ir.Constant(value.type, [0.0] * value.type.count if isinstance(value.type, ir.VectorType) else 0.0)
        return self.fcmp_unordered("!=", value, zero)

    def filled(self, value: Value, lanes: int) -> Value:
        """Return a vector whose lanes are all ``value``."""
        nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
        first = self.insert_element(nothing, value, INT(0))
        return self.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(INT, lanes), [0] * lanes))

    def copy(self, source: Value, target: Value, length: Value, kind: Any) -> None:
        with self.loop(LONG(0), length) as k:
            self.store(self.load(self.element(source, k, kind), typ=kind), self.element(target, k, kind))

    @contextmanager
    def each_bit(self, word: Value) -> Iterator[Value]:
        """Write a loop over the numbers of the bits that are set, from the lowest."""
        lowest = self.module.declare_intrinsic("llvm.cttz", [INT], ir.FunctionType(INT, [INT, BOOL]))
        header, body, after = (self.function.append_basic_block(name) for name in ("bits", "bit", "done"))
        entry = self.block
        self.branch(header)
        self.position_at_end(header)
        rest = self.phi(INT)
        rest.add_incoming(word, entry)
        self.cbranch(self.icmp_unsigned("!=", rest, INT(0)), body, after)
        self.position_at_end(body)
        yield self.zext(self.call(lowest, [rest, BOOL(1)]), LONG)
        rest.add_incoming(self.and_(rest, self.sub(rest, INT(1))), self.block)
        self.branch(header)
        self.position_at_end(after)


class _Product:
    """Writes ``out = a @ b``, or ``out += scale * (a @ b)``, of a part; rows of b and of out are ``width`` elements apart.

    for rows of a, as many as bits are held of:
        for rows of b, as many as a panel holds:
            which elements of a are not zero?
            for panels of columns: copy them, if it pays; for each row of a: add the rows of the panel where a is not zero
    """

    def __init__(self, dtype: np.dtype[Any], by_rows: bool) -> None:
        self.kind, suffix = KINDS[dtype]
        self.by_rows, self.size, self.deep = by_rows, dtype.itemsize, DEEP[by_rows]
        self.lanes = ALIGNED // self.size
        self.across = self.lanes * VECTORS  # columns of a panel
        self.vector = ir.VectorType(self.kind, self.lanes)
        self.words = self.deep // BITS  # of a row, at most
        self.module = ir.Module("product")
        self.function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [*[POINTER] * POINTERS, *[LONG] * NUMBERS]), "NAME")
        for argument in self.function.args[:POINTERS]:
            argument.add_attribute("noalias")
        self.a, self.b, self.out, self.bits, self.panel, scale, self.added, *sizes = self.function.args
        self.depth, self.step, self.width, self.rows, self.columns = sizes
        self.build = _Builder(self.function)
        self.sums = [self.build.variable(self.vector) for _ in range(VECTORS)]
        self.word, self.many = self.build.variable(INT), self.build.variable(ir.VectorType(INT, self.lanes))
        self.set = self.build.variable(LONG)
        name, kinds = f"llvm.fmuladd.v{self.lanes}{suffix}", [self.vector] * 3
        self.multiply_add = ir.Function(self.module, ir.FunctionType(self.vector, kinds), name)
        self.scale: Value = self.build.bitcast(scale, DOUBLE)
        if self.kind is not DOUBLE:
            self.scale = self.build.fptrunc(self.scale, self.kind)

    def text(self) -> str:
        build = self.build
        with build.loop(LONG(0), build.ceiling(self.rows, ROWS)) as block:
            self.row0 = build.mul(block, LONG(ROWS))
            self.here = build.least(LONG(ROWS), build.sub(self.rows, self.row0))
            with build.loop(LONG(0), build.ceiling(self.depth, self.deep)) as block_of_b:
                self.k0 = build.mul(block_of_b, LONG(self.deep))
                self.left = build.least(LONG(self.deep), build.sub(self.depth, self.k0))
                # what is added to holds sums from the start, and every sum is held between the blocks of b
                self.begun = build.or_(build.icmp_signed("!=", block_of_b, LONG(0)), build.icmp_signed("!=", self.added, LONG(0)))
                self.used = build.ceiling(self.left, BITS)
                self._find_in_rows() if self.by_rows else self._find_in_columns()
                self.seldom = build.icmp_signed("<", self._count(), build.mul(self.left, LONG(COPIED)))
                with build.loop(LONG(0), build.ceiling(self.columns, self.across)) as number:
                    self._panel(build.mul(number, LONG(self.across)))
        build.ret_void()
        return text_of(self.module)

    def _given(self, row: Value, k: Value) -> Value:
        """Return the place of an element of a."""
        line, along = (row, k) if self.by_rows else (k, row)
        return self.build.element(self.a, self.build.add(self.build.mul(line, self.step), along), self.kind)

    # ------------------------------------------------------------------ what is not zero

    def _bits_of(self, row: Value, word: Value) -> Value:
        return self.build.element(self.bits, self.build.add(self.build.mul(row, LONG(self.words)), word), INT)

    def _find_in_rows(self) -> None:
        """Write the bits of rows that lie in order: 32 elements at once, and the rest one by one."""
        build, many = self.build, ir.VectorType(self.kind, BITS)
        whole = build.sdiv(self.left, LONG(BITS))
        with build.loop(LONG(0), self.here) as row:
            line = self._given(build.add(self.row0, row), self.k0)
            with build.loop(LONG(0), whole) as word:
                place = build.element(line, build.mul(word, LONG(BITS)), self.kind)
                found = build.not_zero(build.load(place, typ=many, align=self.size))
                build.store(build.bitcast(found, INT), self._bits_of(row, word))
            with build.if_then(build.icmp_signed("<", whole, self.used)):
                self._find_one_by_one(row, whole)

    def _find_in_columns(self) -> None:
        """Write the bits of columns that lie in order: of several rows at once, and of the rest one by one."""
        build, kind = self.build, ir.VectorType(INT, self.lanes)
        groups = build.sdiv(self.here, LONG(self.lanes))
        with build.loop(LONG(0), self.used) as word:
            begin = build.mul(word, LONG(BITS))
            end = build.least(build.add(begin, LONG(BITS)), self.left)
            with build.loop(LONG(0), groups) as group:
                first = build.mul(group, LONG(self.lanes))
                build.store(ir.Constant(kind, [0] * self.lanes), self.many)
                with build.loop(begin, end) as k:
                    place = self._given(build.add(self.row0, first), build.add(self.k0, k))
                    found = build.zext(build.not_zero(build.load(place, typ=self.vector, align=self.size)), kind)
                    moved = build.shl(found, build.filled(build.trunc(build.sub(k, begin), INT), self.lanes))
                    build.store(build.or_(build.load(self.many, typ=kind), moved), self.many)
                held = build.load(self.many, typ=kind)
                for lane in range(self.lanes):
                    build.store(build.extract_element(held, INT(lane)), self._bits_of(build.add(first, LONG(lane)), word))
            with build.loop(build.mul(groups, LONG(self.lanes)), self.here) as row:
                self._find_one_by_one(row, word)

    def _find_one_by_one(self, row: Value, word: Value) -> None:
        build = self.build
        begin = build.mul(word, LONG(BITS))
        build.store(INT(0), self.word)
        with build.loop(begin, build.least(build.add(begin, LONG(BITS)), self.left)) as k:
            value = build.load(self._given(build.add(self.row0, row), build.add(self.k0, k)), typ=self.kind)
            found = build.shl(build.zext(build.not_zero(value), INT), build.trunc(build.sub(k, begin), INT))
            build.store(build.or_(build.load(self.word, typ=INT), found), self.word)
        build.store(build.load(self.word, typ=INT), self._bits_of(row, word))

    def _count(self) -> Value:
        """Return how many bits are set."""
        build = self.build
        of_word = self.module.declare_intrinsic("llvm.ctpop", [INT], ir.FunctionType(INT, [INT]))
        build.store(LONG(0), self.set)
        with build.loop(LONG(0), self.here) as row, build.loop(LONG(0), self.used) as word:
            number = build.zext(build.call(of_word, [build.load(self._bits_of(row, word), typ=INT)]), LONG)
            build.store(build.add(build.load(self.set, typ=LONG), number), self.set)
        return build.load(self.set, typ=LONG)

    # ------------------------------------------------------------------ sums

    def _panel(self, column: Value) -> None:
        """Write the sums of a panel's columns, from ``column`` on; the last panel may have fewer."""
        build = self.build
        there = build.least(LONG(self.across), build.sub(self.columns, column))
        narrow = build.icmp_signed("<", there, LONG(self.across))
        as_it_lies = build.and_(self.seldom, build.not_(narrow))
        first = build.element(self.b, build.add(build.mul(self.k0, self.width), column), self.kind)
        self.lines = build.select(as_it_lies, first, self.panel)
        self.apart = build.select(as_it_lies, self.width, LONG(self.across))
        with build.loop(LONG(0), build.select(as_it_lies, LONG(0), self.left)) as k:
            source = build.element(first, build.mul(k, self.width), self.kind)
            target = build.element(self.panel, build.mul(k, LONG(self.across)), self.kind)
            with build.if_else(narrow) as (some, all_of_them):
                with some:
                    build.copy(source, target, there, self.kind)
                with all_of_them:
                    for one, other in zip(self._vectors(source), self._vectors(target), strict=True):
                        build.store(build.load(one, typ=self.vector, align=self.size), other, align=ALIGNED)
        beside = build.element(self.panel, build.mul(build.least(LONG(self.deep), self.depth), LONG(self.across)), self.kind)
        with build.loop(LONG(0), self.here) as row:
            place = build.element(self.out, build.add(build.mul(build.add(self.row0, row), self.width), column), self.kind)
            sums = build.select(narrow, beside, place)  # a narrow row is worked on beside, where there is room for a wide one
            with build.if_then(build.and_(narrow, self.begun)):
                build.copy(place, beside, there, self.kind)
            self._row(row, sums)
            with build.if_then(narrow):
                build.copy(beside, place, there, self.kind)

    def _vectors(self, start: Value) -> list[Value]:
        return [self.build.element(start, LONG(k * self.lanes), self.kind) for k in range(VECTORS)]

    def _row(self, row: Value, place: Value) -> None:
        """Write the sums of one row of a panel."""
        build, nothing = self.build, ir.Constant(self.vector, [0.0] * self.lanes)
        with build.if_else(self.begun) as (held, fresh):
            with held:
                for total, at in zip(self.sums, self._vectors(place), strict=True):
                    build.store(build.load(at, typ=self.vector, align=self.size), total)
            with fresh:
                for total in self.sums:
                    build.store(nothing, total)
        with build.loop(LONG(0), self.used) as word:
            start = build.mul(word, LONG(BITS))
            with build.each_bit(build.load(self._bits_of(row, word), typ=INT)) as bit:
                k = build.add(start, bit)
                value = build.load(self._given(build.add(self.row0, row), build.add(self.k0, k)), typ=self.kind)
                times = build.filled(build.fmul(value, self.scale), self.lanes)
                line = build.element(self.lines, build.mul(k, self.apart), self.kind)
                for total, at in zip(self.sums, self._vectors(line), strict=True):
                    values = build.load(at, typ=self.vector, align=self.size)
                    build.store(build.call(self.multiply_add, [times, values, build.load(total, typ=self.vector)]), total)
        for total, at in zip(self.sums, self._vectors(place), strict=True):
            build.store(build.load(total, typ=self.vector), at, align=self.size)
