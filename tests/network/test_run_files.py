"""Runs of spiking networks into a run file, runs that were stopped, and runs on a GPU."""

import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from neurosim.connectivity import FixedInDegree, FixedProbability
from neurosim.errors import BackendError, InputError, RunFileError
from neurosim.network import InTime, Network, Population, Projection
from neurosim.neurons import Equations, GivenSpikes, PoissonSpikes
from neurosim.plasticity import reward_stdp
from neurosim.runfile import Run, problems
from neurosim.simulation import SimulationFile, keeping

TESTS = Path(__file__).parents[1]
REWARD = InTime(np.random.default_rng(1).random((2, 20)), 5e-3)
TRAIN = np.arange(4), np.arange(4) * 0.02


def made(given=True):
    """Return a network with random and given spikes, delays, plasticity with a reward, and currents."""
    cells = Equations("dv/dt = (drive - v) / (10*ms) : 1 (unless refractory)", threshold="v > 1", reset="v = 0", refractory="2*ms")
    populations = [Population("x", 20, neurons=PoissonSpikes("100*Hz")), Population("e", 30, neurons=cells)]
    some = {"bias": False, "rule": None}
    links = [
        Projection("x", "e", connectivity=FixedProbability(0.5), initial=0.3, into="v", bias=False, rule=reward_stdp(eta="9*Hz")),
        Projection("e", "e", name="loop", connectivity=FixedInDegree(3), initial=0.2, into="v", delay="1.5*ms", **some),
    ]  # fmt: skip
    if given:
        populations.append(Population("given", 4, neurons=GivenSpikes()))
        links.append(Projection("given", "e", connectivity=FixedInDegree(2), initial=9.0, into="v", delay="0.5*ms", **some))
    return Network(populations, links, dt="0.5*ms", seed=3, dtype="float64")


def asked(**more):
    record = {"record": {"e.v": [3, 7], "x__e.w": [0, 5, 9]}, "every": "1*ms"}
    return {"inputs": {"given": TRAIN}, "modulators": {"reward": REWARD}, "batch": 2, **record, **more}


@pytest.fixture(scope="module")
def network():
    return made()


@pytest.fixture(scope="module")
def whole(network):
    return network.run("300*ms", **asked())


def same(one, other):
    assert one.spikes.keys() == other.spikes.keys() and one.states.keys() == other.states.keys() == {"e", "x__e"}
    for name in one.spikes:
        for what in ("trial", "tick", "index"):
            np.testing.assert_array_equal(getattr(one.spikes[name], what), getattr(other.spikes[name], what))
    for name, variable in (("e", "v"), ("x__e", "w")):
        np.testing.assert_array_equal(one.states[name][variable], other.states[name][variable])
        np.testing.assert_array_equal(one.states[name].time, other.states[name].time)
    for name in one.final.keys() | other.final.keys():
        np.testing.assert_array_equal(one.final[name], other.final[name])


def test_a_file_holds_what_memory_would(network, whole, tmp_path):
    found = network.run("300*ms", **asked(file=tmp_path / "run.h5"))
    same(found, whole)
    assert len(whole.spikes["e"]) > 100 and abs(whole.final["x__e.w"] - 0.3).max() > 1e-3 and problems(found.path) == []
    with Run(found.path) as run:
        assert run.is_simulation and run.status == "complete" and sorted(run.recordings) == ["e.v", "x__e.w"]
        assert run.recordings["x__e.w"].dims == ("time", "trial", "synapse")
        pre, post = network.projections["x__e"].synapses()
        np.testing.assert_array_equal(run.recordings["x__e.w"]["pre"], pre[[0, 5, 9]])
        np.testing.assert_array_equal(run.recordings["x__e.w"]["post"], post[[0, 5, 9]])
        said = run.attributes
        assert (said["dt"], said["trials"], said["seed"], said["duration"]) == (5e-4, 2, 3, 0.3)
    with pytest.raises(RunFileError, match="exists"):
        network.run("300*ms", **asked(file=found.path))
    assert len(network.run("5*ms", **asked(file=found.path, overwrite=True)).states["e"].time) == 5


