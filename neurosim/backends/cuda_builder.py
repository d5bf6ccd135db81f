"""The instructions of a block as CUDA's C++: what ``llvm_builder.Builder`` writes as LLVM's intermediate code.

Each instruction is a line of its own that names its result, so that both compilers get the same operations in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from neurosim.backends.llvm_builder import BOOL, BYTE, DOUBLE, INT, LONG

NAMES = {BOOL: "bool", BYTE: "unsigned char", DOUBLE: "double", INT: "int", LONG: "whole"}


@dataclass(frozen=True)
class Text:
    """A value: what it is called, and its type, one of LLVM's."""

    text: str
    type: Any


@dataclass(frozen=True)
class Spot:
    """An element of an array: the array's pointer, and the index."""

    pointer: str
    index: str


class Builder:
    """Writes lines of C++."""

    def __init__(self, depth: int = 1) -> None:
        self.lines: list[str] = []
        self.depth, self.count = depth, 0

    def line(self, text: str) -> None:
        self.lines.append("  " * self.depth + text)

    @contextmanager
    def within(self, head: str) -> Iterator[None]:
        """Write a block of lines behind a head: a loop, a condition, or nothing."""
        self.line(f"{head} {{".lstrip())
        self.depth += 1
        yield
        self.depth -= 1
        self.line("}")

    def new(self, kind: Any, value: str) -> Text:
        """Write a line that gives a value a name."""
        self.count += 1
        self.line(f"const {NAMES[kind]} v{self.count} = {value};")
        return Text(f"v{self.count}", kind)

    # ------------------------------------------------------------------ arrays

    def element(self, pointer: Text, index: Any, kind: Any) -> Spot:
        return Spot(pointer.text, text_of(index))

    def load(self, spot: Spot, typ: Any) -> Text:
        return self.new(typ, f"READ({spot.pointer}, {spot.index})")

    def store(self, value: Any, spot: Spot) -> None:
        self.line(f"WRITE({spot.pointer}, {spot.index}, {text_of(value)});")

    def integer(self, pointer: Text, index: Any) -> Text:
        return self.new(LONG, f"READ({pointer.text}, {text_of(index)})")

    def count_up_to(self, table: Text, limit: Any) -> Text:
        return self.new(LONG, f"count_up_to({table.text}, {text_of(limit)})")

    # ------------------------------------------------------------------ arithmetic

    def _infix(self, kind: Any, a: Any, operator: str, b: Any) -> Text:
        return self.new(kind, f"{text_of(a)} {operator} {text_of(b)}")

    def fadd(self, a: Any, b: Any) -> Text:
        return self._infix(DOUBLE, a, "+", b)

    def fsub(self, a: Any, b: Any) -> Text:
        return self._infix(DOUBLE, a, "-", b)

    def fmul(self, a: Any, b: Any) -> Text:
        return self._infix(DOUBLE, a, "*", b)

    def fdiv(self, a: Any, b: Any) -> Text:
        return self._infix(DOUBLE, a, "/", b)

    def frem(self, a: Any, b: Any) -> Text:
        return self.new(DOUBLE, f"fmod({text_of(a)}, {text_of(b)})")

    def fneg(self, a: Any) -> Text:
        return self.new(DOUBLE, f"-{text_of(a)}")

    def add(self, a: Any, b: Any) -> Text:
        return self._infix(LONG, a, "+", b)

    def mul(self, a: Any, b: Any) -> Text:
        return self._infix(LONG, a, "*", b)

    def call(self, function: str, arguments: list[Any]) -> Text:
        return self.new(DOUBLE, f"{function}({', '.join(map(text_of, arguments))})")

    # ------------------------------------------------------------------ truth values

    def fcmp_ordered(self, operator: str, a: Any, b: Any) -> Text:
        return self._infix(BOOL, a, operator, b)

    fcmp_unordered = icmp_unsigned = fcmp_ordered  # C++'s != is true of what is no number, as both compilers take it

    def and_(self, a: Any, b: Any) -> Text:
        return self._infix(BOOL, a, "&", b)

    def or_(self, a: Any, b: Any) -> Text:
        return self._infix(BOOL, a, "|", b)

    def xor(self, a: Any, b: Any) -> Text:
        return self._infix(BOOL, a, "^", b)

    def not_(self, a: Any) -> Text:
        return self.new(BOOL, f"!{text_of(a)}")

    def select(self, truth: Any, a: Any, b: Any) -> Text:
        return self.new(a.type, f"{text_of(truth)} ? {text_of(a)} : {text_of(b)}")

    # ------------------------------------------------------------------ from one type to another

    def _cast(self, value: Any, kind: Any) -> Text:
        return self.new(kind, f"({NAMES[kind]}){text_of(value)}")

    sitofp = fptosi = zext = _cast

    def uitofp(self, value: Any, kind: Any) -> Text:
        unsigned = "(unsigned int)" if value.type == INT else ""
        return self.new(kind, f"({NAMES[kind]}){unsigned}{text_of(value)}")


def text_of(value: Any) -> str:
    """Return a value as C++ text: its name, or a constant's number."""
    if isinstance(value, Text):
        return value.text
    number = value.constant
    if value.type == BOOL:
        return "true" if number else "false"
    if value.type != DOUBLE:
        return str(number)
    if math.isfinite(number):
        return f"({number!r})" if math.copysign(1, number) < 0 else repr(number)
    return "(0.0 / 0.0)" if math.isnan(number) else f"({math.copysign(1, number)} / 0.0)"
