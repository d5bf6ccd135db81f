"""Rules that read spikes, against their closed forms: run as circuits, and where it is quick in Brian2 itself."""

import brian2 as b2
import numpy as np
import pytest
from brian2 import Hz, mV, second

import neurosim.brian
from neurosim.errors import InputError
from neurosim.plasticity import (
    TsodyksMarkram,
    additive_stdp,
    distal_reward_stdp,
    inhibitory_stdp,
    multiplicative_stdp,
    power_law_stdp,
    reward_stdp,
    spike_code,
    synaptic_scaling,
    triplet_stdp,
    voltage_stdp,
)
from neurosim.plasticity.triplet_stdp import FITS

DT = 1e-4


pytestmark = pytest.mark.usefixtures("numpy_target")


def spikes(name, which, ticks):
    return b2.SpikeGeneratorGroup(max(which) + 1, which, np.asarray(ticks) * DT * b2.second, name=name)


def run(code, source, target, seconds, *, w=0.5, connect=None, namespace=None, both=False, more=()):
    """Return the synapses' variables after a run as a circuit; ``both``: and check that Brian2 has the same."""
    synapses = neurosim.brian.plastic_synapses(code, source, target, connect=connect, namespace=namespace, name="synapses")
    synapses.w = w
    net = b2.Network(source, target, synapses, *more)
    final = neurosim.brian.load(net, {}).run(seconds).final
    found = {name.partition(".")[2]: value[0] for name, value in final.items() if name.startswith("synapses.")}
    if both:
        net.run(seconds * second, namespace={})
        for name, value in found.items():
            np.testing.assert_allclose(value, np.asarray(getattr(synapses, name)), rtol=1e-12, atol=1e-15, err_msg=name)
    return found


# ---------------------------------------------------------------------- windows


LAGS = np.array([-600, -200, -150, -20, -1, 0, 1, 20, 150, 200, 600])  # post minus pre, ticks


def changes(rule, w=0.5, **options):
    """Return the change of w by one pair of spikes at each of LAGS."""
    source = spikes("source", range(len(LAGS)), [700] * len(LAGS))
    target = spikes("target", range(len(LAGS)), 700 + LAGS)
    return run(spike_code(rule), source, target, 0.15, w=w, connect={"j": "i"}, **options)["w"] - w


@pytest.mark.parametrize("pairing", ["all_to_all", "nearest"])
def test_isolated_pairs_give_the_window(pairing):
    rule = additive_stdp(A_plus=0.02, A_minus=0.03, tau_plus="10*ms", tau_minus="25*ms", pairing=pairing)
    s = LAGS * DT
    expected = np.where(s >= 0, 0.02 * np.exp(-abs(s) / 10e-3), -0.03 * np.exp(-abs(s) / 25e-3))
    np.testing.assert_allclose(changes(rule, both=pairing == "nearest"), expected, rtol=1e-12)


def test_windows_scale_with_the_weight():
    s = LAGS * DT
    decay = np.where(s >= 0, 0.005, -0.00525) * np.exp(-abs(s) / 20e-3)
    for w in (0.2, 0.8):
        share = np.where(s >= 0, 1 - w, w)
        np.testing.assert_allclose(changes(multiplicative_stdp(), w), decay * share, rtol=1e-12)
        np.testing.assert_allclose(changes(power_law_stdp(mu=0.3), w), decay * share**0.3, rtol=1e-12)


