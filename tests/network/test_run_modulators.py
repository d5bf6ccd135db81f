"""Modulators of runs, such as reward: against Brian2 by hand and closed forms; in time, in each trial, in runs that go on."""

import brian2 as b2
import numpy as np
import pytest
from brian2 import Hz, ms, second

import neurosim.brian
from neurosim.errors import InputError
from neurosim.network import InTime, Network, Population, Projection
from neurosim.neurons import Equations, GivenSpikes
from neurosim.plasticity import (
    SGD,
    Bounds,
    PlasticityRule,
    chain,
    distal_reward_stdp,
    inhibitory_stdp,
    reward_stdp,
)

CELL = {"threshold": "v > 0.5", "reset": "v = 0", "method": "exact"}
TEXT = "dv/dt = -v / (10*ms) : 1"


pytestmark = pytest.mark.usefixtures("numpy_target")


def learning(rule, dt, w=((0.6,), (0.2,)), **options):
    """Return two neurons, whose spikes are given, and one that the first of them makes fire."""
    populations = [Population("given", 2, neurons=GivenSpikes()), Population("e", 1, neurons=Equations(TEXT, **CELL))]
    links = [Projection("given", "e", into="v", initial=w, bias=False, rule=rule, **options)]
    return Network(populations, links, dt=dt, dtype="float64")


# ---------------------------------------------------------------------- against Brian2, and closed forms

DRAW = np.random.default_rng(3)
TICKS, STEP = 300, 5e-4  # 150 ms
SPIKES = [np.flatnonzero(DRAW.random(TICKS) < p) for p in (0.05, 0.08)]
TRAIN = np.repeat([0, 1], [len(one) for one in SPIKES]), np.concatenate(SPIKES) * STEP
REWARDS = DRAW.normal(size=(2, 30))  # of 5 ms each
CONSTANTS = {"eta": 3.0, "release": 400.0, "A_plus": 0.1, "A_minus": 0.15, "tau_e": 0.1, "tau_dopamine": 0.05}


def by_hand(reward):
    """Return the weights that a network of Brian2, written for this test, has at the end."""
    index, time = TRAIN
    source = b2.SpikeGeneratorGroup(2, index, time * second, dt=STEP * second)
    cell = b2.NeuronGroup(1, TEXT, **CELL, dt=STEP * second)
    synapses = b2.Synapses(
        source, cell,
        """dw/dt = eta*dopamine*tag/second : 1 (clock-driven)
        dtag/dt = -tag/(tau_e*second) : 1 (clock-driven)
        ddopamine/dt = (release*reward(t) - dopamine/tau_dopamine)/second : 1 (clock-driven)
        dbefore/dt = -before/(20*ms) : 1 (event-driven)
        dafter/dt = -after/(20*ms) : 1 (event-driven)""",
        on_pre="v_post += w\nbefore += 1\ntag -= A_minus*after", on_post="after += 1\ntag += A_plus*before",
        method="euler", dt=STEP * second, namespace={**CONSTANTS, "reward": b2.TimedArray(reward, dt=5 * ms)},
    )  # fmt: skip
    synapses.connect()
    synapses.w = [0.6, 0.2]
    b2.Network(source, cell, synapses).run(TICKS * STEP * second)
    return np.array(synapses.w)


