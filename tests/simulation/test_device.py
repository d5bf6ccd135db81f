"""Circuits on a GPU where there is none: a block's threads as fibers, in several orders; the bits are those of the CPU engine."""

import functools
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import brian2 as b2
import numpy as np
import pytest
from brian2 import Hz, ms

import neurosim.brian
from neurosim.backends.cuda_circuit import CircuitKernel
from neurosim.backends.cupy_backend import CupyBackend
from neurosim.circuit.conflicts import elements_at_once, synapses_at_once
from neurosim.errors import BackendError, InputError, UnknownNameError
from neurosim.simulation import CircuitProgram, device, simulate

TESTS = Path(__file__).parents[1]


def module(path):
    spec = importlib.util.spec_from_file_location(Path(path).stem, TESTS / path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


standin, published = module("backends/standin.py"), module("reference/brian/networks.py")
FAST = (published.izhikevich,)
BlockKernel, ORDERS = standin.threads.BlockKernel, standin.threads.ORDERS
needs_a_compiler = pytest.mark.skipif(not standin.available(), reason="no C++ compiler (g++) to run the kernels with")


@pytest.fixture(autouse=True)
def _seeded(numpy_target):
    b2.seed(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def cupy(folder, monkeypatch):
    monkeypatch.setattr(device, "THREADS", 64)
    monkeypatch.setattr(device, "NEAR", 1 << 20)
    monkeypatch.setattr(BlockKernel, "every", [])
    monkeypatch.setattr(BlockKernel, "order", 0)
    with standin.installed(folder, monkeypatch) as found:
        found.properties["sharedMemPerBlockOptin"] = 227 << 10
        yield found


def assert_equal(loaded, ticks, **options):
    """Both engines leave the same bits, and no two threads touched a place without waiting for each other.  Return the run."""
    seconds = ticks * loaded.circuit.dt
    theirs, ours = loaded.run(seconds, **options), loaded.run(seconds, backend="cupy", **options)
    for group, trains in theirs.spikes.items():
        for what in ("trial", "tick", "index"):
            np.testing.assert_array_equal(getattr(ours.spikes[group], what), getattr(trains, what), err_msg=group)
            assert getattr(ours.spikes[group], what).dtype == getattr(trains, what).dtype
    for monitor, states in theirs.states.items():
        np.testing.assert_array_equal(ours.states[monitor].time, states.time)
        for name in states.values:
            np.testing.assert_array_equal(ours.states[monitor][name], states[name], err_msg=name)
    assert ours.final.keys() == theirs.final.keys()
    for name, values in theirs.final.items():
        np.testing.assert_array_equal(ours.final[name], values, err_msg=name)
    assert [(kernel.races, kernel.outside) for kernel in BlockKernel.every] == [(0, 0)] * len(BlockKernel.every)
    assert BlockKernel.every
    return ours


def small():
    """Random inputs, plastic synapses with delays of their own, synapses whose order matters, noise, monitors."""
    inputs = b2.PoissonGroup(70, rates="20*Hz + i*2*Hz", name="inputs")
    cells = b2.NeuronGroup(
        40, "dv/dt = (1.1 + 0.01*i - v) / (10*ms) + 0.1*xi*(10*ms)**-0.5 : 1 (unless refractory)\nx : 1",
        threshold="v > 1", reset="v = 0; x += 1", refractory=2 * ms, method="euler", name="cells",
    )  # fmt: skip
    recurrent = b2.Synapses(
        inputs, cells, "w : 1\ndseen/dt = -seen/(20*ms) : 1 (event-driven)",
        on_pre="v_post += w; seen += 0.1", on_post="w = clip(w + 0.01*seen, 0, 0.3)", name="recurrent",
    )  # fmt: skip
    recurrent.connect(p=0.3)
    recurrent.w, recurrent.pre.delay = "0.2*rand()", "rand()*1*ms"
    several = b2.Synapses(cells, cells, on_pre="x_pre += 0.25*x_post; v_post -= 0.02", delay=0.3 * ms, name="several")
    several.connect(p=0.2, n=2)  # two synapses between the same cells, and both sides written: one after the other
    poisson = b2.PoissonInput(cells, "v", 20, 50 * Hz, weight=0.02)
    states = b2.StateMonitor(cells, ("v", "x"), record=[3, 1, 39], dt=0.3 * ms, name="states")
    weights = b2.StateMonitor(recurrent, "w", record=[0, 5], name="weights")
    return b2.Network(inputs, cells, recurrent, several, poisson, states, weights)


@needs_a_compiler
@pytest.mark.parametrize("order", ["shuffled", *(pytest.param(k, marks=pytest.mark.slow) for k in ORDERS if k != "shuffled")])
def test_bits_are_the_cpus_in_any_order_of_the_threads(cupy, monkeypatch, order):
    monkeypatch.setattr(BlockKernel, "order", ORDERS[order])
    run = assert_equal(neurosim.brian.load(small()), 600, batch=4, seed=3)  # more trials than the stand-in has blocks
    assert len(run.spikes["cells"]) > 200 and len(run.spikes["inputs"]) > 200 and len({*run.spikes["cells"].trial}) == 4


@needs_a_compiler
@pytest.mark.parametrize(
    ("threads", "near"),
    [(96, 3 << 10), pytest.param(32, 227 << 10, marks=pytest.mark.slow), pytest.param(64, 1 << 10, marks=pytest.mark.slow)],
)
def test_bits_do_not_depend_on_threads_or_on_where_the_state_lies(cupy, monkeypatch, threads, near):
    monkeypatch.setattr(device, "THREADS", threads)
    cupy.properties["sharedMemPerBlockOptin"] = near
    assert_equal(neurosim.brian.load(small()), 300, batch=2)


@needs_a_compiler
@pytest.mark.parametrize(
    ("build", "ticks"),
    [pytest.param(build, 1000, id=build.__name__, marks=[pytest.mark.slow] * (build not in FAST)) for build in published.NETWORKS],
)  # fmt: skip
def test_published_networks_are_equal(cupy, build, ticks):
    net, namespace, _ = build()
    run = assert_equal(neurosim.brian.load(net, namespace), ticks, batch=2)
    assert sum(map(len, run.spikes.values())) > 100


@pytest.mark.gpu
@pytest.mark.parametrize(
    "build", [published.brunel, published.cuba, published.izhikevich, published.arrays_in_time, published.clock_driven]
)
def test_a_gpu_leaves_the_bits_of_the_cpu(build):
    """Of networks that call no function of the C library in a tick: CUDA's own may differ in the last bit."""
    try:
        CupyBackend()
    except BackendError as reason:
        pytest.skip(str(reason))
    net, namespace, _ = build()
    loaded = neurosim.brian.load(net, namespace)
    theirs, ours = (loaded.run(1000 * loaded.circuit.dt, batch=3, backend=name) for name in ("numpy", "cupy"))
    for group, trains in theirs.spikes.items():
        assert np.array_equal(ours.spikes[group].tick, trains.tick) and np.array_equal(ours.spikes[group].index, trains.index)


@needs_a_compiler
def test_a_launch_ends_where_spikes_might_not_fit_and_the_next_goes_on(cupy, monkeypatch):
    monkeypatch.setattr("neurosim.backends.cuda_circuit.ROOM", 70)
    cells = b2.NeuronGroup(
        20, "rate : 1\nv : 1", threshold="int(t/dt + 0.5*i) % int(2 + rate) == 0", name="cells",
    )  # fmt: skip
    loaded = neurosim.brian.load(b2.Network(cells))
    run = assert_equal(loaded, 500, batch=3, initial={"cells.rate": np.array([[0.0], [1.0], [9.0]])})  # each stops elsewhere
    counts = np.bincount(run.spikes["cells"].trial)
    assert counts[0] > counts[1] > counts[2] > 80


@needs_a_compiler
def test_what_is_given_for_each_trial_is_taken_even_where_nothing_changes_it(cupy):
    cells = b2.NeuronGroup(3, "dv/dt = (I - v)/(10*ms) : 1\nI : 1", threshold="v > 1", reset="v = 0", method="euler", name="cells")
    loaded = neurosim.brian.load(b2.Network(cells))
    run = assert_equal(loaded, 400, batch=2, initial={"cells.I": np.array([[2.0], [0.5]])})
    assert set(run.spikes["cells"].trial) == {0} and len(run.spikes["cells"]) > 10
    assert_equal(loaded, 0, batch=2)
    assert len(assert_equal(loaded, 400).spikes["cells"]) == 0


class Driven:
    """The network of ``driven``, whose trials may have inputs of their own."""

    def __init__(self):
        self.circuit = neurosim.brian.load(driven()).circuit
        self.program = CircuitProgram(self.circuit)

    def run(self, seconds, **options):
        return simulate(self.program, seconds, **options)


def driven():
    """A cell that is given spikes and a current in time, with plastic synapses and delays."""
    given = b2.SpikeGeneratorGroup(5, [0, 3], [0, 1] * ms, name="given")
    current = b2.TimedArray([0.2, 1.3, 0.4], dt=5 * ms, name="current")
    each = b2.TimedArray(np.full((4, 3), 0.1), dt=4 * ms, name="each")
    cells = b2.NeuronGroup(
        3, "dv/dt = (current(t) + each(t, i) - v) / (5*ms) + 0.1*xi*(5*ms)**-0.5 : 1", threshold="v > 1", reset="v = 0",
        method="euler", name="cells", namespace={"current": current, "each": each},
    )  # fmt: skip
    synapses = b2.Synapses(given, cells, "w : 1", on_pre="v_post += w; w += 0.01", delay=1.3 * ms, name="synapses")
    synapses.connect()
    synapses.w = 0.3
    states = b2.StateMonitor(cells, "v", record=True, dt=0.7 * ms, name="states")
    return b2.Network(given, cells, synapses, states)


def inputs_of_trials(batch, seed=0, spikes=40, ticks=400):
    """Return spikes of each trial, of one none and of others unequal numbers, and values in time of each."""
    draw = np.random.default_rng(seed)
    trains = []
    for trial in range(batch):
        pairs = np.unique(draw.integers(0, [5, ticks], (spikes * trial, 2)), axis=0)
        trains.append((pairs[:, 0], pairs[:, 1]))
    return {"given": trains}, {"current": draw.uniform(0, 1.5, (batch, 3)), "each": draw.uniform(0, 0.5, (batch, 4, 3))}


@needs_a_compiler
def test_each_trial_has_spikes_and_values_in_time_of_its_own(cupy):
    loaded = Driven()
    trains, timed = inputs_of_trials(3)
    run = assert_equal(loaded, 400, batch=3, seed=2, trains=trains, timed=timed)
    assert set(run.spikes["given"].trial) == {1, 2} and set(run.spikes["cells"].trial) == {0, 1, 2}
    assert_equal(loaded, 400, batch=3, trains=trains)
    assert_equal(loaded, 400, batch=3, timed=timed)
    assert_equal(loaded, 100, batch=3)


@needs_a_compiler
@pytest.mark.parametrize(("first", "then"), [("cupy", "cupy"), ("cupy", "numpy"), ("numpy", "cupy")])
def test_a_run_goes_on_after_another_wherever_that_was(cupy, first, then):
    """Two runs, one after the other, leave what one of both lengths leaves: spikes that are on their way arrive."""
    loaded = Driven()
    trains, timed = inputs_of_trials(2, seed=1)
    given = {"batch": 2, "seed": 4, "trains": trains, "timed": timed}
    tick = loaded.circuit.dt
    whole = loaded.run(400 * tick, **given)
    before = loaded.run(153 * tick, backend=first, **given)
    after = loaded.run(247 * tick, backend=then, after=before, **given)
    for name, values in whole.final.items():
        np.testing.assert_array_equal(after.final[name], values, err_msg=name)
    for group, spikes in whole.spikes.items():
        late = spikes.tick >= 153
        for what in ("trial", "tick", "index"):
            np.testing.assert_array_equal(getattr(after.spikes[group], what), getattr(spikes, what)[late])
    kept = whole.states["states"].time >= 153 * tick - 1e-12
    np.testing.assert_array_equal(after.states["states"].time, whole.states["states"].time[kept])
    np.testing.assert_array_equal(after.states["states"]["v"], whole.states["states"]["v"][:, kept])
    with pytest.raises(InputError, match="after: a run that left 2 trials: expected 3 of the same network"):
        loaded.run(10 * tick, backend="cupy", batch=3, after=before)


def without_barrier(number):
    """Return how a kernel is written without its barrier ``number``."""
    written = CircuitKernel._source

    def source(self, actions):
        found = written(self, actions)
        start, end = [match.span() for match in re.finditer(r"__syncthreads\(\);", found)][number]
        return found[:start] + found[end:]

    return source


@needs_a_compiler
@pytest.mark.parametrize("number", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (2, 5, 8, 9, 10, 14, 17))])
def test_a_barrier_that_is_left_out_is_found_out(cupy, monkeypatch, number):
    monkeypatch.setattr(CircuitKernel, "_source", without_barrier(number))
    loaded = neurosim.brian.load(small())
    try:
        loaded.run(30 * ms, seed=3, backend="cupy")
    except RuntimeError as stuck:
        assert "wait for ever" in str(stuck)
    else:
        assert BlockKernel.every[-1].races > 0


