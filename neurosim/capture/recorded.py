"""Arrays that write down what is done to them.

Schemes, rules and optimisers are plain array code; given these instead of arrays, they describe their step to a ``Graph``.
NumPy's own protocols do the rest: ``np.tanh(recorded)`` and ``recorded @ w`` arrive here.
"""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from neurosim.capture.graph import BITWISE, COMPARISONS, FLOATS, LOGICAL, Array, Graph, Node, Shape
from neurosim.errors import quoted

TRUTHS = COMPARISONS | LOGICAL | frozenset(BITWISE)
FIXED = -1  # in place of the number of a body: written into in none
UFUNCS = {"true_divide": "divide"}  # by NumPy's older name
KERNEL_FUNCTIONS = {"sqrt": np.sqrt, "exp": np.exp, "log": np.log, "tanh": np.tanh, "abs": np.abs}


class Recorded(np.lib.mixins.NDArrayOperatorsMixin):
    """An array to be: a shape, a dtype, and the node that will compute it.  What is written into it, it becomes.

    base : the array whose memory it shows, with the way from that one's values to its own and back, or None
    dense : whether NumPy's own would lie in memory without gaps and in order, so that reshaping it copies nothing
    body : the number of the repeated body that made it

    Raises
    ------
    NotCapturableError
        Its values are asked for (``float(...)``, ``if ...``), or something is done to it that has no node.
    """

    __slots__ = ("_back", "_base", "_body", "_dense", "_node", "_there", "graph")

    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph = graph
        self._node = node
        self._base: Recorded | None = None
        self._there: Callable[[Node], Node] = _itself
        self._back: Callable[[Node], Node] = _itself
        self._dense = True
        self._body = graph.body

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.dtype} {self.shape}>"

    def fixed(self, reason: str) -> Recorded:
        """Return an array of the same values; writing into it is refused for ``reason``."""

        def back(_: Node) -> Node:
            raise self.graph.refusal(reason)

        view = self._view(_itself, back)
        view._body = FIXED
        return view

    def rewrite(self, node: Node) -> None:
        """Let an array that shows no other's memory hold the values of ``node``, whoever made it."""
        self._node = node

    @property
    def memory(self) -> Recorded:
        """The array whose memory it shows."""
        return self if self._base is None else self._base.memory

    def made_in(self, body: int) -> bool:
        """Return whether its memory was made in the repeated body of that number, and may be written into."""
        return self._body == body and (self._base is None or self._base.made_in(body))

    @property
    def node(self) -> Node:
        """What computes its values as they are now."""
        return self._node if self._base is None else self._there(self._base.node)

    def _write(self, node: Node) -> None:
        if self._base is None:
            if self._body != self.graph.body:
                if self.graph.touched is None or self._body == FIXED:
                    reason = "a repeated body writes into an array from outside: carry it, and return what it becomes"
                    raise self.graph.refusal(reason)
                self.graph.touched.setdefault(id(self), (self, self._node))
            self._node = node
        else:
            self._base._write(self._back(node))

    def _view(self, there: Callable[[Node], Node], back: Callable[[Node], Node], dense: bool = True) -> Recorded:
        """Return an array that shows this one's memory: what is written into either is written into both."""
        view = self._new(there(self.node))
        view._base, view._there, view._back = self, there, back
        view._dense = dense and self._dense
        return view

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
            raise self.graph.refusal(f"np.{ufunc.__name__}.{method} with {sorted(options)}: expected a plain call")
        nodes = [self._node_of(value) for value in inputs]
        self._check(ufunc, nodes)
        if ufunc is np.matmul:
            result = self.graph.matmul(*nodes)
        else:
            result = self.graph.elementwise(UFUNCS.get(ufunc.__name__, ufunc.__name__), *nodes)
        if out is None:
            return Recorded(self.graph, result)
        (target,) = out
        if not isinstance(target, Recorded):
            raise self.graph.refusal(f"np.{ufunc.__name__} writes into an array the step does not know: hold it in the pathway")
        if result.dtype is not None and not np.can_cast(result.dtype, target.dtype, "same_kind"):
            raise self.graph.refusal(f"np.{ufunc.__name__} of {result.dtype} into {target.dtype}: expected the same kind")
        target[...] = Recorded(self.graph, result)
        return target

    def _check(self, ufunc: np.ufunc, nodes: list[Node]) -> None:
        """Refuse what NumPy itself would, and functions whose answer is of another kind than the graph takes it for."""
        if ufunc.nout != 1:
            raise self.graph.refusal(f"np.{ufunc.__name__} has no place in a captured step: it gives {ufunc.nout} arrays")
        kinds = tuple(float if node.dtype is None else node.dtype for node in nodes)
        try:
            found = ufunc.resolve_dtypes((*kinds, None))[-1]
        except TypeError as cause:
            raise self.graph.refusal(f"np.{ufunc.__name__}: {cause}") from cause
        if found == np.dtype(bool) and set(kinds) != {found} and ufunc.__name__ not in TRUTHS:
            raise self.graph.refusal(f"np.{ufunc.__name__} has no place in a captured step: compare instead")

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if function not in FUNCTIONS:
            raise self.graph.refusal(f"np.{function.__name__} has no place in a captured step: write it with elementwise functions")
        return FUNCTIONS[function](self.graph, *args, **kwargs)

    def __setitem__(self, index: Any, value: Any) -> None:
        whole = index is Ellipsis or isinstance(index, slice) and index == slice(None)
        part = self if whole else self._part(index, "writing")
        node = self._node_of(value)
        if node.op == "constant" and part.dtype in FLOATS:
            part._write(self.graph.full(part.shape, part.dtype, node.detail))
            return
        node = self.graph.cast(node, part.dtype)
        if len(node.shape) > len(part.shape):  # NumPy leaves out leading axes of one element
            node = self.graph.reshape(node, node.shape[len(node.shape) - len(part.shape) :])
        part._write(self.graph.expand(node, part.shape))

    def __getitem__(self, index: Any) -> Recorded:
        return self._part(index, "reading")

    def _part(self, index: Any, doing: str) -> Recorded:
        """Return the view at an index of numbers, slices, new axes and an ellipsis."""
        items = list(index) if isinstance(index, tuple) else [index]
        known = all(item is None or item is Ellipsis or isinstance(item, slice) or _is_whole(item) for item in items)
        if not known or sum(item is Ellipsis for item in items) > 1:
            shown = ", ".join(map(_shown, items))
            raise self.graph.refusal(f"{doing} at [{shown}]: expected whole numbers, slices and new axes, such as [:, None, 2:5]")
        taken = sum(item is not None and item is not Ellipsis for item in items)
        at = next((k for k, item in enumerate(items) if item is Ellipsis), len(items))
        items[at : at + 1] = [slice(None)] * (self.ndim - taken)
        if taken > self.ndim:
            raise self.graph.refusal(f"{doing} at {taken} axes of shape {self.shape}: expected no more than there are")
        bounds, shape, axes = [], [], iter(self.shape)
        for item in items:
            if item is None:
                shape.append(1)
            elif isinstance(item, slice):
                chosen = range(next(axes))[item]
                bounds.append((chosen.start, len(chosen), chosen.step))
                shape.append(len(chosen))
            else:
                n = next(axes)
                if not -n <= item < n:
                    raise self.graph.refusal(f"{doing} at {item} of an axis of {n}: expected a number in it")
                bounds.append((int(item) % n, 1, 1))
        graph, cut, final = self.graph, tuple(count for _, count, _ in bounds), tuple(shape)
        dense = cut[1:] == self.shape[1:] and all(step == 1 for _, _, step in bounds)
        return self._view(
            lambda node: graph.reshape(graph.slice(node, bounds), final),
            lambda node: graph.replaced(self.node, bounds, graph.reshape(node, cut)),
            dense,
        )

    @property
    def T(self) -> Recorded:  # noqa: N802 the name arrays give it
        return self.transpose()

    def transpose(self, *axes: Any) -> Recorded:
        given: Any = axes or None
        if len(axes) == 1 and not _is_whole(axes[0]):
            given = None if axes[0] is None else tuple(axes[0])
        graph, count = self.graph, self.ndim
        order = range(count)[::-1] if given is None else [k % count for k in given]
        graph.transpose(self.node, given)  # refuses what is no order of the axes
        back = sorted(range(count), key=lambda k: order[k])
        return self._view(lambda node: graph.transpose(node, order), lambda node: graph.transpose(node, back), count < 2)

    def swapaxes(self, one: int, other: int) -> Recorded:
        order = list(range(self.ndim))
        order[one], order[other] = order[other], order[one]
        return self.transpose(order)

    def reshape(self, *shape: Any) -> Recorded:
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        wanted = tuple(wanted)
        graph, own = self.graph, self.shape
        if not self._dense:  # whether NumPy copies it depends on the axes
            reason = "writing into a reshaped view of an array in another order: write into the array, or into a copy"
            return self._new(graph.reshape(self.node, wanted)).fixed(reason)
        return self._view(lambda node: graph.reshape(node, wanted), lambda node: graph.reshape(node, own))

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

    def var(self, axis: Any = None, keepdims: bool = False) -> Any:
        distance = self - self.mean(axis, keepdims=True)
        return (distance * distance).mean(axis, keepdims)

    # ------------------------------------------------------------------ what it cannot tell

    def _unknown(self, *_: Any, **__: Any) -> Any:
        raise self.graph.refusal("the step asks for a value while it runs, with float(...), int(...), if or a loop")

    __bool__ = __float__ = __int__ = __complex__ = __index__ = __iter__ = __array__ = _unknown

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(f"an array has no attribute {name!r}")
        raise self.graph.refusal(f".{name} of an array has no place in a captured step: write it with elementwise functions")

    def __deepcopy__(self, _: Any) -> Recorded:
        return self.copy()

    __copy__ = copy

    def _new(self, node: Node) -> Recorded:
        return Recorded(self.graph, node)

    def _node_of(self, value: Any) -> Node:
        return node_of(self.graph, value)


