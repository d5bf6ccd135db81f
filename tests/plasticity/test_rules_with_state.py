"""Rules that remember: against loops written out, their closed forms, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.backends import NumpyBackend
from neurosim.connectivity import Dense
from neurosim.datasets import from_arrays
from neurosim.errors import EquationError, InputError, ShapeError
from neurosim.feedback import pathway
from neurosim.network import Clock, Network, Population, Projection
from neurosim.plasticity import SGD, PlasticityRule, Rule, Shapes, Start, Synapses, bcm, covariance, three_factor
from neurosim.tasks import Classification, Reward
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep

STEPS, BATCH, N_PRE, N_POST = 50, 4, 5, 3
DRAW = np.random.default_rng(7)
X, REWARD = DRAW.normal(size=(STEPS, BATCH, N_PRE)), DRAW.normal(size=(STEPS, BATCH))


def network(rule, shape=N_PRE, post=N_POST, transfer="tanh", **options):
    options = {"initial": "glorot", "bias": False} | options
    populations = [Population("x", shape), Population("y", post, transfer=transfer)]
    return Network(populations, [Projection("x", "y", rule=rule, **options)], dtype="float64", seed=2)


def advance(made, x, reward=0.0, *, learns=True):
    """Run one step as a trainer with SGD(1.0) does; return the proposed change of the weights."""
    deltas, states = made.propose(made.sweep(x), {}, {"reward": reward})
    if learns:
        made.parameters()["x__y.w"][...] += deltas["x__y.w"]
    for name, value in states.items():
        made.memory()[name][...] = value
    return deltas["x__y.w"]


# ---------------------------------------------------------------------- loops written out


def bcm_by_hand(w, eta=0.1, tau=7.0, theta=0.5):
    thetas = [theta] * N_POST
    for x in X:
        y = np.tanh(x @ w)
        for j in range(N_POST):
            thetas[j] += sum(y[k, j] ** 2 - thetas[j] for k in range(BATCH)) / BATCH / tau
        for i in range(N_PRE):
            for j in range(N_POST):
                w[i, j] += sum(eta * y[k, j] * (y[k, j] - thetas[j]) * x[k, i] for k in range(BATCH)) / BATCH
    return w, {"theta_post": thetas}


def covariance_by_hand(w, eta=0.1, tau=7.0):
    mean_pre, mean_post = [0.0] * N_PRE, [0.0] * N_POST
    for x in X:
        y = np.tanh(x @ w)
        for i in range(N_PRE):
            mean_pre[i] += (sum(x[:, i]) / BATCH - mean_pre[i]) / tau
        for j in range(N_POST):
            mean_post[j] += (sum(y[:, j]) / BATCH - mean_post[j]) / tau
        for i in range(N_PRE):
            for j in range(N_POST):
                w[i, j] += sum(eta * (y[k, j] - mean_post[j]) * (x[k, i] - mean_pre[i]) for k in range(BATCH)) / BATCH
    return w, {"mean_pre": mean_pre, "mean_post": mean_post}


def three_factor_by_hand(w, eta=0.1, tau=7.0):
    trace = np.zeros((N_PRE, N_POST))
    for x, reward in zip(X, REWARD, strict=True):
        y = np.tanh(x @ w)
        for i in range(N_PRE):
            for j in range(N_POST):
                trace[i, j] += sum(x[k, i] * y[k, j] - trace[i, j] / tau for k in range(BATCH)) / BATCH
                w[i, j] += eta * sum(reward) / BATCH * trace[i, j]
    return w, {"eligibility": trace}


@pytest.mark.parametrize(
    ("rule", "by_hand"),
    [
        (bcm(eta=0.1, tau=7.0, theta=0.5), bcm_by_hand),
        (covariance(eta=0.1, tau=7.0), covariance_by_hand),
        (three_factor(eta=0.1, tau=7.0), three_factor_by_hand),
    ],
    ids=["bcm", "covariance", "three_factor"],
)
def test_fifty_steps_are_those_of_a_loop(rule, by_hand):
    made = network(rule)
    start = made.parameters()["x__y.w"].copy()
    for x, reward in zip(X, REWARD, strict=True):
        advance(made, x, reward)
    w, state = by_hand(start.copy())
    np.testing.assert_allclose(made.parameters()["x__y.w"], w, rtol=0, atol=1e-10)
    assert np.abs(w - start).max() > 0.05
    for name, values in state.items():
        np.testing.assert_allclose(made.memory()[f"x__y.{name}"], values, rtol=0, atol=1e-10, err_msg=name)


# ---------------------------------------------------------------------- closed forms


def test_bcm_s_threshold_goes_to_the_mean_square():
    made = network(bcm(tau=5.0))
    square = (made.sweep(X[0]).rate["y"] ** 2).mean(axis=0)
    for step in range(1, 120):
        advance(made, X[0], learns=False)
        np.testing.assert_allclose(made.memory()["x__y.theta_post"], square * (1 - 0.8**step), rtol=1e-10)
    np.testing.assert_allclose(made.memory()["x__y.theta_post"], square, rtol=1e-10)


@pytest.mark.parametrize(("first", "second"), [(0.6, 0.4), (0.4, 0.6)])
def test_bcm_selects_one_of_two_orthogonal_patterns(first, second):
    """At rest y (y - theta) = 0 for both, and theta is the mean square: so one response is 2, its square's mean, and one is 0."""
    made = network(bcm(eta=0.05, tau=5.0, theta=0.3), shape=2, post=1, transfer="linear")
    made.parameters()["x__y.w"][...] = [[first], [second]]
    for _ in range(3000):
        advance(made, np.eye(2))
    expected = [[2.0], [0.0]] if first > second else [[0.0], [2.0]]
    np.testing.assert_allclose(made.sweep(np.eye(2)).rate["y"], expected, atol=1e-3)  # the lost one decays like 1 / step