# ---------------------------------------------------------------------- which synapses may be done at once


def delivered(on_pre, **connected):
    cells = b2.NeuronGroup(6, "v : 1\nu : 1\nc : 1 (shared)", threshold="v > 1", reset="v = 0", name="cells")
    synapses = b2.Synapses(cells, cells, "w : 1", on_pre=on_pre, name="synapses")
    synapses.connect(**(connected or {"condition": "i != j"}))
    circuit = neurosim.brian.load(b2.Network(cells, synapses)).circuit
    (action,) = (action for action in circuit.actions if action.name == "synapses_pre")
    return synapses_at_once(action)


@pytest.mark.parametrize(
    ("on_pre", "at_once"),
    [
        ("v_post += w", True),
        ("w += 1", True),
        ("w += v_post; u_post += w*v_pre", True),
        ("v_post += 0.1*v_pre", True),  # no cell reaches itself
        ("v_pre += 1", False),
        ("v_pre += w; u_post += 1", False),
    ],
)
def test_synapses_of_a_spike_are_done_at_once_where_none_touches_anothers_places(on_pre, at_once):
    assert delivered(on_pre) == [at_once]


def test_the_synapses_that_exist_decide():
    assert delivered("v_post += w", condition="i != j", n=2) == [False]  # two to the same cell
    assert delivered("v_post += 0.1*v_pre", condition="True") == [False]  # one to itself, which the others read
    assert delivered("v_pre += w", j="i") == [True]  # one for each spike
    assert delivered("v_post += 0.1*v_pre", j="i") == [True]


