"""Arrays of any axes in a captured step: on the CPU and in the GPU's kernels they come to what NumPy computes."""

import importlib.util
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, basic_indices

from neurosim.backends import NumpyBackend
from neurosim.backends.cupy_backend import CupyBackend
from neurosim.capture import RECORDED, Graph, Reach, Recorded, recording, repeat
from neurosim.capture.cost import Cost
from neurosim.errors import NotCapturableError

spec = importlib.util.spec_from_file_location("standin", Path(__file__).with_name("standin.py"))
standin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standin)

SHAPES = {
    "images": (3, 2, 4, 5), "channels": (1, 2, 1, 1), "columns": (5,), "rows": (4, 1), "single": (3, 1, 1, 1), "mixed": (2, 1, 5),
    "left": (3, 4, 6), "right": (3, 6, 5), "matrix": (6, 4), "one": (1, 6, 5), "stacks": (2, 1, 4, 6), "flat": (4, 6),
}  # fmt: skip


def written_in_place(a):
    """Writes at slices and numbers, through views of views."""
    images = a.images * 1.0
    images[:, 0] = a.rows * a.columns
    images[1, 1, 1:3] += 2.0
    view = images[..., 1:3, None, :]
    view = view[0]
    view *= 3.0
    images[:, :, -1] = 0.5
    images.transpose(1, 0, 3, 2)[1, 2] -= 1.0
    return images


def pooling(a):
    """The maximum over blocks of 2 x 2, and its gradient by comparison."""
    blocks = a.images[..., :4].reshape(3, 2, 2, 2, 2, 2)
    top = np.max(blocks, axis=(3, 5), keepdims=True)
    return np.where(blocks == top, 2.0 * top, 0.0) + (blocks >= top) * 0.5


CASES = {
    # spread over any axes
    "channels": lambda a: a.images * a.channels + a.channels,
    "middle": lambda a: np.tanh(a.images - a.mixed) * a.mixed,
    "rows": lambda a: np.maximum(a.images, a.rows) / (1 + np.abs(a.rows)),
    "all spread": lambda a: (a.single - a.channels) * a.rows + a.columns,
    "outer": lambda a: a.left[:, :, 0][:, :, None] * a.right[:, 0][:, None, :],
    "compared": lambda a: np.where((a.images > a.channels) & (a.images <= 1), a.images, a.rows),
    "normalised": lambda a: (a.images - a.images.mean(axis=(0, 2, 3), keepdims=True)) / np.sqrt(
        a.images.var(axis=(0, 2, 3), keepdims=True) + 0.1
    ),
    # totals over any axes
    **{
        f"{op} {axis} {keepdims}": lambda a, op=op, axis=axis, keepdims=keepdims: getattr(np, op)(
            a.images + 0.1 * a.channels, axis=axis, keepdims=keepdims
        )
        for op in ("sum", "max", "mean")
        for axis in (0, 1, 2, 3, -1, (0, 1), (0, 2), (1, 2), (1, 3), (0, 2, 3), (0, 1, 3), (3, 0), None)
        for keepdims in (True, False)
    },
    "two totals": lambda a: (a.images * a.channels).sum(axis=(0, 2, 3))[:, None] + (a.images + a.rows).max(axis=(0, 1, 3)),
    "total of a spread": lambda a: (a.single * a.rows).sum(axis=(0, 3)) + (a.images > 0).sum(axis=(1, 2)).sum(axis=0)[0],
    # products
    "stacks": lambda a: a.left @ a.right,
    "one product": lambda a: a.left @ a.matrix,
    "one at the right": lambda a: a.left @ a.one,
    "one at the left": lambda a: a.flat @ a.right,
    "transposed": lambda a: np.swapaxes(a.right, 1, 2) @ np.swapaxes(a.left, 1, 2),
    "both ways": lambda a: np.swapaxes(a.left, -1, -2) @ np.tanh(a.left) + (a.matrix @ a.matrix.T)[None],
    "turned by one": lambda a: np.swapaxes(a.left, 1, 2) @ a.flat - a.flat.T @ np.swapaxes(a.left, 1, 2).transpose(0, 2, 1),
    "grams": lambda a: a.left @ np.swapaxes(a.left, 1, 2),
    "broadcast stacks": lambda a: a.stacks @ a.right,
    "from another order": lambda a: np.transpose(a.left, (2, 0, 1)) @ a.images[0, 0][:, :3],
    "outer sums": lambda a: (a.left[:, :, :, None] * a.left[:, :, None, :]).sum(axis=(0, 1)),
    # axes
    "transpose": lambda a: np.transpose(a.images, (2, 0, 3, 1)) * 2 + 1,
    "transposed twice": lambda a: a.images.transpose(3, 0, 1, 2).transpose(1, 2, 3, 0) - a.images.T.T,
    "moveaxis": lambda a: np.moveaxis(a.images, 1, -1).reshape(-1, 2) @ a.images.sum(axis=(0, 3)),
    "moved axes": lambda a: np.moveaxis(a.images, (0, 3), (2, 0)) + np.moveaxis(a.images, [0, 3], [2, 0]),
    "reshape": lambda a: np.reshape(np.swapaxes(a.images, 0, 2), (4, -1, 5)) + a.columns,
    "broadcast": lambda a: np.broadcast_to(a.channels, (3, 2, 4, 5)) + 0.0,
    # slices, joins
    "slice": lambda a: a.images[:, 1, 1:3, ::2] + 1,
    "backwards": lambda a: a.images[::-1, :, ::-2] * 2 - a.images[-1:, ..., -3:-1, :],
    "number": lambda a: a.images[1][-1] + a.images[2, 0, 3, 4],
    "new axes": lambda a: a.columns[None, :, None] + a.rows[None, :, :, None],
    "delta": lambda a: a.images[..., 1:] - a.images[..., :-1],
    "join": lambda a: np.concatenate([a.images, a.images[:, :1] * 2, a.images[:, 1:]], axis=1),
    "join first": lambda a: np.concatenate([a.left, np.tanh(a.left)], 0) + np.concatenate([a.left[:1]] * 6),
    "join last": lambda a: np.concatenate([a.left, a.right[:, :4]], axis=-1),
    "join of transposes": lambda a: np.concatenate([np.swapaxes(a.left, 1, 2), a.right], axis=2),
    "stack": lambda a: np.stack([a.left, a.left * 2, 0 - a.left], axis=1) + np.stack([a.left[:, :3]] * 4, axis=2),
    "written in place": written_in_place,
    "pooling": pooling,
}  # fmt: skip