def test_the_covariance_rule_proposes_the_covariance():
    made = network(covariance(eta=1.0, tau=4.0))
    x = DRAW.normal(size=(30, N_PRE)) + 3.0
    y = made.sweep(x).rate["y"]
    for _ in range(150):
        proposed = advance(made, x, learns=False)
    expected = np.cov(x.T, y.T, bias=True)[:N_PRE, N_PRE:]
    np.testing.assert_allclose(proposed, expected, rtol=1e-10, atol=1e-13)
    assert np.abs(x.T @ y / 30 - expected).max() > 0.1, "the means make no difference"


def test_an_eligibility_decays_from_one_coincidence_and_waits_for_its_reward():
    made = network(three_factor(eta=2.0, tau=5.0))
    assert not advance(made, X[0], 0.0).any()
    coincidence = X[0].T @ np.tanh(X[0] @ made.parameters()["x__y.w"]) / BATCH
    for step in range(1, 20):
        proposed = advance(made, np.zeros((BATCH, N_PRE)), 1.0, learns=False)
        np.testing.assert_allclose(proposed, 2.0 * coincidence * 0.8**step, rtol=1e-10)


# ---------------------------------------------------------------------- terms of every kind, against every synapse by itself

FACTORS = [
    "rate_pre", "rate_post", "w", "c_pre", "c_post", "e", "reward", "2", "(rate_post - c_post)", "(w - c_pre)", "(e - reward)",
    "tanh(c_post * reward)", "exp(w + c_pre)", "(c_pre + c_post)**2", "int(rate_pre > c_pre)", "rate_post**2", "(c_pre - 1)",
]  # fmt: skip
PRODUCTS = st.lists(st.sampled_from(FACTORS), min_size=1, max_size=4).map(" * ".join)
SUMS = st.lists(PRODUCTS, min_size=1, max_size=3).map(" + ".join)
STATES = {"pre": {"c": "dc/dt = rate_pre"}, "post": {"c": "dc/dt = rate_post"}}
VALUES = np.random.default_rng(3)
W = VALUES.normal(size=(6, 2))
PRE, POST = {"rate": VALUES.normal(size=(4, 2, 3))}, {"rate": VALUES.normal(size=(4, 2))}
STATE = {"c_pre": VALUES.normal(size=(2, 3)), "c_post": VALUES.normal(size=2), "e": VALUES.normal(size=(6, 2))}
SHARED = {"reward": VALUES.normal(size=4)}


def proposal(text, change, method):
    rule = PlasticityRule(text, **STATES, synapse={"e": f"de/dt = {change}"}, method=method)
    synapses = Synapses(NumpyBackend(), Dense(), W.copy(), None, STATE, SHARED)
    found = rule.delta({name: PRE[name] for name in rule.pre}, {name: POST[name] for name in rule.post}, synapses)
    for name, value in found.state.items():
        assert value.shape == STATE[name].shape and value is not STATE[name]
        assert not np.shares_memory(found.dw, value), "optimisers write into what a rule proposes"
    return found


