"""Arrays that write down what is done to them.

Schemes, rules and optimisers are plain array code; given these instead of arrays, they describe their step to a ``Graph``.
NumPy's own protocols do the rest: ``np.tanh(recorded)`` and ``recorded @ w`` arrive here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from neurosim.capture.graph import Array, Graph, Node, Shape
from neurosim.errors import NotCapturableError

UFUNCS = {"true_divide": "divide"}  # by NumPy's older name
KERNEL_FUNCTIONS = {"sqrt": np.sqrt, "exp": np.exp, "log": np.log, "tanh": np.tanh, "abs": np.abs}


class Recorded(np.lib.mixins.NDArrayOperatorsMixin):
    """An array to be: a shape, a dtype, and the node that will compute it.  What is written into it, it becomes.

    Raises
    ------
    NotCapturableError
        Its values are asked for (``float(...)``, ``if ...``), or something is done to it that has no node.
    """

    __slots__ = ("graph", "node")

    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph = graph
        self.node = node

    # ------------------------------------------------------------------ what it looks like

    @property
    def shape(self) -> Shape:
        return self.node.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        assert self.node.dtype is not None
        return self.node.dtype

    @property
    def ndim(self) -> int:
        return len(self.node.shape)

    @property
    def size(self) -> int:
        return self.node.size

    @property
    def nbytes(self) -> int:
        return self.node.nbytes

    def __len__(self) -> int:
        return self.shape[0]

    # ------------------------------------------------------------------ what is done to it

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method != "__call__" or options:
            raise NotCapturableError(f"np.{ufunc.__name__}.{method} with {sorted(options)}: expected a plain call")
        nodes = [self._node_of(value) for value in inputs]
        if ufunc is np.matmul:
            result = self.graph.matmul(*nodes)
        else:
            result = self.graph.elementwise(UFUNCS.get(ufunc.__name__, ufunc.__name__), *nodes)
        if out is None:
            return Recorded(self.graph, result)
        (target,) = out
        if not isinstance(target, Recorded):
            raise NotCapturableError(f"np.{ufunc.__name__} writes into an array the step does not know: hold it in the pathway")
        target[...] = Recorded(self.graph, result)
        return target

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if function not in FUNCTIONS:
            raise NotCapturableError(f"np.{function.__name__} has no place in a captured step: write it with elementwise functions")
        return FUNCTIONS[function](self.graph, *args, **kwargs)

    def __setitem__(self, index: Any, value: Any) -> None:
        if index not in (Ellipsis, slice(None)):
            raise NotCapturableError(f"writing at [{index}]: expected the whole array, array[...] = value")
        node = self.graph.cast(self._node_of(value), self.dtype)
        if node.shape != self.shape:
            node = self.graph.elementwise("add", node, self.graph.full(self.shape, self.dtype, 0.0))
        self.node = node

    def __getitem__(self, index: Any) -> Recorded:
        index = index if isinstance(index, tuple) else (index,)
        if any(k is not None and k != slice(None) for k in index):
            raise NotCapturableError(f"reading at {index}: expected whole axes and new ones, such as [:, None]")
        rest = iter(self.shape)
        shape = tuple(1 if k is None else next(rest) for k in index)
        return self._new(self.graph.reshape(self.node, (*shape, *rest)))

    @property
    def T(self) -> Recorded:  # noqa: N802 the name arrays give it
        return self._new(self.graph.transpose(self.node))

    def reshape(self, *shape: Any) -> Recorded:
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        return self._new(self.graph.reshape(self.node, wanted))

    def astype(self, dtype: Any) -> Recorded:
        return self._new(self.graph.cast(self.node, dtype))

    def copy(self) -> Recorded:
        return self._new(self.node)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Recorded:
        return self._new(self.graph.reduce("sum", self.node, axis, keepdims))

    def max(self, axis: Any = None, keepdims: bool = False) -> Recorded:
        return self._new(self.graph.reduce("max", self.node, axis, keepdims))

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        total = self.sum(axis, keepdims)
        return total * (total.size / self.size)

    def var(self, axis: Any = None) -> Any:
        distance = self - self.mean(axis, keepdims=True)
        return (distance * distance).mean(axis)

    # ------------------------------------------------------------------ what it cannot tell

    def _unknown(self, *_: Any, **__: Any) -> Any:
        raise NotCapturableError("the step asks for a value while it runs, with float(...), int(...), if or a loop")

    __bool__ = __float__ = __int__ = __iter__ = __array__ = _unknown

    def _new(self, node: Node) -> Recorded:
        return Recorded(self.graph, node)

    def _node_of(self, value: Any) -> Node:
        return node_of(self.graph, value)


class Leaf(Recorded):
    """A recorded array that outlives the step: ``array`` holds its values before, and after it what was written into it."""

    __slots__ = ("array",)

    def __init__(self, graph: Graph, array: Array) -> None:
        super().__init__(graph, graph.leaf(array))
        self.array = array


def node_of(graph: Graph, value: Any) -> Node:
    """Return the node of a recorded array, of a number, or of an array that stays as it is."""
    if isinstance(value, Recorded):
        return value.node
    if isinstance(value, bool | int | float | np.number | np.bool_):
        return graph.constant(value)
    if hasattr(value, "flags") and hasattr(value, "shape"):
        return graph.leaf(value)
    raise NotCapturableError(f"{type(value).__name__} {value!r}: expected an array or a number")


def run_kernel(source: str, arrays: Mapping[str, Any], constants: Mapping[str, Any]) -> None:
    """Do what a kernel's assignments say (see ``Backend.kernel``); constants take the arrays' type, or all would be float64."""
    lines = ast.parse(source)
    dtype = next(iter(arrays.values())).dtype
    numbers = {name: value.astype(dtype) if hasattr(value, "astype") else value for name, value in constants.items()}
    scope: dict[str, Any] = {**KERNEL_FUNCTIONS, **numbers, **{name: array.copy() for name, array in arrays.items()}}
    exec(compile(lines, "<kernel>", "exec"), {"__builtins__": {}}, scope)
    for line in lines.body:
        name = line.targets[0].id  # type: ignore[attr-defined]
        if name in arrays:
            arrays[name][...] = scope[name]


@contextmanager
def recording(graph: Graph, holders: list[Any], kind: type) -> Iterator[None]:
    """Put leaves in place of every array of ``kind`` that ``holders`` hold, in attributes or in dictionaries there; then put back.

    What the step has written into them by then is what ``graph`` will assign.
    """
    leaves: dict[int, Leaf] = {}

    def wrap(value: Any) -> Any:
        if isinstance(value, kind):
            return leaves.setdefault(id(value), Leaf(graph, value))
        return value

    _replace(holders, wrap)
    try:
        yield
        # in the order of what was written, which holds for a resumed run too, whose holders were filled in another
        for leaf in sorted(_leaves(holders), key=lambda leaf: leaf.node.number):
            graph.assign(graph.leaf(leaf.array), leaf.node)
    finally:
        _replace(holders, lambda value: value.array if isinstance(value, Leaf) else value)


def _places(holders: list[Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield every (dictionary, key) under the holders' attributes."""
    pending = [vars(holder) for holder in holders]
    while pending:
        place = pending.pop()
        for key, value in list(place.items()):
            if isinstance(value, dict):
                pending.append(value)
            else:
                yield place, key