def test_updates_are_done_at_once_where_each_keeps_to_itself():
    net, _, _ = published.clock_driven()
    circuit = neurosim.brian.load(net).circuit
    updates = [action for action in circuit.actions if hasattr(action, "size")]
    assert len(updates) == 2 and all(map(elements_at_once, updates))


# ---------------------------------------------------------------------- what people are told


def test_without_a_gpu_one_line_says_so():
    loaded = neurosim.brian.load(b2.Network(b2.NeuronGroup(1, "v : 1", name="cells")))
    try:
        CupyBackend()
    except BackendError:
        with pytest.raises(BackendError, match="backend 'cupy': no CUDA device answers") as found:
            loaded.run(0.1, backend="cupy")
        assert "\n" not in str(found.value)
    assert loaded.run(0.1, backend="auto").final.keys() == loaded.run(0.1).final.keys()
    with pytest.raises(UnknownNameError, match="backend 'gpu' is unknown: expected one of"):
        loaded.run(0.1, backend="gpu")


@needs_a_compiler
def test_more_trials_than_the_device_has_memory_for_are_refused_before_anything_runs(cupy):
    cupy.free = 100 << 20
    loaded = neurosim.brian.load(small())
    said = r"batch 5000: [\d,]+ MiB of state and buffers, and 100 MiB are free on the GPU; run fewer trials at a time"
    with pytest.raises(InputError, match=said):
        loaded.run(0.1, batch=5000, backend="cupy")
    assert BlockKernel.every[-1].library is None