@settings(max_examples=120, deadline=None, derandomize=True)
@given(SUMS, SUMS)
def test_matrix_products_are_what_every_synapse_gives_by_itself(text, change):
    separable, explicit = (proposal(f"dw = {text}", change, method) for method in ("separable", "explicit"))
    np.testing.assert_allclose(separable.dw, explicit.dw, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(separable.state["e"], explicit.state["e"], rtol=1e-9, atol=1e-9)


def test_one_synapse_by_hand():
    """Both evaluations could be wrong alike: one synapse, with everything in its two equations, in plain Python."""
    text, change = "rate_post * (rate_pre - c_pre) * c_post * reward - e * w", "reward * rate_pre * (c_post - rate_post) - 0.5 * e"
    found = proposal(f"dw = {text}", change, "separable")
    flat = {name: value.reshape(4, 6) for name, value in PRE.items()}["rate"]
    i, j = 4, 1
    c_pre, c_post, e = STATE["c_pre"].reshape(-1)[i], STATE["c_post"][j], STATE["e"][i, j]
    next_pre, next_post = c_pre + flat[:, i].mean(), c_post + POST["rate"][:, j].mean()
    samples = [(flat[k, i], POST["rate"][k, j], SHARED["reward"][k]) for k in range(4)]
    after = e + sum(reward * pre * (c_post - post) - 0.5 * e for pre, post, reward in samples) / 4
    dw = sum(post * (pre - next_pre) * next_post * reward - after * W[i, j] for pre, post, reward in samples) / 4
    assert found.state["e"][i, j] == pytest.approx(after, rel=1e-12)
    assert found.dw[i, j] == pytest.approx(dw, rel=1e-12)


def test_a_bias_reads_states_of_its_side_and_modulators():
    rule = PlasticityRule(
        "dw = 0", bias="db = reward * (rate_post - c_post) + 0.1 * c_post - b * reward", post={"c": ("dc/dt = -c", 2.0)}
    )
    b = np.array([0.3, -0.2])
    synapses = Synapses(NumpyBackend(), Dense(), W.copy(), b, {"c_post": STATE["c_post"]}, SHARED)
    found = rule.delta({}, {name: POST[name] for name in rule.post}, synapses)
    np.testing.assert_array_equal(found.state["c_post"], 0.0)  # -c for one step takes all of it
    np.testing.assert_allclose(found.db, (SHARED["reward"][:, None] * POST["rate"]).mean(axis=0) - b * SHARED["reward"].mean())


def test_states_go_on_together_from_their_old_values():
    """Two states that read each other turn like a rotation's Euler step, whichever is given first."""
    one, other = "du/dt = -0.5 * v", "dv/dt = 0.5 * u"
    for states in ({"u": (one, 1.0), "v": other}, {"v": other, "u": (one, 1.0)}):
        made = network(PlasticityRule("dw = u_post - v_post", post=states))
        advance(made, X[0], learns=False)
        np.testing.assert_array_equal(made.memory()["x__y.u_post"], 1.0)
        np.testing.assert_array_equal(made.memory()["x__y.v_post"], 0.5)
        advance(made, X[0], learns=False)
        np.testing.assert_array_equal(made.memory()["x__y.u_post"], 0.75)


# ---------------------------------------------------------------------- what is kept


def test_states_start_where_they_are_given_and_have_their_side_s_shape():
    rule = PlasticityRule(
        "dw = c_pre * c_post * e", pre={"c": ("dc/dt = 0", 0.5)}, post={"c": "dc/dt = 1"}, synapse={"e": ["de/dt = w", -1]}
    )
    made = network(rule, shape=(2, 2, 3), post=(4,))
    found = {name: (value.shape, value.flat[0]) for name, value in made.memory().items()}
    assert found == {"x__y.c_pre": ((2, 2, 3), 0.5), "x__y.c_post": ((4,), 0.0), "x__y.e": ((12, 4), -1.0)}
    assert rule.initial_state(Shapes((12, 4), (2, 2, 3), (4,)))["c_pre"] == Start((2, 2, 3), 0.5)


def test_another_rule_starts_with_its_own_state():
    made = network(bcm(theta=0.5))
    advance(made, X[0])
    made.projections["x__y"].rule = three_factor()
    assert list(made.memory()) == ["x__y.eligibility"]
    advance(made, X[0], 1.0)
    made.projections["x__y"].rule = bcm(theta=0.5)
    np.testing.assert_array_equal(made.memory()["x__y.theta_post"], 0.5)
    made.projections["x__y"].rule = None
    assert made.memory() == {}


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda rule: pickle.loads(pickle.dumps(rule))])
@pytest.mark.parametrize("make", [bcm, covariance, three_factor])
def test_a_rule_with_state_is_copied_and_pickled(make, duplicate):
    rule = make(eta=0.3)
    one, other = network(rule), network(duplicate(rule))
    for x, reward in zip(X[:3], REWARD[:3], strict=True):
        np.testing.assert_array_equal(advance(one, x, reward), advance(other, x, reward))
    assert duplicate(rule).describe() == rule.describe()


