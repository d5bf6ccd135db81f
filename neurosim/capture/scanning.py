"""A walk through a sequence: plain array code, and in a captured step one loop for all turns that are alike.

While a step is recorded, the first turn is written down as it is.  The turns after it that are given the same kind of values
become one loop.  Its body is recorded with stand-ins for what is carried, and for what differs from turn to turn: where a turn
reads in a larger array, a tick's random numbers, numbers.  What the turns return lies in stacks, one entry for each; a later walk
reads them, in either direction.  Turns that are not alike are written out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from neurosim.capture.alike import Likeness, NotAlikeError, at_turn, differ, number_of
from neurosim.capture.graph import Graph, Node, Turn, depending
from neurosim.capture.recorded import Leaf, Recorded, node_of
from neurosim.capture.trees import form, leaves, mapped, rebuilt

LEAST = 3  # turns that are worth a loop
ATTEMPTS = 3  # loops that are tried in one stretch while what is carried has another form after each turn
GIVEN = "a turn writes into an array it is given: return a new one"
RETURNED = "writing into what a walk returned: write into a copy"


def scan(turn: Callable[..., Any], carried: Any, *sequences: Iterable[Any], backwards: bool = False) -> Any:
    """Walk through ``sequences`` together: ``carried, *outputs = turn(carried, *values)``.

    sequences : equally long, of at least one entry; those that are walked ``backwards`` can be reversed, and what the turns return
        still comes in the order of the entries
    turn : gets and returns values in dictionaries, tuples, lists and frozen dataclasses at any depth.  It may write into arrays
        from outside, but not into those that it is given
    Returns carried, and for each output the sequence of what the turns returned.

    Raises NotCapturableError, while a step is recorded with loops, where a turn is another one each time, or writes into what it is
    given.  The step can then be recorded without loops.
    """
    walks: list[Iterator[Any]] = [reversed(s) if backwards else iter(s) for s in sequences]  # type: ignore[call-overload]
    made = []
    for values in zip(*walks, strict=True):
        carried, *outputs = turn(carried, *values)
        made.append(outputs)
        graph = _graph_of((values, carried, outputs))
        if graph is not None and graph.loops:
            columns = [
                _Stretch(sequence, backwards) if isinstance(sequence, Stacked) else _Listed([value, *walk], graph)
                for sequence, value, walk in zip(sequences, values, walks, strict=True)
            ]
            return _Walk(graph, turn, columns, carried, outputs).through(backwards)
    order = -1 if backwards else 1
    return carried, *(list(each)[::order] for each in zip(*made, strict=True))


class Stacked(Sequence[Any]):
    """What the turns of a recorded walk returned, one entry for each; arrays are read where they lie in a stack.

    entries : of each, the piece it belongs to and its number in there
    """

    def __init__(self, entries: Sequence[tuple[_Once | _Loop, int]]) -> None:
        self.entries = entries

    def __repr__(self) -> str:
        return f"<Stacked, {len(self)} entries>"

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[k] for k in range(len(self))[index]]
        piece, at = self.entries[index]
        return piece.at(at)


class _Once:
    """What one turn returned that is written out."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree

    def at(self, number: int) -> Any:
        return self.tree


class _Loop:
    """What the turns of a loop returned: a tree whose arrays are told by the number of the ``turn``."""

    def __init__(self, graph: Graph, tree: Any, turn: Node) -> None:
        self.graph, self.tree, self.turn = graph, tree, turn

    def at(self, number: int | Turn) -> Any:
        """Return the tree of one turn, or, for a number that goes on with another loop's turns, of each of these."""
        return mapped(self.tree, lambda leaf: self._leaf(leaf, number))

    def _leaf(self, leaf: Any, number: int | Turn) -> Any:
        if isinstance(leaf, Turn) and leaf.node is self.turn:
            return number_of(leaf, number)
        if not isinstance(leaf, Recorded) or _outlives(leaf):
            return leaf
        return Recorded(self.graph, at_turn(self.graph, leaf.node, self.turn, number)).fixed(RETURNED)


class _Stretch:
    """A sequence that a recorded walk made, in the order in which it is walked now."""

    def __init__(self, made: Stacked, backwards: bool) -> None:
        self.entries = made.entries[::-1] if backwards else made.entries

    def __len__(self) -> int:
        return len(self.entries)

    def at(self, position: int) -> Any:
        piece, number = self.entries[position]
        return piece.at(number)

    def kind(self, position: int) -> Any:
        """Return what turns have in common that one loop can take."""
        return id(self.entries[position][0])

    def moving(self, position: int, count: int, turn: Node) -> Any:
        """Return what stands for ``count`` entries from ``position`` on in a loop."""
        piece, first = self.entries[position]
        _, second = self.entries[position + 1]
        assert isinstance(piece, _Loop)
        return piece.at(Turn(turn, first, second - first))