# ---------------------------------------------------------------------- NVIDIA's own compiler


@functools.cache
def nvrtc():
    found = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in found.submodule_search_locations] if found else []
    paths = sorted(path for place in places for path in place.glob("*/lib/libnvrtc.so*"))
    return paths[0] if paths else None


@pytest.mark.skipif(nvrtc() is None, reason="NVRTC is not installed; pip install nvidia-cuda-nvrtc-cu12")
@pytest.mark.parametrize(
    ("architectures", "builds"),
    [
        pytest.param(["sm_90"], published.NETWORKS[-3:], id="some"),
        pytest.param(["sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90"], published.NETWORKS, id="all", marks=pytest.mark.slow),
    ],
)
def test_every_kernel_compiles_for_a_gpu(architectures, builds, tmp_path):
    for build in builds:
        net, namespace, _ = build()
        circuit = neurosim.brian.load(net, namespace).circuit
        path = tmp_path / f"{build.__name__}.cu"
        source = CircuitKernel(circuit, circuit.changing(), 1024, 64 << 10).source
        path.write_text(source.replace("NAME", "kernel"), encoding="utf-8")
        for architecture in architectures:
            script = TESTS / "backends/nvrtc.py"
            done = subprocess.run([sys.executable, script, nvrtc(), path, architecture], capture_output=True, text=True)
            assert (done.returncode, done.stdout.strip()) == (0, ""), (build.__name__, architecture, done.stderr)