@pytest.mark.parametrize("pairing", ["all_to_all", "nearest"])
def test_pairing_says_which_spikes_count(pairing):
    """Two pre spikes, then one post: both count, or the last one only."""
    code = spike_code(additive_stdp(A_plus=0.02, tau_plus="10*ms", pairing=pairing))
    found = run(code, spikes("source", [0, 0], [10, 60]), spikes("target", [0], [110]), 0.02)["w"] - 0.5
    expected = 0.02 * (np.exp(-0.5) + (np.exp(-1) if pairing == "all_to_all" else 0))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_triplets_read_the_slow_trace_before_its_own_spike():
    """post, pre, post at 0, 10 and 20 ms: A3_plus is paid once, and the first spike's pair with pre costs A2_minus."""
    for fit, a3, a2, tau_y in (("visual_cortex_minimal", 6.5e-3, 7.1e-3, 0.114), ("visual_cortex_nearest", 5e-2, 8e-3, 0.04)):
        code = spike_code(triplet_stdp(fit=fit))
        found = run(code, spikes("source", [0], [110]), spikes("target", [0, 0], [10, 210]), 0.03)["w"] - 0.5
        expected = a3 * np.exp(-0.01 / 16.8e-3) * np.exp(-0.02 / tau_y) - a2 * np.exp(-0.01 / 33.7e-3)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    single = run(spike_code(triplet_stdp()), spikes("source", [0], [10]), spikes("target", [0], [20]), 0.03)["w"]
    assert single == 0.5, "one pair alone changes nothing in the minimal rule"


FREQUENCIES = (0.1, 10.0, 20.0, 40.0, 50.0)  # Hz, at which Sjostrom, Turrigiano and Nelson (2001) paired spikes


def pairs_at(frequency):
    """Return how many pairs there are; of those that are 10 s apart, and know nothing of each other, a tenth."""
    return 60 if frequency > 1 else 6


def change_by_pairs(rule, frequency, lag):
    """Return the change of w by pairs of spikes at a frequency; lag : post minus pre, s.  Ticks are of 1 ms."""
    pairs = pairs_at(frequency)
    first = np.arange(pairs) / frequency + 0.02
    source = b2.SpikeGeneratorGroup(1, [0] * pairs, first * second, dt=1e-3 * second, name="source")
    target = b2.SpikeGeneratorGroup(1, [0] * pairs, (first + lag) * second, dt=1e-3 * second, name="target")
    synapses = neurosim.brian.plastic_synapses(spike_code(rule), source, target, name="synapses", dt=1e-3 * second)
    synapses.w = 0.5
    final = neurosim.brian.load(b2.Network(source, target, synapses), {}).run(float(first[-1]) + 0.1).final
    return float(final["synapses.w"][0, 0]) - 0.5


def change_by_triplets(fit, frequency, lag):
    """Return what Pfister and Gerstner's equations 3 and 4 come to, spike by spike; ``nearest``: the last spike stands for all."""
    values, pairs = {"tau_x": 1.0, "pairing": "all_to_all", **FITS[fit]}, pairs_at(frequency)
    pre = np.round((np.arange(pairs) / frequency + 0.02) * 1e3) / 1e3
    post = np.round((np.arange(pairs) / frequency + 0.02 + lag) * 1e3) / 1e3

    def trace(times, now, tau, before):
        ages = now - times[times < now - 1e-9 if before else times < now + 1e-9]
        ages = ages[-1:] if values["pairing"] == "nearest" else ages
        return np.exp(-ages / tau).sum()

    up = [
        trace(pre, t, 16.8e-3, False) * (values["A2_plus"] + values["A3_plus"] * trace(post, t, values["tau_y"] * 1e-3, True))
        for t in post
    ]
    down = [
        trace(post, t, 33.7e-3, True) * (values["A2_minus"] + values["A3_minus"] * trace(pre, t, values["tau_x"] * 1e-3, True))
        for t in pre
    ]
    return sum(up) - sum(down)


@pytest.mark.parametrize("fit", ["visual_cortex", "visual_cortex_minimal", "visual_cortex_nearest"])
def test_triplets_depend_on_the_frequency_of_pairs_as_in_the_visual_cortex(fit):
    """Sjostrom's experiment: 60 pairs, 10 ms apart.  Post after pre grows with the frequency; pre after post turns to growth."""
    found = {lag: [change_by_pairs(triplet_stdp(fit=fit, eta=0.1), rho, lag) for rho in FREQUENCIES] for lag in (0.01, -0.01)}
    for lag, changes_found in found.items():
        expected = [0.1 * change_by_triplets(fit, rho, lag) for rho in FREQUENCIES]
        np.testing.assert_allclose(changes_found, expected, rtol=1e-9, atol=1e-12)
    first, last = (np.array(found[lag]) * 60 / np.vectorize(pairs_at)(FREQUENCIES) for lag in (0.01, -0.01))
    assert (np.diff(first) > 0).all() and abs(first[0]) < 0.1 * first[-1]
    assert last[0] < 0 and last[1] < 0 < last[-1]