def _replace(holders: list[Any], change: Callable[[Any], Any]) -> None:
    for place, key in _places(holders):
        changed = change(place[key])
        if changed is not place[key]:
            place[key] = changed


def _leaves(holders: list[Any]) -> list[Leaf]:
    """Return the leaves that the holders hold, each once."""
    found: dict[int, Leaf] = {}
    for place, key in _places(holders):
        value = place[key]
        if isinstance(value, Leaf):
            found[id(value)] = value
        elif isinstance(value, Recorded):
            raise NotCapturableError(f"a value of the step is kept in {key!r}: write it into an array, array[...] = value")
    return list(found.values())


# ---------------------------------------------------------------------- NumPy's functions that are no ufuncs


def _elementwise(graph: Graph, op: str, *values: Any) -> Recorded:
    return Recorded(graph, graph.elementwise(op, *(node_of(graph, value) for value in values)))


def _clip(graph: Graph, value: Any, low: Any, high: Any, out: Any = None) -> Recorded:
    clipped = _elementwise(graph, "minimum", _elementwise(graph, "maximum", value, low), high)
    if out is None:
        return clipped
    out[...] = clipped
    return out  # type: ignore[no-any-return]


def _full(graph: Graph, like: Any, value: float, dtype: Any = None) -> Recorded:
    return Recorded(graph, graph.full(like.shape, dtype or like.dtype, value))


def _concatenate(graph: Graph, parts: Any, axis: int = 0) -> Recorded:
    if axis not in (1, -1):
        raise NotCapturableError(f"np.concatenate along axis {axis}: expected axis 1, side by side")
    return Recorded(graph, graph.join([node_of(graph, part) for part in parts]))


FUNCTIONS: dict[Any, Callable[..., Recorded]] = {
    np.where: lambda graph, condition, a, b: _elementwise(graph, "where", condition, a, b),
    np.clip: _clip,
    np.concatenate: _concatenate,
    np.zeros_like: lambda graph, like, dtype=None: _full(graph, like, 0.0, dtype),
    np.ones_like: lambda graph, like, dtype=None: _full(graph, like, 1.0, dtype),
    np.full_like: _full,
    np.sum: lambda graph, value, axis=None, keepdims=False: value.sum(axis, keepdims),
    np.mean: lambda graph, value, axis=None, keepdims=False: value.mean(axis, keepdims),
}
