"""Every rule that reads spikes equals Synapses written by hand: in Brian2, through ``spike_code``, and taken over as a circuit."""

import brian2 as b2
import numpy as np
import pytest
from brian2 import Hz, ms, mV, second

import neurosim.brian
from neurosim.plasticity import TsodyksMarkram, power_law_stdp, spike_code, spiking_rules, triplet_stdp

DT = 0.1 * ms
RULES = spiking_rules()
PAIR = """w : 1
dx/dt = -x / (20*ms) : 1 (event-driven)
dy/dt = -y / (20*ms) : 1 (event-driven)"""
SLOW = """w : 1
dr1/dt = -r1 / (16.8*ms) : 1 (event-driven)
do1/dt = -o1 / (33.7*ms) : 1 (event-driven)
do2/dt = -o2 / (%g*ms) : 1 (event-driven)"""
FULL = SLOW + "\ndr2/dt = -r2 / (%g*ms) : 1 (event-driven)"
ALL, NEAREST = ("x += 1", "y += 1"), ("x = 1", "y = 1")
REWARDED = """dw/dt = %s : 1 (clock-driven)
dx/dt = -x / (20*ms) : 1 (event-driven)
dy/dt = -y / (20*ms) : 1 (event-driven)
dz/dt = -z / (%s) : 1 (clock-driven)"""

HAND = {  # rule -> (made, the model, on_pre, on_post), as somebody writes them who knows the paper and Brian2
    "additive": (
        RULES["additive_stdp"](), PAIR, f"{ALL[0]}; w = clip(w - 0.00525*y, 0, 1)", f"{ALL[1]}; w = clip(w + 0.005*x, 0, 1)"
    ),
    "additive, nearest": (
        RULES["additive_stdp"](pairing="nearest"),
        PAIR, f"{NEAREST[0]}; w = clip(w - 0.00525*y, 0, 1)", f"{NEAREST[1]}; w = clip(w + 0.005*x, 0, 1)",
    ),
    "multiplicative": (
        RULES["multiplicative_stdp"](),
        PAIR, f"{ALL[0]}; w = clip(w - 0.00525*w*y, 0, 1)", f"{ALL[1]}; w = clip(w + 0.005*(1 - w)*x, 0, 1)",
    ),
    "power law": (
        power_law_stdp(mu=0.4),
        PAIR, f"{ALL[0]}; w = clip(w - 0.005*1.05*w**0.4*y, 0, 1)", f"{ALL[1]}; w = clip(w + 0.005*(1 - w)**0.4*x, 0, 1)",
    ),
    "triplet, visual cortex": (
        triplet_stdp(fit="visual_cortex"), FULL % (125, 101),
        "w = clip(w - o1*(7e-3 + 2.3e-4*r2), 0, 1); r1 += 1; r2 += 1",
        "w = clip(w + r1*(5e-10 + 6.2e-3*o2), 0, 1); o1 += 1; o2 += 1",
    ),
    "triplet, visual cortex, minimal": (
        triplet_stdp(), SLOW % 114, "w = clip(w - o1*7.1e-3, 0, 1); r1 += 1", "w = clip(w + r1*6.5e-3*o2, 0, 1); o1 += 1; o2 += 1",
    ),
    "triplet, visual cortex, nearest": (
        triplet_stdp(fit="visual_cortex_nearest"), SLOW % 40,
        "w = clip(w - o1*8e-3, 0, 1); r1 = 1", "w = clip(w + r1*5e-2*o2, 0, 1); o1 = 1; o2 = 1",
    ),
    "triplet, hippocampus": (
        triplet_stdp(fit="hippocampus"), FULL % (27, 946),
        "w = clip(w - o1*(1.6e-3 + 1.4e-3*r2), 0, 1); r1 += 1; r2 += 1",
        "w = clip(w + r1*(6.1e-3 + 6.7e-3*o2), 0, 1); o1 += 1; o2 += 1",
    ),
    "triplet, hippocampus, minimal": (
        triplet_stdp(fit="hippocampus_minimal"), SLOW % 40,
        "w = clip(w - o1*3.5e-3, 0, 1); r1 += 1", "w = clip(w + r1*(5.3e-3 + 8e-3*o2), 0, 1); o1 += 1; o2 += 1",
    ),
    "inhibitory": (
        RULES["inhibitory_stdp"](), PAIR, f"{ALL[0]}; w = clip(w + 0.01*(y - 0.12), 0, 1)", f"{ALL[1]}; w = clip(w + 0.01*x, 0, 1)"
    ),
    "reward": (RULES["reward_stdp"](), REWARDED % ("reward(t)*z*Hz", "25*ms"), "x += 1; z -= y", "y += 1; z += x"),
    "distal reward": (
        RULES["distal_reward_stdp"](),
        REWARDED % ("d*z*Hz", "1*second") + "\ndd/dt = 500*Hz*reward(t) - d / (200*ms) : 1 (clock-driven)",
        "x += 1; z -= 0.15*y", "y += 1; z += 0.1*x",
    ),
    "voltage": (
        RULES["voltage_stdp"](),
        """dw/dt = 8e-5/mV**2 * xbar * clip(v_post/mV + 45.3, 0, 1e9)*mV * clip(high/mV + 70.6, 0, 1e9)*mV : 1 (clock-driven)
        dxbar/dt = -xbar / (15*ms) : Hz (clock-driven)
        dlow/dt = (v_post - low) / (10*ms) : volt (clock-driven)
        dhigh/dt = (v_post - high) / (7*ms) : volt (clock-driven)
        dbar/dt = (v_post + 70.6*mV - bar) / second : volt (clock-driven)""",
        "xbar += 1/(15*ms); w -= 14e-5/mV * bar**2/(60*mV**2) * clip(low/mV + 70.6, 0, 1e9)*mV", "",
    ),
    "scaling": (
        RULES["synaptic_scaling"](beta=0.01, gamma="1e-2*Hz", tau="50*ms"),
        """dw/dt = 0.01*w*(5*Hz - r) + 0.01*Hz*w*lack : 1 (clock-driven)
        dr/dt = -r / (50*ms) : Hz (clock-driven)
        dlack/dt = 5*Hz - r : 1 (clock-driven)""",
        "", "r += 1/(50*ms)",
    ),
}  # fmt: skip
FAST = ("additive", "triplet, visual cortex, nearest", "reward")


