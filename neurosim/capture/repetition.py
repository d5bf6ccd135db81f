"""A body that a step repeats: one loop of the captured program, not as many copies of its operations as it has turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurosim.capture.graph import Graph, Node
from neurosim.capture.recorded import Recorded, node_of
from neurosim.errors import quoted, require

Body = Callable[..., tuple[Any, ...]]


def repeat(times: int, body: Body, *carried: Any) -> tuple[Any, ...]:
    """Return what ``carried`` become when ``carried = body(*carried)`` is done ``times`` times.

    The body returns as many values as it takes, and changes nothing but them: no array from outside, no attribute.  While a step is
    captured, the first turn is written down as it is and the others as a loop, so that a graph has two bodies however often they
    run; what does not depend on the carried arrays is computed once.  From the first turn on, each keeps its shape and dtype.

    Raises
    ------
    InputError
        ``times`` is no whole number of 0 or more, or the body returns another number of values than it takes.
    NotCapturableError
        While a step is captured: a body that writes into arrays from outside, is another one each time, or carries values that
        change their shape or dtype; the step then runs as array code.
    """
    whole = isinstance(times, int) and not isinstance(times, bool) and times >= 0
    require(whole, f"repeat: times {quoted(times)}: expected a whole number of 0 or more; give how often the body runs")
    for turn in range(times):
        carried = _turned(body, carried)
        graph = next((value.graph for value in carried if isinstance(value, Recorded)), None)
        if graph is not None and turn + 2 < times:
            return _recorded(graph, times - 1 - turn, body, carried)
    return carried


def _turned(body: Body, carried: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the carried values after one turn."""
    results = body(*carried)
    found = f"{len(results)} values" if isinstance(results, tuple) else type(results).__name__
    require(
        isinstance(results, tuple) and len(results) == len(carried),
        f"repeat: the body returns {found}: expected a tuple of {len(carried)}, as many as it takes; return each carried value",
    )
    return results


def _recorded(graph: Graph, times: int, body: Body, carried: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what the carried arrays are after ``times`` more turns, written down as one loop."""
    starts = [node_of(graph, value) for value in carried]
    if any(node.op == "constant" for node in starts):
        raise graph.refusal("a repeated body carries a number from turn to turn: carry an array")
    outside, touched, number = graph.body, graph.touched, graph.bodies + 1
    places = [graph.node("carried", (), node.shape, node.dtype, (number, k)) for k, node in enumerate(starts)]
    try:
        once, again = (_results(graph, number, body, places) for _ in range(2))
    finally:
        graph.body, graph.touched = outside, touched
    if once != again:
        raise graph.refusal("a repeated body is another one each time it is run: what changes from turn to turn has to be carried")
    for k, (start, (result, _)) in enumerate(zip(starts, once, strict=True)):
        if (start.shape, start.dtype) != (result.shape, result.dtype):
            was, became = f"{start.shape} {start.dtype}", f"{result.shape} {result.dtype}"
            raise graph.refusal(f"value {k} of a repeated body is {was} and becomes {became}: expected the same from turn to turn")
    ends = [Recorded(graph, node) for node in graph.repeat(times, starts, places, [node for node, _ in once])[0]]
    shared = "writing into what a repeated body returned by two names, or as it was: write into a copy"  # in array code one array
    return tuple(end if fresh else end.fixed(shared) for end, (_, fresh) in zip(ends, once, strict=True))


def _results(graph: Graph, number: int, body: Body, places: list[Node]) -> list[tuple[Node, bool]]:
    """Return what one turn makes of ``places``, and of each value whether its memory is new and no other value's."""
    graph.body = graph.bodies = number  # bodies within this one get the same numbers each time
    graph.touched = None
    changed = "a repeated body writes into an array it is given: return a new one"
    results = _turned(body, tuple(Recorded(graph, place).fixed(changed) for place in places))
    memories = [id(value.memory) if isinstance(value, Recorded) else None for value in results]
    fresh = [
        isinstance(value, Recorded) and value.made_in(number) and memories.count(memory) == 1
        for value, memory in zip(results, memories, strict=True)
    ]
    return [(node_of(graph, value), new) for value, new in zip(results, fresh, strict=True)]
