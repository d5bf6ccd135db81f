"""A repeated body: one loop of the program, and the same numbers as its turns one after the other."""

import importlib.util
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.backends import NumpyBackend, RecordedDraws
from neurosim.backends.cupy_backend import CupyBackend
from neurosim.capture import RECORDED, Graph, Reach, Recorded, recording, repeat
from neurosim.capture.cost import Cost
from neurosim.errors import InputError, NotCapturableError

spec = importlib.util.spec_from_file_location("standin", Path(__file__).parents[1] / "backends" / "standin.py")
standin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standin)


def relaxed(times, h, x):
    """A code that moves with momentum toward what the layer above wants; its velocity starts as a number."""

    def turn(code, velocity):
        error = h.target - np.tanh(code @ h.w + h.b)
        descent = error @ h.w.T * 0.1 + 0.05 * (x - code)
        velocity = 0.9 * velocity + descent
        return code + 0.3 * (descent + 0.9 * velocity), velocity

    return repeat(times, turn, x, 0)[0]


def moved(times, h, x):
    """Values that change places: a delay line, a swap, and one that stays."""

    def turn(a, b, c, d, kept):
        return np.tanh(a + d), a, b, c * 0.5 + kept, kept

    a, b, c, d, _ = repeat(times, turn, x, x * 2, x * 3, x + h.b[0], x - 1)
    a, b = repeat(times, lambda a, b: (b, a), a, b)
    return a - 2 * b + 3 * c - d


def nested(times, h, x):
    """A loop in a loop, the inner one reads what the outer one carries."""

    def turn(state, total):
        (inner,) = repeat(times, lambda value: (np.tanh(value + state) * 0.5,), x * 0.1)
        return state * 0.9 + inner, total + (state * inner).sum(axis=0, keepdims=True)

    state, total = repeat(times, turn, x, np.zeros_like(x).sum(axis=0, keepdims=True))
    return state + total


def transposed(times, h, x):
    """Carried values that start and end as views in another order."""
    (turned,) = repeat(times, lambda m: ((m @ h.square).T * 0.3 + h.square.T,), h.square.T)
    return x + turned.sum()


def outside(times, h, x):
    """A value that no turn makes: constants, and what is computed before."""
    before = np.tanh(x)
    ones, same, sums = repeat(times, lambda a, b, c: (np.ones_like(a), before, c + before.sum(axis=0)), x, x, h.row)
    return ones + same * 2 + sums


def masked(times, h, x):
    """Truth values are carried, and an array is changed in place where the body has made it."""

    def turn(value, on):
        changed = np.where(on, value * 0.5, value + 1.0)
        changed *= 1.5
        changed[:, 1:3] += h.row[:2]
        return changed, changed > 1.0

    value, on = repeat(times, turn, x, x > 0)
    value *= 2.0
    return value * (1 + on)


def reshaped(times, h, x):
    """A carried value moves to the place of one of another shape, which no loop over elements can do beside its change."""
    a, b = repeat(times, lambda a, b: (np.tanh(a) + 0.1 * b.sum(), a.reshape(4, 5)), x, np.reshape(x, (4, 5)))
    return a + b.sum(axis=1)


STEPS = [relaxed, moved, nested, transposed, outside, masked, reshaped]
SHAPES = {"w": (4, 3), "b": (3,), "target": (5, 3), "square": (4, 4), "row": (4,)}


def holder(backend, dtype="float64", seed=0):
    draw = np.random.default_rng(seed)
    values = {name: backend.asarray(draw.normal(size=shape).astype(dtype)) for name, shape in SHAPES.items()}
    return types.SimpleNamespace(out=backend.asarray(np.zeros((5, 4), dtype)), **values)


def captured(backend, step, h, dtype="float64"):
    graph = Graph()
    x = Recorded(graph, graph.input("x", (5, 4), np.dtype(dtype)))
    with backend.recording(), recording(graph, Reach([h], RECORDED), backend.array):
        h.out[...] = step(h, x)
    return graph, backend.capture(graph)


