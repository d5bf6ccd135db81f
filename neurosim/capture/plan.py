"""Where every value of a step lies: in an array that outlives it, or in a buffer that the next values take over."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neurosim.capture.graph import GIVEN, Node, Shape
from neurosim.capture.schedule import Item

ALIGNED = 64  # bytes; buffers start and end on a cache line
Spread = str  # how an operand lies in a loop: "full", "row" (one for each column), "column" (one for each row), "one", or "axes"


@dataclass
class Plan:
    """Buffers by number, and the place of each value: a buffer's number, or the leaf it is written to.

    sizes : bytes of each buffer
    """

    place: dict[Node, int | Node] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)

    def where(self, node: Node) -> Any:
        """Return what stands for a value's memory: a leaf or input itself, a buffer's number, or None."""
        base = node.base
        if base.op in ("leaf", "input", "turn"):
            return base
        place = self.place.get(base)
        return self.place[place] if isinstance(place, Node) and place.op == "carried" else place

    @property
    def nbytes(self) -> int:
        """The bytes of all buffers."""
        return sum(self.sizes)


def loop_shape(space: Shape) -> tuple[int, int]:
    """Return the rows and columns of a loop over ``space``: the first axis, and the rest."""
    rows = space[0] if len(space) > 1 else 1
    return rows, math.prod(space) // max(rows, 1)


def spread(space: Shape, shape: Shape) -> Spread:
    """Return how an array of ``shape`` lies in a loop over ``space``."""
    if all(n == 1 for n in shape):
        return "one"
    if shape == space:
        return "full"
    own = (1,) * (len(space) - len(shape)) + shape
    if len(space) > 1 and own[0] == 1 and own[1:] == space[1:]:
        return "row"
    if len(space) > 1 and own[0] == space[0] and all(n == 1 for n in own[1:]):
        return "column"
    return "full" if own == space else "axes"


@dataclass(frozen=True)
class Nest:
    """A loop over several axes: neighbours that all arrays either spread over or have in full are one axis.

    sizes : elements of each axis, the last one innermost; at least one axis
    strides : of arrays of a shape, how many elements lie from one index of each axis to the next; 0 where it is spread
    """

    sizes: tuple[int, ...]
    strides: Mapping[Shape, tuple[int, ...]]


def nest(space: Shape, shapes: Iterable[Shape]) -> Nest:
    """Return the loop over ``space`` for arrays of ``shapes``, which broadcast to it."""
    shapes = tuple(dict.fromkeys(shapes))
    padded = [(1,) * (len(space) - len(shape)) + shape for shape in shapes]
    sizes: list[int] = []
    full: list[tuple[bool, ...]] = []  # of each axis: whether each shape has it in full
    for axis, n in enumerate(space):
        own = tuple(shape[axis] == n for shape in padded)
        if n == 1:
            continue
        if full and full[-1] == own:
            sizes[-1] *= n
        else:
            sizes.append(n)
            full.append(own)
    if not sizes:
        return Nest((1,), dict.fromkeys(shapes, (0,)))
    strides = {}
    for k, shape in enumerate(shapes):
        step, found = 1, []
        for n, own in zip(reversed(sizes), reversed(full), strict=True):
            found.append(step if own[k] else 0)
            step *= n if own[k] else 1
        strides[shape] = tuple(reversed(found))
    return Nest(tuple(sizes), strides)


def nest_of(nodes: Sequence[Node], space: Shape) -> Nest | None:
    """Return the loop over several axes that a kernel of ``nodes`` needs, or None where one of rows and columns does."""
    made, whole = set(nodes), tuple(range(len(space)))
    shapes: list[Shape] = []
    simple = True
    for node in nodes:
        read = () if node.op == "entry" else node.inputs[:1] if node.op == "put" else node.inputs
        loaded = [value.shape for value in read if value.base not in made or value.shape != value.base.shape]
        if node.op in ("sum", "max"):
            simple &= node.detail in ((0,), whole[1:], whole)
            loaded.append(node.shape)
        else:
            simple &= all(spread(space, shape) != "axes" for shape in loaded)
        shapes += loaded
    return None if simple else nest(space, [space, *shapes])


def strides_of(shape: Shape) -> tuple[int, ...]:
    """Return the elements from one index of each axis to the next, of an array in order."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def planned(items: list[Item], in_place: Callable[[Item], bool]) -> Plan:
    """Return the plan of a schedule.

    in_place : whether an item may write over an input of the same shape that nobody reads after it
    """
    plan = Plan()
    _place_values(plan, items, [], in_place)
    return plan


def _place_values(plan: Plan, items: list[Item], free: list[int], in_place: Callable[[Item], bool]) -> None:
    """Enter the places of all that ``items`` make; buffers that nobody reads any more are added to ``free``."""
    last = {node: k for k, item in enumerate(items) for node in item.reads}
    outside = {node for item in items for node in item.reads}
    here = {node for item in items for node in item.made}
    for k, item in enumerate(items):
        # in one order always: which buffer is taken over decides what the compiler makes of a loop, and so how it rounds
        # what is filled with one number may be made within a repeat and outside of it: its buffer is never taken over
        reads = sorted((node for node in item.reads & here if node.op != "full"), key=_number)
        dying = [node for node in reads if last[node] == k and isinstance(plan.place.get(node), int)]
        for node in item.nodes:
            if node.op == "assign":
                plan.place[node] = node.inputs[1]
                if item.space is not None and node.inputs[0] in item.made:
                    plan.place.setdefault(node.inputs[0], node.inputs[1])
            if node.op == "put":
                plan.place[node] = node.inputs[1]
        if item.op == "repeat":
            _place_repeated(plan, item, outside, free, in_place)
        for node in item.nodes:
            if node in outside and node not in plan.place and node.op not in GIVEN:
                plan.place[node] = _buffer(plan, node, item, dying, free, in_place(item))
        free += [number for node in dying if isinstance(number := plan.place[node], int)]


def _place_repeated(plan: Plan, item: Item, outside: set[Node], free: list[int], in_place: Callable[[Item], bool]) -> None:
    """Let what is carried lie where its last value is read, and let a turn use whatever buffers are free before it and after it."""
    assert item.turns is not None
    _, *values = item.nodes
    read = {value.detail: value for value in values if value in outside and value.op == "repeated"}
    stacks = {value.detail: value for value in values if value.op == "stacked"}
    unread = []
    for k, carried in enumerate(item.nodes[0].detail.carried):
        if carried in item.turns.carried:
            number = _buffer(plan, carried, item, [], free, False)
            plan.place[carried] = number
            if k in read:
                plan.place[read[k]] = number
            else:
                unread.append(number)
    for put in item.turns.puts:
        plan.place[put.inputs[1]] = plan.place[stacks[put.detail]] = _buffer(plan, put.inputs[1], item, [], free, False)
    _place_values(plan, item.body, free, in_place)
    free += unread


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
