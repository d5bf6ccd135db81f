"""A circuit's blocks as instructions: assignments and expressions of one element.

Operations are done as they are written, in float64, none fused or in another order; functions are those of the C library.  The
builder writes them as LLVM's intermediate code, or as CUDA's C++ (``cuda_builder``).
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from neurosim.backends.llvm_builder import BOOL, BYTE, DOUBLE, INT, LONG, STORED, Value
from neurosim.circuit import Assignment, Block
from neurosim.circuit.expressions import COMPARISONS, LIBRARY, RANDOM, calls, cannot, evaluate, is_pure, names
from neurosim.errors import InputError, quoted

ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
IN_PLACE = {"+=": "fadd", "-=": "fsub", "*=": "fmul", "/=": "fdiv"}
INTRINSIC = {"sqrt": "llvm.sqrt.f64", "abs": "llvm.fabs.f64", "floor": "llvm.floor.f64", "ceil": "llvm.ceil.f64"}


class Host(Protocol):
    """The function that a block is written into.

    name : of the action; arrays : of the circuit; pointer : array -> the argument that points to it
    build : a ``llvm_builder.Builder``, or a ``cuda_builder.Builder``
    tick, time : the tick, and its time in seconds; dt : seconds of a tick
    """

    name: str
    arrays: Mapping[str, np.ndarray]
    pointer: dict[str, Value]
    build: Any
    tick: Value
    time: Value
    dt: float

    def called(self, name: str, arguments: int = 1) -> Any:
        """Return a function of the C library, or one of LLVM's own."""

    def unit(self, call: int, element: Value) -> Value:
        """Return the random number in [0, 1) of an element, of the block's ``call``-th stream."""


def streams_of(block: Block) -> int:
    """Return how many streams of random words a block takes: two for a normal number."""
    called = [name for one in block.each for name in calls(one.value)]
    return called.count("rand") + 2 * called.count("randn") + sum(called.count(name) for name in block.binomial)


