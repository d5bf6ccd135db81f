"""Recording, fusing, planning and replaying: whatever array code is recorded, the program computes what NumPy computes."""

import types

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosim.backends import NumpyBackend, RecordedDraws
from neurosim.capture import RECORDED, Graph, Reach, Recorded, recording
from neurosim.capture.plan import nest, spread
from neurosim.errors import NotCapturableError

ROWS, COLUMNS, INNER = 5, 7, 3
UNARY = [np.tanh, np.exp, np.negative, np.abs, np.sign, np.square, lambda a: np.sqrt(np.abs(a) + 1), lambda a: a**2]
BINARY = [np.add, np.subtract, np.multiply, np.maximum, np.minimum, lambda a, b: a / (np.abs(b) + 1)]
TERNARY = [lambda a, b, c: np.where(a > b, b, c), lambda a, b, c: np.where((a >= b) & ~(b < c), a * (c > 0), c)]
REDUCTIONS = [
    lambda a: a.sum(axis=0), lambda a: a.sum(axis=1, keepdims=True), lambda a: a.mean(axis=0, keepdims=True), lambda a: a.sum(),
    lambda a: a.max(axis=1, keepdims=True), lambda a: a.max(axis=0), lambda a: a.mean(), lambda a: a.var(axis=0),
]  # fmt: skip


def held(**arrays):
    return types.SimpleNamespace(**arrays)


def program_of(step, holder, x, backend=None):
    graph = Graph()
    given = Recorded(graph, graph.input("x", x.shape, x.dtype))
    with recording(graph, Reach([holder], RECORDED), np.ndarray):
        step(holder, given)
    return (backend or NumpyBackend()).capture(graph)


def both(step, holder, x, steps=3):
    """Run ``step`` recorded and as it is on copies of ``holder``; return both."""
    plain = held(**{name: value.copy() for name, value in vars(holder).items()})
    program = program_of(step, holder, x)
    for number in range(steps):
        program.run_on({"x": x + number}, number)
        step(plain, x + number)
    return holder, plain


def assert_same(one, other, rtol):
    for name, value in vars(other).items():
        found = getattr(one, name)
        scale = max(np.abs(value).max(), 1e-3)
        assert np.abs(found - value).max() <= rtol * scale, name


@st.composite
def recipes(draw):
    """Return a random step as a list of operations on a growing list of values."""
    return [
        (draw(st.sampled_from(["unary", "binary", "ternary", "reduce", "product", "inplace", "join"])), draw(st.integers(0, 2**16)))
        for _ in range(draw(st.integers(1, 14)))
    ]


