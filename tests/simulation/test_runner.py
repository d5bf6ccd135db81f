"""Circuits made by hand, with numbers worked out by hand."""

import ast
import platform
import threading
import time

import numpy as np
import pytest

from neurosim.backends.subnormals import X86
from neurosim.circuit import Assignment, Block, Circuit, Deliver, Lag, Place, Record, Replay, Reset, SpikingGroup, Threshold, Update
from neurosim.circuit.expressions import LIBRARY, calls
from neurosim.simulation import CircuitProgram, simulate

DT = 0.001


def made(target, operator, value, **options):
    return Assignment(target, operator, ast.parse(value, mode="eval").body, **options)


def block(places, *each, **constants):
    found = {name: Place(*place) for name, place in places.items()}
    return Block(constants, found, (), tuple(each))


V = {"v": ("cells.v", "element")}
REFRACTORY = "cells.free", "cells.last"


def counting(size=3, every=4):
    """Cells whose v grows by one a tick and is reset at ``every``; then each adds 10 to the next one's w after two ticks."""
    pre, post = np.arange(size, dtype=np.int32), np.roll(np.arange(size, dtype=np.int32), -1)
    lag = Lag(2, np.arange(size + 1, dtype=np.int32), pre)
    actions = (
        Update("grow", size, block(V, made("v", "+=", "1"))),
        Threshold("look", "cells", block(V, made("_cond", "=", "v >= every", local=True, kind="bool"), every=every), "_cond"),
        Deliver("send", "cells", (lag,), pre, post, block({"w_post": ("cells.w", "post")}, made("w_post", "+=", "10"))),
        Reset("reset", "cells", block(V, made("v", "=", "0"))),
    )
    arrays = {"cells.v": np.arange(size, dtype=float), "cells.w": np.zeros(size)}
    return Circuit(DT, arrays, {"cells": SpikingGroup("cells", size, 3)}, actions)


def test_spikes_and_what_they_send_by_hand():
    run = simulate(CircuitProgram(counting()), 9 * DT)
    trains = run.spikes["cells"]
    assert list(zip(trains.tick, trains.index, strict=True)) == [(1, 2), (2, 1), (3, 0), (5, 2), (6, 1), (7, 0)]
    assert run.final["cells.v"].tolist() == [[1, 2, 3]]
    assert run.final["cells.w"].tolist() == [[20, 10, 20]]  # those of ticks 7 and 6 are still on their way


@pytest.mark.skipif(platform.machine().lower() not in X86, reason="only on x86 are subnormal numbers taken as zero")
@pytest.mark.parametrize("batch", [1, 3])
def test_what_decays_ends_at_zero(batch):
    decay = Update("decay", 8, block(V, made("v", "*=", "0.5")))
    circuit = Circuit(DT, {"cells.v": np.full(8, 1.0)}, {"cells": SpikingGroup("cells", 8, 1)}, (decay,))
    program = CircuitProgram(circuit)
    assert simulate(program, 1022 * DT, batch=batch).final["cells.v"].tolist() == [[np.finfo(float).tiny] * 8] * batch
    assert not simulate(program, 1023 * DT, batch=batch).final["cells.v"].any()  # 2**-1023, and then for ever


def test_many_calls_are_one_run_and_trials_are_independent():
    program = CircuitProgram(counting(size=70, every=90))  # more cells than are looked at together
    ticks = 2500  # more than one call runs
    trains = simulate(program, ticks * DT, batch=2).spikes["cells"]
    first = [90 - k - 1 for k in range(70)]
    expected = sorted((tick, k) for k in range(70) for tick in range(first[k], ticks, 90))
    for trial in range(2):
        chosen = trains.trial == trial
        assert list(zip(trains.tick[chosen].tolist(), trains.index[chosen].tolist(), strict=True)) == expected


def test_every_cell_may_spike_in_every_tick():
    trains = simulate(CircuitProgram(counting(size=300, every=0)), 500 * DT).spikes["cells"]
    assert len(trains) == 300 * 500 and (trains.index == np.tile(np.arange(300), 500)).all()


def test_replayed_spikes_come_when_they_are_told_to():
    replay = Replay("replay", "cells", np.array([0, 0, 2, 2, 3], np.int32), np.array([1, 0, 2], np.int32))
    run = simulate(CircuitProgram(Circuit(DT, {}, {"cells": SpikingGroup("cells", 3)}, (replay,))), 20 * DT)
    trains = run.spikes["cells"]
    assert list(zip(trains.tick, trains.index, strict=True)) == [(1, 1), (1, 0), (3, 2)]


@pytest.mark.parametrize("every", [1, 3])
def test_recordings_are_of_the_start_of_their_tick_and_any_length(every):
    circuit = counting()
    seen = block({"v": ("cells.v", "element")}, made("seen", "=", "2*v", local=True))
    record = Record("watch", np.array([2, 0], np.int32), seen, {"v": "seen"}, every)
    run = simulate(CircuitProgram(Circuit(DT, circuit.arrays, circuit.groups, (record, *circuit.actions))), 2000 * DT, batch=2)
    ticks = np.arange(0, 2000, every)
    expected = np.stack([2 * ((ticks + start) % 4) for start in (2, 0)], axis=1)
    assert run.states["watch"]["v"].shape == (2, len(ticks), 2) and (run.states["watch"]["v"] == expected).all()
    assert (run.states["watch"].time == ticks * DT).all()