def x_of(number, dtype="float64"):
    return np.random.default_rng(number).normal(size=(5, 4)).astype(dtype)


@pytest.mark.parametrize("step", STEPS)
@given(st.integers(0, 7), st.sampled_from(["float64", "float32"]))
@settings(max_examples=16, deadline=None)
def test_a_loop_comes_to_what_its_turns_come_to(step, times, dtype):
    backend = NumpyBackend()
    h, plain = holder(backend, dtype), holder(backend, dtype)
    _, program = captured(backend, lambda h, x: step(times, h, x), h, dtype)
    for number in range(3):
        program.run_on({"x": x_of(number, dtype)}, number)
        expected = step(times, plain, x_of(number, dtype))
        largest = 1 + np.abs(expected).max()
        np.testing.assert_allclose(h.out, expected, rtol=0, atol=(1e-12 if dtype == "float64" else 1e-5) * largest)


@pytest.mark.skipif(not standin.available(), reason="no C++ compiler (g++) to run the kernels with")
@pytest.mark.parametrize("times", [3, 6])
def test_the_gpu_s_loop_comes_to_the_same(times, tmp_path, monkeypatch):
    with standin.installed(tmp_path, monkeypatch) as cupy:
        backend = CupyBackend()
        made = [holder(backend) for _ in STEPS]
        programs = [captured(backend, lambda h, x, step=step: step(times, h, x), h)[1] for step, h in zip(STEPS, made, strict=True)]
        for step, h, program in zip(STEPS, made, programs, strict=True):
            for number in range(3):
                program.run_on({"x": x_of(number)}, number)
                expected = step(times, holder(NumpyBackend()), x_of(number))
                np.testing.assert_allclose(backend.to_host(h.out), expected, rtol=1e-11, atol=1e-11, err_msg=step.__name__)
        assert cupy.forbidden == []


def test_a_hundred_turns_make_no_longer_graph_and_no_more_memory_than_three():
    def made(times):
        return captured(NumpyBackend(), lambda h, x: relaxed(times, h, x), holder(NumpyBackend()))

    (few, short), (many, long) = made(3), made(100)
    assert len(few.needed()) == len(many.needed())
    assert short.nbytes == long.nbytes
    assert len(short.calls) == len(long.calls)
    assert len(Cost.of(many).products) == 200


def test_what_does_not_depend_on_the_carried_values_is_computed_once():
    def step(h, x):
        return repeat(9, lambda value: (value + np.exp(x @ h.square),), x)[0]

    _, program = captured(NumpyBackend(), step, holder(NumpyBackend()))
    (loop,) = (item for item in program.items if item.op == "repeat")
    assert [item.op for item in loop.body] == ["kernel"]
    assert [item.op for item in program.items].count("matmul") == 1


def test_buffers_of_a_loop_are_those_that_are_free_around_it():
    def step(h, x):
        for _ in range(6):
            x = np.tanh(x @ h.square)
        (x,) = repeat(9, lambda value: (np.exp(-np.tanh(value @ h.square)) @ h.square,), x)
        for _ in range(6):
            x = np.tanh(x @ h.square)
        return x

    _, program = captured(NumpyBackend(), step, holder(NumpyBackend()))
    assert program.plan.nbytes <= 6 * 5 * 4 * 8 * 2


def test_a_weight_that_a_loop_reads_changes_after_it():
    def step(h, x):
        h.square += 1.0
        before = h.square * 1.0
        h.square *= 2.0
        (value,) = repeat(5, lambda v: (np.tanh(v @ h.square + before.sum()),), x)
        h.row[...] = value.sum(axis=0)
        h.square -= h.row
        return value

    backend = NumpyBackend()
    h, plain = holder(backend), holder(backend)
    _, program = captured(backend, step, h)
    for number in range(3):
        program.run_on({"x": x_of(number)}, number)
        plain.out[...] = step(plain, x_of(number))
    for name, value in vars(plain).items():
        np.testing.assert_allclose(getattr(h, name), value, rtol=1e-12)