class _Listed:
    """Any other sequence."""

    def __init__(self, values: list[Any], graph: Graph) -> None:
        self.values, self.graph = values, graph
        self.likeness = Likeness(graph)

    def __len__(self) -> int:
        return len(self.values)

    def at(self, position: int) -> Any:
        return self.values[position]

    def kind(self, position: int) -> Any:
        value = self.values[position]
        return form(value), tuple(self._kind(leaf) for leaf in leaves(value))

    def _kind(self, leaf: Any) -> Any:
        if _is_array(leaf):
            return "array", self.likeness.of(node_of(self.graph, leaf))
        if type(leaf) is int:
            return int
        return leaf if isinstance(leaf, bool | float | str | type(None)) else ("object", id(leaf))

    def moving(self, position: int, count: int, turn: Node) -> Any:
        """Return what stands for ``count`` entries from ``position`` on in a loop; raise NotAlikeError where nothing can."""
        values = self.values[position : position + count]
        columns = zip(*map(leaves, values), strict=True)
        return rebuilt(values[0], [self._moving(column, turn) for column in columns])

    def _moving(self, column: tuple[Any, ...], turn: Node) -> Any:
        if _is_array(column[0]):
            node = self.likeness.joined([node_of(self.graph, leaf) for leaf in column], turn)
            return Recorded(self.graph, node).fixed(GIVEN)
        if type(column[0]) is int and len(set(column)) > 1:
            return Turn(turn, column[0], differ(column))
        return column[0]


class _Walk:
    """A recorded walk after its first turn."""

    def __init__(self, graph: Graph, turn: Callable[..., Any], columns: list[Any], carried: Any, outputs: list[Any]) -> None:
        self.graph, self.turn, self.columns, self.carried = graph, turn, columns, carried
        self.entries: list[list[tuple[_Once | _Loop, int]]] = [[(_Once(tree), 0)] for tree in outputs]
        self.settled = False  # whether the last turn left what is carried in the form it had

    def through(self, backwards: bool) -> Any:
        """Walk on to the end; return carried and the outputs' sequences."""
        length = len(self.columns[0])
        kinds = [tuple(column.kind(k) for column in self.columns) for k in range(length)]
        position = 1
        while position < length:
            end = next((k for k in range(position, length) if kinds[k] != kinds[position]), length)
            self._stretch(position, end)
            position = end
        order = -1 if backwards else 1
        return self.carried, *(Stacked(entries[::order]) for entries in self.entries)

    def _stretch(self, position: int, end: int) -> None:
        """Walk through turns of one kind: as a loop as soon as what is carried keeps its form."""
        tried = 0
        while end - position >= LEAST:
            if tried < ATTEMPTS or self.settled:
                turn, tried = self.graph.turn(self.graph.bodies + 1), tried + 1
                try:
                    given = [column.moving(position, end - position, turn) for column in self.columns]
                except NotAlikeError:
                    break
                if self._loop(end - position, given, turn):
                    return
            self._written(position)
            position += 1
        for rest in range(position, end):
            self._written(rest)

    def _written(self, position: int) -> None:
        before = form(self.carried)
        self.carried, *outputs = self.turn(self.carried, *(column.at(position) for column in self.columns))
        self.settled = form(self.carried) == before
        for entries, tree in zip(self.entries, outputs, strict=True):
            entries.append((_Once(tree), 0))

    # ------------------------------------------------------------------ a loop

    def _loop(self, count: int, given: list[Any], turn: Node) -> bool:
        """Write down ``count`` turns as a loop; return False, and change nothing, where what is carried does not keep its form."""
        graph = self.graph
        body = _Body(graph, turn.detail, self.turn, self.carried, given)
        once = body.recorded()
        if once is None:
            return False
        again = body.recorded()
        if again is None or not Likeness(graph).equal(once.nodes, again.nodes) or once.others != again.others:
            raise graph.refusal("a turn of a walk is another one each time it is run: what changes from turn to turn is carried")
        turning = depending(once.made, {*body.places, turn})
        stacked = [node for node in dict.fromkeys(once.made) if node in turning and not _is_told(node, turning)]
        ends, stacks = graph.repeat(
            count, body.starts, body.places, once.results, outputs=stacked, watched=once.watched, turn=turn
        )
        place = dict(zip(stacked, stacks, strict=True))
        for entries, tree in zip(self.entries, once.outputs, strict=True):
            piece = _Loop(graph, mapped(tree, lambda leaf: self._found(leaf, place, turn)), turn)
            entries += [(piece, k) for k in range(count)]
        self.carried = body.after(ends)
        return True

    def _found(self, leaf: Any, place: dict[Node, Node], turn: Node) -> Any:
        """Return where a turn's array is found after the loop."""
        if not _is_array(leaf) or _outlives(leaf):
            return leaf
        node = node_of(self.graph, leaf)
        stack = place.get(node, node)
        if stack.op == "stacked":
            stack = self.graph.entry(stack, 0, node.size, node.shape, turn)
        return Recorded(self.graph, stack)