def arrays(dtype, seed=0):
    draw = np.random.default_rng(seed)
    return types.SimpleNamespace(**{name: draw.normal(size=shape).astype(dtype) for name, shape in SHAPES.items()})


def captured(backend, step, holder, *inputs):
    """Return the program of ``step(holder, *inputs)``; ``inputs`` are named x0, x1, ..."""
    graph = Graph()
    given = [Recorded(graph, graph.input(f"x{k}", value.shape, value.dtype)) for k, value in enumerate(inputs)]
    with recording(graph, Reach([holder], RECORDED), backend.array):
        step(holder, *given)
    return backend.capture(graph)


def replayed(backend, functions, given):
    """Return what each function of the arrays ``given`` comes to in one captured step, run twice."""
    plain = {name: np.asarray(function(given)) for name, function in functions.items()}
    out = {name: backend.asarray(np.zeros(value.shape, value.dtype)) for name, value in plain.items()}
    holder = types.SimpleNamespace(out=out, **{name: backend.asarray(value) for name, value in vars(given).items()})

    def step(holder):
        for name, function in functions.items():
            holder.out[name][...] = function(holder)

    program = captured(backend, step, holder)
    for number in range(2):
        program.run_on({}, number)
    return plain, {name: backend.to_host(value) for name, value in out.items()}


def assert_same(plain, found, tolerance):
    for name, value in plain.items():
        np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_operation_alone_comes_to_what_numpy_computes(dtype):
    given = arrays(dtype)
    for name, function in CASES.items():
        assert_same(*replayed(NumpyBackend(), {name: function}, given), 1e-12 if dtype == "float64" else 2e-5)


def test_all_operations_in_one_step_share_loops_and_buffers():
    assert_same(*replayed(NumpyBackend(), CASES, arrays("float64", 1)), 1e-12)


@pytest.mark.skipif(not standin.available(), reason="no C++ compiler (g++) to run the kernels with")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_gpu_s_kernels_come_to_the_same(dtype, tmp_path, monkeypatch):
    with standin.installed(tmp_path, monkeypatch) as cupy:
        assert_same(*replayed(CupyBackend(), CASES, arrays(dtype)), 1e-12 if dtype == "float64" else 2e-5)
        assert cupy.forbidden == []


def test_a_warm_step_asks_for_no_memory():
    """Whatever the operations are: of 96 kB and more each, they may take less than one together."""
    draw = np.random.default_rng(0)
    shapes = {"x": (8, 6, 16, 16), "c": (6, 1, 1), "w": (5, 54)}
    values = {name: draw.normal(size=shape) for name, shape in shapes.items()}
    h, backend = types.SimpleNamespace(out=np.zeros((8, 5, 256)), top=np.zeros((8, 6, 1, 1)), **values), NumpyBackend()

    def step(h):
        (x,) = repeat(5, lambda x: (np.tanh(x * h.c) + np.concatenate([x[:, 1:], x[:, :1]], axis=1)[..., ::-1],), h.x)
        windows = backend.windows(x, (3, 3), padding=(1, 1))
        h.out[...] = h.w @ windows.reshape(8, 54, 256)
        back = backend.unwindows((h.w.T @ h.out).reshape(windows.shape), (16, 16), padding=(1, 1))
        h.top[...] = np.moveaxis(np.stack([back, x]), 0, 2).max(axis=(2, 3), keepdims=True)[:, :, 0, :, :1]
        h.c[...] = (np.swapaxes(back, 2, 3) @ x).mean(axis=(0, 2, 3))[:, None, None]

    program = captured(backend, step, h)
    peaks = []
    for number in range(6):
        tracemalloc.start()
        program.run_on({}, number)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert min(peaks[1:]) < 8 * 6 * 16 * 16 * 8 / 4


