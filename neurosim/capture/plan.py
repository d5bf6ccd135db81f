"""Where every value of a step lies: in an array that outlives it, or in a buffer that the next values take over."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from neurosim.capture.graph import GIVEN, Node, Shape
from neurosim.capture.schedule import Item
from neurosim.errors import NotCapturableError

ALIGNED = 64  # bytes; buffers start and end on a cache line
Spread = str  # how an operand lies in a loop: "full", "row" (one for each column), "column" (one for each row), "one"


@dataclass
class Plan:
    """Buffers by number, and the place of each value: a buffer's number, or the leaf it is written to.

    sizes : bytes of each buffer
    """

    place: dict[Node, int | Node] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        """The bytes of all buffers."""
        return sum(self.sizes)


def loop_shape(space: Shape) -> tuple[int, int]:
    """Return the rows and columns of a loop over ``space``: the first axis, and the rest."""
    rows = space[0] if len(space) > 1 else 1
    return rows, math.prod(space) // max(rows, 1)


def spread(space: Shape, shape: Shape) -> Spread:
    """Return how an array of ``shape`` lies in a loop over ``space``.

    Raises NotCapturableError where it lies in none of the ways a loop of rows and columns knows.
    """
    if all(n == 1 for n in shape):
        return "one"
    if shape == space:
        return "full"
    own = (1,) * (len(space) - len(shape)) + shape
    if len(space) > 1 and own[0] == 1 and own[1:] == space[1:]:
        return "row"
    if len(space) > 1 and own[0] == space[0] and all(n == 1 for n in own[1:]):
        return "column"
    if own == space:
        return "full"
    raise NotCapturableError(f"shape {shape} beside {space}: expected the same, one row, one column, or one number")


def planned(items: list[Item], in_place: Callable[[Item], bool]) -> Plan:
    """Return the plan of a schedule.

    in_place : whether an item may write over an input of the same shape that nobody reads after it
    """
    plan = Plan()
    last = {node: k for k, item in enumerate(items) for node in item.reads}
    outside = {node for item in items for node in item.reads}
    free: list[int] = []
    for k, item in enumerate(items):
        # in one order always: which buffer is taken over decides what the compiler makes of a loop, and so how it rounds
        dying = [node for node in sorted(item.reads, key=_number) if last[node] == k and isinstance(plan.place.get(node), int)]
        for node in item.nodes:
            if node.op == "assign":
                plan.place[node] = node.inputs[1]
                if item.space is not None and node.inputs[0] in item.made:
                    plan.place.setdefault(node.inputs[0], node.inputs[1])
        for node in item.nodes:
            if node in outside and node not in plan.place and node.op not in GIVEN:
                plan.place[node] = _buffer(plan, node, item, dying, free, in_place(item))
        free += [number for node in dying if isinstance(number := plan.place[node], int)]
    return plan


def _number(node: Node) -> int:
    return node.number


def _buffer(plan: Plan, node: Node, item: Item, dying: list[Node], free: list[int], in_place: bool) -> int:
    for old in dying if in_place and node.op not in ("sum", "max") else ():
        if _replaceable(old, node, item):
            dying.remove(old)
            number = plan.place[old]
            assert isinstance(number, int)
            return number
    size = -(-node.nbytes // ALIGNED) * ALIGNED
    fits = sorted((plan.sizes[number], number) for number in free if size <= plan.sizes[number] <= 2 * size)
    if fits:
        free.remove(fits[0][1])
        return fits[0][1]
    plan.sizes.append(size)
    return len(plan.sizes) - 1


def _replaceable(old: Node, new: Node, item: Item) -> bool:
    """Return whether ``new`` can take the place of ``old`` element by element."""
    if old.dtype != new.dtype or old.size != new.size:
        return False
    space = new.shape if item.space is None else item.space
    shown = [value for node in item.nodes for value in node.inputs if value.base is old]
    return new.shape == space and all(value.shape == space and value.op != "transpose" for value in shown)
