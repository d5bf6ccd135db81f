"""Rules that read spikes, in sweeps: against loops written out, captured and not, and their times in ticks."""

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.connectivity import Dense
from neurosim.datasets import from_arrays
from neurosim.encoders import Sequence
from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import Equations
from neurosim.neurons.lif import LIF
from neurosim.plasticity import (
    SGD,
    PlasticityRule,
    Synapses,
    TsodyksMarkram,
    additive_stdp,
    reward_stdp,
    spiking_rules,
    triplet_stdp,
)
from neurosim.tasks import Classification
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep

TICKS, BATCH, N_PRE, N_POST = 60, 3, 5, 4
DRAW = np.random.default_rng(3)
X = DRAW.random((BATCH, TICKS, N_PRE)) * 5
REWARD = DRAW.normal(size=(TICKS, BATCH))
RULES = spiking_rules()


def volts():
    return Equations("dv/dt = (v_rest - v + 60*mV * drive) / tau : volt", threshold="v > -40*mV", reset="v = v_rest",
                     method="exact", start={"v": "v_rest"}, v_rest="-70*mV", tau="4*ms")  # fmt: skip


def network(rule, dt="1*ms", **options):
    populations = [Population("x", N_PRE, neurons=LIF(tau="3*ms")), Population("y", N_POST, neurons=LIF(tau="4*ms"))]
    return Network(populations, [Projection("x", "y", rule=rule, initial=0.8, bias=False, **options)], dtype="float64", dt=dt)


def trial(made):
    """Run a trial; return the spikes of both sides, (ticks, batch, n), and the change of w proposed in each tick."""
    state, memory, spikes, changes = made.fresh(X[:, 0]), {}, [], []
    for tick in range(TICKS):
        sweep = made.sweep(X[:, tick], state)
        deltas, after = made.propose(sweep, {}, {"reward": REWARD[tick]}, memory)
        state, memory = sweep.state, {**memory, **after}
        spikes.append((sweep["x"].rate, sweep["y"].rate))
        changes.append(deltas["x__y.w"])
    pre, post = (np.stack(side) for side in zip(*spikes, strict=True))
    assert 0.05 < pre.mean() < 0.9 and 0.05 < post.mean() < 0.9 and set(np.unique(pre)) == {0, 1}
    return pre, post, np.stack(changes)


def test_pairs_of_spikes_are_those_of_a_loop():
    pre, post, changes = trial(network(additive_stdp(tau_plus="20*ms", tau_minus="10*ms")))
    x, y = np.zeros((BATCH, N_PRE)), np.zeros((BATCH, N_POST))
    for tick in range(TICKS):
        x += pre[tick] - x / 20
        y += post[tick] - y / 10
        dw = sum(0.005 * np.outer(x[k], post[tick, k]) - 0.00525 * np.outer(pre[tick, k], y[k]) for k in range(BATCH)) / BATCH
        np.testing.assert_allclose(changes[tick], dw, rtol=1e-9, atol=1e-15)
    assert abs(changes).max() > 1e-3


def test_triplets_and_rewards_are_those_of_a_loop():
    pre, post, changes = trial(network(triplet_stdp(), dt="0.5*ms"))
    r1, o1, o2 = np.zeros((BATCH, N_PRE)), np.zeros((BATCH, N_POST)), np.zeros((BATCH, N_POST))
    for tick in range(TICKS):
        before = o2 - o2 / (114 / 0.5)
        r1, o1, o2 = r1 + pre[tick] - r1 / (16.8 / 0.5), o1 + post[tick] - o1 / (33.7 / 0.5), before + post[tick]
        dw = 6.5e-3 * np.einsum("ki,kj->ij", r1, before * post[tick]) - 7.1e-3 * np.einsum("ki,kj->ij", pre[tick], o1)
        np.testing.assert_allclose(changes[tick], dw / BATCH, rtol=1e-9, atol=1e-15)
    pre, post, changes = trial(network(reward_stdp(eta="5*Hz")))
    x, y, z = np.zeros((BATCH, N_PRE)), np.zeros((BATCH, N_POST)), np.zeros((BATCH, N_PRE, N_POST))
    for tick in range(TICKS):
        old_x, old_y = x, y
        x, y = x + pre[tick] - x / 20, y + post[tick] - y / 20
        z = z - z / 25 + np.einsum("ki,kj->kij", old_x, post[tick]) - np.einsum("ki,kj->kij", pre[tick], old_y)
        dw = 5e-3 * np.einsum("k,kij->ij", REWARD[tick], z) / BATCH
        np.testing.assert_allclose(changes[tick], dw, rtol=1e-9, atol=1e-15)
    assert abs(changes).max() > 1e-3


class Praise(Classification):
    """Rewards each class differently, whatever the network did."""

    modulators = ("reward",)

    def broadcast(self, outcome):
        return {"reward": (outcome * np.linspace(-0.5, 1.0, self.size, dtype=outcome.dtype)).sum(axis=1)}


