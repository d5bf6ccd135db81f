"""E-prop beside automatic differentiation: the two tests of Bellec et al. 2020, on LIF and adaptive LIF neurons that are recurrent.

The network is written out a second time, with a primitive whose slope is the pseudo-derivative.
"""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from autograd.extend import defvjp, primitive
from autograd.tracer import getval

from neurosim.feedback import pathway
from neurosim.feedback.eprop import EProp
from neurosim.network import Network, Population, Projection
from neurosim.neurons import Leaky
from neurosim.neurons.adaptive_lif import AdaptiveLIF
from neurosim.neurons.lif import LIF
from neurosim.neurons.softmax import Softmax
from neurosim.plasticity import SGD, Chain, Decay
from neurosim.training.trial import add_changes, teach_ticks
from tests.feedback.test_eprop import DATA, make_trainer

TICKS, ASKED, BATCH, INPUTS, CLASSES, TAU_OUT = 14, 5, 6, 5, 3, 4.0
SIZES = {"lif": 7, "alif": 6}
TAU_A, BETA, GAMMA = "30*ms", 0.6, 0.3
PAIRS = [(a, b) for a in SIZES for b in SIZES]  # recurrent projections
X = (np.random.default_rng(0).random((BATCH, TICKS, INPUTS)) < 0.5).astype(float)
Y = np.eye(CLASSES)[np.random.default_rng(1).integers(0, CLASSES, BATCH)]
ALPHA, RHO = np.exp(-1 / 5), np.exp(-1 / 30)


def make_network():
    """Return x -> (lif, alif) -> leaky softmax, both populations joined to both with a delay of one tick."""
    populations = [
        Population("x", INPUTS),
        Population("lif", SIZES["lif"], neurons=LIF(tau="5*ms", refractory="2*ms", surrogate="triangle")),
        Population("alif", SIZES["alif"], neurons=AdaptiveLIF(tau="5*ms", tau_a=TAU_A, beta=BETA)),
        Population("output", CLASSES, neurons=Leaky(tau=TAU_OUT, transfer=Softmax())),
    ]
    links = [Projection("x", name, bias=False) for name in SIZES]
    links += [Projection(a, b, delay=1, name=f"{a}_{b}", bias=False) for a, b in PAIRS]
    links += [Projection(name, "output", bias=False) for name in SIZES]
    network = Network(populations, links, dtype="float64", seed=2, dt="1*ms")
    for name, p in network.projections.items():
        p.w[...] *= 12 if p.pre == "x" else 8 if name in [f"{a}_{b}" for a, b in PAIRS] else 1
    return network


@primitive
def spike(distance):
    """Return 1 above threshold, 0 below."""
    return (distance > 0) * 1.0


defvjp(spike, lambda answer, distance: lambda g: g * GAMMA * np.maximum(0, 1 - np.abs(distance)))


def written_out(w, *, sent=lambda z: z, broadcast=None, nudges=None, keep=None, target=0.0, cost=0.0):
    """Return the mean loss of a trial.

    sent : what a spike is for the recurrent synapses; broadcast : feedback weights, by population, in place of the readout's own
    target, cost : of the neurons' rates
    nudges : by population, (TICKS, BATCH, n), added to what is sent; keep : a dictionary that takes the spikes
    """
    v = {name: np.zeros((BATCH, n)) for name, n in SIZES.items()}
    z, a, u, total = dict(v), np.zeros((BATCH, SIZES["alif"])), np.zeros((BATCH, CLASSES)), 0.0
    counts = dict(v)
    own = dict(v)  # spikes without nudges: the neurons' own state follows them
    for tick in range(TICKS):
        before = {name: sent(value) for name, value in z.items()}
        a = RHO * (a + own["alif"])
        resting = getval(own["lif"]) > 0  # refractory for a tick
        for name in SIZES:
            drive = X[:, tick] @ w[f"x__{name}.w"] + sum(before[b] @ w[f"{b}_{name}.w"] for b in SIZES)
            v[name] = ALPHA * (v[name] - getval(own[name])) + (1 - ALPHA) * drive
        free = {"lif": spike(v["lif"] - 1) * ~resting, "alif": spike(v["alif"] - 1 - BETA * a)}
        own = free
        z = {name: own[name] + (0 if nudges is None else nudges[name][tick]) for name in SIZES}
        counts = {name: counts[name] + own[name] for name in SIZES}
        if keep is not None:
            keep.setdefault("spikes", []).append({name: getval(value) for name, value in own.items()})
        drive = 0
        for name in SIZES:
            weights = w[f"{name}__output.w"]
            if broadcast is None:
                drive = drive + z[name] @ weights
            else:  # the weights learn from the spikes; the spikes, through others
                signal = z[name] @ broadcast[name]
                drive = drive + getval(z[name]) @ weights + signal - getval(signal)
        u = u + (drive - u) / TAU_OUT
        if tick >= TICKS - ASKED:
            total = total - anp.sum(Y * (u - anp.log(anp.sum(anp.exp(u), axis=1, keepdims=True)))) / BATCH / ASKED
    away = [anp.mean(count, axis=0) / TICKS - target for count in counts.values()]
    return total + cost / 2 * sum(anp.sum(one**2) for one in away)