def test_pairs_of_a_pair_rule_do_not_turn_with_their_frequency():
    """What triplets are there for: a rule of pairs, which depresses at a low frequency, depresses at a high one as well."""
    rule = additive_stdp(A_plus=0.002, A_minus=0.0021, tau_plus="16.8*ms", tau_minus="33.7*ms")
    found = [change_by_pairs(rule, rho, -0.01) for rho in FREQUENCIES]
    assert all(change < 0 for change in found)


# ---------------------------------------------------------------------- Poisson trains


def drift(rule, rates_pre, rates_post, seconds, w=0.5, trials=4, seed=1):
    """Return the mean change of w a second for each rate of a postsynaptic neuron, and its standard error."""
    source = b2.PoissonGroup(len(rates_pre), rates_pre * Hz, name="source")
    target = b2.PoissonGroup(len(rates_post), rates_post * Hz, name="target")
    synapses = neurosim.brian.plastic_synapses(spike_code(rule), source, target, name="synapses")
    synapses.w = w
    found = neurosim.brian.load(b2.Network(source, target, synapses), {}).run(seconds, batch=trials, seed=seed).final["synapses.w"]
    change = (found.reshape(trials, len(rates_pre), len(rates_post)) - w).mean(axis=1) / seconds  # those of one post go together
    return change, change.std(axis=0, ddof=1) / trials**0.5


def test_independent_trains_drift_as_the_areas_of_the_window_say():
    rule = additive_stdp(A_plus=1e-3, A_minus=0.4e-3, tau_plus="10*ms", tau_minus="30*ms")
    change, _ = drift(rule, np.full(40, 20.0), np.full(40, 30.0), 10.0)
    half = DT / 2  # of the tick in which both spike, where the presynaptic one comes first
    expected = 20 * 30 * (1e-3 * (10e-3 + half) - 0.4e-3 * (30e-3 - half))
    error = change.std(ddof=1) / change.size**0.5
    assert abs(expected) > 10 * error and abs(change.mean() - expected) < 4 * error


@pytest.mark.slow
def test_multiplicative_weights_rest_where_their_formula_says():
    rule = multiplicative_stdp(A_plus=0.004, A_minus=0.006, tau_plus="20*ms", tau_minus="20*ms", w_max=2.0)
    source = b2.PoissonGroup(20, 40 * Hz, name="source")
    target = b2.PoissonGroup(20, 40 * Hz, name="target")
    synapses = neurosim.brian.plastic_synapses(spike_code(rule), source, target, name="synapses")
    synapses.w = 1.5
    found = neurosim.brian.load(b2.Network(source, target, synapses), {}).run(20.0, seed=2).final["synapses.w"]
    assert found.mean() == pytest.approx(2.0 * 0.004 / (0.004 + 0.006), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "threshold"), [(triplet_stdp(), 19.2), (inhibitory_stdp(rho="7*Hz", eta=1e-3), 7.0)])
def test_weights_rest_at_the_threshold_rate(rule, threshold):
    """The change by one postsynaptic spike is linear in the rate of the neuron; it is 0 at BCM's threshold, or at rho."""
    rates = np.repeat(threshold * np.array([0.4, 0.8, 1.2, 1.6]), 25)
    pre = np.full(60, 20.0)
    change, _ = drift(rule, pre, rates, 20.0)
    per_spike = change.mean(axis=0) / (20.0 * rates if threshold > 10 else 20.0)
    slope, offset = np.polyfit(rates, per_spike, 1)
    assert slope > 0 and -offset / slope == pytest.approx(threshold, rel=0.05)


def test_threshold_of_the_triplet_rule_is_the_published_one():
    assert 7.1e-3 * 33.7e-3 / (6.5e-3 * 16.8e-3 * 114e-3) == pytest.approx(19.2, abs=0.05)


