"""What reaches what through a graph: marks are put on some elements of some arrays, and followed through every operation.

Marks are bits of a uint64 for each element.  An operation hands on to each element of its result the marks of every element that
it can be worked out from, whatever the values are: a product with zero hands them on, too.  So what has no mark at the end cannot
depend on where the mark was put, and what has one can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurosim.capture import Node
from neurosim.capture.graph import COMPARISONS, reached

Marks = np.ndarray  # uint64, of a value's shape

LINEAR = frozenset({"add", "subtract", "negative", "positive", "cast", "copy"})
NONE = np.uint64(0)


@dataclass(frozen=True)
class Mixing:
    """Three marks: two of different origin, and the one that stands where these meet in anything but a sum.

    What is a sum of something of ``one`` and something of ``other`` has both, and not ``mixed``.
    """

    one: np.uint64
    other: np.uint64
    mixed: np.uint64

    def meet(self, a: Marks, b: Marks) -> np.ndarray:
        """Return where something of one origin in ``a`` is multiplied by something of the other in ``b``."""
        return _has(a, self.one) & _has(b, self.other) | _has(a, self.other) & _has(b, self.one)

    def both(self, a: Marks) -> np.ndarray:
        """Return where values have something of both."""
        return _has(a, self.one) & _has(a, self.other)


@dataclass
class Following:
    """How marks go through a graph.

    marks : node -> its marks, of its shape; nodes that are not there begin without
    taken : node -> bits that its value does not hand on
    sizes : bits that say that a value's size reaches something: they end where only its sign is asked for
    mixing : what is to be told of samples, or None
    """

    marks: Mapping[Node, Marks]
    taken: Mapping[Node, np.uint64] = field(default_factory=dict)
    sizes: np.uint64 = NONE
    mixing: Mixing | None = None

    def follow(self, targets: Sequence[Node]) -> list[Marks]:
        """Return the marks of each target, of its shape."""
        known: dict[Node, Any] = {}
        self._walk(reached(targets), known)
        return [known[node] for node in targets]

    def _walk(self, nodes: Sequence[Node], known: dict[Node, Any]) -> None:
        """Add the marks of ``nodes``, each of which stands after what it is made of."""
        for node in nodes:
            if node in known:
                continue
            found = self._of(node, [known[value] for value in node.inputs])
            if node.op != "repeat":
                found = np.broadcast_to(found, node.shape)
                if node in self.marks:
                    found = found | self.marks[node]
                if node in self.taken:
                    found = found & ~self.taken[node]
            known[node] = found

    def _of(self, node: Node, given: list[Any]) -> Any:
        """Return the marks of what ``node`` makes of its inputs, whose marks are ``given``."""
        op = node.op
        if op in SHAPED:
            return SHAPED[op](node, given)
        if op == "repeat":
            return self._repeated(node, given)
        if op == "repeated":
            return given[0][node.detail]
        if op == "matmul":
            return self._product(*given)
        if op in ("sum", "max"):
            total = np.bitwise_or.reduce(given[0], axis=node.detail, keepdims=True) if node.detail else given[0]
            return self._mix(total, op == "max" and self.mixing is not None)
        if op in ("call", "entry", "part", "stacked", "watch"):  # anything of it may come from anything
            total = np.bitwise_or.reduce([np.bitwise_or.reduce(one, axis=None) for one in _arrays(given)] or [NONE])
            return np.full(node.shape, self._mix(total, op == "call"), np.uint64)
        return self._elementwise(node, given)

    def _elementwise(self, node: Node, given: list[Marks]) -> Marks:
        total = np.zeros(node.shape, np.uint64)
        for one in given:
            total = total | one
        if self.sizes and (node.op == "sign" or node.op in COMPARISONS and any(map(_is_zero, node.inputs))):
            total = total & ~self.sizes
        if self.mixing is None or node.op in LINEAR or not given:
            return total
        if node.op == "multiply":
            return self._mix_where(total, self.mixing.meet(*given))
        if node.op == "divide" and not _has(given[1], self.mixing.one | self.mixing.other).any():
            return total
        if node.op == "where" and not _has(given[0], self.mixing.one | self.mixing.other).any():
            return total
        return self._mix(total, True)

    def _product(self, a: Marks, b: Marks) -> Marks:
        total = np.bitwise_or.reduce(a, axis=-1)[..., :, None] | np.bitwise_or.reduce(b, axis=-2)[..., None, :]
        if self.mixing is None:
            return total
        one, other = self.mixing.one, self.mixing.other
        pairs = ((one, other), (other, one))
        met = sum(np.matmul(_has(a, p).astype(np.int64), _has(b, q).astype(np.int64)) for p, q in pairs)
        return self._mix_where(total, np.asarray(met) > 0)

    def _mix(self, total: Any, nonlinear: bool) -> Any:
        """Return the marks of what is no sum of its parts where ``nonlinear``."""
        return self._mix_where(total, self.mixing.both(total)) if self.mixing is not None and nonlinear else total

    def _mix_where(self, total: Any, mixed: np.ndarray) -> Any:
        assert self.mixing is not None
        return np.where(mixed, total | self.mixing.mixed, total)

    def _repeated(self, node: Node, given: list[Any]) -> list[Marks]:
        """Return the marks of what is carried, once further turns add none."""
        body = node.detail
        count = len(body.carried)
        order = sorted(body.given, key=lambda value: value.number)
        outside = dict(zip(order, given[count:], strict=True))
        carried = [np.broadcast_to(one, place.shape) for one, place in zip(given[:count], body.carried, strict=True)]
        places = {place: k for k, place in enumerate(body.carried)}
        for _ in range(max(body.times, 1)):
            known: dict[Node, Any] = {**outside, **dict(zip(body.carried, carried, strict=True))}
            self._walk(reached(body.assigns, {*body.given, *body.carried}), known)
            after = list(carried)
            for assign in body.assigns:
                k = places[assign.inputs[1]]
                after[k] = carried[k] | known[assign]
            if all(np.array_equal(one, other) for one, other in zip(carried, after, strict=True)):
                break
            carried = after
        return carried


def _has(marks: Marks, bits: np.uint64) -> np.ndarray:
    return np.asarray((marks & bits) != 0)


def _arrays(given: Sequence[Any]) -> list[Marks]:
    """Return all marks, those of what a loop carries one by one."""
    return [one for value in given for one in (value if isinstance(value, list) else [value])]


def _is_zero(node: Node) -> bool:
    return node.op in ("constant", "full") and node.detail == 0


def _slice(node: Node, given: list[Marks]) -> Marks:
    if not node.detail:
        return given[0]
    return given[0][np.ix_(*(first + step * np.arange(count) for first, count, step in node.detail))]


SHAPED = {
    "reshape": lambda node, given: given[0].reshape(node.shape),
    "transpose": lambda node, given: given[0].transpose(node.detail),
    "slice": _slice,
    "join": lambda node, given: np.concatenate(given, axis=node.detail),
    "assign": lambda node, given: given[0],
}