def test_the_cost_counts_every_product_of_a_stack_and_every_turn():
    h = types.SimpleNamespace(out=np.zeros((3, 4, 4)), left=np.ones((3, 4, 6)), right=np.ones((3, 6, 4)))
    graph = Graph()
    with recording(graph, Reach([h], RECORDED), np.ndarray):
        h.out[...] = repeat(6, lambda value: (np.tanh(value @ value),), h.left @ h.right)[0]
    cost = Cost.of(graph)
    assert len(cost.products) == 3 * (1 + 6)
    assert cost.operations == 3 * 2 * (4 * 6 * 4 + 6 * 4 * 4 * 4)


@st.composite
def spaces(draw):
    """Return a shape, three shapes that broadcast to it, and the axes of a total."""
    space = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    shapes = []
    for _ in range(3):
        first = draw(st.integers(0, len(space)))
        shapes.append(tuple(n if draw(st.booleans()) else 1 for n in space[first:]))
    axes = draw(st.sets(st.integers(0, len(space) - 1), min_size=1))
    return tuple(space), shapes, tuple(axes)


@given(spaces(), st.booleans(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_any_shapes_that_broadcast_and_any_axes(case, keepdims, seed):
    space, shapes, axes = case
    draw = np.random.default_rng(seed)
    a, b, c = (draw.normal(size=shape) for shape in shapes)
    given = types.SimpleNamespace(x=draw.normal(size=space), a=a, b=b, c=c)
    functions = {
        "spread": lambda h: (h.x * h.a + h.b) * np.abs(h.c) - h.a * h.b,
        "sum": lambda h: (h.x * h.a).sum(axis=axes, keepdims=keepdims),
        "max": lambda h: (h.x - h.b).max(axis=axes, keepdims=keepdims),
        "both": lambda h: h.x * h.c - (h.x + h.c).sum(axis=axes, keepdims=True) + h.x.max(axis=axes[:1], keepdims=True),
    }
    assert_same(*replayed(NumpyBackend(), functions, given), 1e-11)


@st.composite
def indices(draw):
    """Return a shape and two indices, one of what the other leaves, none of them empty; and the order of its axes."""
    shape = draw(array_shapes(min_dims=1, max_dims=4, max_side=4))
    first = draw(basic_indices(shape, allow_newaxis=True, max_dims=5))
    left = np.zeros(shape)[first]
    second = draw(basic_indices(left.shape)) if isinstance(left, np.ndarray) and left.ndim else ...
    return shape, first, second, draw(st.permutations(range(np.ndim(left))))


@given(indices(), st.sampled_from(["read", "number", "array", "add", "transposed", "reshaped"]))
@settings(max_examples=150, deadline=None)
def test_any_index_reads_and_writes_what_numpy_does_or_is_refused(case, doing):
    shape, first, second, order = case
    given = types.SimpleNamespace(x=np.random.default_rng(0).normal(size=shape), y=np.random.default_rng(1).normal(size=shape))
    if not np.size(given.x[first]) or not np.size(np.asarray(given.x[first])[second]):
        return

    def step(h):
        y = h.y * 1.0
        part = y[first]
        if doing == "read":
            return part[second] * 2.0
        if doing == "number":
            part[second] = 3.0
        elif doing == "array":
            part[second] = (h.x * 2.0)[first][second]
        elif doing == "add":
            part += 1.0
        elif doing == "transposed":
            np.transpose(part, order)[...] *= 2.0
        else:
            part.reshape(-1)[...] += 1.0
        return y

    if not isinstance(given.x[first], np.ndarray):  # of one element NumPy gives a number, which shows no memory
        return
    try:
        plain, found = replayed(NumpyBackend(), {"step": step}, given)
    except NotCapturableError as refused:
        assert "\n" not in str(refused)
        assert doing != "read"
        return
    assert_same(plain, found, 1e-12)


@given(array_shapes(min_dims=1, max_dims=5, max_side=4), st.data())
@settings(max_examples=60, deadline=None)
def test_any_order_and_any_shape(shape, data):
    order = data.draw(st.permutations(range(len(shape))))
    again = data.draw(st.permutations(range(len(shape))))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    given = types.SimpleNamespace(x=np.random.default_rng(0).normal(size=shape))
    functions = {
        "twice": lambda h: np.transpose(np.transpose(h.x, order) * 2.0, again),
        "views": lambda h: np.transpose(np.transpose(h.x, order), again) + 1.0,
        "flat": lambda h: np.transpose(h.x, order).reshape(-1) * 2.0,
        "moved": lambda h: np.moveaxis(h.x, axis, order[0]) + np.swapaxes(h.x, axis, order[0]).sum(),
        "joined": lambda h: np.concatenate([h.x, np.tanh(h.x)], axis=axis),
        "stacked": lambda h: np.stack([h.x, h.x * 2.0, np.transpose(np.transpose(h.x, order), np.argsort(order))], axis=axis),
    }
    assert_same(*replayed(NumpyBackend(), functions, given), 1e-12)
