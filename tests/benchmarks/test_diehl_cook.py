"""Diehl and Cook's network: its rule, threshold and pause against closed forms, its spikes against Brian2's, and its protocol."""

import sys
from pathlib import Path

import brian2 as b2
import numpy as np
import pytest
from brian2 import ms, mV, second, volt

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # last, so that the package that is installed is the one that is tested

from benchmarks import diehl_cook  # noqa: E402
from neurosim.network import Network, Population, Projection  # noqa: E402
from neurosim.neurons import GivenSpikes  # noqa: E402
from neurosim.plasticity import SGD, Bounds, chain  # noqa: E402

DT = 5e-4


def since(times, t):
    """Return how long before t the last of ``times`` was, in seconds; inf where there was none."""
    return min((t - one for one in times if one < t), default=np.inf)


def changed(pre, post):
    """Return how much spikes at these times change a weight, s: each reads how long ago the last ones were."""
    gained = sum(np.exp(-since(pre, s) / 0.020 - since(post, s) / 0.040) for s in post)
    return 1e-2 * gained - 1e-4 * sum(np.exp(-since(post, x) / 0.020) for x in pre)


def test_weights_theta_and_pause_follow_their_closed_forms():
    """A teacher excites one cell all the time, so that it spikes as soon as it may; two inputs spike at times of their own."""
    plastic = {"rule": diehl_cook.stdp(), "optimiser": chain(SGD(1), Bounds(0, 1))}
    made = Network(
        [
            Population("x", 2, neurons=GivenSpikes()),
            Population("teacher", 1, neurons=GivenSpikes()),
            Population("e", 1, neurons=diehl_cook.excitatory()),
        ],
        [
            Projection("x", "e", into="ge", initial=np.full((2, 1), 0.5), bias=False, **plastic),
            Projection("teacher", "e", into="ge", initial=20.0, bias=False, rule=None),
        ],
        dt=DT, dtype="float64",
    )  # fmt: skip
    taught = np.arange(1, 400) * 2 * DT
    given = {"x": ([0, 0, 1], [0.030, 0.055, 0.062]), "teacher": (np.zeros(len(taught), int), taught)}
    run = made.run("0.2*second", given)
    spikes = run.spikes["e"].tick * DT
    np.testing.assert_allclose(np.diff(spikes), 0.050)
    assert len(spikes) == 4
    np.testing.assert_allclose(run.final["x__e.w"][0] - 0.5, [changed([0.030, 0.055], spikes), changed([0.062], spikes)], rtol=1e-9)
    decayed = 0.020 * np.exp(-0.2 / 1e4) + sum(5e-5 * np.exp(-(0.2 - s) / 1e4) for s in spikes)
    np.testing.assert_allclose(run.final["e.theta"][0], decayed, rtol=1e-9)


BY_HAND = {
    "e": (
        """dv/dt = (-65*mV - v - ge*v + gi*(-100*mV - v)) / (100*ms) : volt (unless refractory)
        dge/dt = -ge/ms : 1
        dgi/dt = -gi/(2*ms) : 1
        dtheta/dt = -theta/(10000*second) : volt""",
        {"threshold": "v > theta - 20*mV - 52*mV and timestep(t - lastspike, dt) >= 100", "reset": "v = -65*mV\ntheta += 0.05*mV"},
        5 * ms,
    ),
    "i": (
        """dv/dt = (-60*mV - v - ge*v + gi*(-85*mV - v)) / (10*ms) : volt (unless refractory)
        dge/dt = -ge/ms : 1
        dgi/dt = -gi/(2*ms) : 1""",
        {"threshold": "v > -40*mV", "reset": "v = -45*mV"},
        2 * ms,
    ),
}
LEARNING = {
    "model": """w : 1
    dpre/dt = -pre/(20*ms) : 1 (event-driven)
    dpost1/dt = -post1/(20*ms) : 1 (event-driven)
    dpost2/dt = -post2/(40*ms) : 1 (event-driven)""",
    "on_pre": "ge_post += w\npre = 1\nw = clip(w - 0.0001*post1, 0, 1)",
    "on_post": "w = clip(w + 0.01*pre*post2, 0, 1)\npost1 = 1\npost2 = 1",
}


@pytest.mark.usefixtures("numpy_target")
def test_spikes_and_weights_are_those_of_a_brian2_network_written_by_hand():
    pixels, cells, seconds = 40, 8, 0.2
    ours = diehl_cook.network(GivenSpikes(), pixels, cells, 3)
    tick, index = np.nonzero(np.random.default_rng(0).random((round(seconds / DT), pixels)) < 500 * DT)
    run = ours.run(seconds, (index, tick * DT))

    step = DT * second
    groups = {"x": b2.SpikeGeneratorGroup(pixels, index, tick * step, dt=step)}
    for name, (equations, options, pause) in BY_HAND.items():
        groups[name] = b2.NeuronGroup(cells, equations, refractory=pause, method="euler", dt=step, **options)
    groups["e"].v, groups["e"].theta, groups["i"].v = -65 * mV, 20 * mV, -60 * mV
    fixed = {name: {"model": "w : 1", "on_pre": f"{into}_post += w"} for name, into in (("e__i", "ge"), ("i__e", "gi"))}
    net, synapses = b2.Network(*groups.values()), {}
    for name, code in ({"x__e": LEARNING} | fixed).items():
        p = ours.projections[name]
        synapses[name] = b2.Synapses(groups[p.pre], groups[p.post], dt=step, **code)
        pre, post = p.synapses()
        synapses[name].connect(i=pre, j=post)
        synapses[name].w = p.weights()
        if p.delays is not None:
            synapses[name].pre.delay = p.delays * step
        net.add(synapses[name])
    monitors = {name: b2.SpikeMonitor(groups[name]) for name in "ei"}
    net.add(*monitors.values())
    net.run(seconds * second)
    for name, monitor in monitors.items():
        assert len(monitor.i) > 20
        np.testing.assert_array_equal(np.round(np.asarray(monitor.t) / DT).astype(int), run.spikes[name].tick)
        np.testing.assert_array_equal(monitor.i, run.spikes[name].index)
    learned = run.final["x__e.w"][0]
    assert (learned != ours.projections["x__e"].weights()).sum() > 100
    np.testing.assert_allclose(synapses["x__e"].w, learned, rtol=1e-12)
    np.testing.assert_allclose(groups["e"].theta / volt, run.final["e.theta"][0], rtol=1e-12)


def test_cells_answer_for_the_digit_to_which_they_respond_most():
    labels = np.array([3, 3, 7, 7])
    responses = np.array([[4.0, 0, 1, 0], [2.0, 0, 1, 0], [0.0, 5, 1.5, 0], [1.0, 5, 1, 0]])
    digits = diehl_cook.assigned(responses, labels)
    np.testing.assert_array_equal(digits, [3, 7, 7, -1])
    np.testing.assert_array_equal(diehl_cook.answers(responses, digits), labels)


def test_a_dim_image_is_shown_again_and_weights_have_their_sum_before_each_image():
    learner = diehl_cook.Learner(64, 6, 1, "400*Hz", 12.8)
    image = np.full(64, 0.02)
    learner.see(image)
    assert learner.presented > 1 and learner.theta.max() > diehl_cook.START
    learner.see(np.zeros(64))  # nothing to learn from, and it ends
    np.testing.assert_allclose(learner.weights.sum(axis=0), 12.8)
    found = learner.responses(np.stack([image, np.zeros(64)]), 1)
    assert found[0].sum() >= diehl_cook.FEWEST and not found[1].any()