@pytest.mark.parametrize("name", RULES)
def test_a_captured_step_does_what_array_code_does(name, monkeypatch):
    options = {"beta": 0.05} if name == "synaptic_scaling" else {}
    x = X[:, None, :12]

    def trained():
        hidden = volts() if name == "voltage_stdp" else LIF(tau="4*ms")
        populations = [
            Population("x", (1, N_PRE), neurons=LIF(tau="3*ms")), Population("hidden", N_POST, neurons=hidden),
            Population("output", 3, transfer="softmax"),
        ]  # fmt: skip
        learns = Projection("x", "hidden", rule=RULES[name](**options), initial=1.0, bias=False)
        projections = [learns, Projection("hidden", "output")]
        made = Network(populations, projections, dtype="float64", dt="1*ms", seed=2)
        timing = {"task": Praise(3), "clock": Clock(12), "encoder": Sequence(axis=1), "epochs": 1, "batch": BATCH}
        trainer = Trainer(made, pathway("frozen"), SGD(1.0), shuffle=False, **timing)
        before = made.projections["x__hidden"].w.copy()
        trainer.run_epoch(from_arrays(x, np.arange(BATCH), x, np.arange(BATCH)))
        return trainer, made.projections["x__hidden"].w, before

    captured, w, before = trained()
    assert all(step.program is not None for step in captured._programs.values()), "the step was not captured"
    monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    _, plain, _ = trained()
    assert abs(plain - before).max() > 1e-6
    np.testing.assert_allclose(w, plain, rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------------- times


def test_a_time_becomes_ticks_when_the_network_is_built():
    def state(tau, dt):
        made = network(PlasticityRule("dw = t_pre", pre={"t": "dt/dt = spike_pre - t / tau"}, per_sample=["t_pre"], tau=tau), dt)
        return trial(made)[2]

    np.testing.assert_allclose(state("20*ms", "1*ms"), state(20, "1*ms"), rtol=1e-12)
    np.testing.assert_allclose(state("20*ms", "0.5*ms"), state(40, "0.5*ms"), rtol=1e-12)


def test_a_rule_that_is_given_later_is_in_ticks_as_well():
    made = network(None)
    made.projections["x__y"].rule = additive_stdp(tau_plus="20*ms", tau_minus="10*ms")
    np.testing.assert_array_equal(trial(made)[2], trial(network(additive_stdp(tau_plus="20*ms", tau_minus="10*ms")))[2])


@pytest.mark.parametrize(
    ("rule", "dt", "said"),
    [
        (additive_stdp(), None, r"projection 'x__y': tau_plus = '20\*ms' of rule .*: expected to know how long a tick is"),
        (additive_stdp(tau_minus="0.5*ms"), "1*ms", r"projection 'x__y': tau_minus = '0.5\*ms' of rule .* is shorter than a tick"),
    ],
)
def test_times_that_cannot_be_ticks_are_named_in_one_line(rule, dt, said):
    populations = [Population("x", 2), Population("y", 2)]
    text = PlasticityRule(rule.equation.text.replace("spike", "rate"), **{
        side: {"trace": f"dtrace/dt = rate_{side} - trace / tau_{sign}"} for side, sign in (("pre", "plus"), ("post", "minus"))
    }, **rule.constants)  # fmt: skip
    with pytest.raises(InputError, match=rf"^{said}[^\n]*$"):
        Network(populations, [Projection("x", "y", rule=text)], dt=dt)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("20 ms", "constant tau = '20 ms': .*"),
        ("20*parsec", r"constant tau = '20\*parsec': name 'parsec' is no unit"),
        ("__import__('os')", "constant tau = .*"),
        ("20", "constant tau = '20': expected a finite number; leave out the quotes"),
    ],
)
def test_a_constant_that_is_no_quantity_is_named_in_one_line(value, said):
    with pytest.raises(InputError, match=rf"{said}[^\n]*$") as found:
        additive_stdp(tau_plus=value) if "tau_plus" in said else PlasticityRule("dw = rate_pre / tau", tau=value)
    assert "\n" not in str(found.value)


def test_a_rule_with_times_outside_a_network_says_that_it_needs_ticks():
    rule = PlasticityRule("dw = rate_pre / tau", tau="20*ms")
    with pytest.raises(InputError, match=r"has times in it, tau: expected them in ticks; take rule.in_ticks"):
        rule.delta({"rate": np.ones((1, 2))}, {}, Synapses(NumpyBackend(), Dense(), np.ones((2, 3)), None, {}))
    assert rule.in_ticks(1e-3).constants == {"tau": 20.0} and PlasticityRule("dw = rate_pre").in_ticks(None).times == {}


def test_short_term_plasticity_has_no_place_in_a_sweep():
    made = network(None, short_term=TsodyksMarkram(0.5))
    with pytest.raises(InputError, match=r"^projection 'x__y': short_term .* in a sweep: expected Network.run[^\n]*$"):
        made.sweep(X[:, 0], made.fresh(X[:, 0]))
    with pytest.raises(InputError, match="short_term 0.5: expected one such as TsodyksMarkram"):
        Projection("x", "y", short_term=0.5)