def test_a_run_that_was_interrupted_and_goes_on_is_the_whole_run(network, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "SLICE", 50)
    monkeypatch.setattr(keeping, "QUICK", 0.0)  # so that segments do not grow
    monkeypatch.setattr(SimulationFile, "wants_checkpoint", lambda self: True)
    take, count, file = SimulationFile.take, 0, tmp_path / "run.h5"

    def stop(self, *given):
        nonlocal count
        count += 1
        if count == 8:
            raise KeyboardInterrupt
        take(self, *given)

    monkeypatch.setattr(SimulationFile, "take", stop)
    with pytest.raises(KeyboardInterrupt):
        network.run("300*ms", **asked(file=file))
    with Run(file) as run:
        assert run.status == "interrupted" and 0 < max(run.checkpoint_steps) < 600
    others = {
        "seed was 3 and is 4 now": {"seed": 4}, "the network, what is recorded, or the initial values": {"inputs": None},
        "trials was 2 and is 3 now": {"batch": 3, "modulators": {"reward": 0.1}},
    }  # fmt: skip
    for said, other in others.items():
        with pytest.raises(RunFileError, match=said):
            network.run("300*ms", **asked(file=file, resume=True) | other)
    with pytest.raises(RunFileError, match="the network, what is recorded, or the initial values"):
        network.run("300*ms", **asked(file=file, resume=True) | {"modulators": {"reward": InTime(2 * REWARD.values, 5e-3)}})
    same(network.run("300*ms", **asked(file=file, resume=True)), whole)
    assert problems(file) == []


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_in_another_process(network, tmp_path):
    code = """
        import sys
        from neurosim.simulation import keeping, simulation_file
        from tests.network.test_run_files import asked, made
        keeping.SLICE, keeping.QUICK = 10, 0.0
        simulation_file.FLUSHED, simulation_file.CHECKPOINTS, simulation_file.SHARE = 0.01, 0, 0
        made().run("4*second", **asked(file=sys.argv[1]))
    """
    file = tmp_path / "run.h5"
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), str(file)], cwd=TESTS.parent)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
        if file.exists() and file.stat().st_size > 0:
            with Run(file) as run:
                if run.checkpoint_steps and len(run.spikes["e"]) > 50:
                    break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with Run(file) as run:
        assert run.status == "running" and 0 < max(run.checkpoint_steps) < 8000
    found = network.run("4*second", **asked(file=file, resume=True))
    same(found, network.run("4*second", **asked()))
    later = network.run("10*ms", modulators={"reward": 0.0}, after=found)  # it leaves in memory what another goes on from
    np.testing.assert_array_equal(later.final["x__e.w"], found.final["x__e.w"])


# ---------------------------------------------------------------------- on a GPU


def test_without_a_gpu_it_is_one_line(network):
    with pytest.raises(BackendError, match=r"^backend 'cupy': [^\n]+$"):
        network.run("300*ms", **asked(backend="cupy"))


def standin():
    spec = importlib.util.spec_from_file_location("standin", TESTS / "backends/standin.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.skipif(not standin().available(), reason="no C++ compiler (g++) to run the kernels with")
@pytest.mark.slow
def test_a_gpu_leaves_what_the_cpu_does_and_has_the_weights_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr("neurosim.simulation.device.THREADS", 64)
    plain = made(given=False)
    options = {"modulators": {"reward": [0.0, 1.0]}, "record": {"e.v": [3, 7], "x__e.w": [0, 5, 9]}, "every": "1*ms"}
    with standin().installed(tmp_path, monkeypatch) as found:
        found.properties["sharedMemPerBlockOptin"] = 227 << 10
        for file in (None, tmp_path / "run.h5"):
            ours, theirs = plain.run("60*ms", **options, backend="cupy", file=file), plain.run("60*ms", **options)
            same(ours, theirs)
            assert len(theirs.spikes["e"]) > 10
        plain.run("60*ms", **options, backend="cupy", keep=1)
        assert (plain.projections["x__e"].weights() == ours.final["x__e.w"][1]).all()
        plain.projections["loop"].set_weights(np.full(90, 3.0))  # of synapses that learn nothing: all trials read the same
        changed = plain.run("60*ms", **options, backend="cupy")
        same(changed, plain.run("60*ms", **options))
        assert len(changed.spikes["e"]) > len(ours.spikes["e"])


@pytest.mark.skipif(not standin().available(), reason="no C++ compiler (g++) to run the kernels with")
@pytest.mark.slow
def test_a_gpu_takes_given_spikes_rewards_in_time_and_what_another_run_left(tmp_path, monkeypatch):
    monkeypatch.setattr("neurosim.simulation.device.THREADS", 64)
    network = made()
    each = {"given": [TRAIN, (np.array([2, 2, 0]), np.array([0.003, 0.02, 0.05]))]}  # each trial has spikes of its own
    given = asked(inputs=each)
    with standin().installed(tmp_path, monkeypatch) as found:
        found.properties["sharedMemPerBlockOptin"] = 227 << 10
        theirs = network.run("100*ms", **given)
        for file in (None, tmp_path / "run.h5"):
            same(network.run("100*ms", **given, backend="cupy", file=file), theirs)
        assert not np.array_equal(theirs.final["x__e.w"][0], theirs.final["x__e.w"][1])
        first = {backend: network.run("40*ms", **given, backend=backend) for backend in ("cupy", "numpy")}
        expected = network.run("60*ms", **given, after=first["numpy"])
        for before, backend in (("cupy", "cupy"), ("cupy", "numpy"), ("numpy", "cupy")):
            same(network.run("60*ms", **given, backend=backend, after=first[before]), expected)


# ---------------------------------------------------------------------- what is refused

REFUSED = [
    ({"resume": True}, "run: resume: expected only with file=...; leave it out, or give a file"),
    ({"overwrite": True}, "run: overwrite: expected only with file=...; leave it out, or give a file"),
    ({"file": "x.h5", "after": "whole"}, "run: after, with a file: expected one of them, because a file begins with its trials"),
]


@pytest.mark.parametrize(("given", "said"), REFUSED, ids=[said[:20] for _, said in REFUSED])
def test_what_does_not_go_together_is_one_line(network, whole, given, said):
    with pytest.raises(InputError) as caught:
        network.run("1*ms", **asked(**given | ({"after": whole} if "after" in given else {})))
    assert said in str(caught.value) and "\n" not in str(caught.value)
