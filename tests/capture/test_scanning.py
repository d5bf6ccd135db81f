"""A walk through a sequence: loops in the program, and the same numbers as its turns one after the other."""

import importlib.util
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.backends import NumpyBackend, RecordedDraws
from neurosim.backends.cupy_backend import CupyBackend
from neurosim.capture import RECORDED, Graph, Reach, Recorded, recording, repeat, scan
from neurosim.errors import NotCapturableError

spec = importlib.util.spec_from_file_location("standin", Path(__file__).parents[1] / "backends" / "standin.py")
standin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standin)

LONGEST = 9
SHAPES = {"w": (4, 4), "b": (4,), "row": (4,), "count": ()}


def entries(x, ticks):
    """Return what is read in each tick: along an inner axis, which no loop over elements can do."""
    return [x[:, tick : tick + 1].reshape(len(x), 4) for tick in range(ticks)]


def states(h, x, ticks, draws):
    """What is carried begins as nothing, gains a name in the first turn, and ends as a sum."""

    def turn(carried, part):
        state, total = carried.get("state", part * 0), carried.get("total")
        state = np.tanh(part @ h.w + 0.5 * state + h.b)
        return {"state": state, "total": state if total is None else total + state}, None

    carried, nothing = scan(turn, {}, entries(x, ticks))
    assert len(nothing) == ticks
    return carried["total"] + 2 * carried["state"]


def there_and_back(h, x, ticks, draws):
    """Stacks that a second walk reads backwards, and a third one forwards again, with what is the same in all turns."""

    def there(state, part):
        state = np.tanh(part @ h.w + 0.5 * state)
        return state, {"state": state, "part": part, "bias": h.b * 2}, (part > 0, None)

    def back(later, found, mask):
        later = np.where(mask[0], later * 0.5 + found["state"] @ h.w.T, later - found["bias"]) + found["part"]
        return later, later * 0.1

    def learn(total, found, error):
        return total + found["state"].T @ error, error

    _, found, masks = scan(there, x[:, 0], entries(x, ticks))
    later, errors = scan(back, x[:, 1], found, masks, backwards=True)
    total, same = scan(learn, h.w * 0, found, errors)
    assert len(same) == ticks
    return later + same[0] - same[-1] + sum(errors[1:3], x[:, 2]) + x[:, 0] @ total


def windows(h, x, ticks, draws):
    """Turns of two kinds; what is carried gets longer in the first turns, as errors that travel through delays do."""

    def turn(before, number, asked, part):
        now = part - 0.3 * sum(before, part)
        return (now, *before)[:2], (now if asked else None)

    numbers = list(range(ticks))
    before, made = scan(turn, (), numbers, [number >= ticks - 4 for number in numbers], entries(x, ticks))
    return sum(before, x[:, 0]) + sum((value for value in made if value is not None), x[:, 1])


def noise(h, x, ticks, draws):
    """Random numbers of each tick, drawn in the turn and before it."""

    def turn(total, number, mask):
        return total * 0.5 + draws.at(number).normal("noise", (5, 4), x.dtype) * mask, None

    before = [draws.at(tick).uniform("mask", (5, 4), x.dtype) < 0.5 for tick in range(ticks)]
    return scan(turn, x[:, 0], list(range(ticks)), before)[0]


def numbers(h, x, ticks, draws):
    """Numbers that differ from turn to turn, also in what they are compared with."""
    given = [np.where(x[:, 0] * 3 > tick, x[:, 1] * (0.1 * tick**2), tick - x[:, 2]) for tick in range(ticks)]
    return scan(lambda total, part: (total + part, part), x[:, 0], given)[0]


def writing(h, x, ticks, draws):
    """A turn writes into arrays from outside: running averages, a count."""
    kept = x[:, 0] * 1.0

    def turn(state, part):
        h.row += 0.1 * (part.mean(axis=0) - h.row)
        h.count += 1
        kept[:, 1:3] *= 0.9
        return state + kept * h.row + h.count, None

    state, _ = scan(turn, x[:, 1], entries(x, ticks))
    return state + kept


