"""Recorded arrays in place of all that a step can reach, while it is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from neurosim.capture.graph import Graph, Node, another_order
from neurosim.capture.reach import Reach
from neurosim.capture.recorded import Leaf, Recorded, Unread

ITERATORS = ("builtins", "itertools")  # modules
RECORDED = Graph, Node, Recorded  # what a recording is made of


@contextmanager
def recording(graph: Graph, before: Reach, kind: type) -> Iterator[None]:
    """Put leaves in place of every array of ``kind`` that can be reached; then put the arrays back.

    before : what can be reached, as it is now; not into what a recording is made of (``RECORDED``)

    What the step has written into them by then is what ``graph`` will assign.  Where it fails, everything is as it was before.
    """
    exchange = _Exchange(graph, kind)
    try:
        before.replace(exchange.wrapped)
        yield
        before.again().replace(exchange.unwrapped)
        # in the order of what was written, which holds for a resumed run too, whose holders were filled in another
        for leaf in sorted(exchange.found.values(), key=lambda leaf: (leaf.node.number, leaf.known.number)):
            graph.assign(leaf.known, leaf.node)
        graph.check()
    except BaseException:
        before.restore()
        raise


class _Exchange:
    """Leaves for arrays, and arrays for leaves.

    found : the leaves that the holders hold at the end of the step, by the id of their array
    """

    def __init__(self, graph: Graph, kind: type) -> None:
        self.graph, self.kind = graph, kind
        self.leaves: dict[int, Leaf | Unread] = {}
        self.tuples: dict[int, tuple[tuple[Any, ...], tuple[Any, ...]]] = {}  # by the id of the one with leaves: both
        self.found: dict[int, Leaf] = {}

    def wrapped(self, value: Any, place: str) -> Any:
        """Return the leaf of an array, a tuple with leaves for one with arrays, anything else as it is."""
        if isinstance(value, tuple):
            items = [self.wrapped(item, place) for item in value]
            if all(a is b for a, b in zip(items, value, strict=True)):
                return value
            made = _like(value, items)
            self.tuples[id(made)] = made, value
            return made
        array: Any = value
        iterates = isinstance(value, Iterator) and type(value).__module__ in ITERATORS  # nobody can tell what is left of it
        if not isinstance(value, self.kind) and not iterates:
            return value
        if id(value) not in self.leaves:
            reason = f"{place} is an iterator: hold what it gives in an array" if iterates else self._unfit(array)
            self.leaves[id(value)] = Unread(self.graph, value, reason) if reason else Leaf(self.graph, value)
        return self.leaves[id(value)]

    def _unfit(self, array: Any) -> str | None:
        """Return why a step cannot read an array, or None."""
        if type(array) not in (self.kind, np.memmap):
            return f"an array of class {type(array).__name__}, which may compute in its own way: hold a plain one, np.asarray(...)"
        return None if array.flags.c_contiguous else another_order(array)

    def unwrapped(self, value: Any, place: str) -> Any:
        """Return the array of a leaf, the tuple that was there for one with leaves, anything else as it is."""
        if isinstance(value, tuple):
            items = [self.unwrapped(item, place) for item in value]
            if id(value) in self.tuples:
                return self.tuples[id(value)][1]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else _like(value, items)
        if isinstance(value, Unread):
            return value.held
        if isinstance(value, Leaf):
            self.found[id(value.array)] = value
            return value.array
        if isinstance(value, Recorded):
            raise self.graph.refusal(f"a value of the step is kept in {place}: write it into an array, array[...] = value")
        return value


def _like(value: tuple[Any, ...], items: list[Any]) -> tuple[Any, ...]:
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
