"""Brian2 networks taken over: small ones, their monitors, their random numbers, and what cannot be taken."""

import brian2 as b2
import numpy as np
import pytest
from brian2 import Hz, ms, second

import neurosim.brian
from neurosim.errors import InputError


@pytest.fixture(autouse=True)
def _seeded(numpy_target):
    b2.seed(1)


def two_cells(**options):
    """Two leaky cells that drive each other after 0.3 ms; no function of the C library is called within a tick."""
    cells = b2.NeuronGroup(
        2, "dv/dt = (I - v) / (10*ms) : 1 (unless refractory)\nI : 1",
        threshold="v > 1", reset="v = 0", refractory=1 * ms, method="euler", name="cells", **options,
    )  # fmt: skip
    cells.I = [1.5, 1.2]
    synapses = b2.Synapses(cells, cells, "w : 1", on_pre="v_post += w", delay=0.3 * ms, name="synapses")
    synapses.connect("i != j")
    synapses.w = 0.2
    return b2.Network(cells, synapses)


def spikes_of(monitor):
    return list(zip(np.round(np.asarray(monitor.t) / 1e-4).astype(int).tolist(), np.asarray(monitor.i).tolist(), strict=True))


def test_spikes_and_recordings_are_brians():
    net = two_cells()
    spikes = b2.SpikeMonitor(net["cells"])
    states = b2.StateMonitor(net["cells"][1:], "v", record=True, dt=0.5 * ms, name="states")
    net.add(spikes, states)
    run = neurosim.brian.load(net).run(200 * ms)
    net.run(200 * ms)
    mine = run.spikes["cells"]
    assert len(mine) > 20 and spikes_of(spikes) == list(zip(mine.tick.tolist(), mine.index.tolist(), strict=True))
    assert (mine.time == mine.tick * 1e-4).all() and set(mine.trial) == {0}
    found = run.states["states"]
    assert found["v"].shape == (1, 400, 1) and (found["v"][0].T == states.v).all() and found.elements.tolist() == [1]
    assert np.abs(found.time - states.t / second).max() < 1e-12
    assert (run.final["cells.v"][0] == net["cells"].v).all()


def test_synapses_are_recorded():
    net = two_cells()
    net["synapses"].pre.code = "v_post += w; w += 0.01"
    monitor = b2.StateMonitor(net["synapses"], "w", record=True, name="weights")
    net.add(monitor)
    found = neurosim.brian.load(net).run(50 * ms).states["weights"]["w"]
    net.run(50 * ms)
    assert (found[0].T == monitor.w).all() and (np.diff(found[0], axis=0) > 0).sum() > 4


def test_loading_changes_nothing_in_brian_and_running_brian_nothing_here():
    net = two_cells()
    loaded = neurosim.brian.load(net)
    first = loaded.run(100 * ms)
    assert net.t == 0 * ms and (net["cells"].v == 0).all()
    net.run(50 * ms)
    again = loaded.run(100 * ms)
    assert (first.spikes["cells"].tick == again.spikes["cells"].tick).all()


def test_order_of_a_tick_is_brians():
    lines = neurosim.brian.load(two_cells()).schedule().splitlines()
    assert [line.split()[1] for line in lines] == ["update", "threshold", "deliver", "reset"]


def test_names_are_those_of_the_caller_as_in_brian():
    threshold = 0.5  # noqa: F841  the equations name it
    cells = b2.NeuronGroup(1, "dv/dt = (1 - v)/(10*ms) : 1", threshold="v > threshold", reset="v = 0", method="euler", name="named")
    assert len(neurosim.brian.load(b2.Network(cells)).run(0.1).spikes["named"]) == 14


def test_trials_start_where_they_are_told_to():
    loaded = neurosim.brian.load(two_cells())
    currents = np.array([[1.5, 1.2], [3.0, 1.2], [0.0, 0.0]])
    run = loaded.run(0.2, batch=3, initial={"cells.I": currents})
    counts = np.bincount(run.spikes["cells"].trial, minlength=3)
    alone = loaded.run(0.2).spikes["cells"]
    same = run.spikes["cells"].trial == 0
    assert counts[1] > counts[0] == len(alone) and counts[2] == 0
    assert (run.spikes["cells"].tick[same] == alone.tick).all()


