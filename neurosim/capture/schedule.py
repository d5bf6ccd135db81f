"""The order of a step, and which of its operations share one loop.

The order is the one in which the results are asked for, so that a proposed change is made where it is taken.  Then neighbours that
run over the same elements are merged into kernels: a value that only its kernel reads never reaches memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from neurosim.capture.graph import GIVEN, VIEWS, Body, Graph, Node, Shape, reached
from neurosim.errors import NotCapturableError

REACH = 64  # how many items apart two operations may stand and still be merged
MOST_READ = 256  # arrays that one kernel reads: a GPU's arguments end at 4,096 bytes, those of machine code at 1,024
WRITES = frozenset({"assign", "put"})  # into their second input
SMALL = 4096  # elements; below, merging pays even where nothing is shared, because a call costs more than the loop


@dataclass(eq=False)
class Item:
    """What one call does: a kernel (all its nodes in one loop over ``space``), or a single operation.

    space : the shape of the loop; None for whatever is no kernel
    body : what a ``repeat`` does at each turn, in order
    turns : of a ``repeat``, what of it is needed
    """

    nodes: list[Node]
    space: Shape | None
    body: list[Item] = field(default_factory=list)
    turns: Body | None = None
    made: set[Node] = field(default_factory=set)
    reads: set[Node] = field(default_factory=set)  # values made by others, views resolved
    writes: set[Node] = field(default_factory=set)  # leaves
    lasts: bool = False  # whether what it writes lives on after the step
    watches: bool = False  # whether it looks whether something is finite

    def __post_init__(self) -> None:
        if not self.made:
            self.made = set(self.nodes)
            for node in self.nodes:
                read = node.inputs[:1] if node.op in WRITES else node.inputs
                self.reads |= {value.base for value in read} - self.made
                self.writes |= {node.inputs[1]} if node.op in WRITES else set()
        self.lasts = any(place.op == "leaf" for place in self.writes)
        self.watches = self.op == "watch" or any(item.watches for item in self.body)

    @property
    def op(self) -> str:
        """``kernel``, or the operation's name."""
        return self.nodes[0].op if self.space is None else "kernel"

    def with_(self, later: Item) -> Item:
        """Return this kernel and a later one as one."""
        made = self.made | later.made
        reads, writes = (self.reads | later.reads) - made, self.writes | later.writes
        return Item([*self.nodes, *later.nodes], self.space, made=made, reads=reads, writes=writes)

    def needs(self, other: Item) -> bool:
        """Return whether this item has to come after ``other``, which stands before it."""
        if self.lasts and other.watches:  # nothing that lives on changes before all is seen to be finite
            return True
        if not self.reads.isdisjoint(other.made):
            return True
        return bool(self.writes) and not (self.writes.isdisjoint(other.reads) and self.writes.isdisjoint(other.writes))


def scheduled(graph: Graph, fused: Callable[[Node], bool]) -> list[Item]:
    """Return the items of a graph in order; ``fused`` says which operations may share a kernel."""
    watches, assigns = graph.roots()
    return _scheduled(graph, [*watches], [*assigns], frozenset(), fused)


def _scheduled(
    graph: Graph, watches: list[Node], assigns: list[Node], given: frozenset[Node], fused: Callable[[Node], bool]
) -> list[Item]:
    """Return the items that make ``watches`` and ``assigns`` from what is ``given``, and from what needs nothing."""
    order = _ordered(watches, assigns, given, fused)
    items = []
    for node in order:
        if node.op == "repeat":
            values = [value for value in order if value.op in ("repeated", "stacked") and value.inputs[0] is node]
            body: Body = node.detail.live(values)
            does = _scheduled(graph, graph.watches(body.watched), [*body.puts, *body.assigns], body.given, fused)
            items.append(Item([node, *values], None, does, body))
        elif node.op not in ("repeated", "stacked"):
            items.append(Item([node], _space(node) if fused(node) else None))
    while True:  # two kernels that had nothing in common may each have grown toward the other
        merged: list[Item] = []
        for item in items:
            _place(merged, item)
        if len(merged) == len(items):
            return merged
        items = merged