def nested(h, x, ticks, draws):
    """Loops in a loop: the inner ones read what the outer one carries, and its entry."""

    def turn(state, part):
        (code,) = repeat(5, lambda code: (np.tanh(code @ h.w + part) * 0.5 + state,), part)
        inner, values = scan(lambda total, column: (total * 0.5 + column, total), state, [part * 2, part, code, code, code, code])
        return np.tanh(inner), values[-1] + values[0]

    state, made = scan(turn, x[:, 0], entries(x, ticks))
    return state + made[ticks // 2]


def turned(h, x, ticks, draws):
    """Transposed and reshaped values, carried and returned, and truth values."""

    def turn(carried, part):
        a, b, on = carried
        a, b = (h.w @ b).T * 0.1, np.where(on, a * 0.1, part).T
        return (a, b, part > 0), b.reshape(5, 4)

    carried, made = scan(turn, (x[:, 0], x[:, 1].T, x[:, 0] > 0), entries(x, ticks))
    return carried[0] + carried[1].T + scan(lambda s, m: (s + m, None), x[:, 2], made, backwards=True)[0]


def moved(h, x, ticks, draws):
    """A delay line, whose values move from place to place."""

    def turn(carried, part):
        first, second, third = carried
        return (np.tanh(part + third), first, second), second * 2

    carried, made = scan(turn, (x[:, 0], x[:, 1], x[:, 2]), entries(x, ticks))
    return carried[2] + sum(made, x[:, 0])


STEPS = [states, there_and_back, windows, noise, numbers, writing, nested, turned, moved]


def holder(backend, dtype="float64"):
    draw = np.random.default_rng(0)
    values = {name: backend.asarray(draw.normal(size=shape).astype(dtype)) for name, shape in SHAPES.items()}
    return types.SimpleNamespace(out=backend.asarray(np.zeros((5, 4), dtype)), **values)


def captured(backend, step, h, ticks, dtype="float64", loops=True):
    graph = Graph(loops=loops)
    x = Recorded(graph, graph.input("x", (5, LONGEST, 4), np.dtype(dtype)))
    with backend.recording(), recording(graph, Reach([h], RECORDED), backend.array):
        h.out[...] = step(h, x, ticks, RecordedDraws(graph, 3))
    return graph, backend.capture(graph)


def x_of(number, dtype="float64"):
    return np.random.default_rng(number).normal(size=(5, LONGEST, 4)).astype(dtype)


def assert_same(step, h, plain, to_host, rtol):
    for name, value in vars(plain).items():
        scale = 1 + np.abs(value).max()
        np.testing.assert_allclose(to_host(getattr(h, name)), value, rtol=0, atol=rtol * scale, err_msg=f"{step.__name__}: {name}")


@pytest.mark.parametrize("step", STEPS)
@given(st.integers(3, LONGEST), st.sampled_from(["float64", "float32"]))
@settings(max_examples=8, deadline=None)
def test_loops_come_to_what_turns_come_to(step, ticks, dtype):
    backend = NumpyBackend()
    h, plain = holder(backend, dtype), holder(backend, dtype)
    _, program = captured(backend, step, h, ticks, dtype)
    for number in range(3):
        program.run_on({"x": x_of(number, dtype)}, number)
        plain.out[...] = step(plain, x_of(number, dtype), ticks, backend.draws(3, number))
        assert_same(step, h, plain, np.asarray, 1e-12 if dtype == "float64" else 1e-5)


@pytest.mark.skipif(not standin.available(), reason="no C++ compiler (g++) to run the kernels with")
def test_the_gpu_s_loops_come_to_the_same(tmp_path, monkeypatch):
    with standin.installed(tmp_path, monkeypatch) as cupy:
        backend, host = CupyBackend(), NumpyBackend()
        made = [holder(backend) for _ in STEPS]
        programs = [captured(backend, step, h, LONGEST)[1] for step, h in zip(STEPS, made, strict=True)]
        for step, h, program in zip(STEPS, made, programs, strict=True):
            plain = holder(host)
            for number in range(3):
                program.run_on({"x": x_of(number)}, number)
                plain.out[...] = step(plain, x_of(number), LONGEST, host.draws(3, number))
                assert_same(step, h, plain, backend.to_host, 1e-11)
        assert cupy.forbidden == []


@pytest.mark.parametrize("step", STEPS)
def test_every_walk_has_a_loop(step):
    """Or the test above would compare what is written out."""
    graph, program = captured(NumpyBackend(), step, holder(NumpyBackend()), LONGEST)
    written, _ = captured(NumpyBackend(), step, holder(NumpyBackend()), LONGEST, loops=False)
    assert sum(item.op == "repeat" for item in program.items) == {there_and_back: 3, windows: 2, nested: 3, turned: 2}.get(step, 1)
    assert len(graph.needed()) < len(written.needed())


def test_what_nobody_reads_is_not_kept():
    """Neither stacks nor what is carried on, and what is the same in all turns has no stack."""

    def step(h, x, ticks, draws):
        def turn(carried, part):
            state, unread = carried
            return (np.tanh(state + part), unread + state @ h.w), state, state * 2, h.b * 3, part

        (state, _), _, twice, same, parts = scan(turn, (x[:, 0], x[:, 0]), entries(x, ticks))
        return state + scan(lambda s, *two: (s + two[0] + two[1], None), x[:, 0], same, parts)[0]

    _, program = captured(NumpyBackend(), step, holder(NumpyBackend()), LONGEST)
    first, second = (item for item in program.items if item.op == "repeat")
    assert (len(first.turns.carried), len(first.turns.puts)) == (1, 0)
    assert "matmul" not in [item.op for item in first.body]
    assert program.plan.nbytes < LONGEST * 5 * 4 * 8


def test_divergence_in_a_turn_is_told_before_anything_changes():
    backend = NumpyBackend()

    def step(h, x, ticks, draws):
        def turn(state, part):
            backend.check_finite("state", state)
            backend.check_finite("same", h.b)
            return state * part, None

        h.row += 1
        return scan(turn, x[:, 0], entries(x, ticks))[0]

    h = holder(backend, "float32")
    before = h.row.copy()
    _, program = captured(backend, step, h, LONGEST, "float32")
    x = x_of(0, "float32")
    program.run_on({"x": x}, 0)
    np.testing.assert_array_equal(h.row, before + 1)
    x[:, 4] = 3e38
    with pytest.raises(FloatingPointError) as error, np.errstate(over="ignore"):
        program.run_on({"x": x * 4}, 1)
    assert error.value.args[0] == "state"
    np.testing.assert_array_equal(h.row, before + 1)


def counting():
    count = iter(range(100))
    return lambda state, part: (state * next(count), None)


def labelled():
    count = iter(range(100))
    return lambda state, part: (state + part, f"turn {next(count)}")


def test_a_turn_that_returns_what_it_writes_into_is_refused():
    """In array code, every entry would be the one array."""

    def step(h, x, ticks, draws):
        def turn(state, part):
            h.row += 1
            return state + part, h.row

        state, rows = scan(turn, x[:, 0], entries(x, ticks))
        return state + rows[0]

    with pytest.raises(NotCapturableError, match="returns an array from outside that it writes into"):
        captured(NumpyBackend(), step, holder(NumpyBackend()), 6)


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (counting(), "another one each time"),
        (lambda state, part: (state.__iadd__(part), None), "writes into an array it is given"),
        (lambda state, part: (state + part.__iadd__(1), None), "writes into an array it is given"),
        (labelled(), "another one each time"),
        (lambda state, part: (state if state.sum() > 0 else part, None), "asks for a value"),
    ],
)
def test_a_turn_that_is_no_loop_is_refused_in_one_line(turn, message):
    def step(h, x, ticks, draws):
        return scan(turn, x[:, 0], [x[:, k] for k in range(ticks)])[0]

    with pytest.raises(NotCapturableError, match=message) as error:
        captured(NumpyBackend(), step, holder(NumpyBackend()), 6)
    assert "\n" not in str(error.value)