def test_rewards_in_time_give_the_weights_of_a_network_written_in_brian2():
    units = {"eta": Hz, "release": Hz, "tau_e": second, "tau_dopamine": second}
    made = learning(distal_reward_stdp(**{name: value * units.get(name, 1) for name, value in CONSTANTS.items()}), STEP)
    given = {"reward": InTime(REWARDS, 5 * ms)}
    run = made.run(TICKS * STEP, TRAIN, modulators=given)
    w = run.final["given__e.w"]
    np.testing.assert_allclose(w[0], by_hand(REWARDS[0]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(w[1], by_hand(REWARDS[1]), rtol=0, atol=1e-12)
    assert len(run.spikes["e"]) > 20 and abs(w - [0.6, 0.2]).min() > 1e-3 and abs(w[0] - w[1]).min() > 1e-3
    exported = neurosim.brian.export(made, TRAIN, modulators={"reward": InTime(REWARDS[1], 5 * ms)})
    exported.run(TICKS * STEP * second)
    np.testing.assert_allclose(exported["given__e"].w, w[1], rtol=0, atol=1e-12)


def test_distal_reward_is_the_integral_of_eligibility_and_dopamine():
    """A pair 4 ms apart, and a reward of one tick, so much later in each trial (Izhikevich 2007)."""
    dt, delays = 1e-3, np.array([50, 500, 1000, 2000, 3000])
    tau_e, tau_dopamine, length = 1.0, 0.2, 6000
    reward = np.zeros((len(delays), length))
    reward[np.arange(len(delays)), 16 + delays] = 1.0  # the other fires in tick 15
    made = learning(distal_reward_stdp(), dt)
    run = made.run(length * dt, ([1, 0], [0.011, 0.014]), modulators={"reward": InTime(reward, dt)})
    found = run.final["given__e.w"][:, 1] - 0.2
    eligibility, dopamine = 0.1 * np.exp(-4 / 20), 500 * dt  # as they begin
    both = 1 / tau_e + 1 / tau_dopamine
    integral = eligibility * dopamine * np.exp(-delays * dt / tau_e) / both
    np.testing.assert_allclose(found, integral, rtol=5e-3)  # explicit Euler steps of dt
    kept, left = 1 - dt / tau_e, 1 - dt / tau_dopamine
    ticks = length - 17 - delays  # in which there is dopamine
    steps = dt * eligibility * dopamine * kept ** (delays + 1) * (1 - (kept * left) ** ticks) / (1 - kept * left)
    np.testing.assert_allclose(found, steps, rtol=1e-10)


def test_a_reward_that_stays_is_a_number_and_each_trial_has_its_own():
    made = learning(reward_stdp(eta="3*Hz", tau_e="50*ms"), 1e-4)
    train = [1, 0], [0.01, 0.0149]
    w = made.run("30*ms", train, modulators={"reward": [2.0, -1.0, 0.0]}, batch=3).final["given__e.w"][:, 1]
    left = (1 - 1e-4 / 50e-3) ** np.arange(150)  # from the tick after that of the spike
    assert w[2] == 0.2
    np.testing.assert_allclose(w - 0.2, np.array([2, -1, 0]) * 3e-4 * np.exp(-5 / 20) * left[: 300 - 151].sum(), rtol=1e-10)
    assert made.run("30*ms", train, modulators={"reward": 2}).final["given__e.w"][0, 1] == w[0]


# ---------------------------------------------------------------------- runs that go on


@pytest.mark.parametrize("step", [3, pytest.param(5, marks=pytest.mark.slow)])  # in ticks: the second run begins within one, or not
def test_values_in_time_count_from_where_a_run_begins(step):
    """A reward, and an input in time, in one run and in two; the second's own begin with it."""
    driven = Equations("dv/dt = (drive - v) / (10*ms) : 1", threshold="v > 0.5", reset="v = 0")
    populations = [Population("given", 2, neurons=GivenSpikes()), Population("y", 1), Population("e", 1, neurons=driven)]
    links = [Projection("given", "e", into="v", initial=0.3, bias=False, rule=reward_stdp()), Projection("y", "e", rule=None)]
    made = Network(populations, links, dt=STEP, dtype="float64", seed=1)
    values, rest = DRAW.random((2, 40, 1)), {"given": ([], [])}
    both = np.concatenate([values[0][: -(-20 // step)].repeat(step, axis=0)[:20], values[1].repeat(step, axis=0)])
    train = [0, 1, 0, 1], [0.001, 0.003, 0.007, 0.0085]

    def given(one, ticks):
        return {"y": InTime(1 + one, ticks * STEP)}, {"reward": InTime(one[:, 0], ticks * STEP)}

    inputs, modulators = given(both, 1)
    whole = made.run(70 * STEP, {"given": train, **inputs}, modulators=modulators)
    inputs, modulators = given(values[0], step)
    first = made.run(20 * STEP, {"given": train, **inputs}, modulators=modulators)
    inputs, modulators = given(values[1], step)
    second = made.run(50 * STEP, {**rest, **inputs}, modulators=modulators, after=first)
    assert len(whole.spikes["e"]) > 2
    np.testing.assert_allclose(second.final["given__e.w"], whole.final["given__e.w"], rtol=1e-12)
    np.testing.assert_allclose(second.final["e.v"], whole.final["e.v"], rtol=1e-12)


def test_a_run_goes_on_with_another_kind_of_reward():
    made = learning(reward_stdp(), 1e-3)
    train, more = ([1, 0], [0.01, 0.014]), {"after": None}
    for kind in (1.0, InTime([1.0, 0.0], 5e-3), [1.0]):
        run = made.run("20*ms", train if more["after"] is None else None, modulators={"reward": kind}, **more)
        more = {"after": run}
    rewarded = np.r_[16:25, 40:60]  # ticks after that in which the other fires
    change = 1e-3 * np.exp(-5 / 20) * ((1 - 1e-3 / 25e-3) ** (rewarded - 16)).sum()
    np.testing.assert_allclose(run.final["given__e.w"][0, 1], 0.2 + change, rtol=1e-12)


# ---------------------------------------------------------------------- what is refused


def test_only_what_a_rule_reads_in_a_run_is_needed():
    """Bounds hold; a constant takes the modulator's place; a rule that rests needs none."""
    rules = {
        "bounded": reward_stdp(eta="100*Hz"),
        "constant": PlasticityRule("dw = dopamine * rate_pre", dopamine=0.01, modulators=("dopamine",)),
        "rests": PlasticityRule("dw = outcome * error_post * rate_pre", modulators=("outcome",)),
    }  # fmt: skip
    parts = [Population("given", 2, neurons=GivenSpikes()), Population("e", 1, neurons=Equations(TEXT, **CELL))]
    own = {"into": "v", "initial": 0.6, "bias": False}
    links = [Projection("given", "e", name=name, rule=rule, optimiser=chain(SGD(1.0), Bounds(0, 0.65)), **own)
             for name, rule in rules.items()]  # fmt: skip
    made = Network(parts, links, dt=1e-3, dtype="float64")
    run = made.run("50*ms", ([1, 0], [0.01, 0.02]), modulators={"reward": [9.0, -9.0]})
    assert run.final["bounded.w"].max() == 0.65 and run.final["bounded.w"].min() == 0.0
    np.testing.assert_allclose(run.final["constant.w"], 0.61)
    assert "rests.w" not in run.final


def rewarded():
    return learning(reward_stdp(), 1e-3)


def named(name):
    return learning(PlasticityRule(f"dw = {name} * spike_pre", modulators=(name,)), 1e-3).run("1*ms", modulators={name: 1})


def called_alike():
    """A current from a projection called reward, in time, and a reward in time."""
    populations = [Population("given", 1, neurons=GivenSpikes()), Population("y", 1), Population("e", 1, neurons=Equations(
        "dv/dt = (drive - v) / (10*ms) : 1", threshold="v > 1", reset="v = 0"))]  # fmt: skip
    links = [Projection("given", "e", into="v", bias=False, rule=reward_stdp()), Projection("y", "e", name="reward", rule=None)]
    timed = InTime([[1.0]], 1e-3)
    Network(populations, links, dt=1e-3).run("1*ms", {"y": timed}, modulators={"reward": InTime([1.0], 1e-3)})


def later(dt):
    made, reward = rewarded(), {"reward": InTime([1.0, 2.0], dt)}
    return made.run("1*ms", modulators=reward, after=made.run("3*ms", modulators=reward))


REFUSED = [
    (lambda: rewarded().run("1*ms"), "projection 'given__e': its rule reads the modulator 'reward': expected its values; give mod"),
    (lambda: neurosim.brian.export(rewarded()), "projection 'given__e': its rule reads the modulator 'reward': expected its"),
    (lambda: rewarded().run("1*ms", modulators={"rewrd": 1}), "modulators: modulator 'rewrd' is unknown: expected"),
    (lambda: learning(inhibitory_stdp(), 1e-3).run("1*ms", modulators={"reward": 1}), "modulators: modulator 'reward' is unknown"),
    (lambda: rewarded().run("1*ms", modulators=1.0), "modulators 1.0: expected a dictionary, name -> its values; give"),
    (lambda: rewarded().run("1*ms", modulators={"reward": "a"}), "modulator 'reward' 'a': expected numbers"),
    (lambda: rewarded().run("1*ms", modulators={"reward": np.nan}), "modulator 'reward': it is not finite everywhere"),
    (lambda: rewarded().run("1*ms", modulators={"reward": [[1, 2]]}), "shape (1, 2): expected a number, or one for each"),
    (lambda: rewarded().run("1*ms", modulators={"reward": InTime(np.ones((1, 2, 3)), 1)}), "expected (batch, steps), or the same"),
    (lambda: rewarded().run("1*ms", modulators={"reward": [1, 2]}, batch=3), "modulator 'reward': of 2 trials: expected 3, or"),
    (lambda: named("N"), "projection 'given__e': modulator 'N': in the code of its synapses the name is of something"),
    (called_alike, "modulator 'reward', in time: what comes from 'reward' changes in time, too: expected two names; rename"),
    (lambda: later(1.5e-3), "modulator 'reward': values in time, of 0.0015 s each, in a run that goes on after another: expected"),
    (lambda: InTime(1.0, 1e-3), "values in time 1.0: expected finite numbers, such as (steps, n)"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "said"), REFUSED, ids=[said[:50] for _, said in REFUSED])
def test_what_is_no_modulator_is_one_line(wrong, said):
    with pytest.raises(InputError) as caught:
        wrong()
    assert said in str(caught.value) and "\n" not in str(caught.value), caught.value