def test_a_proposal_changes_nothing_before_it_is_committed():
    made = network(bcm())
    before = {name: value.copy() for name, value in made.memory().items()}
    for _ in range(2):
        made.propose(made.sweep(X[0]), {})
    np.testing.assert_array_equal(made.memory()["x__y.theta_post"], before["x__y.theta_post"])


# ---------------------------------------------------------------------- modulators


def test_a_modulator_is_a_number_or_one_a_sample():
    changes = [advance(network(three_factor()), X[0], reward) for reward in (0.5, np.float32(0.5), np.full(BATCH, 0.5))]
    for change in changes:
        np.testing.assert_array_equal(change, changes[0])
    made = network(PlasticityRule("dw = reward * rate_pre * rate_post"))
    y = np.tanh(X[0] @ made.parameters()["x__y.w"])
    expected = np.einsum("k,ki,kj->ij", REWARD[0], X[0], y) / BATCH
    np.testing.assert_allclose(advance(made, X[0], REWARD[0]), expected)
    with pytest.raises(ShapeError, match=r"^modulator 'reward': shape \(3,\): expected \(\) or \(4,\), one value a sample"):
        made.propose(made.sweep(X[0]), {}, {"reward": np.ones(3)})


def test_a_modulator_that_is_not_delivered_is_refused_in_one_line():
    made = network(three_factor())
    said = r"^projection 'x__y': rule .* reads the modulator 'reward': task 'mine' delivers novelty; use [^\n]*$"
    with pytest.raises(InputError, match=said):
        made.check_modulators(("novelty",), "task 'mine'")
    made.check_modulators({"reward", "novelty"})
    with pytest.raises(InputError, match="reads the modulator 'reward': the step delivers none"):
        made.propose(made.sweep(X[0]), {})


def with_reward(task):
    """Return a trainer whose hidden projection learns by a three-factor rule, joined to data with three classes."""
    x, y = DRAW.normal(size=(40, N_PRE)), np.arange(40) % 3
    populations = [Population("x", N_PRE), Population("hidden", 4, transfer="tanh"), Population("output", 3, transfer="softmax")]
    made = Network(populations, [Projection("x", "hidden", rule=three_factor()), Projection("hidden", "output")], seed=1)
    trainer = Trainer(made, pathway("backprop"), SGD(1.0), task=task, epochs=1, batch=10)
    trainer.fit(from_arrays(x, y, x, y))
    return trainer


def test_a_task_that_rewards_reaches_the_rule_and_one_that_does_not_is_refused():
    made = with_reward(Reward(3))
    assert all(step.program is not None for step in made._programs.values())
    assert all(made.network.memory()["x__hidden.eligibility"].any(axis=0))
    said = "^projection 'x__hidden': rule .* reads the modulator 'reward': task 'classification' delivers none; use [^\n]*$"
    with pytest.raises(InputError, match=said):
        with_reward(Classification(3))


class Praise(Classification):
    """Rewards every sample with its class plus a half."""

    modulators = ("reward",)

    def broadcast(self, outcome):
        return {"reward": (outcome * np.array([0.5, 1.5])).sum(axis=1)}


