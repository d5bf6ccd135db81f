"""Operations that differ only in where they read, in their tick, or in numbers: one operation of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurosim.capture.graph import COMPARISONS, FLOATS, GIVEN, Graph, Node, Turn

DEEP = 50  # operations from a value back to where its likes may differ


class NotAlikeError(Exception):
    """Values are no one operation of a loop."""


class Likeness:
    """Tells nodes of one graph that are alike, and joins them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._kinds: dict[Any, int] = {}
        self._known: dict[Node, int] = {}
        self._joined: dict[tuple[int, ...], Node] = {}

    def of(self, node: Node, depth: int = 0) -> int:
        """Return a number that nodes share which ``joined`` may make one."""
        if node not in self._known:
            kind: Any = (node.op, node.number)
            if node.op == "constant":
                kind = ("constant", node.dtype)
            elif depth < DEEP and node.op not in GIVEN:
                inputs = tuple(self.of(value, depth + 1) for value in node.inputs)
                kind = (node.op, node.shape, node.dtype, _fixed(node), inputs)
            self._known[node] = self._kinds.setdefault(kind, len(self._kinds))
        return self._known[node]

    def joined(self, nodes: Sequence[Node], turn: Node) -> Node:
        """Return the node that in each turn is that turn's one of ``nodes``; raise NotAlikeError where there is none."""
        first = nodes[0]
        if all(node is first for node in nodes):
            return first
        key = tuple(node.number for node in nodes)
        if key not in self._joined:
            self._joined[key] = self._join(nodes, turn)
        return self._joined[key]

    def _join(self, nodes: Sequence[Node], turn: Node) -> Node:
        first, graph = nodes[0], self.graph
        kind = (first.op, first.shape, first.dtype, _fixed(first), len(first.inputs))
        if first.op in GIVEN or any((n.op, n.shape, n.dtype, _fixed(n), len(n.inputs)) != kind for n in nodes[1:]):
            raise NotAlikeError
        inputs = [[node.inputs[k] for node in nodes] for k in range(len(first.inputs))]
        made = [self._number(nodes, k, turn) or self.joined(column, turn) for k, column in enumerate(inputs)]
        if first.op == "slice":
            starts = [[start for start, _, _ in node.detail] for node in nodes]
            moving = [axis for axis in range(len(first.shape)) if any(own[axis] != starts[0][axis] for own in starts)]
            if not moving:
                return graph.slice(made[0], first.detail)
            if len(moving) > 1:
                raise NotAlikeError
            return graph.moving(made[0], first.detail, moving[0], differ([own[moving[0]] for own in starts]), turn)
        if first.op == "bits":
            *own, tick, by = first.detail
            if first.inputs or by:
                raise NotAlikeError
            return graph.node("bits", (turn,), first.shape, first.dtype, (*own, tick, differ([n.detail[3] for n in nodes])))
        if first.op == "reshape":
            return graph.reshape(made[0], first.shape)
        return graph.node(first.op, made, first.shape, first.dtype, first.detail)

    def _number(self, nodes: Sequence[Node], k: int, turn: Node) -> Node | None:
        """Return what reads the turn's number from a table, where input ``k`` is a number and not always the same."""
        column = [node.inputs[k] for node in nodes]
        if any(node.op != "constant" for node in column) or all(node is column[0] for node in column):
            return None
        first = nodes[0]
        dtype = column[0].dtype or first.dtype
        if first.op in COMPARISONS:
            dtype = np.result_type(*(node.detail if node.dtype is None else node.dtype for node in first.inputs))
        if dtype not in FLOATS:
            raise NotAlikeError
        table = self.graph.leaf(np.array([node.detail for node in column], dtype))
        return self.graph.entry(table, 0, 1, (), turn)

    def equal(self, one: Sequence[Node], other: Sequence[Node]) -> bool:
        """Return whether nodes do the same; arrays that a step makes anew are compared by their values."""
        if len(one) != len(other):
            return False
        pending, seen = list(zip(one, other, strict=True)), set()
        while pending:
            pair = a, b = pending.pop()
            if a is b or pair in seen:
                continue
            seen.add(pair)
            if (a.op, a.shape, a.dtype, len(a.inputs)) != (b.op, b.shape, b.dtype, len(b.inputs)):
                return False
            if a.op == "leaf":
                if not bool((a.detail == b.detail).all()):
                    return False
            elif a.op == "repeat":
                bodies = a.detail, b.detail
                pending += zip(*([*body.assigns, *body.puts] for body in bodies), strict=True)
            elif a.detail != b.detail:
                return False
            pending += zip(a.inputs, b.inputs, strict=True)
        return True


def differ(numbers: Sequence[int]) -> int:
    """Return by how much each number is larger than the one before; raise NotAlikeError where that is not always the same."""
    by = numbers[1] - numbers[0]
    if any(number != numbers[0] + k * by for k, number in enumerate(numbers)):
        raise NotAlikeError
    return by


def number_of(number: Turn, at: int | Turn) -> int | Turn:
    """Return what a number is in the turn ``at``, or goes on as, where that goes on with the turns of another loop."""
    if isinstance(at, Turn):
        return Turn(at.node, number.first + number.by * at.first, number.by * at.by)
    return number.first + number.by * at


def at_turn(graph: Graph, node: Node, turn: Node, at: int | Turn) -> Node:
    """Return a value that is read where it lies (``entry``, ``part``) as it is in the turn ``at``; others are the same in all."""
    if node.op == "reshape":
        return graph.reshape(at_turn(graph, node.inputs[0], turn, at), node.shape)
    if node.op not in ("entry", "part") or node.inputs[1] is not turn:
        return node
    value = node.inputs[0]
    if node.op == "entry":
        first, by = node.detail
        if isinstance(at, Turn):
            return graph.entry(value, first + by * at.first, by * at.by, node.shape, at.node)
        return graph.reshape(graph.slice(graph.reshape(value, (-1,)), [(first + by * at, node.size, 1)]), node.shape)
    bounds, axis, by = node.detail
    start = at.first if isinstance(at, Turn) else at
    moved = tuple((first + by * start if k == axis else first, count, step) for k, (first, count, step) in enumerate(bounds))
    return graph.moving(value, moved, axis, by * at.by, at.node) if isinstance(at, Turn) else graph.slice(value, moved)


def _fixed(node: Node) -> Any:
    """Return what of a node's detail its likes have in common."""
    if node.op == "slice":
        return tuple((count, step) for _, count, step in node.detail)
    return node.detail[:3] if node.op == "bits" else None if node.op == "constant" else node.detail