class BlockWriter:
    """Writes a block's assignments: the names of the block, and the values that they have at the place that is written."""

    def __init__(self, host: Host, block: Block) -> None:
        self.host, self.block, self.build = host, block, host.build
        self.known: dict[str, Any] = {name: np.float64(value) for name, value in block.constants.items()}
        self.known["dt"] = np.float64(host.dt)
        self.known |= {"True": np.True_, "False": np.False_}
        self.fixed: dict[str, Value] = {"t": host.time, "t_in_timesteps": self.build.sitofp(host.tick, DOUBLE)}
        self.now: dict[str, Value] = {}
        self.kinds = {name: _kind(host.arrays[place.array]) for name, place in block.places.items()}
        self.kinds |= {one.target: one.kind for one in (*block.once, *block.each) if one.local}
        self.at: dict[str, Value] = {}
        for one in block.once:
            if one.local and names(one.value) <= self.known.keys():
                self.known[one.target] = self._folded(one.value)
            elif one.local:
                self.fixed[one.target] = self._as(self.value(one.value), one.kind)
            else:
                raise cannot(host.name, one.value, "it assigns to one value for all")

    def each(self, element: Value, pre: Value = None, post: Value = None) -> dict[str, Value]:
        """Write the assignments of one element; return the values of its local names."""
        self.at = {"element": element, "pre": pre, "post": post, "shared": LONG(0)}
        self.now, self.draws = {}, 0
        for one in self.block.each:
            self._assign(one)
        return self.now

    def _assign(self, one: Assignment) -> None:
        value = self.value(one.value)
        kind = self.kinds[one.target]
        if one.operator != "=":
            if one.operator not in IN_PLACE:
                raise cannot(self.host.name, one.value, f"operator {one.operator} is not one of {', '.join(IN_PLACE)}")
            value = getattr(self.build, IN_PLACE[one.operator])(self.number(self.name(one.target)), self.number(value))
        value = self._as(value, kind)
        if one.guard is not None:
            value = self.build.select(self._truth(self.name(one.guard)), value, self._as(self.name(one.target), kind))
        self.now[one.target] = value
        if one.local:
            return
        place = self.block.places[one.target]
        self._store(place.array, self.at[place.index], value)
        for name, other in self.block.places.items():  # another name of the same array may show the same element
            if name != one.target and other.array == place.array:
                self.now.pop(name, None)

    def _store(self, array: str, index: Value, value: Value) -> None:
        kind = STORED[self.host.arrays[array].dtype]
        if kind is BYTE:
            value = self.build.zext(value, BYTE)
        if kind is INT:
            value = self.build.fptosi(value, INT)
        self.build.store(value, self.build.element(self.host.pointer[array], index, kind))

    # ------------------------------------------------------------------ expressions

    def name(self, name: str) -> Value:
        """Return the value of a name: a double or a truth value."""
        if name in self.now:
            return self.now[name]
        if name in self.fixed:
            return self.fixed[name]
        if name in self.known:
            return self._constant(self.known[name])
        if name not in self.block.places:
            raise InputError(f"{self.host.name!r}: name {quoted(name)} stands for nothing: expected a variable; define it")
        place = self.block.places[name]
        kind = STORED[self.host.arrays[place.array].dtype]
        loaded = self.build.load(self.build.element(self.host.pointer[place.array], self.at[place.index], kind), typ=kind)
        if kind is BYTE:
            loaded = self.build.icmp_unsigned("!=", loaded, BYTE(0))
        if kind is INT:
            loaded = self.build.sitofp(loaded, DOUBLE)
        self.now[name] = loaded
        return loaded

    def value(self, node: ast.expr) -> Value:
        """Return the value of an expression; parts that depend on nothing are worked out beforehand."""
        if is_pure(node) and names(node) <= self.known.keys():
            return self._constant(self._folded(node))
        match node:
            case ast.Name(id=name):
                return self.name(name)
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=2)):
                squared = self.number(self.value(left))
                return self.build.fmul(squared, squared)
            case ast.BinOp(left=left, op=op, right=right):
                return self._operation(node, op, self.number(self.value(left)), self.number(self.value(right)))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.build.fneg(self.number(self.value(operand)))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.number(self.value(operand))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.build.not_(self._truth(self.value(operand)))
            case ast.BoolOp(op=op, values=values):
                combine = self.build.and_ if isinstance(op, ast.And) else self.build.or_
                found = self._truth(self.value(values[0]))
                for other in values[1:]:
                    found = combine(found, self._truth(self.value(other)))
                return found
            case ast.IfExp(test=test, body=body, orelse=orelse):
                truth = self._truth(self.value(test))
                return self.build.select(truth, self.number(self.value(body)), self.number(self.value(orelse)))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
                unordered = isinstance(op, ast.NotEq)
                compare = self.build.fcmp_unordered if unordered else self.build.fcmp_ordered
                return compare(COMPARISONS[type(op)], self.number(self.value(left)), self.number(self.value(right)))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(node, name, arguments)
        raise cannot(self.host.name, node, "it has no place in an equation")

    def _operation(self, node: ast.expr, op: ast.operator, left: Value, right: Value) -> Value:
        if type(op) in ARITHMETIC:
            return getattr(self.build, ARITHMETIC[type(op)])(left, right)
        if isinstance(op, ast.Pow):
            return self.build.call(self.host.called("llvm.pow.f64", 2), [left, right])
        if isinstance(op, ast.FloorDiv | ast.Mod):
            return self._divided(left, right)[isinstance(op, ast.Mod)]
        raise cannot(self.host.name, node, "its operator is not one of + - * / // % **")

    def _divided(self, left: Value, right: Value) -> tuple[Value, Value]:
        """Return the quotient, rounded down, and the rest, which has the divisor's sign, as NumPy has them."""
        build, zero = self.build, DOUBLE(0.0)
        rest = build.frem(left, right)
        quotient = build.fdiv(build.fsub(left, rest), right)
        signs = build.xor(build.fcmp_ordered("<", right, zero), build.fcmp_ordered("<", rest, zero))
        other = build.and_(build.fcmp_unordered("!=", rest, zero), signs)
        quotient = build.select(other, build.fsub(quotient, DOUBLE(1.0)), quotient)
        rest = build.select(other, build.fadd(rest, right), rest)
        down = build.call(self.host.called("llvm.floor.f64"), [quotient])
        far = build.fcmp_ordered(">", build.fsub(quotient, down), DOUBLE(0.5))
        return build.select(far, build.fadd(down, DOUBLE(1.0)), down), rest

    def _call(self, node: ast.expr, name: str, arguments: list[ast.expr]) -> Value:
        if name in RANDOM or name in self.block.binomial:
            return self._drawn(name)
        values = [self.value(argument) for argument in arguments]
        if name in self.block.timed:
            return self._timed(name, *map(self.number, values))
        if name == "int" and len(values) == 1:
            truth = values[0].type == BOOL
            return self.number(values[0]) if truth else self.build.call(self.host.called("llvm.trunc.f64"), values)
        write: dict[str, tuple[int, Any]] = {
            "clip": (3, self._clip), "exprel": (1, self._exprel), "timestep": (2, self._timestep), "sign": (1, self._sign),
        }  # fmt: skip
        if name in write and len(values) == write[name][0]:
            return write[name][1](*map(self.number, values))
        if name in LIBRARY and len(values) == 1:
            return self.build.call(self.host.called(INTRINSIC.get(name, LIBRARY[name])), [self.number(values[0])])
        raise cannot(self.host.name, node, f"function {quoted(name)} with {len(values)} arguments is not one of those known here")

    def _drawn(self, name: str) -> Value:
        """Return an element's random number: uniform, standard normal (Box and Muller 1958), or binomial."""
        build, called = self.build, self.host.called
        first = self._unit()
        if name == "rand":
            return first
        if name in self.block.binomial:
            return self._binomial(name, first)
        logarithm = build.call(called("log"), [build.fsub(DOUBLE(1.0), first)])
        radius = build.call(called("llvm.sqrt.f64"), [build.fmul(DOUBLE(-2.0), logarithm)])
        return build.fmul(radius, build.call(called("cos"), [build.fmul(DOUBLE(2 * math.pi), self._unit())]))

    def _unit(self) -> Value:
        self.draws += 1
        return self.host.unit(self.draws - 1, self.at["element"])

    def _timed(self, name: str, time: Value, index: Value = None) -> Value:
        """Return the value of what changes in time, for an index where it has several."""
        build, timed = self.build, self.block.timed[name]
        steps = build.call(self.host.called("llvm.rint.f64"), [build.fdiv(time, DOUBLE(timed.finest))])
        step = self._clip(build.fdiv(steps, DOUBLE(float(timed.finer))), DOUBLE(0.0), DOUBLE(float(len(timed.values) - 1)))
        at = build.fptosi(step, LONG)
        if index is not None:
            at = build.add(build.mul(at, LONG(timed.values.shape[1])), build.fptosi(index, LONG))
        return build.load(build.element(self.host.pointer[f"timed {name} {self.host.name}"], at, DOUBLE), typ=DOUBLE)

    def _clip(self, value: Value, low: Value, high: Value) -> Value:
        below = self.build.select(self.build.fcmp_ordered("<", value, low), low, value)
        return self.build.select(self.build.fcmp_ordered(">", below, high), high, below)

    def _timestep(self, time: Value, dt: Value) -> Value:
        shifted = self.build.fadd(time, self.build.fmul(DOUBLE(1e-3), dt))
        return self.build.call(self.host.called("llvm.trunc.f64"), [self.build.fdiv(shifted, dt)])

    def _sign(self, value: Value) -> Value:
        above, below = (self.build.uitofp(self.build.fcmp_ordered(way, value, DOUBLE(0.0)), DOUBLE) for way in "><")
        return self.build.fsub(above, below)

    def _binomial(self, name: str, unit: Value) -> Value:
        """Return the number of an element: how many values of the cumulative distribution are not above ``unit``."""
        count = self.build.count_up_to(self.host.pointer[f"binomial {name} {self.host.name}"], unit)
        return self.build.sitofp(count, DOUBLE)

    def _exprel(self, x: Value) -> Value:
        """Return (exp(x) - 1) / x."""
        build, called = self.build, self.host.called
        found = build.fdiv(build.call(called("expm1"), [x]), x)
        found = build.select(build.fcmp_ordered(">", x, DOUBLE(717.0)), DOUBLE(math.inf), found)
        size = build.call(called("llvm.fabs.f64"), [x])
        return build.select(build.fcmp_ordered("<", size, DOUBLE(1e-16)), DOUBLE(1.0), found)

    def _folded(self, node: ast.expr) -> Any:
        """Return the value of an expression of known numbers, worked out by NumPy in the order in which it is written."""
        with np.errstate(all="ignore"):
            return evaluate(node, self.known, self.host.name)

    def _constant(self, value: Any) -> Value:
        return BOOL(int(value)) if isinstance(value, bool | np.bool_) else DOUBLE(float(value))

    def number(self, value: Value) -> Value:
        """Return a value as a double; what is true is 1."""
        return self.build.uitofp(value, DOUBLE) if value.type == BOOL else value

    def _truth(self, value: Value) -> Value:
        return value if value.type == BOOL else self.build.fcmp_unordered("!=", value, DOUBLE(0.0))

    def _as(self, value: Value, kind: str) -> Value:
        return self._truth(value) if kind == "bool" else self.number(value)


def _kind(array: np.ndarray) -> str:
    return {"b": "bool", "f": "float", "i": "int"}[array.dtype.kind]
