"""Loops and arrays for functions that are written as LLVM's intermediate code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir

DOUBLE, BOOL, BYTE, INT, LONG = ir.DoubleType(), ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
POINTER = ir.PointerType()
STORED = {np.dtype(np.float64): DOUBLE, np.dtype(np.bool_): BYTE, np.dtype(np.int32): INT}  # as elements of an array

Value = Any  # ir.Value: llvmlite has no types


def text_of(module: ir.Module) -> str:
    """Return a module's text, its function called @NAME, as ``machine_code`` takes it."""
    lines = str(module).replace('@"NAME"', "@NAME").splitlines()
    return "\n".join(line for line in lines if not line.startswith(("; ModuleID", "target", "source_filename")))


class Builder(ir.IRBuilder):
    """Writes instructions one after the other, at the end of a function of its own."""

    def __init__(self, function: ir.Function) -> None:
        super().__init__(function.append_basic_block("entry"))

    @contextmanager
    def loop(self, start: Value, end: Value) -> Iterator[Value]:
        """Write a loop; what is written within it is done for each number from ``start`` to before ``end``."""
        header, body, after = (self.function.append_basic_block(name) for name in ("header", "body", "after"))
        entry = self.block
        self.branch(header)
        self.position_at_end(header)
        index = self.phi(LONG)
        index.add_incoming(start, entry)
        self.cbranch(self.icmp_signed("<", index, end), body, after)
        self.position_at_end(body)
        yield index
        index.add_incoming(self.add(index, LONG(1), flags=("nuw", "nsw")), self.block)
        self.branch(header)
        self.position_at_end(after)

    def element(self, pointer: Value, index: Value, kind: Any) -> Value:
        return self.gep(pointer, [index], source_etype=kind)

    def integer(self, pointer: Value, index: Value) -> Value:
        """Return element ``index`` of an int32 array, as a long."""
        return self.sext(self.load(self.element(pointer, index, INT), typ=INT), LONG)

    def count_up_to(self, table: Value, limit: Value) -> Value:
        """Return how many doubles of a table are not above ``limit``, from its start to the first that is; its last one is."""
        header, body, after = (self.function.append_basic_block(part) for part in ("count", "more", "counted"))
        entry = self.block
        self.branch(header)
        self.position_at_end(header)
        count = self.phi(LONG)
        count.add_incoming(LONG(0), entry)
        beyond = self.fcmp_ordered("<=", self.load(self.element(table, count, DOUBLE), typ=DOUBLE), limit)
        self.cbranch(beyond, body, after)
        self.position_at_end(body)
        count.add_incoming(self.add(count, LONG(1)), body)
        self.branch(header)
        self.position_at_end(after)
        return count