def weights_of(network):
    return {name: value.copy() for name, value in network.parameters().items()}


def sweeps_of(network):
    sweeps = []
    for tick in range(TICKS):
        sweeps.append(network.sweep(X[:, tick], sweeps[-1].state if sweeps else None, training=True))
    return sweeps


def change_of(network, scheme):
    """Return what the scheme proposes for a trial, summed over its ticks and averaged over those asked, and the teaching."""
    sweeps = sweeps_of(network)
    targets = [Y if tick >= TICKS - ASKED else None for tick in range(TICKS)]
    teaching = teach_ticks(scheme, sweeps, targets, network.backend.draws(0, 0))
    total = {}
    for sweep, taught in zip(sweeps, teaching, strict=True):
        total = add_changes(total, network.propose(sweep, taught)[0])
    return {name: change / ASKED for name, change in total.items()}, sweeps


def joined(network, **options):
    scheme = pathway("eprop", **options)
    scheme.attach(network, CLASSES, seed=3)
    return scheme


def assert_equal(changes, gradients):
    assert set(changes) == set(gradients)
    for name, change in changes.items():
        assert np.abs(gradients[name]).max() > 1e-5, name
        np.testing.assert_allclose(change, -gradients[name], rtol=1e-9, atol=1e-15, err_msg=name)


def test_the_network_that_is_written_out_is_the_network():
    network, kept = make_network(), {}
    written_out(weights_of(network), keep=kept)
    sweeps = sweeps_of(network)
    for tick, spikes in enumerate(kept["spikes"]):
        for name, value in spikes.items():
            np.testing.assert_array_equal(sweeps[tick].rate[name], value)
    counts = {name: np.mean([sweep.rate[name] for sweep in sweeps]) for name in SIZES}
    assert all(0.05 < count < 0.6 for count in counts.values()), counts


def test_hard_coded_eprop_is_the_gradient_with_recurrent_spikes_stopped():
    """Symmetric feedback: the second test."""
    network = make_network()
    changes, _ = change_of(network, joined(network, feedback="symmetric"))
    assert_equal(changes, grad(lambda w: written_out(w, sent=getval))(weights_of(network)))


@pytest.mark.parametrize("feedback", ["random", "adaptive"])
def test_with_feedback_weights_of_its_own_too(feedback):
    network = make_network()
    scheme = joined(network, feedback=feedback)
    changes, _ = change_of(network, scheme)
    own = {name: scheme.networks[name].projections[f"output__{name}"].w.T for name in SIZES}
    assert_equal(changes, grad(lambda w: written_out(w, sent=getval, broadcast=own))(weights_of(network)))


def test_a_target_for_rates_is_the_gradient_of_its_loss():
    network = make_network()
    changes, _ = change_of(network, joined(network, feedback="symmetric", rate_target=0.3, rate_cost=5.0))
    gradients = grad(lambda w: written_out(w, sent=getval, target=0.3, cost=5.0))(weights_of(network))
    assert_equal(changes, gradients)
    without, _ = change_of(network, joined(network, feedback="symmetric"))
    assert np.abs(without["x__lif.w"] - changes["x__lif.w"]).max() > 1e-3


class FullSignal(EProp):
    """E-prop whose learning signal is given: the whole derivative of the loss."""

    def find_signal(self, population, sweep, teaching):
        if population not in SIZES:
            return super().find_signal(population, sweep, teaching)
        return -BATCH * ASKED * self.full[population].pop()


def full_signals(network):
    """Return the whole derivative of the loss with respect to each spike, as others see it, (TICKS, BATCH, n) each."""
    none = {name: np.zeros((TICKS, BATCH, n)) for name, n in SIZES.items()}
    return grad(lambda nudges: written_out(weights_of(network), nudges=nudges))(none)


def test_traces_and_the_full_learning_signal_are_the_gradient():
    """Nothing is cut: the first test, with the signal sent back through the neurons' own states, as the scheme does it."""
    network = make_network()
    scheme = FullSignal(feedback="symmetric")
    scheme.attach(network, CLASSES, seed=3)
    scheme.full = {name: list(signal) for name, signal in full_signals(network).items()}  # taken from the last tick on
    changes, _ = change_of(network, scheme)
    gradients = grad(written_out)(weights_of(network))
    assert_equal(changes, gradients)
    cut = grad(lambda w: written_out(w, sent=getval))(weights_of(network))
    assert np.abs(cut["x__lif.w"] - gradients["x__lif.w"]).max() > 1e-4


