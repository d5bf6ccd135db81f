"""Simulations into run files: what is in memory otherwise, whatever segments there are; kills; what goes on; how much memory."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.errors import InputError, RunFileError, UnknownNameError
from neurosim.runfile import Run, problems
from neurosim.simulation import CircuitProgram, SimulationFile, keeping, simulate, simulate_into, simulation_file
from neurosim.simulation.requests import StateRequest, recorded, seconds
from tests.simulation.circuits import DT, noisy

TICKS = 2500
REQUESTS = ["synapses.w[0:5] every 10 ms", "cells.v[random 3 seed 1]"]


@pytest.fixture(scope="module")
def program():
    return CircuitProgram(recorded(noisy(), REQUESTS))


def everything(found):
    """All numbers of a result, by name."""
    keys = ("index", "tick", "trial", "time")
    numbers = {f"spikes {name} {key}": getattr(own, key) for name, own in found.spikes.items() for key in keys}
    for name, own in found.states.items():
        numbers |= {f"{name} {key}": values for key, values in own.values.items()} | {f"{name} time": own.time}
    return numbers | {f"final {name}": values for name, values in found.final.items()}


def same(one, other):
    one, other = everything(one), everything(other)
    assert one.keys() == other.keys()
    for key, values in one.items():
        np.testing.assert_array_equal(values, other[key], key)


def stored(path):
    """All numbers of a run file, by name."""
    with Run(path) as run:
        spikes = {f"{name} {key}": own[key].to_numpy() for name, own in run.spikes.items() for key in own}
        states = {name: own.values for name, own in run.recordings.items()}
        return spikes | states | {f"{name} time": own["time"].values for name, own in run.recordings.items()}


@pytest.mark.parametrize("segment", [keeping.SEGMENT, 3000])  # the second lets trials stop before the others
def test_a_file_holds_what_memory_would(program, tmp_path, monkeypatch, segment):
    monkeypatch.setattr(keeping, "SEGMENT", segment)
    found = simulate_into(tmp_path / "run.h5", program, TICKS * DT, batch=3, seed=2)
    same(found, simulate(program, TICKS * DT, batch=3, seed=2))
    assert problems(found.path) == [] and len(found.spikes["cells"]) > 1000
    with Run(found.path) as run:
        said = run.attributes
        assert run.is_simulation and run.status == "complete" and (said["dt"], said["trials"], said["seed"]) == (DT, 3, 2)
        assert said["duration"] == TICKS * DT and said["simulator"] == "neurosim"
        assert {name: values.attrs["units"] for name, values in run.recordings.items()} == {
            "cells.v": "V", "states.v": "V", "synapses.w": "1"
        }  # fmt: skip
        weight = run.recordings["synapses.w"]
        assert weight.dims == ("time", "trial", "synapse") and weight["time"].values[:3] == pytest.approx([0, 0.01, 0.02])
        assert weight["pre"].values.tolist() == [0, 1, 2, 3, 4] and weight["post"].values.tolist() == [1, 2, 3, 4, 5]
        spikes = run.spikes["cells"]
        assert (np.diff(spikes["step"]) >= 0).all() and (spikes["time"] == spikes["step"] * DT).all()


def test_where_segments_end_does_not_show(program, tmp_path, monkeypatch):
    simulate_into(tmp_path / "one.h5", program, TICKS * DT, batch=3)
    monkeypatch.setattr(keeping, "SEGMENT", 2000)
    monkeypatch.setattr(keeping, "SLICE", 7)
    simulate_into(tmp_path / "other.h5", program, TICKS * DT, batch=3)
    one, other = stored(tmp_path / "one.h5"), stored(tmp_path / "other.h5")
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], name)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6), st.integers(0, 2)), max_size=40), max_size=5))
def test_spikes_come_back(tmp_path_factory, segments):
    """Any spikes, handed over in segments of ten ticks, are all in the file, in the order of ticks."""
    path = tmp_path_factory.mktemp("spikes") / "run.h5"
    expected = []
    told = {"batch": 3, "dt": DT, "duration": 0.05, "seed": 0, "simulator": "test"}
    with SimulationFile.create(path, {"cells": 7}, [], **told) as file:
        for number, spikes in enumerate(segments):
            rows = sorted(spikes, key=lambda one: (one[2], one[0]))
            tick, index, trial = (np.array([one[k] for one in rows], np.int32) for k in range(3))
            file.take({"cells": (tick + 10 * number, index, trial)}, {}, {})
            expected += [(t + 10 * number, i, k) for t, i, k in sorted(rows, key=lambda one: (one[0], one[2]))]
    with Run(path) as run:
        found = run.spikes["cells"]
        rows = list(zip(found["step"], found["index"], found["trial"], strict=True))
        assert [(t, k) for t, _, k in rows] == [(t, k) for t, _, k in expected] and sorted(rows) == sorted(expected)
        np.testing.assert_array_equal(found["time"], found["step"] * DT)


# ---------------------------------------------------------------------- kills, and going on


def test_a_killed_run_keeps_what_was_flushed_and_goes_on(program, tmp_path):
    """Killed without warning while it writes; what is there is a part of the whole, and a resumed run ends as the whole does."""
    code = """
        import sys
        from neurosim.simulation import CircuitProgram, keeping, simulate_into, simulation_file
        from neurosim.simulation.requests import recorded
        from tests.simulation.circuits import DT, noisy
        from tests.simulation.test_keeping import REQUESTS
        keeping.SEGMENT, keeping.SLICE, keeping.QUICK = 2000, 10, 0.0
        simulation_file.FLUSHED, simulation_file.CHECKPOINTS, simulation_file.SHARE = 0.01, 0, 0
        simulate_into(sys.argv[1], CircuitProgram(recorded(noisy(), REQUESTS)), 1e6 * DT, batch=2, seed=5)
    """
    path = tmp_path / "killed.h5"
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), str(path)], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
        if path.exists() and path.stat().st_size > 0:
            with Run(path) as run:
                if run.checkpoint_steps and len(run.spikes["cells"]) > 500:
                    break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert problems(path) == []
    with Run(path) as run:
        assert run.status == "running" and len(run.spikes["cells"]) > 500
        last = int(run.spikes["cells"]["step"].max())
        before = run.spikes["cells"]
    ticks = last + 400
    whole = simulate(program, ticks * DT, batch=2, seed=5).spikes["cells"]
    pairs = set(zip(whole.tick.tolist(), whole.index.tolist(), whole.trial.tolist(), strict=True))
    kept = list(zip(before["step"], before["index"], before["trial"], strict=True))
    assert set(kept) == {one for one in pairs if one[0] < last} | {one for one in kept if one[0] == last} and set(kept) <= pairs
    with pytest.raises(RunFileError, match="duration was 1000.0 and is"):
        simulate_into(path, program, ticks * DT, batch=2, seed=5, resume=True)
    with pytest.raises(RunFileError, match="seed was 5 and is 6 now"):
        simulate_into(path, program, 1000.0, batch=2, seed=6, resume=True)
    with pytest.raises(RunFileError, match="the network, what is recorded"):
        simulate_into(path, CircuitProgram(noisy(every=6)), 1000.0, batch=2, seed=5, resume=True)


def test_a_resumed_run_is_the_uninterrupted_one(program, tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "SEGMENT", 3000)
    monkeypatch.setattr(keeping, "SLICE", 50)
    monkeypatch.setattr(keeping, "QUICK", 0.0)  # so that segments do not grow
    monkeypatch.setattr(SimulationFile, "wants_checkpoint", lambda self: True)
    taken, count = SimulationFile.take, 0

    def stop(self, *given):
        nonlocal count
        count += 1
        if count == 20:
            raise KeyboardInterrupt
        taken(self, *given)

    monkeypatch.setattr(SimulationFile, "take", stop)
    with pytest.raises(KeyboardInterrupt):
        simulate_into(tmp_path / "run.h5", program, TICKS * DT, batch=2)
    monkeypatch.setattr(SimulationFile, "take", taken)
    with Run(tmp_path / "run.h5") as run:
        assert run.status == "interrupted" and 0 < max(run.checkpoint_steps) < TICKS
    found = simulate_into(tmp_path / "run.h5", program, TICKS * DT, batch=2, resume=True)
    same(found, simulate(program, TICKS * DT, batch=2))
    assert problems(found.path) == []
    with pytest.raises(RunFileError, match="it is complete"):
        simulate_into(found.path, program, TICKS * DT, batch=2, resume=True)
    with pytest.raises(RunFileError, match="exists"):
        simulate_into(found.path, program, TICKS * DT, batch=2)


def test_memory_does_not_grow_with_the_duration(tmp_path, monkeypatch):
    """A run leaves 88 MB of spikes; it holds a part of one segment and of what waits, whatever its length."""
    monkeypatch.setattr(keeping, "SEGMENT", 1 << 20)
    monkeypatch.setattr(simulation_file, "BUFFER", 2 << 20)
    program = CircuitProgram(noisy(size=1000, every=2, interval=10**6))
    peaks = []
    for ticks in (4000, 10_000):
        tracemalloc.start()
        found = simulate_into(tmp_path / f"{ticks}.h5", program, ticks * DT)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    left = len(found.spikes["cells"]) * 24
    assert left > 80e6 and peaks[1] < 1.2 * peaks[0] and peaks[1] < 20e6, (left, peaks)


# ---------------------------------------------------------------------- what a user asks for


def test_requests_are_read():
    one = StateRequest.of("cells.v[0:5] every 1 ms")
    assert (one.variable, one.which.text, one.ticks(1e-4)) == ("cells.v", "0:5", 10)
    assert StateRequest.of("cells.v").ticks(1e-4) == 1 and StateRequest.of("s.* every 20 ticks").ticks(1e-4) == 20
    assert seconds("2.5*ms", "duration") == 0.0025 and seconds("1 s", "duration") == 1
    for text in ("v", "cells.v every", "cells.v every 3", "cells.v every ms", "cells.v[0:5", "cells.v every 1 epoch"):
        with pytest.raises(InputError, match="expected GROUP.VARIABLE"):
            StateRequest.of(text)
    with pytest.raises(InputError, match="multiple of dt"):
        StateRequest.of("cells.v every 0.25 ms").ticks(1e-4)
    with pytest.raises(InputError, match="expected a time"):
        seconds("3", "duration")
    with pytest.raises(UnknownNameError, match=r"cells\.u"):
        recorded(noisy(), ["cells.u"])
    with pytest.raises(InputError, match="each 0 to 19"):
        recorded(noisy(), ["cells.v[25]"])
