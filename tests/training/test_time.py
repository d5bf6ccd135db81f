"""Networks in time: back-propagation through time beside automatic differentiation, delays, skips, several inputs."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from autograd.tracer import getval

from neurosim.datasets import DataSet, Split, from_arrays
from neurosim.encoders import Constant, Sequence
from neurosim.errors import EquationError, InputError, ShapeError
from neurosim.feedback import pathway, pathways
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import Leaky
from neurosim.neurons.linear import Linear
from neurosim.neurons.sign import Sign
from neurosim.neurons.softmax import Softmax
from neurosim.neurons.tanh import Tanh
from neurosim.plasticity import SGD, Adam, PlasticityRule
from neurosim.tasks import Classification
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep
from neurosim.training.trial import Trial

DRAW = np.random.default_rng(2)
TICKS = 6
X = DRAW.normal(size=(40, 1, TICKS, 4)).astype(np.float32)
Y = (X[:, 0, 1, 0] > X[:, 0, 4, 1]).astype(np.int64)  # the first of the two is long gone when the output is asked
DATA = DataSet("sequences", Split(X, Y), Split(X[:0], Y[:0]), Split(X[:10], Y[:10]), 2, (1, TICKS, 4))


def recurrent(dtype="float64", seed=1, delay=1, skip=2):
    """Return x -> hidden -> output, with a loop through the hidden population and a skip that takes ``skip`` ticks."""
    populations = [Population("x", (1, 4)), Population("hidden", 5, transfer="tanh"), Population("output", 2, transfer="softmax")]
    links = [
        Projection("x", "hidden"),
        Projection("hidden", "hidden", name="loop", delay=delay, initial="orthogonal", bias=False),
        Projection("hidden", "output"),
        Projection("x", "output", name="skip", delay=skip),
    ]
    return Network(populations, links, dtype=dtype, seed=seed)


def loss_of(parameters, x, target, asked, horizon, delay, skip):
    """Return the mean loss of a trial, written out by hand; what crosses a segment's end is a constant."""
    hidden, total = [], 0.0
    for tick in range(TICKS):
        a = x[:, 0, tick] @ parameters["x__hidden.w"] + parameters["x__hidden.b"]
        if tick >= delay:
            before = hidden[tick - delay]
            if horizon is not None and (tick - delay) // horizon != tick // horizon:
                before = getval(before)
            a = a + before @ parameters["loop.w"]
        hidden.append(anp.tanh(a))
        out = hidden[-1] @ parameters["hidden__output.w"] + parameters["hidden__output.b"] + parameters["skip.b"]
        if tick >= skip:
            out = out + x[:, 0, tick - skip] @ parameters["skip.w"]
        if tick >= TICKS - asked:
            out = out - anp.max(out, axis=1, keepdims=True)
            p = out - anp.log(anp.sum(anp.exp(out), axis=1, keepdims=True))
            total = total - anp.sum(target * p) / len(x) / asked
    return total


@pytest.mark.parametrize("horizon", [None, 1, 2, 4])
@pytest.mark.parametrize("asked", [1, 3, TICKS])
@pytest.mark.parametrize(("delay", "skip"), [(1, 2), (3, 1)])
@pytest.mark.parametrize("captured", [True, False])
def test_a_trial_s_change_is_minus_the_gradient(horizon, asked, delay, skip, captured, monkeypatch, caplog):
    """One step of plain gradient descent, full and truncated, against automatic differentiation."""
    network = recurrent(delay=delay, skip=skip)
    before = {name: value.copy() for name, value in network.parameters().items()}
    x, target = X.astype(float), np.eye(2)[Y]
    if not captured:
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    scheme = pathway("backprop_through_time", horizon=horizon)
    clock = Clock(TICKS, asked)
    trainer = Trainer(network, scheme, SGD(1.0), clock=clock, encoder=Sequence(axis=1), epochs=1, batch=40, shuffle=False)
    trainer.fit(DATA)
    assert not [r for r in caplog.records if "not captured" in r.getMessage()]
    gradients = grad(loss_of)(before, x, target, asked, horizon, delay, skip)
    assert set(gradients) == set(before)
    for name, value in network.parameters().items():
        np.testing.assert_allclose(value - before[name], -gradients[name], rtol=1e-6, atol=1e-9, err_msg=name)