@pytest.mark.parametrize("captured", [True, False])
def test_a_state_goes_on_from_tick_to_tick_and_reward_comes_when_the_output_is_asked(captured, monkeypatch):
    if not captured:
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    x, y, tau = DRAW.normal(size=(8, 4)).astype(np.float32), np.arange(8) % 2, 5.0
    populations = [Population("x", 4), Population("y", 2, transfer="softmax")]
    made = Network(populations, [Projection("x", "y", bias=False, rule=three_factor(eta=0.3, tau=tau))], dtype="float64", seed=2)
    w = made.parameters()["x__y.w"].copy()
    trainer = Trainer(made, pathway("backprop"), SGD(1.0), clock=Clock(3), task=Praise(2), epochs=2, batch=8)
    trainer.fit(from_arrays(x, y, x, y))
    assert all((step.program is not None) == captured for step in trainer._programs.values())
    trace = np.zeros((4, 2))
    for _ in range(2):
        for _ in range(3):
            z = np.exp(x @ w)
            trace += x.T @ (z / z.sum(axis=1, keepdims=True)) / 8 - trace / tau
        w = w + 0.3 * (y + 0.5).mean() * trace
    np.testing.assert_allclose(made.parameters()["x__y.w"], w, rtol=1e-9)
    np.testing.assert_allclose(made.memory()["x__y.eligibility"], trace, rtol=1e-9)


def test_a_start_of_another_kind_is_refused_in_one_line():
    class Older(Rule):
        pre = post = frozenset()

        def initial_state(self, shapes):
            return {"trace": shapes.pre}

        def delta(self, pre, post, synapses):
            raise AssertionError

        def describe(self):
            return "older"

    said = "^projection 'x__y': start of the rule's state 'trace': [^\n]*expected a Start; give one such as [^\n]*$"
    with pytest.raises(InputError, match=said):
        network(Older())


def test_names_of_modulators_are_the_rule_s_to_give():
    rule = PlasticityRule("dw = dopamine * rate_pre", modulators=("dopamine", "serotonin"))
    assert rule.modulators == {"dopamine"}
    assert PlasticityRule("dw = reward * rate_pre", reward=0.5).modulators == frozenset(), "a constant goes first"


# ---------------------------------------------------------------------- what is refused

REFUSED = [
    ({"post": {"c": "dc/dt = rate_pre"}}, "name 'rate_pre' is not local to the postsynaptic neuron"),
    ({"pre": {"c": "dc/dt = c_post"}, "post": {"c": "dc/dt = 0"}}, "name 'c_post' is not local to the presynaptic neuron"),
    ({"pre": {"c": "dc/dt = w"}}, "name 'w' is not local to the presynaptic neuron"),
    ({"post": {"c": "dc/dt = e"}, "synapse": {"e_": "de_/dt = w"}}, None),  # e is Euler's number
    ({"post": {"c": "dc/dt = u"}, "synapse": {"u": "du/dt = w"}}, "name 'u' is not local"),
    ({"synapse": {"u": "du/dt = tanh(rate_pre + rate_post)"}}, r"tanh\(rate_post \+ rate_pre\) mixes"),
    ({"synapse": {"u": "du/dt = tanh(w * reward)"}}, r"mixes modulators and synapse variables"),
    ({"post": {"c": "dc = rate_post"}}, "expected 'dc/dt = ...'"),
    ({"post": {"c": "dd/dt = rate_post"}}, "expected 'dc/dt = ...'"),
    ({"post": {"c": "dc/dt = sum(rate_post)"}}, "function 'sum' is unknown"),
    ({"post": {"c": "dc/dt = __import__('os')"}}, "invalid syntax"),
    ({"post": {"c": ("dc/dt = 0", float("nan"))}}, "an equation and a finite start value"),
    ({"post": {"c": ("dc/dt = 0", "1")}}, "an equation and a finite start value"),
    ({"post": {"c": ("dc/dt = 0", True)}}, "an equation and a finite start value"),
    ({"post": {"c": 0.5}}, "an equation and a finite start value"),
    ({"post": {"c_pre": "dc_pre/dt = 0"}}, "does not end in _pre or _post"),
    ({"synapse": {"w": "dw/dt = 0"}}, "not 'w' or 'b'"),
    ({"post": {"if": "dif/dt = 0"}}, "a word of Python's own"),
    ({"post": {3: "dc/dt = 0"}}, "expected a text"),
    ({"post": "dc/dt = 0"}, r"no constant can have this name"),
    ({"pre": 0.5}, r"no constant can have this name"),
    ({"synapse": {"reward": "dreward/dt = 0"}}, "a state of the synapse has that name, too"),
    ({"modulators": "reward"}, "expected a list of names"),
    ({"modulators": ("w",)}, "not 'w' or 'b'"),
    ({"post": {"c": "dc/dt = -c / tau"}, "c": 0.1, "tau": 2.0}, "constant 'c' is"),
    ({"synapse": {"u": "du/dt = -u"}, "u": 0.1}, "constant 'u' is a state of the rule|constant 'u' is the changing value"),
    ({"post": {"c": "dc/dt = -c / tau"}}, "name 'tau' is not local"),
    ({"post": {"c": "dc/dt = -c / tau"}, "tau": 0.0}, "no finite real number"),
    ({"unused": 1.0}, "constant 'unused' does not occur"),
]