@pytest.mark.slow
def test_inhibition_brings_a_neuron_to_its_rate():
    """A cell that is driven to fire at 50 Hz, with 100 plastic inhibitory inputs."""
    source = b2.PoissonGroup(100, 10 * Hz, name="source")
    cell = b2.NeuronGroup(
        1, "dv/dt = (1.5 + 0.6*xi*(20*ms)**0.5 - g - v)/(20*ms) : 1\ndg/dt = -g/(10*ms) : 1", threshold="v > 1", reset="v = 0",
        method="euler", name="cell",
    )  # fmt: skip
    code = spike_code(inhibitory_stdp(eta=1e-3, rho="5*Hz"), bounds=(0, 10), into="g_post")
    synapses = neurosim.brian.plastic_synapses(code, source, cell, name="synapses")
    trains = neurosim.brian.load(b2.Network(source, cell, synapses), {}).run(150.0, batch=4, seed=1).spikes["cell"]
    late, early = (trains.time > 50).sum() / 4 / 100, (trains.time < 1).sum() / 4
    # a little above rho, which holds for independent spikes: those of this cell avoid those that inhibit it
    assert early > 20 and late == pytest.approx(5.0, rel=0.1)


# ---------------------------------------------------------------------- a third factor


def test_reward_finds_what_the_eligibility_still_holds():
    """A pair 5 ms apart, and a reward that lasts 1 ms, from so many ticks later."""
    for wait in (100, 400, 1000):
        reward = np.zeros(2000)
        reward[200 + wait : 210 + wait] = 2.0
        code = spike_code(reward_stdp(eta="3*Hz", tau_e="50*ms"), timed=["reward"])
        given = {"reward": b2.TimedArray(reward, dt=DT * second)}
        found = run(code, spikes("source", [0], [149]), spikes("target", [0], [199]), 0.2, namespace=given)["w"] - 0.5
        left = (1 - DT / 50e-3) ** np.arange(wait, wait + 10)  # explicit Euler steps; the tick after the spike is the first
        np.testing.assert_allclose(found, 3 * 2.0 * DT * np.exp(-5e-3 / 20e-3) * left.sum(), rtol=1e-10)


def test_dopamine_outlives_its_reward():
    reward = np.zeros(20_000)
    reward[5000:5010] = 1.0  # 1 ms: 0.5 of dopamine
    code = spike_code(distal_reward_stdp(tau_plus="10*ms"), timed=["reward"])
    given = {"reward": b2.TimedArray(reward, dt=DT * second)}
    found = run(code, spikes("source", [0], [100]), spikes("target", [0], [150]), 2.0, namespace=given)
    both = 1 / (1 / 1.0 + 1 / 0.2)  # of eligibility and dopamine
    expected = 0.1 * np.exp(-0.5) * 0.5 * both * np.exp(-(0.5005 - 0.015) / 1.0)
    assert found["w"] - 0.5 == pytest.approx(expected, rel=2e-3)
    before = run(code, spikes("source", [0], [100]), spikes("target", [0], [150]), 0.49, namespace=given)
    assert before["w"] == 0.5


def test_reward_is_a_shared_variable_unless_it_is_timed():
    code = spike_code(reward_stdp(eta="3*Hz", tau_e="50*ms"))
    source, target = spikes("source", [0], [149]), spikes("target", [0], [199])
    synapses = neurosim.brian.plastic_synapses(code, source, target, name="synapses")
    synapses.reward = 2.0
    found = neurosim.brian.load(b2.Network(source, target, synapses), {}).run(0.03).final["synapses.w"]
    left = (1 - DT / 50e-3) ** np.arange(100)
    np.testing.assert_allclose(found, 3 * 2.0 * DT * np.exp(-5e-3 / 20e-3) * left.sum(), rtol=1e-10)


# ---------------------------------------------------------------------- voltage, scaling, short term