def test_a_recurrent_network_remembers_what_a_feed_forward_one_cannot():
    """The class is decided by a tick that is gone when the output is asked."""
    ends = {}
    for scheme in ("backprop_through_time", "backprop"):
        populations = [Population("x", (1, 4)), Population("hidden", 24, transfer="tanh")]
        populations.append(Population("output", 2, transfer="softmax"))
        links = [Projection("x", "hidden"), Projection("hidden", "output")]
        if scheme == "backprop_through_time":
            links.append(Projection("hidden", "hidden", name="loop", delay=1, initial="orthogonal"))
        network = Network(populations, links, seed=1)
        options = {"clock": Clock(TICKS), "encoder": Sequence(axis=1), "epochs": 60, "batch": 20}
        ends[scheme] = Trainer(network, pathway(scheme), Adam(0.01), **options).fit(DATA)[-1]["train"].error
    assert ends["backprop_through_time"] < 5 and ends["backprop"] > 10, ends


@pytest.mark.parametrize("scheme", [s for s in pathways().values()], ids=lambda s: s.name)
def test_one_tick_and_no_state_is_today_s_step(scheme):
    """To the last bit, in every variant."""
    x, y = X[:, 0, 0], Y
    data = DataSet("static", Split(x.copy(), y), Split(x[:0].copy(), y[:0]), Split(x[:10].copy(), y[:10]), 2, (4,))
    for options in scheme.variants:
        ends = []
        for own in ({}, {"clock": Clock(1, 1), "encoder": Constant()}):
            network = Network.layered((4,), [6, 5], 2, seed=3)
            Trainer(network, scheme(**options), Adam(0.01), epochs=2, batch=10, seed=4, **own).fit(data)
            ends.append(network.parameters())
        for name, value in ends[0].items():
            np.testing.assert_array_equal(value, ends[1][name])


OF_CHAINS = {
    "alternating_minimization", "difference_target_propagation", "spiking_difference_target_propagation", "synthetic_gradients",
    "local_difference_reconstruction", "pepita", "forward_forward", "ddtp_linear",
    "deep_feedback_control", "dendritic_microcircuits", "burst_dependent",
    "contrastive_hebbian", "dual_propagation", "equilibrium_propagation", "predictive_coding",
    "weight_perturbation",
}  # fmt: skip
ONLINE = [scheme for scheme in pathways().values() if scheme.name not in OF_CHAINS]