def test_poisson_groups_and_inputs_have_their_rates_and_trials_their_own_numbers():
    group = b2.PoissonGroup(500, rates="5*Hz + i*0.1*Hz", name="group")
    cells = b2.NeuronGroup(500, "dv/dt = 0/second : 1", name="cells")
    net = b2.Network(group, cells, b2.PoissonInput(cells, "v", 100, 8 * Hz, weight=1))
    run = neurosim.brian.load(net).run(2 * second, batch=4, seed=3)
    trains = run.spikes["group"]
    expected = 2 * 4 * sum(5 + 0.1 * i for i in range(500))
    assert abs(len(trains) - expected) < 4 * expected**0.5
    fast = trains.index >= 250
    assert abs(fast.sum() - 2 * 4 * sum(5 + 0.1 * i for i in range(250, 500))) < 4 * fast.sum() ** 0.5
    counts = run.final["cells.v"]  # of Poisson events, of which each has a weight of 1
    mean = 100 * 8 * 2
    assert abs(counts.mean() - mean) < 4 * (mean / counts.size) ** 0.5 and abs(counts.var() / mean - 1) < 0.15
    first = [trains.tick[trains.trial == k][:50].tolist() for k in range(4)]
    assert len({tuple(ticks) for ticks in first}) == 4
    again = neurosim.brian.load(net).run(2 * second, batch=4, seed=3).spikes["group"]
    other = neurosim.brian.load(net).run(2 * second, batch=4, seed=4).spikes["group"]
    assert np.array_equal(again.tick, trains.tick) and not np.array_equal(other.tick[:50], trains.tick[:50])


def test_noise_is_normal():
    cells = b2.NeuronGroup(2000, "dv/dt = -v/(10*ms) + xi*sqrt(2/(10*ms)) : 1", method="euler", name="cells")
    final = neurosim.brian.load(b2.Network(cells)).run(100 * ms).final["cells.v"]
    assert abs(final.mean()) < 4 / 2000**0.5 and abs(final.var() - 1) < 4 * (2 / 2000) ** 0.5


# ---------------------------------------------------------------------- what cannot be taken


def summed():
    net = two_cells()
    cells = b2.NeuronGroup(2, "s : 1", name="others")
    synapses = b2.Synapses(net["cells"], cells, "s_post = v_pre : 1 (summed)")
    synapses.connect()
    net.add(cells, synapses)
    return net


def regular():
    net = two_cells()
    net["cells"].run_regularly("v += 0.1", dt=1 * ms)
    return net


def operated():
    net = two_cells()
    net.add(b2.NetworkOperation(lambda: None))
    return net


def counted():
    net = two_cells()
    net.add(b2.PopulationRateMonitor(net["cells"]))
    return net


def repeated():
    return b2.Network(b2.SpikeGeneratorGroup(2, [0], [0] * ms, period=1 * ms, name="generator"))


def two_clocks():
    net = two_cells()
    net.add(b2.NeuronGroup(1, "dv/dt = -v/(10*ms) : 1", dt=1 * ms, method="euler", name="slow"))
    return net


def run_before():
    net = two_cells()
    net.run(1 * ms)
    return net


def drawn_for_each_spike():
    net = two_cells()
    synapses = b2.Synapses(net["cells"], net["cells"], on_pre="v_post += 0.1*int(rand() < 0.5)", name="unreliable")
    synapses.connect()
    net.add(synapses)
    return net


def own_event():
    cells = b2.NeuronGroup(1, "dv/dt = -v/(10*ms) : 1", events={"low": "v < 0"}, method="euler", name="cells")
    cells.run_on_event("low", "v = 1")
    return b2.Network(cells)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (summed, "SummedVariableUpdater .* cannot be taken"),
        (regular, "cells_run_regularly.* cannot be taken|time steps"),
        (operated, "NetworkOperation .* cannot be taken"),
        (counted, "PopulationRateMonitor .* cannot be taken"),
        (repeated, "a period cannot be taken"),
        (two_clocks, r"time steps 0.0001 s \(of '\w+'\), 0.001 s \(of 'slow_\w+'\): expected one dt"),
        (lambda: b2.Network(), "it is empty: expected something to run; fill it"),
        (lambda: [two_cells()], "load: list: expected a Brian2 Network; make one"),
        (run_before, "it has run for 1. ms: expected one at its start"),
        (drawn_for_each_spike, "'unreliable_pre': it draws random numbers for each spike"),
        (own_event, "event 'low' cannot be taken"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_named_in_one_line(network, said):
    with pytest.raises(InputError, match=said) as found:
        neurosim.brian.load(network())
    assert "\n" not in str(found.value) and len(str(found.value)) < 400


def test_wrong_units_are_brians_own_error():
    cells = b2.NeuronGroup(1, "dv/dt = (1*mV - v)/(10*ms) : 1", method="euler", name="cells")
    with pytest.raises(b2.BrianObjectException):
        neurosim.brian.load(b2.Network(cells))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 0}, "batch 0: expected 1 or more trials"),
        ({"batch": 1.5}, "batch 1.5: expected 1 or more"),
        ({"initial": {"cell.v": 0}}, "initial 'cell.v' is unknown: .* did you mean 'cells.v'"),
        ({"initial": {"cells.v": np.zeros(3)}}, r"initial 'cells.v': shape \(3,\): expected \(batch, n\), \(1, 2\)"),
        ({"seed": -1}, "seed -1: expected a whole number"),
        ({"batch": 2**40}, "batch 1,?099.*MiB are free"),
    ],
)
def test_a_run_that_cannot_be_is_refused_in_one_line(options, said):
    loaded = neurosim.brian.load(two_cells())
    with pytest.raises(InputError, match=said):
        loaded.run(0.1, **options)
    with pytest.raises(InputError, match="duration -1.0: expected seconds"):
        loaded.run(-1)
