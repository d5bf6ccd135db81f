"""Products that are added where they are made: whatever else is read and written meanwhile, the numbers are NumPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.backends import NumpyBackend, blas
from neurosim.backends.blas import select_blas
from neurosim.capture import Graph, Item, accumulations
from tests.capture.test_capture import assert_same, held, program_of

N = 6
with_mkl = pytest.mark.skipif(select_blas("auto").name != "mkl", reason="the package mkl is not installed")


def holder(seed=0):
    draw = np.random.default_rng(seed)
    return held(**{name: 0.3 * draw.standard_normal((N, N)) for name in "uvw"})


def checked(step, monkeypatch):
    """Compare the captured step with array code over three steps; return how many products were added where they are made."""
    monkeypatch.setattr(blas, "SMALL", 0)
    mine, plain = holder(), holder()
    x = 0.3 * np.random.default_rng(1).standard_normal((N, N))
    program = program_of(step, mine, x, NumpyBackend("mkl"))
    for number in range(3):
        program.run_on({"x": x + number / 10}, number)
        step(plain, x + number / 10)
    assert_same(mine, plain, 1e-9)
    return len(program.added)


def added(one, x):
    one.w += 0.1 * (x.T @ one.v)


def subtracted_and_scaled_twice(one, x):
    one.w -= 0.5 * (0.2 * (x @ one.v))


def read_before(one, x):
    y = x @ one.w
    one.w += 0.1 * (x.T @ y)


def of_itself(one, x):
    one.w += 0.1 * (x @ one.w)


def of_its_own_transpose(one, x):
    one.w -= 0.1 * (one.w.T @ x)


def read_in_between(one, x):
    change = x.T @ one.v
    one.u += one.w * 2.0
    one.w += 0.1 * change


def written_in_between(one, x):
    change = x.T @ one.v
    one.w *= 0.5
    one.w += 0.1 * change


def read_twice(one, x):
    change = x.T @ one.v
    one.w += 0.1 * change
    one.u += change


def whose_part_is_read(one, x):
    change = 0.1 * (x.T @ one.v)
    one.w += change
    one.u += change.T @ x


def whose_sum_is_read(one, x):
    one.w += 0.1 * (x.T @ one.v)
    one.u += one.w @ x


def scaled_by_an_array(one, x):
    one.w += one.u * (x.T @ one.v)


AT_ONCE = {added: 1, subtracted_and_scaled_twice: 1, read_before: 1, of_itself: 0, of_its_own_transpose: 0, scaled_by_an_array: 0}
EITHER = [read_twice, read_in_between, written_in_between, whose_part_is_read, whose_sum_is_read]


@with_mkl
@pytest.mark.parametrize("step", [*AT_ONCE, *EITHER], ids=lambda step: step.__name__)
def test_a_product_is_added_at_once_where_nobody_can_tell(step, monkeypatch):
    found = checked(step, monkeypatch)
    assert found == AT_ONCE.get(step, found)


# ---------------------------------------------------------------------- schedules made by hand


class Schedule:
    """The nodes of ``w += 0.1 * (a @ b)``."""

    def __init__(self, total="add", turned=False):
        graph = self.graph = Graph()
        shape, self.dtype = (N, N), np.dtype(float)
        self.shape = shape
        self.a, self.b, self.w, self.u = (graph.leaf(np.zeros(shape)) for _ in range(4))
        self.product = graph.node("matmul", (self.a, self.b), shape, self.dtype)
        self.scaled = graph.node("multiply", (self.product, graph.constant(0.1)), shape, self.dtype)
        sides = (self.scaled, self.w) if turned else (self.w, self.scaled)
        self.total = graph.node(total, sides, shape, self.dtype)
        self.written = graph.node("assign", (self.total, self.w), shape, self.dtype)
        self.multiplying, self.adding = Item([self.product], None), self.loop(self.scaled, self.total, self.written)

    def loop(self, *nodes):
        return Item(list(nodes), self.shape)

    def reading(self, node, into=None):
        """Return a loop that reads a node, and writes what it makes of it."""
        made = self.graph.node("sqrt", (node,), self.shape, self.dtype)
        return self.loop(made, self.graph.node("assign", (made, into or self.u), self.shape, self.dtype))


def test_a_product_and_the_loop_that_adds_it():
    made = Schedule()
    (found,) = accumulations([made.multiplying, made.reading(made.u), made.adding]).values()
    assert found.adding is made.adding and found.into is made.w and found.scale == 0.1
    less = Schedule("subtract")
    assert [one.scale for one in accumulations([less.multiplying, less.adding]).values()] == [-0.1]


def test_what_else_happens_keeps_them_apart():
    made = Schedule()
    for between in (made.reading(made.w), made.reading(made.u, into=made.w)):
        assert not accumulations([made.multiplying, between, made.adding])
        assert accumulations([between, made.multiplying, made.adding]) and accumulations([made.multiplying, made.adding, between])
    watch = Item([made.graph.node("watch", (made.u,), (), None, "u")], None)
    assert not accumulations([made.multiplying, watch, made.adding])
    for node in (made.product, made.scaled):
        assert not accumulations([made.multiplying, made.adding, made.reading(node)])
    less = Schedule("subtract", turned=True)  # w = 0.1 * (a @ b) - w
    assert not accumulations([less.multiplying, less.adding])
    assert accumulations([(more := Schedule(turned=True)).multiplying, more.adding])


# ---------------------------------------------------------------------- whatever a step does


def statement(one, x, kept, kind, numbers):
    """Do one of the statements that a random step is made of."""
    values = [x, one.u, one.v, one.w, *kept]
    a, b, c = (values[number % len(values)] for number in numbers[:3])
    name, scale = "uvw"[numbers[3] % 3], (0.1, -0.2, 0.05)[numbers[4] % 3]
    a, b = (a.T if numbers[5] % 2 else a), (b.T if numbers[6] % 2 else b)
    if kind == "keep":
        kept.append(np.tanh(a @ b))
    elif kind == "product":
        kept.append(a @ b)
    elif kind == "add":
        setattr(one, name, _added_to(getattr(one, name), scale * (a @ b)))
    elif kind == "add kept" and kept:
        setattr(one, name, _added_to(getattr(one, name), scale * kept[numbers[0] % len(kept)]))
    elif kind == "shrink":
        setattr(one, name, _added_to(getattr(one, name), -0.1 * np.tanh(c)))


def _added_to(place, change):
    place += change
    return place


STATEMENTS = st.tuples(
    st.sampled_from(["keep", "product", "add", "add kept", "shrink"]), st.lists(st.integers(0, 99), min_size=7, max_size=7)
)


@with_mkl
@settings(max_examples=150, deadline=None)
@given(st.lists(STATEMENTS, min_size=1, max_size=8))
def test_random_steps_leave_what_array_code_leaves(statements):
    def step(one, x):
        kept = []
        for kind, numbers in statements:
            statement(one, x, kept, kind, numbers)

    with pytest.MonkeyPatch.context() as patch:
        checked(step, patch)