def test_a_refractory_cell_is_noted_and_a_guard_keeps_what_it_guards():
    places = {"v": ("cells.v", "element"), "free": ("cells.free", "element")}
    actions = (
        Update("grow", 1, block(places, made("v", "+=", "1", guard="free"))),
        Threshold("look", "cells", block(V, made("_cond", "=", "v >= 3", local=True, kind="bool")), "_cond", REFRACTORY),
    )
    arrays = {"cells.v": np.zeros(1), "cells.free": np.ones(1, bool), "cells.last": np.full(1, -1.0)}
    final = simulate(CircuitProgram(Circuit(DT, arrays, {"cells": SpikingGroup("cells", 1)}, actions)), 10 * DT).final
    assert final["cells.v"].tolist() == [[3]] and final["cells.free"].tolist() == [[False]]
    assert final["cells.last"].tolist() == [[9 * DT]]  # it was above the threshold until the end


EXPRESSIONS = [
    "a + b * a - b / a", "-a ** 2", "a ** 2", "a ** 3", "a ** b", "abs(a) % 0.7", "-a % 0.7", "a // 0.3", "a // -0.3",
    "exp(a)", "expm1(b)", "log(abs(a) + 1)", "log1p(abs(b))", "log10(abs(a) + 2)", "sqrt(abs(a))", "sin(a)", "cos(b)", "tan(a)",
    "sinh(a)", "cosh(a)", "tanh(b)", "arcsin(0.2*a)", "arccos(0.2*a)", "arctan(b)", "floor(a)", "ceil(a)", "sign(a)",
    "clip(a, -0.5, b)", "exprel(a)", "exprel(0 * a)", "timestep(a, 0.001)", "int(a > b) * 2", "int(3 * a)",
    "int(a > 0 and b > 0 or not (a < b))", "a if a > b else -b", "int(a != b) + int(a == a)", "int(a >= b) + int(a <= b)", "+a",
    "exp(2) * a + 3 // 2",
]  # fmt: skip


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions_are_numpys(text):
    from scipy.special import exprel

    draws = np.random.default_rng(0).normal(size=(2, 1000))
    a, b = draws
    table = {name: getattr(np, name) for name in dir(np)} | {
        "a": a, "b": b, "exprel": exprel, "int": lambda x: np.trunc(np.asarray(x) * 1.0),
        "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high), "timestep": lambda t, dt: np.trunc((t + 1e-3 * dt) / dt),
    }  # fmt: skip
    written = text.replace(" and ", " & ").replace(" or ", " | ").replace("not ", "~")
    written = {"a if a > b else -b": "where(a > b, a, -b)"}.get(text, written)
    written = written.replace("a > 0 & b > 0", "(a > 0) & (b > 0)")
    with np.errstate(all="ignore"):
        expected = eval(written, {"__builtins__": {}}, table)  # noqa: S307  of the list above
    places = {name: (f"cells.{name}", "element") for name in ("a", "b", "out")}
    update = Update("work", 1000, block(places, made("out", "=", text)))
    circuit = Circuit(DT, {"cells.a": a, "cells.b": b, "cells.out": np.zeros(1000)}, {}, (update,))
    with np.errstate(all="ignore"):
        found = simulate(CircuitProgram(circuit), DT).final["cells.out"][0]
    exact = not set(calls(ast.parse(text, mode="eval").body)) & LIBRARY.keys() - {"abs", "sqrt", "floor", "ceil"}
    if exact and text not in ("a ** 3", "a ** b", "exprel(a)"):
        np.testing.assert_array_equal(found, expected)
    else:  # NumPy's own functions are up to 4 units of the last place off
        np.testing.assert_allclose(found, expected, rtol=1e-15, equal_nan=True)


def test_uniform_numbers_are_uniform_and_change_each_tick():
    update = Update("draw", 1003, block({"v": ("cells.v", "element")}, made("v", "=", "v + rand()")))
    program = CircuitProgram(Circuit(DT, {"cells.v": np.zeros(1003)}, {}, (update,)))
    once, often = (simulate(program, ticks * DT, batch=3).final["cells.v"] for ticks in (1, 100))
    assert 0 <= once.min() and once.max() < 1 and abs(once.mean() - 0.5) < 4 * (1 / 12 / once.size) ** 0.5
    assert abs(often.mean() - 50) < 4 * (100 / 12 / often.size) ** 0.5 and abs(often.var() - 100 / 12) < 0.5
    assert abs(np.corrcoef(once[0], once[1])[0, 1]) < 0.15 and abs(np.corrcoef(once[0, :-1], once[0, 1:])[0, 1]) < 0.15


def test_ctrl_c_ends_a_long_run(monkeypatch):
    program = CircuitProgram(counting(size=200))
    began = time.monotonic()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("neurosim.simulation.host.list", interrupt, raising=False)  # in the waiting for the trials
    with pytest.raises(KeyboardInterrupt):
        simulate(program, 1e7 * DT, batch=4)
    assert time.monotonic() - began < 30 and threading.active_count() < 20