@pytest.mark.parametrize(("options", "named"), REFUSED)
def test_what_is_refused_is_said_in_one_line(options, named):
    if named is None:
        PlasticityRule("dw = rate_pre", **options)
        return
    with pytest.raises(EquationError, match=named) as error:
        PlasticityRule("dw = rate_pre", **options)
    assert "\n" not in str(error.value)


TOKENS = ["dc", "/dt", " = ", "rate_pre", "rate_post", "c", "c_pre", "c_post", "w", "u", "reward", "e", "tau", "2", "0.5", "+",
          "-", "*", "/", "(", ")", "exp(", "**", ",", "'", "[", "=", "\n", "#", "_", "ｗ"]  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(["pre", "post", "synapse"]), st.lists(st.sampled_from(TOKENS), max_size=8).map("".join), st.booleans())
def test_any_text_of_a_state_is_local_to_its_side_or_refused_in_one_line(side, text, formed):
    text = f"dc/dt = {text}" if formed else text
    try:
        rule = PlasticityRule("dw = 0", **{side: {"c": text}})
    except EquationError as error:
        assert "\n" not in str(error) and len(str(error)) < 700
        return
    symbols = {symbol.name for symbol in rule.states[0].equation.expression.free_symbols}
    local = {"pre": ("_pre",), "post": ("_post",), "synapse": ("_pre", "_post")}[side]
    assert all(name.endswith(local) or name == "reward" or side == "synapse" and name in ("w", "c") for name in symbols)


@pytest.mark.parametrize(("text", "named"), [("dw/dt = rate_pre", "expected 'dw = ...'"), ("dw = c", "name 'c' is not local")])
def test_a_weight_changes_by_steps_and_names_a_side_s_state_with_its_side(text, named):
    with pytest.raises(EquationError, match=named):
        PlasticityRule(text, post={"c": "dc/dt = 0"})


def test_a_state_named_like_a_variable_of_its_population_is_refused_by_the_network():
    with pytest.raises(EquationError, match=r"^projection 'x__y': state rate_post has the name of a variable of its population"):
        network(PlasticityRule("dw = rate_post", post={"rate": "drate/dt = 0"}))


@pytest.mark.parametrize("method", ["separable", "explicit"])
def test_no_neuron_s_state_reads_another_s(method):
    """One neuron's rate is changed: no other neuron's state, and no other synapse's, moves by a bit."""
    rule = PlasticityRule(
        "dw = e * c_pre * c_post", pre={"c": "dc/dt = rate_pre**2 - c"}, post={"c": "dc/dt = rate_post * reward"},
        synapse={"e": "de/dt = c_pre * rate_post + rate_pre * w"}, method=method,
    )  # fmt: skip

    def found(pre, post):
        made = rule.delta({"rate": pre}, {"rate": post}, Synapses(NumpyBackend(), Dense(), W, None, STATE, SHARED))
        return {**made.state, "dw": made.dw}

    before = found(PRE["rate"], POST["rate"])
    pre, post = PRE["rate"].copy(), POST["rate"].copy()
    pre[:, 1, 2] += 0.7  # the last presynaptic neuron
    after = found(pre, POST["rate"])
    same = {name: np.array_equal(after[name], before[name]) for name in before}
    assert same == {"c_pre": False, "c_post": True, "e": False, "dw": False}
    for name in ("e", "dw"):
        np.testing.assert_array_equal(after[name][:5], before[name][:5])
    np.testing.assert_array_equal(after["c_pre"].reshape(-1)[:5], before["c_pre"].reshape(-1)[:5])
    post[:, 0] += 0.7
    after = found(PRE["rate"], post)
    for name in ("e", "dw"):
        np.testing.assert_array_equal(after[name][:, 1], before[name][:, 1])
    assert after["c_post"][1] == before["c_post"][1] and after["c_post"][0] != before["c_post"][0]