def _itself(node: Node) -> Node:
    return node


class Leaf(Recorded):
    """A recorded array that outlives the step: ``array`` holds its values before, and after it what was written into it."""

    __slots__ = ("array", "known")

    def __init__(self, graph: Graph, array: Array) -> None:
        self.known = graph.leaf(array)
        super().__init__(graph, self.known)
        self.array = array


class Unread(Recorded):
    """What a step may hold but not read, for ``reason``: ``held``."""

    __slots__ = ("held", "reason")

    def __init__(self, graph: Graph, held: Any, reason: str) -> None:
        self.graph, self.held, self.reason = graph, held, reason

    @property
    def node(self) -> Node:
        raise self.graph.refusal(self.reason)

    def _unread(self, *_: Any, **__: Any) -> Any:
        raise self.graph.refusal(self.reason)

    __bool__ = __float__ = __int__ = __complex__ = __index__ = __iter__ = __array__ = _unread
    __next__ = __getitem__ = __setitem__ = __len__ = _unread

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self.graph.refusal(self.reason)


def node_of(graph: Graph, value: Any) -> Node:
    """Return the node of a recorded array, of a number, or of an array that stays as it is."""
    if isinstance(value, Recorded):
        return value.node
    if isinstance(value, bool | int | float | np.number | np.bool_):
        return graph.constant(value)
    if hasattr(value, "flags") and hasattr(value, "shape"):
        return graph.leaf(value)
    raise graph.refusal(f"{type(value).__name__} {quoted(value)}: expected an array or a number")