pytestmark = pytest.mark.usefixtures("numpy_target")


def trains(n, probability, ticks, seed, name):
    when, which = np.nonzero(np.random.default_rng(seed).random((ticks, n)) < probability)
    return b2.SpikeGeneratorGroup(n, which, when * DT, name=name)


def postsynaptic(voltage, ticks):
    if not voltage:
        return trains(4, 0.01, ticks, 2, "cells")
    return b2.NeuronGroup(
        4, "dv/dt = (-65*mV + 60*mV*sin(t/(3*ms) + i) - v) / (5*ms) : volt", threshold="v > -35*mV", reset="v = -60*mV",
        method="euler", name="cells",
    )  # fmt: skip


def compared(name, ticks):
    made, model, on_pre, on_post = HAND[name]
    reward = b2.TimedArray(np.random.default_rng(3).normal(size=40), dt=5 * ms)
    source, cells = trains(8, 0.01, ticks, 1, "source"), postsynaptic(name == "voltage", ticks)
    options = {"on_pre": on_pre, "on_post": on_post, "method": "euler", "namespace": {"reward": reward}}
    hand = b2.Synapses(source, cells, model, name="hand", **options)
    hand.connect()
    clocked = "dw/dt" in model
    bounds = None if clocked else (0, 1)  # Brian2 clips at events only
    code = spike_code(made, bounds=bounds, units={"v_post": "volt"}, timed=made.modulators)
    ours = neurosim.brian.plastic_synapses(code, source, cells, namespace={"reward": reward}, name="ours")
    start = np.random.default_rng(4).random(32)
    hand.w, ours.w = start, start
    if name == "scaling":
        hand.r = 5 * Hz
    if name == "voltage":
        hand.low, hand.high = -70.6 * mV, -70.6 * mV
    net = b2.Network(source, cells, hand, ours)
    circuit = neurosim.brian.load(net, {}).run(ticks * float(DT)).final["ours.w"][0]
    net.run(ticks * DT, namespace={})
    assert np.abs(np.asarray(hand.w) - start).max() > 1e-4
    np.testing.assert_allclose(np.asarray(ours.w), np.asarray(hand.w), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(circuit, np.asarray(hand.w), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", FAST)
def test_a_rule_equals_synapses_written_by_hand(name):
    compared(name, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("name", HAND)
def test_a_rule_equals_synapses_written_by_hand_over_10_000_ticks(name):
    compared(name, 10_000)


@pytest.mark.slow
def test_short_term_plasticity_equals_synapses_written_by_hand():
    """What arrives is added up in the cells, whose conductance decays; the weights learn beside it."""
    source, cells = trains(8, 0.01, 10_000, 1, "source"), b2.NeuronGroup(4, "g : 1\nh : 1", name="cells")
    hand = b2.Synapses(
        source, cells, "w : 1\ndu/dt = -u/(50*ms) : 1 (event-driven)\ndR/dt = (1 - R)/(0.2*second) : 1 (event-driven)",
        on_pre="u += 0.3*(1 - u); g_post += w*u*R; R -= u*R; w *= 0.999", name="hand",
    )  # fmt: skip
    hand.connect()
    hand.R = 1
    code = spike_code(None, into="h_post", short_term=TsodyksMarkram(0.3, "200*ms", "50*ms"))
    ours = neurosim.brian.plastic_synapses(code, source, cells, name="ours")
    ours.pre.code += "\nw *= 0.999"
    hand.w = ours.w = np.random.default_rng(4).random(32)
    net = b2.Network(source, cells, hand, ours)
    circuit = neurosim.brian.load(net, {}).run(1 * second).final
    net.run(1 * second, namespace={})
    assert cells.g[0] > 1
    np.testing.assert_allclose(np.asarray(cells.h), np.asarray(cells.g), rtol=1e-12)
    np.testing.assert_allclose(circuit["cells.h"][0], np.asarray(cells.g), rtol=1e-12)