def test_the_voltage_rule_at_a_held_voltage():
    """One pre spike meets a cell that is held: depressed by what is above theta_minus, potentiated by what is above theta_plus."""
    source, held = spikes("source", [0], [10]), b2.NeuronGroup(3, "v : volt", name="target")
    v = np.array([-75.0, -60.0, -30.0])
    held.v = v * mV
    code = spike_code(voltage_stdp(), units={"v_post": "volt"})
    synapses = neurosim.brian.plastic_synapses(code, source, held, name="synapses")
    for name in ("u_minus", "u_plus"):
        setattr(synapses, f"post_{name}", v * mV)
    synapses.post_mean = 5 * mV
    found = neurosim.brian.load(b2.Network(source, held, synapses), {}).run(0.3).final["synapses.w"][0]
    above = np.maximum(v + 70.6, 0)
    mean = v + 70.6 + (5 - (v + 70.6)) * (1 - DT) ** 11
    expected = 8e-5 * np.maximum(v + 45.3, 0) * above * (1 - (1 - DT / 15e-3) ** 2989) - 14e-5 * mean**2 / 60 * above
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert found[0] == 0 > found[1] and found[2] > 0


def test_scaling_keeps_the_ratios_of_weights():
    when = np.arange(50, 20_000, 500)  # 20 Hz, four times the target
    target = spikes("target", [0] * len(when) + [1], [*when, 10])
    source = spikes("source", [0, 1, 2], [1, 1, 1])
    rule = synaptic_scaling(beta=0.05, gamma="0*Hz", tau="0.2*second")
    start = np.array([0.1, 0.1, 0.4, 0.4, 0.7, 0.7])
    w = run(spike_code(rule), source, target, 2.0, w=start)["w"].reshape(3, 2)
    np.testing.assert_allclose(w / w[0], start.reshape(3, 2) / 0.1, rtol=1e-12)
    assert w[0, 0] < 0.05 and w[0, 1] > 0.11, "too many spikes weaken, too few strengthen"


@pytest.mark.parametrize(("U", "tau_d", "tau_f", "rate"), [(0.04, 0.1, 1.0, 25), (0.5, 0.8, 0.05, 10), (0.2, 0.3, 0.3, 100)])
def test_short_term_plasticity_comes_to_its_steady_state(U, tau_d, tau_f, rate):
    when = np.arange(0, 30_0000, round(1 / rate / DT))
    target = b2.NeuronGroup(1, "g : 1", name="target")
    code = spike_code(None, into="g_post", short_term=TsodyksMarkram(U, f"{tau_d}*second", f"{tau_f}*second"))
    assert code.amplitude == "w * released"
    found = run(code, spikes("source", [0] * len(when), when), target, 30.0)
    u = U / (1 - (1 - U) * np.exp(-1 / (rate * tau_f)))
    D = np.exp(-1 / (rate * tau_d))
    R = (1 - D) / (1 - (1 - u) * D)
    np.testing.assert_allclose(found["u"], u, rtol=1e-12)
    np.testing.assert_allclose(found["R"], R * (1 - u), rtol=1e-12)


def test_the_first_spike_transmits_a_share_and_the_next_what_has_come_back():
    target = b2.NeuronGroup(1, "g : 1", name="target")
    code = spike_code(None, into="g_post", short_term=TsodyksMarkram(0.5, "100*ms"))
    source = spikes("source", [0, 0], [5, 505])
    synapses = neurosim.brian.plastic_synapses(code, source, target, name="synapses")
    synapses.w = 3.0
    found = neurosim.brian.load(b2.Network(source, target, synapses), {}).run(0.06).final["target.g"]
    np.testing.assert_allclose(found, 3 * 0.5 * (1 + 1 - 0.5 * np.exp(-0.5)), rtol=1e-12)


@pytest.mark.parametrize("options", [{"U": 0}, {"U": 1.5}, {"U": "a"}, {"tau_d": 5}, {"tau_d": "5*mV"}, {"tau_f": "-1*ms"}])
def test_short_term_options_that_are_none_are_named(options):
    (name,) = options
    with pytest.raises(InputError, match=rf"^[^\n]*{name}[^\n]*expected[^\n]*$"):
        TsodyksMarkram(**options)
