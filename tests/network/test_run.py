"""Runs of spiking networks: trials with inputs of their own, runs that go on, learning, memory, and what is refused."""

import numpy as np
import pytest
from brian2 import Hz, ms, mV

from neurosim.backends import limits
from neurosim.connectivity import FixedInDegree, FixedProbability
from neurosim.errors import InputError
from neurosim.network import InTime, Network, Population, Projection
from neurosim.neurons import Equations, GivenSpikes, LatencySpikes, Leaky, PoissonSpikes
from neurosim.plasticity import (
    SGD,
    Adam,
    Bounds,
    PlasticityRule,
    TsodyksMarkram,
    additive_stdp,
    chain,
    hebbian,
    inhibitory_stdp,
)  # fmt: skip

FIXED = {"bias": False, "rule": None}
TEXT = "dv/dt = (drive - v) / (10*ms) : 1 (unless refractory)"
CELL = {"threshold": "v > 1", "reset": "v = 0", "refractory": "2*ms", "method": "euler"}
DT = 1e-4


@pytest.fixture(scope="module")
def net():
    """Return every kind of input, in front of one population with synapses to itself."""
    populations = [
        Population("x", 20, neurons=PoissonSpikes("100*Hz")), Population("y", 5), Population("given", 4, neurons=GivenSpikes()),
        Population("late", 6, neurons=LatencySpikes("5*ms")), Population("e", 30, neurons=Equations(TEXT, **CELL)),
    ]  # fmt: skip
    links = [
        Projection("x", "e", connectivity=FixedProbability(0.5), initial=3.0, delay="0.3*ms", **FIXED),
        Projection("y", "e", initial=0.3, rule=None),
        Projection("given", "e", initial=20.0, into="v", connectivity=FixedInDegree(2), delay=np.arange(60), **FIXED),
        Projection("late", "e", initial=2.0, **FIXED),
        Projection("e", "e", name="loop", connectivity=FixedInDegree(3), initial=2.0, delay="1.5*ms", **FIXED),
    ]  # fmt: skip
    return Network(populations, links, dt="0.1*ms", seed=3, dtype="float64")


DRAW = np.random.default_rng(0)
TRAINS = [
    (np.array([0, 1]), np.array([0.01, 0.02])), (np.array([3]), np.array([0.001])), (np.zeros(0, int), np.zeros(0)),
]  # fmt: skip
INPUTS = {"x": DRAW.uniform(0, 2, (3, 20)), "y": DRAW.random((3, 5)), "given": TRAINS, "late": DRAW.random((3, 6))}
RECORD = {"record": {"e.v": [3, 7]}, "every": "1*ms"}
SILENT = {"x": np.zeros(20), "y": np.zeros(5), "late": np.zeros(6)}


def of_trial(run, name, trial=0):
    chosen = run.spikes[name].trial == trial
    return run.spikes[name].tick[chosen].tolist(), run.spikes[name].index[chosen].tolist()


def test_trials_with_inputs_of_their_own_are_single_runs(net):
    together = net.run("50*ms", INPUTS, **RECORD)
    assert together.states["e"]["v"].shape == (3, 50, 2) and len(together.spikes["e"]) > 50
    assert of_trial(together, "given", 0) == ([100, 200], [0, 1]) and of_trial(together, "given", 2) == ([], [])
    for trial in range(3):
        alone = {name: of[trial] for name, of in INPUTS.items()}
        batch = {name: [of] * 3 if name == "given" else np.stack([of] * 3) for name, of in alone.items()}
        again = net.run("50*ms", batch, **RECORD)  # its trial of the same number has the same random numbers
        for name in together.spikes:
            assert of_trial(together, name, trial) == of_trial(again, name, trial)
        assert (together.states["e"]["v"][trial] == again.states["e"]["v"][trial]).all()
    assert of_trial(together, "x", 0) != of_trial(together, "x", 1)


def test_one_input_for_all_trials_is_each_ones(net):
    shared = {name: of[0] for name, of in INPUTS.items()}
    run = net.run("30*ms", shared, batch=2, **RECORD)
    assert len(run.left) == 2 and of_trial(run, "given", 0) == of_trial(run, "given", 1) == ([100, 200], [0, 1])
    first = net.run("30*ms", shared, **RECORD)
    assert of_trial(first, "e") == of_trial(run, "e", 0)
    assert of_trial(net.run("30*ms", shared, seed=9, **RECORD), "x") != of_trial(first, "x")