class _Recording:
    """What one recording of a body gave.

    results : nodes of what is carried on; made : of the arrays in ``outputs``; watched : what it watches
    nodes : all of these; others : what else there is, to be the same in each recording
    """

    def __init__(self, results: list[Node], outputs: list[Any], graph: Graph, watched: list[tuple[str | None, Node]]) -> None:
        self.results, self.outputs, self.watched = results, outputs, watched
        self.made = [node_of(graph, leaf) for leaf in leaves(outputs) if _is_array(leaf)]
        self.nodes = [*results, *self.made, *(node for _, node in watched)]
        plain = [leaf for leaf in leaves(outputs) if not _is_array(leaf)]
        self.others = form(outputs), plain, [label for label, _ in watched]


class _Body:
    """A turn to be recorded as the body of a loop.

    written : arrays from outside that it writes into: they are carried, too
    starts, places : nodes of what the first turn starts from, and of what stands for it in the body
    """

    def __init__(self, graph: Graph, number: int, turn: Callable[..., Any], carried: Any, given: list[Any]) -> None:
        self.graph, self.number, self.turn, self.carried, self.given = graph, number, turn, carried, given
        self.leaves = leaves(carried)
        self.written: list[Recorded] = []
        self._place()

    def _place(self) -> None:
        arrays = [leaf for leaf in self.leaves if _is_array(leaf)]
        self.starts = [node_of(self.graph, leaf) for leaf in (*arrays, *self.written)]
        self.places = [
            self.graph.node("carried", (), node.shape, node.dtype, (self.number, k)) for k, node in enumerate(self.starts)
        ]

    def recorded(self) -> _Recording | None:
        """Return what a turn does with the stand-ins; None where what is carried comes out in another form, or of other shapes."""
        found = self._run()
        if self.touched:
            self.written += self.touched
            self._place()
            found = self._run()
            if self.touched:
                raise self.graph.refusal("a turn of a walk writes into other arrays each time it is run")
        return self._fit(*found)

    def _run(self) -> tuple[Any, list[Any], list[Node], list[tuple[str | None, Node]]]:
        """Return what is carried on, the outputs, what was written into the arrays from outside, and what is watched."""
        graph, outside, watched, touched = self.graph, self.graph.body, self.graph.watched, self.graph.touched
        count = len(self.places) - len(self.written)
        stand_ins = iter(Recorded(graph, place).fixed(GIVEN) for place in self.places[:count])
        before = [array.node for array in self.written]
        for array, place in zip(self.written, self.places[count:], strict=True):
            array.rewrite(place)
        graph.watched, graph.touched, graph.body, graph.bodies = [], {}, self.number, self.number
        carried = rebuilt(self.carried, [next(stand_ins) if _is_array(leaf) else leaf for leaf in self.leaves])
        carried, *outputs = self.turn(carried, *self.given)
        own, new = graph.watched, graph.touched
        graph.watched, graph.touched, graph.body = watched, touched, outside
        ends = [array.node for array in self.written]
        changed = {id(array) for array in (*self.written, *(array for array, _ in new.values()))}
        if any(isinstance(leaf, Recorded) and id(leaf.memory) in changed for leaf in leaves((carried, outputs))):
            raise graph.refusal("a turn of a walk returns an array from outside that it writes into: return a copy")
        for array, node in zip(self.written, before, strict=True):
            array.rewrite(node)
        known = {id(array) for array in self.written}
        self.touched = []
        for array, node in new.values():
            if id(array) not in known:
                array.rewrite(node)
                self.touched.append(array)
        return carried, outputs, ends, own

    def _fit(
        self, carried: Any, outputs: list[Any], ends: list[Node], watched: list[tuple[str | None, Node]]
    ) -> _Recording | None:
        if form(carried) != form(self.carried):
            return None
        results = []
        for before, after in zip(self.leaves, leaves(carried), strict=True):
            if _is_array(before) and _is_array(after):
                results.append(node_of(self.graph, after))
            elif before is not after and (_is_array(before) or _is_array(after) or before != after):
                return None
        results += ends
        if any((a.shape, a.dtype) != (b.shape, b.dtype) for a, b in zip(self.starts, results, strict=True)):
            return None
        return _Recording(results, outputs, self.graph, watched)

    def after(self, ends: list[Node]) -> Any:
        """Return what is carried after the loop; arrays from outside hold what was written into them."""
        count = len(ends) - len(self.written)
        for array, node in zip(self.written, ends[count:], strict=True):
            array[...] = Recorded(self.graph, node)
        made = iter(Recorded(self.graph, node).fixed(RETURNED) for node in ends[:count])
        return rebuilt(self.carried, [next(made) if _is_array(leaf) else leaf for leaf in self.leaves])


def _graph_of(tree: Any) -> Graph | None:
    return next((leaf.graph for leaf in leaves(tree) if isinstance(leaf, Recorded)), None)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, Recorded) or (hasattr(leaf, "flags") and hasattr(leaf, "shape"))


def _outlives(leaf: Any) -> bool:
    """Return whether an array is one that outlives the step, and so the same in all turns."""
    return isinstance(leaf, Recorded) and isinstance(leaf.memory, Leaf)


def _is_told(node: Node, turning: set[Node]) -> bool:
    """Return whether a value needs no stack, because it is read where it lies."""
    while node.op == "reshape":
        (node,) = node.inputs
    return node.op in ("entry", "part") and node.inputs[0] not in turning