@pytest.mark.parametrize("scheme", ONLINE, ids=lambda s: s.name)
def test_schemes_that_answer_each_tick_run_in_recurrent_networks(scheme, monkeypatch):
    """Captured and as array code; those that are defined on chains say so."""
    ends = []
    for captured in (True, False):
        network = recurrent()
        if not captured:
            monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
        trainer = Trainer(network, scheme(), SGD(0.1), clock=Clock(TICKS, 2), encoder=Sequence(axis=1), epochs=2, batch=20, seed=1)
        history = trainer.fit(DATA)
        assert np.isfinite(history[-1]["train"].loss)
        ends.append(network.parameters() | trainer.pathway.parameters())
    for name, value in ends[0].items():
        np.testing.assert_allclose(value, ends[1][name], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", sorted(OF_CHAINS))
def test_schemes_of_chains_refuse_a_loop(name):
    with pytest.raises(ShapeError, match="no chain of all_to_all projections"):
        pathway(name).attach(recurrent(), Classification(2), seed=0)


def test_each_tick_draws_its_own_noise():
    populations = [Population("x", 3, noise=1.0), Population("output", 2, transfer="softmax")]
    network = Network(populations, [Projection("x", "output")], seed=1)
    x = np.zeros((5, 3), np.float32)
    sweeps = Trial(Clock(3)).sweeps(network, x, training=True, draws=network.backend.draws(0, 0))
    rates = [sweep.rate["x"] for sweep in sweeps]
    assert not np.allclose(rates[0], rates[1]) and not np.allclose(rates[1], rates[2])
    np.testing.assert_array_equal(rates[0], network.sweep(x, training=True, draws=network.backend.draws(0, 0)).rate["x"])


def test_a_delayed_rate_arrives_when_its_delay_has_passed():
    populations = [Population("x", 1), Population("output", 1)]
    network = Network(populations, [Projection("x", "output", initial=1.0, bias=False, delay=2)], dtype="float64")
    sweeps = Trial(Clock(5), Sequence(axis=0)).sweeps(network, np.arange(1.0, 6).reshape(1, 5))
    assert [float(sweep.rate["output"][0, 0]) for sweep in sweeps] == [0, 0, 1, 2, 3]


def test_two_projections_join_the_same_populations():
    populations = [Population("x", 2), Population("output", 1)]
    links = [Projection("x", "output", initial=1.0, bias=False), Projection("x", "output", name="other", initial=-0.5, bias=False)]
    network = Network(populations, links, dtype="float64")
    assert float(network.sweep(np.array([[1.0, 3.0]])).rate["output"][0, 0]) == 2
    assert set(network.parameters()) == {"x__output.w", "other.w"}
    with pytest.raises(InputError, match="projection 'x__output' is there twice"):
        Network([Population("x", 2), Population("output", 1)], [Projection("x", "output"), Projection("x", "output")])


def test_a_cycle_needs_a_delay():
    populations = [Population("x", 2), Population("a", 2), Population("b", 2), Population("output", 1)]
    links = [Projection("x", "a"), Projection("a", "b"), Projection("b", "a"), Projection("b", "output")]
    with pytest.raises(InputError, match="expected a delay in every cycle; give one of them delay = 1"):
        Network(populations, links)


@pytest.mark.parametrize("delay", [-1, 1.5, True, 1001, None])
def test_delays_out_of_range(delay):
    with pytest.raises(InputError, match=r"projection 'a__b': delay .*: expected 0 to 1,000 ticks"):
        Network([Population("a", 2), Population("b", 2)], [Projection("a", "b", delay=delay)])


@pytest.mark.parametrize("captured", [True, False])
def test_two_inputs(captured, monkeypatch, caplog):
    """Each takes its part of a sample; gradients against automatic differentiation."""
    x = X[:, 0, 0].astype(float)
    populations = [Population("left", 3), Population("right", 1), Population("hidden", 4, transfer="tanh")]
    links = [Projection("left", "hidden"), Projection("right", "hidden"), Projection("hidden", "output")]
    network = Network([*populations, Population("output", 2, transfer="softmax")], links, dtype="float64", seed=2)
    assert network.inputs == ["left", "right"] and network.input_shape == (4,)
    with pytest.raises(ShapeError, match="this is defined for one input"):
        network.input  # noqa: B018
    before = {name: value.copy() for name, value in network.parameters().items()}

    def loss(p):
        left = x[:, :3] @ p["left__hidden.w"] + p["left__hidden.b"]
        hidden = anp.tanh(left + x[:, 3:] @ p["right__hidden.w"] + p["right__hidden.b"])
        out = hidden @ p["hidden__output.w"] + p["hidden__output.b"]
        return -anp.mean(anp.sum(np.eye(2)[Y] * (out - anp.log(anp.sum(anp.exp(out), axis=1, keepdims=True))), axis=1))

    if not captured:
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    part = X[:, 0, 0].copy()
    data = DataSet("two", Split(part, Y), Split(part[:0], Y[:0]), Split(part[:10], Y[:10]), 2, (4,))
    Trainer(network, pathway("backprop"), SGD(1.0), epochs=1, batch=40, shuffle=False).fit(data)
    assert not [r for r in caplog.records if "not captured" in r.getMessage()]
    for name, gradient in grad(loss)(before).items():
        np.testing.assert_allclose(network.parameters()[name] - before[name], -gradient, rtol=1e-6, atol=1e-9)


def test_two_outputs():
    """One does the task, and is to be named; the other one rests."""
    populations = [Population("x", 3), Population("a", 2, transfer="softmax"), Population("b", 2)]
    with pytest.raises(ShapeError, match=r"outputs \['a', 'b'\]: expected one, or the name of the one that does the task"):
        Network(populations, [Projection("x", "a"), Projection("x", "b")])
    network = Network(populations, [Projection("x", "a"), Projection("x", "b")], output="a", dtype="float64")
    before = network.parameters()["x__b.w"].copy()
    part = X[:, 0, 0, :3].copy()
    data = DataSet("two", Split(part, Y), Split(part[:0], Y[:0]), Split(part[:10], Y[:10]), 2, (3,))
    Trainer(network, pathway("backprop"), SGD(1.0), epochs=1, batch=40).fit(data)
    np.testing.assert_array_equal(network.parameters()["x__b.w"], before)


@pytest.mark.parametrize(
    ("clock", "encoder", "message"),
    [
        (Clock(5), Sequence(axis=1), "have 6 entries along axis 1: expected 5, as the trial has ticks"),
        (Clock(6), Sequence(axis=3), "have no axis 3: expected 0 to 2; change axis"),
        (Clock(6), Constant(), r"input population 'x' has shape \(1, 4\): data set 'sequences' has \(1, 6, 4\)"),
    ],
)
def test_samples_that_do_not_fit_the_trial(clock, encoder, message):
    with pytest.raises(InputError, match=message):
        Trainer(recurrent(), pathway("backprop"), SGD(1.0), clock=clock, encoder=encoder, epochs=1, batch=40).fit(DATA)


@pytest.mark.parametrize(
    "options", [{"ticks": 0}, {"ticks": 10_001}, {"ticks": 3, "asked": 4}, {"ticks": 3, "asked": 0}, {"ticks": 1.5}]
)
def test_clocks_out_of_range(options):
    with pytest.raises(InputError, match="clock: (ticks|asked) .*: expected 1 to"):
        Clock(**options)


# ---------------------------------------------------------------------- neurons with a state


def leaky(seed=1, loop=True):
    """Return x -> leaky -> output, the leaky population with a loop."""
    populations = [Population("x", (1, 4)), Population("hidden", 5, neurons=Leaky(tau=3.0))]
    populations.append(Population("output", 2, transfer="softmax"))
    links = [Projection("x", "hidden"), Projection("hidden", "output")]
    links += [Projection("hidden", "hidden", name="loop", delay=1, bias=False)] if loop else []
    return Network(populations, links, dtype="float64", seed=seed)


@pytest.mark.parametrize("horizon", [None, 1, 2, 4])
@pytest.mark.parametrize("captured", [True, False])
def test_the_gradient_through_a_state_is_exact(horizon, captured, monkeypatch, caplog):
    network = leaky()
    before = {name: value.copy() for name, value in network.parameters().items()}
    x, target = X.astype(float), np.eye(2)[Y]

    def loss(p):
        u, rate, total = np.zeros((40, 5)), np.zeros((40, 5)), 0.0
        for tick in range(TICKS):
            if horizon is not None and tick % horizon == 0:
                u, rate = getval(u), getval(rate)
            a = x[:, 0, tick] @ p["x__hidden.w"] + p["x__hidden.b"] + rate @ p["loop.w"]
            u = u + (a - u) / 3.0
            rate = anp.tanh(u)
            if tick >= TICKS - 2:
                out = rate @ p["hidden__output.w"] + p["hidden__output.b"]
                log_p = out - anp.log(anp.sum(anp.exp(out), axis=1, keepdims=True))
                total = total - anp.mean(anp.sum(target * log_p, axis=1)) / 2
        return total

    if not captured:
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    scheme = pathway("backprop_through_time", horizon=horizon)
    options = {"clock": Clock(TICKS, 2), "encoder": Sequence(axis=1), "epochs": 1, "batch": 40, "shuffle": False}
    Trainer(network, scheme, SGD(1.0), **options).fit(DATA)
    assert not [r for r in caplog.records if "not captured" in r.getMessage()]
    for name, gradient in grad(loss)(before).items():
        np.testing.assert_allclose(network.parameters()[name] - before[name], -gradient, rtol=1e-6, atol=1e-9, err_msg=name)


def test_leaky_neurons_approach_a_constant_input_exponentially():
    """u(t) = a (1 - (1 - 1 / tau)**t), the solution of Euler's scheme."""
    populations = [Population("x", 1), Population("output", 1, neurons=Leaky(tau=4.0, transfer=Linear()))]
    network = Network(populations, [Projection("x", "output", initial=1.0, bias=False)], dtype="float64")
    sweeps = Trial(Clock(6)).sweeps(network, np.array([[2.0]]))
    found = [float(sweep["output"].value("potential")[0, 0]) for sweep in sweeps]
    np.testing.assert_allclose(found, 2 * (1 - 0.75 ** np.arange(1, 7)), rtol=1e-12)
    assert [float(sweep.rate["output"][0, 0]) for sweep in sweeps] == found


def test_with_tau_of_one_tick_leaky_neurons_are_rate_neurons():
    x = X[:, 0, 0].astype(float)
    ends = []
    for made in ({"neurons": Leaky(tau=1.0)}, {"transfer": "tanh"}):
        populations = [Population("x", 4), Population("hidden", 5, **made), Population("output", 2, transfer="softmax")]
        ends.append(Network(populations, [Projection("x", "hidden"), Projection("hidden", "output")], dtype="float64", seed=1))
    one, other = (network.sweep(x).rate["output"] for network in ends)
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_rule_reads_the_membrane_and_a_curve_has_none():
    rule = PlasticityRule("dw = potential_post * rate_pre")
    populations = [Population("x", 1), Population("output", 1, neurons=Leaky(tau=2.0))]
    network = Network(populations, [Projection("x", "output", rule=rule, initial=1.0, bias=False)], dtype="float64")
    sweep = network.sweep(np.array([[2.0]]))
    proposed, _ = network.propose(sweep, {})
    assert float(proposed["x__output.w"][0, 0]) == 2.0  # u = 1, rate = 2
    known = "expected one of activation_post, drive_post"
    with pytest.raises(EquationError, match=f"potential_post is no variable of population 'output': {known}"):
        Network([Population("x", 1), Population("output", 1)], [Projection("x", "output", rule=rule)])


@pytest.mark.parametrize("name", ["difference_target_propagation", "alternating_minimization"])
def test_schemes_of_curves_refuse_a_state(name):
    with pytest.raises(InputError, match="made of neurons 'leaky', which keep a state"):
        pathway(name).attach(leaky(loop=False), Classification(2), seed=0)


@pytest.mark.parametrize(
    "options", [{"tau": 0.5}, {"tau": "3"}, {"tau": float("nan")}, {"transfer": 3}, {"transfer": "sign"}, {"transfer": Sign()}]
)
def test_leaky_neurons_out_of_range(options):
    with pytest.raises(InputError, match="neurons 'leaky': (tau|transfer)"):
        Leaky(**options)


def test_leaky_neurons_take_a_time_where_a_tick_is_one():
    def network(tau, **options):
        populations = [Population("x", 3), Population("output", 2, neurons=Leaky(tau=tau))]
        return Network(populations, [Projection("x", "output")], dtype="float64", seed=1, **options)

    x = np.random.default_rng(0).normal(size=(4, 3))
    timed, ticks = network("20*ms", dt="0.5*ms"), network(40.0)
    np.testing.assert_array_equal(timed.sweep(x).rate["output"], ticks.sweep(x).rate["output"])
    assert repr(timed.populations["output"].neurons) == "Leaky(tau='20*ms')"
    with pytest.raises(InputError, match=r"population 'output': neurons 'leaky': tau '20\*ms': expected a network that says"):
        network("20*ms")
    with pytest.raises(InputError, match=r"tau '20\*ms': expected 1 to 1,000,000 ticks"):
        network("20*ms", dt="30*ms")
    with pytest.raises(InputError, match="no time"):
        Leaky(tau="20*mV")


def test_a_leaky_neuron_s_transfer_may_be_named():
    assert type(Leaky(transfer="softmax").transfer) is Softmax and type(Leaky().transfer) is Tanh
    with pytest.raises(InputError, match="transfer 'sotfmax' is unknown"):
        Leaky(transfer="sotfmax")


@pytest.mark.parametrize("asked", [1, 4])
def test_an_evaluation_is_of_all_ticks_in_which_the_output_is_asked(asked):
    """Its loss is the mean over them, its answer that of their mean rates; ``predict`` and ``score`` say the same."""
    trainer = Trainer(recurrent(), pathway("backprop"), SGD(0.1), clock=Clock(TICKS, asked), encoder=Sequence(axis=1), batch=20)
    trainer.check(DATA)
    last = np.array([s.rate["output"] for s in trainer.trial.sweeps(trainer.network, X)[TICKS - asked :]], float)
    chosen = last[:, np.arange(len(Y)), Y]
    right = last.mean(axis=0).argmax(axis=1) == Y
    found = trainer.evaluate(DATA.train)
    np.testing.assert_allclose(found.loss, -np.log(chosen).mean(), rtol=1e-6)
    np.testing.assert_allclose(found.error, 100 * (1 - right.mean()), rtol=1e-6)
    np.testing.assert_array_equal(trainer.predict(X) == Y, right)
    np.testing.assert_allclose(trainer.score(DATA.train), right.mean(), rtol=1e-6)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("horizon", [None, 2])
def test_a_leaky_output_s_change_is_minus_the_gradient(task, horizon, monkeypatch):
    """The error on a state goes back through the ticks before, up to a segment's end."""
    monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    classes = task == "classification"
    curve = Softmax() if classes else Tanh()
    populations = [Population("x", (1, 4)), Population("hidden", 5, neurons=Leaky(tau=3.0))]
    populations.append(Population("output", 2, neurons=Leaky(tau=4.0, resistance=2.5, transfer=curve)))
    network = Network(populations, [Projection("x", "hidden"), Projection("hidden", "output")], dtype="float64", seed=1)
    before = {name: value.copy() for name, value in network.parameters().items()}
    target = np.eye(2)[Y] if classes else np.linspace(-0.9, 0.9, 80).reshape(40, 2)
    data = DATA if classes else from_arrays(X, np.float32(target), X[:10], np.float32(target[:10]))
    options = {"clock": Clock(TICKS, 3), "encoder": Sequence(axis=1), "epochs": 1, "batch": 40, "shuffle": False}
    trainer = Trainer(network, pathway("backprop_through_time", horizon=horizon), SGD(1.0), **options)
    trainer.check(data)
    trainer.run_epoch(data)

    def loss(weights):
        u, v, total = 0.0, 0.0, 0.0
        for tick in range(TICKS):
            if horizon and tick % horizon == 0:
                u, v = getval(u), getval(v)
            u = u + (X[:, 0, tick].astype(float) @ weights["x__hidden.w"] + weights["x__hidden.b"] - u) / 3
            v = v + (2.5 * (anp.tanh(u) @ weights["hidden__output.w"] + weights["hidden__output.b"]) - v) / 4
            if tick >= TICKS - 3:
                if classes:
                    total = total + anp.mean(anp.log(anp.sum(anp.exp(v), axis=1)) - anp.sum(target * v, axis=1)) / 3
                else:
                    total = total + anp.sum((np.float32(target) - anp.tanh(v)) ** 2) / 2 / len(X) / 3
        return total

    gradients = grad(loss)(before)
    for name, value in network.parameters().items():
        np.testing.assert_allclose(value - before[name], -gradients[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("resistance", [0, -1.0, float("nan"), "much"])
def test_a_resistance_is_a_positive_number(resistance):
    with pytest.raises(InputError, match=r"^neurons 'leaky': resistance .*: expected .*; "):
        Leaky(resistance=resistance)