def test_runs_one_after_the_other_are_one(net):
    """The second has no given spikes of its own, and goes on in the middle of what is on its way."""
    whole = net.run("50*ms", INPUTS, **RECORD)
    first = net.run("20.5*ms", INPUTS, **RECORD)
    rest = INPUTS | {"given": [(np.zeros(0, int), np.zeros(0))] * 3, "late": np.zeros((3, 6))}
    second = net.run("29.5*ms", rest, after=first, **RECORD)
    for name in whole.spikes:
        for trial in range(3):
            parts = [of_trial(run, name, trial) for run in (first, second)]
            assert of_trial(whole, name, trial) == (parts[0][0] + parts[1][0], parts[0][1] + parts[1][1])
    values = np.concatenate([run.states["e"]["v"] for run in (first, second)], axis=1)
    assert (values == whole.states["e"]["v"]).all()
    times = np.concatenate([run.states["e"].time for run in (first, second)])
    np.testing.assert_allclose(times, whole.states["e"].time)
    assert (second.final["e.v"] == whole.final["e.v"]).all()


def test_latencies_and_poisson_rates(net):
    x = {"x": np.full(20, 3.0), "y": np.zeros(5), "late": np.array([1.0, 0.5, 0.0, 0.25, 0.75, 0.9])}
    run = net.run("400*ms", x, batch=4, **RECORD)
    assert of_trial(run, "late", 1) == ([0, 5, 13, 25, 38], [0, 5, 4, 1, 3])
    count = len(run.spikes["x"])
    assert abs(count - 20 * 4 * 0.4 * 300) < 5 * (20 * 4 * 0.4 * 300) ** 0.5


def test_currents_reach_the_drive_through_the_weights(net):
    """v of a silent network follows Euler's steps of (drive - v) / tau, the drive being w y."""
    y = np.array([0.1, 0.2, 0.0, 0.3, 0.4])
    run = net.run("30*ms", SILENT | {"y": y}, **RECORD)
    assert not len(run.spikes["e"])
    drive = 0.3 * y.sum()
    np.testing.assert_allclose(run.states["e"]["v"][0, :, 0], drive * (1 - (1 - 0.01) ** (10 * np.arange(30))), rtol=1e-12)


def single(**options):
    """Return one cell whose v is the integral of its drive in ms, and one neuron that makes it jump."""
    cell = Equations("dv/dt = drive/ms : 1", threshold="v > 100", reset="v = 0", method="euler")
    populations = [Population("given", 1, neurons=GivenSpikes()), Population("y", 2), Population("e", 1, neurons=cell)]
    links = [Projection("given", "e", initial=5.0, **FIXED, **options), Projection("y", "e", initial=[[1.0], [2.0]], rule=None)]
    return Network(populations, links, dt="0.1*ms", dtype="float64")