def follow(recipe, holder, x):
    """Do what a recipe says, with values of shape (rows, columns) and whatever broadcasts to it, then write it all down."""
    full = [x, x * holder.w + holder.b, holder.w - holder.column]
    for kind, number in recipe:
        a, b, c = (full[(number // k) % len(full)] for k in (1, 7, 49))
        pick = number // 343
        if kind == "unary":
            full.append(np.tanh(UNARY[pick % len(UNARY)](np.tanh(a))))
        elif kind == "binary":
            full.append(np.tanh(BINARY[pick % len(BINARY)](a, b)) + 0.5)
        elif kind == "ternary":
            full.append(TERNARY[pick % len(TERNARY)](a, b, c))
        elif kind == "reduce":
            full.append(b - 0.1 * REDUCTIONS[pick % len(REDUCTIONS)](a))
        elif kind == "product":
            full.append(np.tanh((a @ holder.m) @ (holder.m.T) + (b.T @ c).sum(axis=0) * 0.01))
        elif kind == "inplace":
            changed = a + 0.0
            changed *= 0.5
            changed += b
            full.append(changed)
        else:
            full.append(np.concatenate([a, b], axis=1) @ holder.joined)
    last = full[-1]
    holder.b += 0.1 * np.tanh(last).mean(axis=0)
    holder.w += 0.1 * np.tanh(last - full[len(full) // 2])
    holder.column[...] = np.tanh(last).sum(axis=1, keepdims=True) * holder.number
    holder.number += 1
    holder.number *= 0.9**holder.number


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@given(recipe=recipes(), seed=st.integers(0, 2**16))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_array_code_is_replayed_as_it_was_meant(dtype, recipe, seed):
    draw = np.random.default_rng(seed)
    shapes = {
        "w": (ROWS, COLUMNS), "b": (COLUMNS,), "column": (ROWS, 1), "m": (COLUMNS, INNER), "joined": (2 * COLUMNS, COLUMNS),
        "number": (),
    }  # fmt: skip
    holder = held(**{name: np.asarray(draw.normal(size=shape), dtype) for name, shape in shapes.items()})
    x = draw.normal(size=(ROWS, COLUMNS)).astype(dtype)
    one, other = both(lambda h, given: follow(recipe, h, given), holder, x)
    assert_same(one, other, 1e-9 if dtype == "float64" else 3e-3)  # signs and thresholds make rounding large, rarely


def test_noise_is_drawn_anew_at_each_step_as_the_array_code_draws_it():
    holder = held(seen=np.zeros((4, 6), np.float32), kept=np.zeros((4, 6), np.float32))
    graph, backend = Graph(), NumpyBackend()

    def step(draws):
        holder.seen[...] = draws.normal("noise", (4, 6), np.float32)
        holder.kept[...] = draws.uniform("mask", (4, 6), np.float32) > 0.5

    with recording(graph, Reach([holder], RECORDED), np.ndarray):
        step(RecordedDraws(graph, 7))
    program = backend.capture(graph)
    for at in (0, 1, 5):
        program.run_on({}, at)
        np.testing.assert_allclose(holder.seen, backend.draws(7, at).normal("noise", (4, 6), np.float32), rtol=2e-5, atol=1e-6)
        np.testing.assert_array_equal(holder.kept, backend.draws(7, at).uniform("mask", (4, 6), np.float32) > 0.5)


# ---------------------------------------------------------------------- what makes it fast


def adam(holder, x):
    change = x.T @ x
    change *= np.float32(1 / len(x))
    NumpyBackend().kernel("m = 0.9 * m + 0.1 * g\nv = 0.99 * v + 0.01 * g * g\ng = rate * m / (sqrt(v) + 1e-8)")(
        {"g": change, "m": holder.m, "v": holder.v}, {"rate": 0.1}
    )
    holder.w += change


def test_an_optimiser_and_the_weights_it_moves_are_one_loop_without_a_buffer_for_the_change():
    holder = held(**{name: np.zeros((80, 80), np.float32) for name in "wmv"})
    program = program_of(adam, holder, np.ones((9, 80), np.float32))
    assert [item.op for item in program.items] == ["matmul", "kernel"]
    assert len(program.plan.sizes) == 1


def test_what_is_computed_twice_is_computed_once_and_what_nobody_reads_never():
    def step(holder, x):
        np.tanh(x @ holder.w)  # nobody reads it
        holder.a[...] = (x @ holder.w).sum(axis=0)
        holder.b[...] = (x @ holder.w).max(axis=0)

    holder = held(w=np.ones((4, 3)), a=np.zeros(3), b=np.zeros(3))
    program = program_of(step, holder, np.ones((5, 4)))
    assert [item.op for item in program.items].count("matmul") == 1
    assert all(item.op != "tanh" for item in program.items)


def test_a_weight_is_not_overwritten_before_all_have_read_it():
    def step(holder, x):
        before = holder.w * 2
        holder.w += x.mean(axis=0)
        holder.copy[...] = before @ holder.m + holder.w

    one, other = both(step, held(w=np.ones((1, 4)), copy=np.zeros((1, 4)), m=np.eye(4)), np.arange(8.0).reshape(2, 4))
    assert_same(one, other, 1e-12)


def test_buffers_are_taken_over_when_their_values_are_read():
    def step(holder, x):
        h = x
        for _ in range(20):
            h = np.tanh(h @ holder.w)
        holder.out[...] = h.sum(axis=0)

    holder = held(w=np.eye(64), out=np.zeros(64))
    program = program_of(step, holder, np.ones((8, 64)))
    assert program.plan.nbytes <= 4 * 8 * 64 * 8


def test_nothing_changes_where_a_watched_value_is_not_finite():
    def step(holder, x):
        drive = x * holder.w
        NumpyBackend().check_finite("hidden1", drive)
        holder.w += 1

    holder = held(w=np.ones(3))
    program = program_of(step, holder, np.ones((2, 3)))
    with pytest.raises(FloatingPointError, match="hidden1"):
        program.run_on({"x": np.full((2, 3), np.inf)}, 0)
    np.testing.assert_array_equal(holder.w, 1)
    program.run_on({"x": np.ones((2, 3))}, 0)
    np.testing.assert_array_equal(holder.w, 2)


# ---------------------------------------------------------------------- what it refuses


def keeps(holder, x):
    holder.kept = x * 2


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (lambda h, x: float(x.sum()), "asks for a value"),
        (lambda h, x: h.w if x.sum() > 0 else None, "asks for a value"),
        (lambda h, x: [row for row in x], "asks for a value"),
        (lambda h, x: x[[0, 1]], r"reading at \[\[0, 1\]\]"),
        (lambda h, x: x[x > 0], r"reading at \[an array\]"),
        (lambda h, x: x[True], r"reading at \[True\]"),
        (lambda h, x: x[2], "reading at 2 of an axis of 2"),
        (lambda h, x: x[0, 0, 0], "reading at 3 axes of shape"),
        (lambda h, x: x[1:1], "expected at least one element"),
        (lambda h, x: x.__setitem__(np.array([0]), 1), r"writing at \[an array\]"),
        (lambda h, x: x.__setitem__((slice(None), slice(None, None, 2)), 1), "writing at every 2th"),
        (lambda h, x: x.__setitem__(0, np.zeros(2)), "expected shapes that fit"),
        (lambda h, x: x.T.reshape(6).__iadd__(1), "writing into a reshaped view"),
        (lambda h, x: x.sum(axis=2), "axis 2: expected different axes of 2"),
        (lambda h, x: x.sum(axis=(0, -2)), "expected different axes of 2"),
        (lambda h, x: x.max(axis=0.5), "axis 0.5: expected a whole number"),
        (lambda h, x: x.transpose(0), "expected 2 axes"),
        (lambda h, x: np.broadcast_to(x, (3, 2)), "could not be broadcast|expected shapes that fit"),
        (lambda h, x: np.linalg.inv(x), "np.inv has no place"),
        (lambda h, x: np.add.reduce(x), "np.add.reduce"),
        (lambda h, x: np.add(x, 1, out=np.zeros((2, 3))), "an array the step does not know"),
        (lambda h, x: x + "a", "expected an array or a number"),
        (lambda h, x: x @ x, "expected two matrices that fit, or stacks of them"),
        (lambda h, x: x.reshape(5), "expected as many elements"),
        (lambda h, x: np.concatenate([x, x.T], axis=0), "expected equal shapes but for that axis"),
        (lambda h, x: np.concatenate([x, x[0]], axis=0), "expected arrays of as many axes"),
        (lambda h, x: x + np.zeros((3, 2)).T, "a view in another order"),
        (lambda h, x: (x > 0) + (x > 1), "expected float32 or float64"),
        (keeps, "kept in 'kept'"),
    ],
)
def test_what_has_no_place_in_a_step_is_refused_in_one_line(step, said):
    holder = held(w=np.ones((2, 3)))
    with pytest.raises(NotCapturableError, match=said) as error:
        program_of(step, holder, np.ones((2, 3)))
    assert "\n" not in str(error.value)
    np.testing.assert_array_equal(holder.w, np.ones((2, 3)))


def test_a_transpose_is_assigned_as_it_is_meant():
    holder = held(w=np.zeros((3, 3)), m=np.arange(9.0).reshape(3, 3))
    one, other = both(lambda h, x: h.w.__setitem__(..., h.m.T), holder, np.ones(1))
    assert_same(one, other, 0)


def test_a_loop_of_rows_and_columns_is_kept_where_the_shapes_allow_it():
    assert spread((4, 3, 2), (3, 2)) == "row"
    assert spread((4, 3, 2), (4, 1, 1)) == "column"
    assert spread((4, 3, 2), (4, 3, 2)) == "full"
    assert spread((4, 3, 2), ()) == spread((4, 3), (1, 1)) == "one"
    assert spread((4, 3, 2), (4, 3, 1)) == spread((4, 3, 2), (3, 1)) == "axes"
    assert nest((4, 3, 2), [(4, 3, 2), (3, 2)]).sizes == (4, 6)
    assert nest((4, 3, 2), [(4, 3, 2), (4, 1, 2)]).strides == {(4, 3, 2): (6, 2, 1), (4, 1, 2): (2, 0, 1)}


def test_a_kernel_reads_no_more_arrays_than_can_be_handed_to_it():
    """A chain through a long trial reads an array or two of each tick: machine code takes 1,024 arguments, CUDA's fewer."""
    draw = np.random.default_rng(0)
    holder = held(out=np.zeros((3, 2)), **{f"a{k}": draw.normal(size=(3, 2)) for k in range(1100)})

    def step(holder, x):
        total = x
        for k in range(1100):
            total = total * 0.9 + getattr(holder, f"a{k}")
        holder.out[...] = total

    x = draw.normal(size=(3, 2))
    program = program_of(step, holder, x)
    expected = held(**vars(holder) | {"out": np.zeros((3, 2))})
    step(expected, x)
    program.run_on({"x": x}, 0)
    np.testing.assert_allclose(holder.out, expected.out, rtol=1e-12)