def run_kernel(source: str, arrays: Mapping[str, Any], constants: Mapping[str, Any]) -> None:
    """Do what a kernel's assignments say (see ``Backend.kernel``); constants take the arrays' type, or all would be float64."""
    code, names = _compiled_kernel(source)
    dtype = next(iter(arrays.values())).dtype
    numbers = {name: value.astype(dtype) if hasattr(value, "astype") else value for name, value in constants.items()}
    scope: dict[str, Any] = {**KERNEL_FUNCTIONS, **numbers, **{name: array.copy() for name, array in arrays.items()}}
    exec(code, {"__builtins__": {}}, scope)
    for name in names:
        if name in arrays:
            arrays[name][...] = scope[name]


@functools.lru_cache(maxsize=256)  # an optimiser has one, for all its weights
def _compiled_kernel(source: str) -> tuple[types.CodeType, tuple[str, ...]]:
    """Return a kernel's code, and the names that it assigns, in order."""
    lines = ast.parse(source)
    return compile(lines, "<kernel>", "exec"), tuple(line.targets[0].id for line in lines.body)  # type: ignore[attr-defined]


def _is_whole(index: Any) -> bool:
    """Return whether an index is a plain whole number."""
    return isinstance(index, int | np.integer) and not isinstance(index, bool)


def _shown(index: Any) -> str:
    """Return an index as a message shows it."""
    return "an array" if hasattr(index, "shape") else "..." if index is Ellipsis else quoted(index)


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
    return Recorded(graph, graph.join([node_of(graph, part) for part in parts], axis))


def _stack(graph: Graph, parts: Any, axis: int = 0) -> Recorded:
    nodes = [node_of(graph, part) for part in parts]
    (axis,) = graph.axes(axis, len(nodes[0].shape) + 1)
    apart = [graph.reshape(node, (*node.shape[:axis], 1, *node.shape[axis:])) for node in nodes]
    return Recorded(graph, graph.join(apart, axis))


def _moveaxis(graph: Graph, value: Recorded, source: Any, destination: Any) -> Recorded:
    moved, places = (graph.axes(axes, value.ndim) for axes in (source, destination))
    order = [k for k in range(value.ndim) if k not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        order.insert(place, axis)
    return value.transpose(order)


FUNCTIONS: dict[Any, Callable[..., Recorded]] = {
    np.where: lambda graph, condition, a, b: _elementwise(graph, "where", condition, a, b),
    np.clip: _clip,
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.reshape: lambda graph, value, shape: value.reshape(shape),
    np.transpose: lambda graph, value, axes=None: value.transpose(axes),
    np.swapaxes: lambda graph, value, one, other: value.swapaxes(one, other),
    np.moveaxis: _moveaxis,
    np.broadcast_to: lambda graph, value, shape: Recorded(graph, graph.expand(value.node, tuple(shape))),
    np.zeros_like: lambda graph, like, dtype=None: _full(graph, like, 0.0, dtype),
    np.ones_like: lambda graph, like, dtype=None: _full(graph, like, 1.0, dtype),
    np.full_like: _full,
    np.sum: lambda graph, value, axis=None, keepdims=False: value.sum(axis, keepdims),
    np.max: lambda graph, value, axis=None, keepdims=False: value.max(axis, keepdims),
    np.var: lambda graph, value, axis=None, keepdims=False: value.var(axis, keepdims=keepdims),
    np.mean: lambda graph, value, axis=None, keepdims=False: value.mean(axis, keepdims),
}