def test_a_spike_is_in_the_drive_for_one_tick_and_values_in_time_as_long_as_they_say():
    made = single(delay=3)
    steps = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    other = np.array([[2.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    train = (np.array([0]), np.array([5e-4]))
    run = made.run("4*ms", {"given": train, "y": InTime(np.stack([steps, other]), 1e-3)}, record="e.v")
    jump = np.where(np.arange(40) > 9, 0.5, 0)  # it spikes in tick 5, arrives in 8, and is integrated in 9
    ramp = np.concatenate([np.zeros(10), np.arange(10) * 0.1, 1 + np.arange(20) * 0.6])
    np.testing.assert_allclose(run.states["e"]["v"][0, :, 0], jump + ramp, atol=1e-12)
    np.testing.assert_allclose(run.states["e"]["v"][1, :, 0], jump + np.minimum(np.arange(40), 10) * 0.2, atol=1e-12)


def learning(rule=None, optimiser=None, unit="1"):
    """Return two neurons before, one after, and a rule between."""
    cell = Equations(f"dv/dt = -v / (10*ms) : {unit}", threshold=f"v > 0.5*{unit}", reset=f"v = 0*{unit}", method="exact")
    populations = [Population("given", 2, neurons=GivenSpikes()), Population("e", 1, neurons=cell)]
    rule = additive_stdp(A_plus=0.01, A_minus=0.02) if rule is None else rule
    link = Projection("given", "e", into="v", initial=[[0.6], [0.2]], bias=False, rule=rule, optimiser=optimiser)
    return Network(populations, [link], dt="0.1*ms", dtype="float64")


def test_weights_change_by_the_rule_in_each_trial_and_the_network_keeps_its_own():
    """The first neuron makes the other fire in its own tick; the second spikes 5 ms before, or after."""
    made = learning(optimiser=chain(SGD(1.0), Bounds(0, 1)))
    before = [(np.array([1, 0]), np.array([0.001, 0.006]))]
    after = [(np.array([0, 1]), np.array([0.001, 0.006]))]
    run = made.run("20*ms", {"given": before + after}, record="given__e.w", every="10*ms")
    w = run.final["given__e.w"]
    assert len(run.spikes["e"]) == 2
    np.testing.assert_allclose(w[0, 1], 0.2 + 0.01 * np.exp(-5 / 20), rtol=2e-3)  # the other fires one tick after it was reached
    np.testing.assert_allclose(w[1, 1], 0.2 - 0.02 * np.exp(-5 / 20), rtol=2e-3)
    assert run.states["given__e"]["w"].shape == (2, 2, 2) and (run.states["given__e"]["w"][:, 1] == w).all()
    assert made.projections["given__e"].weights().tolist() == [0.6, 0.2]
    second = made.run("20*ms", {"given": before + after}, after=run)
    assert (second.states == {}) and second.spikes["given"].tick.min() == 210  # times count from where it goes on
    assert second.final["given__e.w"][0, 1] != w[0, 1]
    made.run("20*ms", {"given": before + after}, keep=1)
    assert (made.projections["given__e"].weights() == w[1]).all()
    assert (made.run("20*ms").final["given__e.w"][0] == w[1]).all()  # and begins with it


@pytest.mark.parametrize("wiring", ["all_to_all", FixedProbability(1.0)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_and_last_values_that_were_read_are_nobodys_else(wiring, dtype):
    made = joined(connectivity=wiring, rule=PlasticityRule("dw = -0.05 * spike_pre"), initial=0.5, into="v", dtype=dtype)
    p, trains = made.projections["g__e"], ([0, 1, 2], [0.001, 0.002, 0.003])
    given = np.linspace(0.1, 0.9, 9)
    p.set_weights(given)
    given[:] = 7
    before = p.weights()
    np.testing.assert_allclose(before, np.linspace(0.1, 0.9, 9), rtol=1e-6)
    run = made.run("10*ms", trains, keep=0)
    np.testing.assert_allclose(p.weights(), before - 0.05, rtol=1e-6)
    p.weights()[:] = 7
    np.testing.assert_allclose(p.weights(), before - 0.05, rtol=1e-6)
    once = made.run("10*ms", trains, after=run).final["g__e.w"]
    run.final["g__e.w"][:] = 7
    assert (made.run("10*ms", trains, after=run).final["g__e.w"] == once).all()
    assert len(run.final) == len(list(run.final)) and "g__e.w" in repr(run.final)


def test_weights_with_a_unit_have_bounds_in_it():
    made = learning(inhibitory_stdp(eta=0.5 * mV), chain(SGD(1.0), Bounds(0, 0.6004)), unit="volt")
    run = made.run("100*ms", {"given": (np.zeros(9, int), np.arange(9) * 0.01)})
    assert run.final["given__e.w"].max() == 0.6004


def test_the_order_of_a_tick_is_printed_and_is_that_of_the_circuit(net):
    net.run("1*ms", SILENT)
    circuit = next(iter(net._runner._kept.values()))[1].circuit
    order = [line.split() for line in net.summary().splitlines() if line.startswith("  ") and line.strip()[0].isdigit()]
    printed = {words[1].strip(":"): [word.strip(",") for word in words[2:]] for words in order}
    kinds = {"update": "integrate", "threshold": "threshold", "replay": "threshold", "deliver": "deliver", "reset": "reset"}
    found: dict[str, list[str]] = {}
    for line in circuit.schedule().splitlines():
        kind, name = line.split()[1:]
        if kind in kinds and not name.endswith("_drive"):
            owner = next(one for one in (*net.populations, *net.projections) if name in (one, *(f"{one}{end}" for end in ENDS)))
            found.setdefault(kinds[kind], []).append(owner)
    assert found == printed


ENDS = ("_stateupdater", "_spike_thresholder", "_pre", "_spike_resetter")


def test_memory_is_told_before_anything_runs_and_spikes_are_bounded(net, monkeypatch):
    with pytest.raises(InputError, match=r"^batch 3: [\d,]+ MiB of state and recordings, and [\d,]+ MiB are free; [^\n]*$"):
        net.run("1e6*second", INPUTS, **RECORD)
    monkeypatch.setattr("neurosim.simulation.runner.limits.free_memory", lambda: limits.Room(20 * 2**20, "a test"))
    with pytest.raises(InputError, match=r"^run: by tick [\d,]+ of [\d,]+ the spikes take [\d,]+ MiB, all that are free: "):
        net.run("30*second", INPUTS | {"x": np.full((3, 20), 90.0)}, **RECORD)


def test_what_changes_between_runs_takes_effect():
    """A program is kept only while the parts that it was made of are as they were."""
    bounds = Bounds(0.0, 1.0)
    network = joined(into="v", initial=0.2, optimiser=chain(SGD(1.0), bounds))
    p, trains = network.projections["g__e"], {"g": ([0, 1, 2] * 20, np.repeat(np.arange(20) * 5e-3, 3))}

    def count(**parts):
        for name, value in parts.items():
            setattr(p, name, value)
        return len(network.run("120*ms", trains).spikes["e"])

    before = count()
    assert before > 10 and count(short_term=TsodyksMarkram(0.1)) < before == count(short_term=None)
    weaker = count(rule=PlasticityRule("dw = -0.05 * spike_pre"))
    bounds.w_min = 0.2  # in place
    assert weaker < count() == before
    assert count(rule=None) == before
    first = network.run("120*ms", trains).spikes["e"].tick.min()
    p.delays = np.full(9, 30)
    assert network.run("120*ms", trains).spikes["e"].tick.min() == first + 30
    p.delays -= 10  # in place
    assert network.run("120*ms", trains).spikes["e"].tick.min() == first + 20


def rates_only():
    return Network([Population("x", 2), Population("y", 2)], [Projection("x", "y")], dt="0.1*ms")


def cells(**options):
    return Network([Population("e", 3, neurons=Equations(TEXT, **CELL))], [], **{"dt": "0.1*ms", **options})


def joined(**options):
    populations = [Population("g", 3, neurons=GivenSpikes()), Population("e", 3, neurons=Equations(TEXT, **CELL))]
    network = {"dt": "0.1*ms", "dtype": options.pop("dtype", "float64")}
    return Network(populations, [Projection("g", "e", **{"bias": False, "rule": None, **options})], **network)


REFUSED = [
    (lambda: rates_only().run("1*ms"), "network: none of its populations spikes: expected one that does in a run"),
    (lambda: cells(dt=None), "give Network(..., dt='0.1*ms')"),
    (lambda: cells().run("-1*ms"), "run: duration '-1*ms': expected a time of 0 or more"),
    (lambda: cells().run("5*mV"), "run: duration '5*mV': expected a time of 0 or more"),
    (lambda: cells().run("1*ms", record="e.u"), "record 'e.u' is unknown: expected one of e.v"),
    (lambda: cells().run("1*ms", initial={"e.u": 1}), "initial 'e.u' is unknown: expected one of e.v"),
    (lambda: cells().run("1*ms", initial={"e.v": [1, 2]}), "initial 'e.v': shape (2,): expected (batch, 3)"),
    (lambda: cells().run("1*ms", {"f": 1}), "inputs: input population 'f' is unknown: expected one of e"),
    (lambda: cells().run("1*ms", np.ones((2, 4))), "input of population 'e': shape (2, 4): expected (batch, 3)"),
    (lambda: cells().run("1*ms", [1, np.nan, 2]), "input of population 'e': it is not finite everywhere"),
    (lambda: cells().run("1*ms", np.ones((2, 3)), batch=3), "input of population 'e': of 2 trials: expected 3"),
    (lambda: cells().run("1*ms", batch=0), "batch 0: expected 1 or more trials"),
    (lambda: joined().run("1*ms", (np.array([5]), np.array([0.0]))), "population 'g', trial 0: expected neurons from 0 to 2"),
    (lambda: joined().run("1*ms", (np.array([1]), np.array([-1.0]))), "trial 0: expected times of 0 or more"),
    (lambda: joined().run("1*ms", (np.array([1, 1]), np.array([1e-3, 1e-3]))), "a neuron spikes twice in one tick"),
    (lambda: joined().run("1*ms", np.ones(3)), "expected the pair (index, time)"),
    (lambda: joined(delay="0.05*ms"), "delay '0.05*ms': 5e-05 s is shorter than a tick of 0.0001 s: expected 0, or dt"),
    (lambda: joined(delay=[1, 2]), "projection 'g__e': 2 delays and 9 synapses: expected one for each"),
    (lambda: joined(delay="3*mV"), "projection 'g__e': delay '3*mV': expected 0 to 1,000 ticks, or a time"),
    (lambda: joined(delay="-1*ms"), "projection 'g__e': delay '-1*ms': expected 0 to 1,000 ticks, or a time"),
    (lambda: joined(into="w"), "input 'w' is unknown"),
    (lambda: joined(initial=[1.0, 2.0]), "projection 'g__e': initial"),
    (lambda: joined(initial="1*x"), "projection 'g__e': initial '1*x': name 'x' is no unit"),
    (lambda: joined(into="v", initial="1*mV"), "projection 'g__e': initial weights of another unit than 'v', which"),
    (lambda: joined(initial=2 * mV), "projection 'g__e': initial weights of another unit than 'drive'"),
    (lambda: joined().projections["g__e"].set_weights(0.1), "projection 'g__e': set_weights: weights of shape (): expected (9,)"),
    (
        lambda: joined(connectivity=FixedInDegree(2)).projections["g__e"].set_weights(np.ones((3, 3))),
        "projection 'g__e': set_weights: weights of shape (3, 3): expected (6,); give one for each synapse",
    ),
    (
        lambda: joined(dtype="float32").projections["g__e"].set_weights([np.nan, 1e39, *range(7)]),
        "projection 'g__e': set_weights: weights of shape (9,): 2 are no finite float32: expected such numbers",
    ),
    (lambda: joined(rule=additive_stdp(), optimiser=Adam(0.1)).run("1*ms"), "projection 'g__e': its optimiser has Adam"),
    (lambda: joined(rule=hebbian(), bias=True).run("1*ms"), "projection 'g__e': "),
    (lambda: joined(into="v", bias=True, initial="lecun").run("1*ms"), "projection 'g__e': a bias on 'v'"),
    (lambda: Projection("a", "b", delay=1.5), "projection 'a__b': delay 1.5: expected 0 to 1,000 ticks, or a time"),
    (lambda: PoissonSpikes("3*mV"), "neurons 'poisson_spikes': rate '3*mV': expected a rate of 0 or more"),
    (lambda: LatencySpikes("0*ms"), "neurons 'latency_spikes': longest '0*ms': expected a time above 0"),
    (lambda: PoissonSpikes("100*kHz").at(DT, "population 'x'"), "population 'x': neurons 'poisson_spikes': 100000 Hz in"),
    (lambda: Equations(TEXT, **(CELL | {"refractory": "-2*ms"})), "refractory '-2*ms': negative"),
    (lambda: Equations("dv/dt = (1 - v**2) / (10*ms) : 1", threshold="v > 1", method="exact"), "exact"),
    (lambda: Equations("dv/dt = (1*mV - v) / (10*ms) : 1", threshold="v > 1"), "neurons 'equations': "),
    (lambda: Equations("dv/dt = (a - v) / (10*ms) : 1", threshold="v > 1"), "'a'"),
    (lambda: cells(dt="30*ms"), "population 'e': neurons 'equations'"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "said"), REFUSED, ids=[said[:60] for _, said in REFUSED])
def test_what_cannot_be_run_is_one_line(wrong, said):
    with pytest.raises(InputError) as caught:
        wrong()
    assert said in str(caught.value) and "\n" not in str(caught.value), caught.value


def test_a_rate_population_within_a_spiking_network_is_refused():
    populations = [Population("e", 2, neurons=Equations(TEXT, **CELL)), Population("h", 2, neurons=Leaky(tau=3))]
    made = Network(populations, [Projection("e", "h")], dt="0.1*ms")
    with pytest.raises(InputError, match="^population 'h', of neurons 'leaky': expected equations with a threshold [^\n]*$"):
        made.run("1*ms")


def test_a_sweep_of_what_can_only_be_run_says_why():
    text = Equations("dv/dt = -v / (10*ms) : 1", threshold="v > 1", reset="v = 0")
    looped = Network([Population("e", 2, neurons=text)], [Projection("e", "e", into="v", rule=None)], dt="0.1*ms")
    with pytest.raises(InputError, match="^network: the projections form a cycle [^\n]*, or use Network.run"):
        looped.sweep(np.zeros((1, 2), np.float32))


def test_units_of_brian2_are_taken():
    made = joined(into="v", delay=1.5 * ms, initial=0.1)
    assert made.projections["g__e"].delay == 15 and PoissonSpikes(20 * Hz).hertz == 20
    times = (np.array([1]), np.array([1.0]) * ms)
    assert of_trial(made.run(3 * ms, times), "g") == ([10], [1])