def _space(node: Node) -> Shape:
    """Return the shape that a kernel runs over for ``node``: for a total, that of what is summed."""
    return node.inputs[0].shape if node.op in ("sum", "max") else node.shape


def _ordered(watches: list[Node], assigns: list[Node], given: frozenset[Node], fused: Callable[[Node], bool]) -> list[Node]:
    """Return all operations, each after what it needs, depth first.

    First the watched sums; then whatever reads a weight that will change, its products with rates and errors; then each change
    beside the product that proposes it, so that one array of the weights' size is alive at a time, and warm.
    """
    readers: dict[Node, list[Node]] = {}
    for node in reached([*watches, *assigns], given):
        for value in node.inputs[:1] if node.op in WRITES else node.inputs:
            if node.op not in VIEWS:
                readers.setdefault(value.base, []).append(node)
    leaves = [node.inputs[1] for node in assigns if node.op == "assign"]
    products = [r for leaf in leaves for r in readers.get(leaf, []) if not fused(r)]
    done: set[Node] = set()
    order: list[Node] = []
    for root in [*watches, *sorted(products, key=lambda node: node.number), *assigns]:
        pending = [(root, False)]
        while pending:
            node, ready = pending.pop()
            if ready:
                order += [] if node.op in VIEWS else [node]
            elif node not in done and node.op not in GIVEN and node not in given:
                done.add(node)
                pending.append((node, True))
                pending += [(need, False) for need in reversed(_needs(node, readers))]
    return order


def _needs(node: Node, readers: dict[Node, list[Node]]) -> Sequence[Node]:
    if node.op == "put":
        return node.inputs[:1]
    if node.op != "assign":
        return node.inputs
    value, leaf = node.inputs
    return [*(reader for reader in readers.get(leaf, []) if reader.op != "assign"), value]


def _place(items: list[Item], item: Item) -> None:
    """Append ``item``, or merge it into one before where the order allows that."""
    if item.space is not None:
        for distance, other in enumerate(reversed(items[-REACH:]), start=1):
            if other.space == item.space and _worthwhile(other, item) and _loops_fit(other, item):
                at = len(items) - distance
                between = items[at + 1 :]
                if not any(item.needs(x) for x in between):
                    items[at] = other.with_(item)
                    return
                if not any(x.needs(other) for x in between):
                    items.pop(at)
                    items.append(other.with_(item))
                    return
    items.append(item)


def _worthwhile(first: Item, second: Item) -> bool:
    """Return whether a shared loop saves memory traffic: they read the same array, or one what the other makes."""
    assert second.space is not None
    size = math.prod(second.space)
    if size <= SMALL:
        return True
    full = {node for node in second.reads if node.op != "constant" and node.size == size}
    return bool(second.reads & first.made or full & first.reads)


def _loops_fit(first: Item, second: Item) -> bool:
    """Return whether ``second`` can run in the same loop as ``first``: what it reads of it has to be there element by element."""
    if len(first.reads | second.reads) > MOST_READ:
        return False
    for value in (value for node in second.nodes for value in node.inputs if value.base in first.made):
        if value.base.op in ("sum", "max") or value.shape != value.base.shape:
            return False
    return True


def check_order(items: list[Item], given: Collection[Node] = ()) -> None:
    """Raise NotCapturableError unless every value is made before it is read, and no leaf is read after it was written."""
    made: set[Node] = set(given)
    written: set[Node] = set()
    for item in items:
        check_order(item.body, made)
        late = {node for node in item.reads if node.op not in GIVEN} - made | item.reads & written
        if late:
            raise NotCapturableError(f"the step's order is broken at {item.op}: {[node.op for node in late]}")
        made |= item.made
        written |= item.writes