def traces(sweeps, name, sent):
    """Return the eligibility traces of synapses into a population in each tick, (BATCH, n_pre, n): the paper's equations 22 to 25.

    sent : what the synapses bring in each tick, (BATCH, n_pre)
    """
    n, found = SIZES[name], []
    eps_v, eps_a = np.zeros((BATCH, sent[0].shape[1])), np.zeros((BATCH, sent[0].shape[1], n))
    psi = np.zeros((BATCH, n))
    beta = BETA if name == "alif" else 0.0
    for sweep, arriving in zip(sweeps, sent, strict=True):
        eps_a = RHO * (psi[:, None] * eps_v[:, :, None] + (1 - psi * beta)[:, None] * eps_a)  # the spikes of the tick before
        eps_v = ALPHA * eps_v + (1 - ALPHA) * arriving
        psi = sweep[name].value("slope")
        found.append(psi[:, None] * (eps_v[:, :, None] - beta * eps_a))
    return found


def kappa_filtered(values):
    """Return the low-pass of each tick's value by the readout's leak."""
    found, now = [], 0.0
    for value in values:
        now = (1 - 1 / TAU_OUT) * now + value / TAU_OUT
        found.append(now)
    return found


@pytest.mark.parametrize("name", sorted(SIZES))
def test_traces_that_go_forward_give_the_same(name):
    """The full signal times the paper's traces; and, online, the output's error times their low-pass."""
    network = make_network()
    changes, sweeps = change_of(network, joined(network, feedback="symmetric"))
    sent = {f"x__{name}.w": [X[:, tick] for tick in range(TICKS)]}
    sent |= {f"{pre}_{name}.w": [sweep.arrived[f"{pre}_{name}"] for sweep in sweeps] for pre in SIZES}
    full, gradients = full_signals(network)[name], grad(written_out)(weights_of(network))
    weights = network.projections[f"{name}__output"].w
    for parameter, arriving in sent.items():
        e = traces(sweeps, name, arriving)
        by_trace = sum(np.einsum("bj,bij->ij", full[tick], e[tick]) for tick in range(TICKS))
        np.testing.assert_allclose(by_trace, gradients[parameter], rtol=1e-9, atol=1e-15)
        online = 0.0
        for tick, low_pass in enumerate(kappa_filtered(e)):
            if tick >= TICKS - ASKED:
                signal = (Y - sweeps[tick].rate["output"]) @ weights.T
                online = online + np.einsum("bj,bij->ij", signal, low_pass) / BATCH / ASKED
        np.testing.assert_allclose(changes[parameter], online, rtol=1e-9, atol=1e-15)


def test_adaptive_feedback_learns_by_the_product_of_activity_and_the_outputs_error():
    """Kolen and Pollack: the same change as that of the output's own synapses, the other way round."""
    network = Network.layered((4,), [5], 3, transfer="tanh", dtype="float64", seed=1)
    scheme = pathway("eprop", feedback="adaptive")
    scheme.attach(network, 3, 0)
    draw, draws = np.random.default_rng(0), network.backend.draws(1, 0)
    sweep, target = network.sweep(draw.normal(size=(6, 4))), np.eye(3)[draw.integers(0, 3, 6)]
    teaching = scheme.teach(sweep, target, draws)
    (change,) = scheme.adapt(sweep, target, teaching, draws).values()
    deltas, _ = network.propose(sweep, teaching)
    assert np.abs(change).max() > 1e-3
    np.testing.assert_allclose(change, (target - sweep.rate["output"]).T @ sweep.rate["hidden1"] / 6, rtol=1e-12)
    np.testing.assert_allclose(change, deltas["hidden1__output.w"].T, rtol=1e-12)


def test_adaptive_feedback_becomes_the_readout():
    """W - B shrinks by 1 - eta lambda in a step, whatever the data are: both learn from the same product, in all ticks."""
    eta, decay = 0.2, 0.5
    trainer = make_trainer(Chain([Decay(decay), SGD(eta)]), feedback="adaptive")
    trainer.check(DATA)

    def away():
        network, links = trainer.network, trainer.pathway.networks
        return {name: network.projections[f"{name}__output"].w - links[name].projections[f"output__{name}"].w.T for name in links}

    before = away()
    trainer.fit(DATA, progress=False)
    after = away()
    assert set(before) == {"lif", "alif"}
    for name, gap in before.items():
        np.testing.assert_allclose(after[name], gap * (1 - eta * decay) ** trainer.steps, rtol=1e-9)