def test_noise_within_a_body_is_the_same_at_every_turn_as_in_array_code():
    backend = NumpyBackend()

    def step(h, x, draws):
        return repeat(4, lambda v: (v + draws.normal("noise", (5, 4), np.float64),), x)[0]

    h = holder(backend)
    graph = Graph()
    x = Recorded(graph, graph.input("x", (5, 4), np.dtype(float)))
    with recording(graph, Reach([h], RECORDED), np.ndarray):
        h.out[...] = step(h, x, RecordedDraws(graph, 3))
    program = backend.capture(graph)
    for number in (0, 4):
        program.run_on({"x": x_of(0)}, number)
        np.testing.assert_allclose(h.out, step(h, x_of(0), backend.draws(3, number)), rtol=1e-12)


def counting():
    count = iter(range(100))
    return lambda v: (v * next(count),)


def leaking(h, x):
    kept = []
    repeat(5, lambda v: (kept.append(v * 2) or v * 3,), x)
    return kept[-1]


def twice(value, turned):
    value = value + turned.T
    return value, value.T


def nested_alias(h, x):
    """In array code, both values that the outer loop returns are one array."""

    def turn(a, b):
        a = a + 1
        return a, repeat(4, lambda v, w: (v + w, w), a, a)[1]

    _, b = repeat(5, turn, x, x)
    b += 1
    return b


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda h, x: repeat(5, lambda v: (h.row.__iadd__(1) * v,), x)[0], "writes into an array from outside"),
        (lambda h, x: repeat(5, lambda v: (h.square[0].__iadd__(v[0]) * v,), x)[0], "writes into an array from outside"),
        (lambda h, x: repeat(5, counting(), x)[0], "another one each time"),
        (leaking, "used outside of it"),
        (nested_alias, "by two names, or as it was"),
        (lambda h, x: repeat(5, lambda v: (v.__iadd__(1),), x)[0], "writes into an array it is given"),
        (lambda h, x: repeat(5, lambda v, w: (v.T.__imul__(w).T, w), x, x.T)[0], "writes into an array it is given"),
        (lambda h, x: repeat(5, lambda v, w: (v + 1,) * 2, x, x)[1].__iadd__(1), "returned by two names"),
        (lambda h, x: repeat(5, twice, x, x.T)[1].__iadd__(1), "returned by two names"),
        (lambda h, x: repeat(5, lambda v, w: (v + w, w), x, x)[1].__iadd__(1), "by two names, or as it was"),
        (lambda h, x: repeat(5, lambda v, w: (v + w, v[:]), x, x)[1].__iadd__(1), "by two names, or as it was"),
        (lambda h, x: repeat(5, lambda v, w: (v + w.sum(), h.target), x, x)[1].__iadd__(1), "by two names, or as it was"),
        (lambda h, x: repeat(5, lambda v, k: (v * k, k + 1), x, 1)[0], "carries a number"),
        (lambda h, x: repeat(5, lambda v: (np.concatenate([v, v]),), x)[0][:5], "expected the same from turn to turn"),
        (lambda h, x: repeat(5, lambda v: (v if v.sum() > 0 else -v,), x)[0], "asks for a value"),
    ],
)
def test_a_body_that_is_no_loop_is_refused_in_one_line(step, message):
    h = holder(NumpyBackend())
    before = {name: value.copy() for name, value in vars(h).items()}
    with pytest.raises(NotCapturableError, match=message) as error:
        captured(NumpyBackend(), step, h)
    assert "\n" not in str(error.value)
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(h, name), value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: repeat(-1, lambda v: (v,), 0), "times -1: expected a whole number of 0 or more"),
        (lambda: repeat(2.0, lambda v: (v,), 0), "times 2.0: expected a whole number"),
        (lambda: repeat(2, lambda v: v, 0), "the body returns int: expected a tuple of 1"),
        (lambda: repeat(2, lambda v: (v, v), 0), "the body returns 2 values: expected a tuple of 1"),
    ],
)
def test_what_is_no_body_is_an_error_of_one_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