def other_operations(h, x, ticks, draws):
    """Entries that are no one operation: every second one is another."""
    given = [part if number % 2 else np.exp(part) for number, part in enumerate(entries(x, ticks))]
    return scan(lambda state, part: (state * 0.5 + part, part), x[:, 0], given)[0]


def other_places(h, x, ticks, draws):
    """Entries that lie at no even distance."""
    given = [x[:, place] for place in (0, 1, 3, 4, 2, 8, 7, 6, 5)[:ticks]]
    return scan(lambda state, part: (state * 0.5 + part, part), x[:, 0], given)[0]


def other_forms(h, x, ticks, draws):
    """What is carried grows with every turn."""
    carried, _ = scan(lambda before, part: ((*before, sum(before, part)), None), (), entries(x, ticks))
    return carried[-1]


@pytest.mark.parametrize("step", [other_operations, other_places, other_forms])
def test_turns_that_are_not_alike_are_written_out(step):
    backend = NumpyBackend()
    h, plain = holder(backend), holder(backend)
    _, program = captured(backend, step, h, LONGEST)
    assert "repeat" not in [item.op for item in program.items]
    program.run_on({"x": x_of(0)}, 0)
    np.testing.assert_allclose(h.out, step(plain, x_of(0), LONGEST, None), rtol=1e-12)
