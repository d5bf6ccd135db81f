"""States of which each sample has its own: against loops over samples and ticks, and apart from the other samples of a batch."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.backends import NumpyBackend
from neurosim.connectivity import Dense
from neurosim.datasets import from_arrays
from neurosim.encoders import Sequence
from neurosim.errors import EquationError, InputError, ShapeError
from neurosim.feedback import pathway
from neurosim.modelfile.description import settings as settings_of
from neurosim.modelfile.schema import make_rule
from neurosim.network import Clock, Network, Population, Projection, Teaching
from neurosim.plasticity import SGD, Adam, PlasticityRule, Proposal, Rule, Shapes, Start, Synapses, three_factor
from neurosim.tasks import Classification
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep

SAMPLES, BATCH, TICKS, ASKED, EPOCHS = 8, 4, 5, 2, 3
N_PRE, N_POST, ETA, TAU = 4, 2, 0.3, 3.0
DRAW = np.random.default_rng(7)
X = DRAW.normal(size=(SAMPLES, TICKS, N_PRE)).astype(np.float32).astype(np.float64)
TARGET = np.eye(N_POST)[np.arange(SAMPLES) % N_POST]


class Praise(Classification):
    """Rewards every sample with its class plus a half."""

    modulators = ("reward",)

    def broadcast(self, outcome):
        return {"reward": (outcome * np.array([0.5, 1.5])).sum(axis=1)}


def network(rule, **options):
    populations = [Population("x", (1, N_PRE)), Population("y", N_POST, transfer="softmax")]
    return Network(populations, [Projection("x", "y", rule=rule, **options)], dtype="float64", seed=2)


def trainer(rule, ticks=TICKS, asked=ASKED, epochs=EPOCHS, scheme="backprop", **options):
    made = Trainer(
        network(rule, **options), pathway(scheme), SGD(1.0), task=Praise(N_POST), clock=Clock(ticks, asked),
        encoder=Sequence(axis=1), epochs=epochs, batch=BATCH, shuffle=False,
    )  # fmt: skip
    made.check(data(ticks))
    return made


def data(ticks=TICKS):
    x = X[:, None, :ticks]
    return from_arrays(x, np.arange(SAMPLES) % N_POST, x, np.arange(SAMPLES) % N_POST)


def softmax(a):
    return np.exp(a) / np.exp(a).sum()


# ---------------------------------------------------------------------- loops written out

TRACE = PlasticityRule(
    "dw = eta * error_post * trace_pre", bias="db = eta * error_post", pre={"trace": ("dtrace/dt = (rate_pre - trace) / tau", 0.2)},
    per_sample=("trace_pre",), eta=ETA, tau=TAU,
)  # fmt: skip
LATE = PlasticityRule(
    "dw = eta * late_post * rate_pre", bias="db = eta * late_post", post={"late": ("dlate/dt = error_post - late / tau", 0.5)},
    per_sample=("late_post",), eta=ETA, tau=TAU,
)  # fmt: skip
MIXED = PlasticityRule(
    "dw = eta * reward * (eligibility - slow) + 0.1 * trace_post * (trace_post - theta_post) * rate_pre",
    bias="db = eta * reward * trace_post - 0.1 * b + 0.1 * theta_post",
    pre={"mean": "dmean/dt = (rate_pre - mean) / tau"},
    post={"theta": "dtheta/dt = (trace**2 - theta) / tau", "trace": ("dtrace/dt = (rate_post - trace) / tau + 0.1 * theta", 0.1)},
    synapse={
        "eligibility": "deligibility/dt = (rate_pre - mean_pre) * trace_post * (1 + w) + 0.1 * reward * slow - eligibility / tau",
        "slow": ("dslow/dt = (eligibility - slow) / tau", 0.3),
    },
    per_sample=("trace_post", "eligibility"), eta=ETA, tau=TAU,
)  # fmt: skip


def trace_by_hand(w, b, x, target, lasting):
    dw, db = np.zeros_like(w), np.zeros_like(b)
    for k in range(len(x)):
        trace = np.full(N_PRE, 0.2)
        for t in range(TICKS):
            trace = trace + (x[k, t] - trace) / TAU
            if t >= TICKS - ASKED:
                error = target[k] - softmax(x[k, t] @ w + b)
                dw += ETA * np.outer(trace, error)
                db += ETA * error
    return dw, db


def late_by_hand(w, b, x, target, lasting):
    """Where the output is not asked nothing is proposed, and what is remembered goes on with an error of 0."""
    dw, db = np.zeros_like(w), np.zeros_like(b)
    for k in range(len(x)):
        late = np.full(N_POST, 0.5)
        for t in range(TICKS):
            asked = t >= TICKS - ASKED
            error = target[k] - softmax(x[k, t] @ w + b) if asked else 0.0
            late = late + error - late / TAU
            if asked:
                dw += ETA * np.outer(x[k, t], late)
                db += ETA * late
    return dw, db


def three_factor_by_hand(w, b, x, target, lasting):
    dw = np.zeros_like(w)
    for k in range(len(x)):
        eligibility = np.zeros_like(w)
        for t in range(TICKS):
            y = softmax(x[k, t] @ w + b)
            reward = target[k] @ [0.5, 1.5] if t >= TICKS - ASKED else 0.0
            for i in range(N_PRE):
                for j in range(N_POST):
                    eligibility[i, j] += x[k, t, i] * y[j] - eligibility[i, j] / TAU
                    dw[i, j] += ETA * reward * eligibility[i, j]
    return dw, 0.0


def mixed_by_hand(w, b, x, target, lasting):
    """Every state goes on from the old values of all, those that outlive the trial by the mean over samples."""
    n = len(x)
    mean = lasting.setdefault("mean_pre", np.zeros(N_PRE))
    theta = lasting.setdefault("theta_post", np.zeros(N_POST))
    slow = lasting.setdefault("slow", np.full((N_PRE, N_POST), 0.3))
    traces, eligibilities = [np.full(N_POST, 0.1) for _ in range(n)], [np.zeros((N_PRE, N_POST)) for _ in range(n)]
    dw, db = np.zeros_like(w), np.zeros_like(b)
    for t in range(TICKS):
        y = [softmax(x[k, t] @ w + b) for k in range(n)]
        reward = [target[k] @ [0.5, 1.5] if t >= TICKS - ASKED else 0.0 for k in range(n)]
        old = mean.copy(), theta.copy(), slow.copy(), [one.copy() for one in traces], [one.copy() for one in eligibilities]
        old_mean, old_theta, old_slow, old_traces, old_eligibilities = old
        mean += sum((x[k, t] - old_mean) / TAU for k in range(n)) / n
        theta += sum((old_traces[k] ** 2 - old_theta) / TAU for k in range(n)) / n
        slow += sum((old_eligibilities[k] - old_slow) / TAU for k in range(n)) / n
        for k in range(n):
            traces[k] += (y[k] - old_traces[k]) / TAU + 0.1 * old_theta
            came = np.outer(x[k, t] - old_mean, old_traces[k]) * (1 + w) + 0.1 * reward[k] * old_slow
            eligibilities[k] += came - old_eligibilities[k] / TAU
        for k in range(n):
            dw += ETA * reward[k] * (eligibilities[k] - slow) + 0.1 * np.outer(x[k, t], traces[k] * (traces[k] - theta))
            db += ETA * reward[k] * traces[k] - 0.1 * b + 0.1 * theta
    return dw, db


BY_HAND = {
    "trace": (TRACE, trace_by_hand),
    "late": (LATE, late_by_hand),
    "three factors": (three_factor(eta=ETA, tau=TAU, per_sample=True), three_factor_by_hand),
    "mixed": (MIXED, mixed_by_hand),
}


@pytest.mark.parametrize("captured", [True, False])
@pytest.mark.parametrize(("rule", "by_hand"), BY_HAND.values(), ids=BY_HAND)
def test_training_is_a_loop_over_samples_and_ticks(rule, by_hand, captured, monkeypatch):
    if not captured:
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    made, lasting = trainer(rule), {}
    w, b = (made.network.parameters()[f"x__y.{name}"].copy() for name in "wb")
    begun = w.copy()
    for _ in range(EPOCHS):
        made.run_epoch(data())
        for first in range(0, SAMPLES, BATCH):
            rows = slice(first, first + BATCH)
            dw, db = by_hand(w, b, X[rows], TARGET[rows], lasting)
            w, b = w + dw / BATCH / ASKED, b + db / BATCH / ASKED
    assert all((step.program is not None) == captured for step in made._programs.values())
    np.testing.assert_allclose(made.network.parameters()["x__y.w"], w, rtol=0, atol=1e-10)
    np.testing.assert_allclose(made.network.parameters()["x__y.b"], b, rtol=0, atol=1e-10)
    assert np.abs(w - begun).max() > 0.05
    assert {name.removeprefix("x__y.") for name in made.network.memory()} == lasting.keys()
    for name, value in lasting.items():
        kept = made.network.memory()[f"x__y.{name}"].reshape(value.shape)  # of the input's shape, (1, N_PRE)
        np.testing.assert_allclose(kept, value, rtol=0, atol=1e-10, err_msg=name)


# ---------------------------------------------------------------------- every combination, against every synapse by itself

FACTORS = [
    "rate_pre", "rate_post", "w", "c_pre", "c_post", "e", "f", "reward", "2", "(rate_post - c_post)", "(w - c_pre)",
    "(e - reward)", "tanh(c_post * reward)", "exp(w + c_pre)", "(c_pre + c_post)**2", "int(rate_pre > c_pre)", "(f - c_pre)",
]  # fmt: skip
PRODUCTS = st.lists(st.sampled_from(FACTORS), min_size=1, max_size=3).map(" * ".join)
SUMS = st.lists(PRODUCTS, min_size=1, max_size=3).map(" + ".join)
OF_PRE = st.sampled_from(["rate_pre - 0.5 * c", "reward * rate_pre", "-0.1 * c", "0.1", "reward - c", "0 * rate_pre - 0.5 * c"])
OF_POST = st.sampled_from(["rate_post * c", "rate_post**2 - reward * c", "0.1 * c", "-reward"])
STATES = ["c_pre", "c_post", "e", "f"]
VALUES = np.random.default_rng(3)
W = VALUES.normal(size=(6, 2))
PRE, POST = {"rate": VALUES.normal(size=(4, 2, 3))}, {"rate": VALUES.normal(size=(4, 2))}
SHARED = {"c_pre": VALUES.normal(size=(2, 3)), "c_post": VALUES.normal(size=2), "e": VALUES.normal(size=(6, 2)),
          "f": VALUES.normal(size=(6, 2))}  # fmt: skip
OWN = {name: VALUES.normal(size=(4, *value.shape)) for name, value in SHARED.items()}
REWARD = VALUES.normal(size=4)


def proposal(rule, state, rows=slice(None), own=()):
    """Return what a rule proposes for some of the samples, and its next state."""
    state = {name: value[rows] if name in own else value for name, value in state.items()}
    synapses = Synapses(NumpyBackend(), Dense(), W.copy(), None, state, {"reward": REWARD[rows]})
    pre, post = {name: PRE[name][rows] for name in rule.pre}, {name: POST[name][rows] for name in rule.post}
    return rule.delta(pre, post, synapses)


def in_plain_python(texts, dw, state, own):
    """Return dw and the next states, each number by itself; texts : state -> right side."""

    def at(name, k, i, j, values):
        value = values[name]
        value = value[k] if name in own else value
        return value.reshape(-1)[i] if name.endswith("_pre") else value[j] if name.endswith("_post") else value[i, j]

    def scalar(text, k, i, j, values, side=None):
        scope = {name: at(name, k, i, j, values) for name in STATES} | {"reward": REWARD[k], "w": W[i, j]}
        scope |= {"rate_pre": PRE["rate"][k].reshape(-1)[i], "rate_post": POST["rate"][k, j]}
        scope |= {"tanh": np.tanh, "exp": np.exp, "int": float, "c": scope.get(f"c_{side}")}
        return eval(text, {"__builtins__": {}}, scope)

    after = {}
    for name, text in texts.items():
        side = name.partition("_")[2]
        changes = np.array([[[scalar(text, k, i, j, state, side) for j in range(2)] for i in range(6)] for k in range(4)])
        if side:  # of every synapse of a neuron it is the same
            changes = changes[:, :, 0].reshape(4, 2, 3) if side == "pre" else changes[:, 0, :]
        after[name] = state[name] + (changes if name in own else changes.mean(axis=0))
    change = np.array([[[scalar(dw, k, i, j, after) for j in range(2)] for i in range(6)] for k in range(4)]).mean(axis=0)
    return change, after


@settings(max_examples=80, deadline=None, derandomize=True)
@given(SUMS, SUMS, SUMS, OF_PRE, OF_POST, st.sets(st.sampled_from(STATES)), st.sampled_from(["separable", "explicit"]))
def test_any_rule_is_what_every_synapse_of_every_sample_gives_by_itself(dw, e, f, of_pre, of_post, own, method):
    texts = {"c_pre": of_pre, "c_post": of_post, "e": e, "f": f}
    state = {name: OWN[name] if name in own else SHARED[name] for name in STATES}
    rule = PlasticityRule(
        f"dw = {dw}", pre={"c": f"dc/dt = {of_pre}"}, post={"c": f"dc/dt = {of_post}"},
        synapse={"e": f"de/dt = {e}", "f": f"df/dt = {f}"}, per_sample=sorted(own), method=method,
    )  # fmt: skip
    found, (change, after) = proposal(rule, state), in_plain_python(texts, dw, state, own)
    np.testing.assert_allclose(found.dw, change, rtol=1e-9, atol=1e-9)
    for name in STATES:
        np.testing.assert_allclose(found.state[name], after[name], rtol=1e-9, atol=1e-9, err_msg=name)
        assert found.state[name].shape == state[name].shape and not np.shares_memory(found.dw, found.state[name])
    order = [2, 0, 3, 1]  # the order of samples means nothing
    permuted = proposal(rule, state, order, own)
    np.testing.assert_allclose(permuted.dw, found.dw, rtol=1e-9, atol=1e-9)
    alone = [proposal(rule, state, [k], own) for k in range(4)]  # nor do the other samples, but through what all share
    for name in own:
        np.testing.assert_allclose(permuted.state[name], found.state[name][order], rtol=1e-9, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(np.concatenate([one.state[name] for one in alone]), found.state[name], rtol=1e-9, atol=1e-12)
    if own == set(STATES):
        np.testing.assert_allclose(np.mean([one.dw for one in alone], axis=0), found.dw, rtol=1e-9, atol=1e-9)


def test_a_whole_trial_of_a_batch_is_the_mean_of_each_sample_s():
    """Through a trainer, batch against single samples; and in whatever order they stand."""

    def changes(rows):
        made = network(TRACE)
        trial = trainer(TRACE).trial
        scheme = pathway("backprop")
        scheme.attach(made, N_POST, 0)
        states, total = {}, 0.0
        for tick, sweep in enumerate(trial.sweeps(made, X[rows, None])):
            asked = trial.clock.asks(tick)
            teaching = scheme.teach(sweep, TARGET[rows], made.backend.draws(0, 0)) if asked else {}
            deltas, after = made.propose(sweep, teaching, {}, states)
            states |= after
            assert ("x__y.w" in deltas) == asked
            total = total + deltas.get("x__y.w", 0.0)
        return total, states["x__y.trace_pre"]

    everything, traces = changes(list(range(SAMPLES)))
    alone = [changes([k]) for k in range(SAMPLES)]
    np.testing.assert_allclose(np.mean([dw for dw, _ in alone], axis=0), everything, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(np.concatenate([trace for _, trace in alone]), traces)
    np.testing.assert_allclose(changes(list(range(SAMPLES))[::-1])[0], everything, rtol=1e-12, atol=1e-15)


# ---------------------------------------------------------------------- where they live


def test_they_are_in_no_memory_and_begin_with_every_trial():
    made = trainer(MIXED)
    kept = {f"network|x__y.{name}" for name in ("mean_pre", "theta_post", "slow")}
    assert {name for name in made.state() if name.startswith("network|x__y") and name[-2:] not in (".w", ".b")} == kept
    net = network(TRACE)
    sweep = net.sweep(X[:, None, 0])
    for _ in range(2):  # what one call leaves, the next does not find
        _, after = net.propose(sweep, {})
        np.testing.assert_allclose(after["x__y.trace_pre"], 0.2 + (X[:, None, 0] - 0.2) / TAU, rtol=1e-12)
    assert net.pick_lasting(after) == {} and net.memory() == {}


def test_a_network_of_one_tick_starts_them_anew_at_each_step():
    """So that the eligibility of a step is its coincidence, and the rule one of three factors without memory."""
    found, plain = [], PlasticityRule("dw = eta * reward * rate_pre * rate_post", eta=ETA)
    for rule in (three_factor(eta=ETA, tau=TAU, per_sample=True), plain):
        made = trainer(rule, ticks=1, asked=1)
        for _ in range(3):
            made.run_epoch(data(1))
        found.append(made.network.parameters()["x__y.w"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_a_population_that_is_taught_nothing_keeps_its_weights_and_its_traces_go_on():
    net = network(TRACE)
    _, after = net.propose(net.sweep(X[:, None, 0]), {})
    deltas, later = net.propose(net.sweep(X[:, None, 1]), {}, {}, after)
    first = 0.2 + (X[:, None, 0] - 0.2) / TAU
    assert deltas == {}
    np.testing.assert_allclose(later["x__y.trace_pre"], first + (X[:, None, 1] - first) / TAU, rtol=1e-12)


def test_what_is_one_for_all_rests_where_no_error_comes_and_goes_on_where_one_does():
    options = {"pre": {"trace": "dtrace/dt = rate_pre", "mean": "dmean/dt = rate_pre"}, "per_sample": ["trace_pre"]}
    net, x = network(PlasticityRule("dw = error_post * (trace_pre - mean_pre)", **options)), X[:, None]
    first, second = net.sweep(x[:, :, 0]), net.sweep(x[:, :, 1])
    _, states = net.propose(first, {})
    assert list(states) == ["x__y.trace_pre"] and not net.memory()["x__y.mean_pre"].any()
    deltas, states = net.propose(second, {"y": Teaching(np.ones((SAMPLES, N_POST)))}, {}, states)
    mean, trace = x[:, :, 1].mean(axis=0), x[:, :, 0] + x[:, :, 1]
    np.testing.assert_allclose(states["x__y.mean_pre"], mean, rtol=1e-12)
    np.testing.assert_allclose(deltas["x__y.w"], np.tile((trace - mean).mean(axis=0).T, N_POST), rtol=1e-9)


def test_another_rule_brings_its_own():
    made = network(TRACE)
    assert list(made.projections["x__y"].starts) == ["trace_pre"]
    made.projections["x__y"].rule = MIXED
    assert list(made.projections["x__y"].starts) == ["trace_post", "eligibility"]
    made.projections["x__y"].rule = None
    assert made.projections["x__y"].starts == {}


def test_a_delayed_projection_traces_what_arrives():
    rule = PlasticityRule("dw = eta * trace_pre", pre={"trace": "dtrace/dt = rate_pre"}, per_sample=("trace_pre",), eta=1.0)
    made = network(rule, delay=2)
    states, sweep = {}, None
    for tick in range(TICKS):
        sweep = made.sweep(X[:, None, tick], None if sweep is None else sweep.state)
        states |= made.propose(sweep, {}, {}, states)[1]
    np.testing.assert_allclose(states["x__y.trace_pre"], X[:, None, : TICKS - 2].sum(axis=2), rtol=1e-12)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda rule: pickle.loads(pickle.dumps(rule))])
def test_a_rule_is_copied_with_them(duplicate):
    again = duplicate(MIXED)
    assert again.describe() == MIXED.describe() and "per sample, from 0.1" in again.describe()
    shapes = Shapes((4, 2), (1, 4), (2,))
    assert again.initial_state(shapes) == MIXED.initial_state(shapes)
    assert again.initial_state(shapes)["trace_post"] == Start((2,), 0.1, per_sample=True)
    assert again.initial_state(shapes)["slow"] == Start((4, 2), 0.3)


def test_a_run_states_them():
    for rule in (TRACE, MIXED, three_factor(per_sample=True)):
        stated = settings_of(trainer(rule), data())
        assert "unstated" not in stated
        (table,) = stated["network"]["projections"]
        assert make_rule(table["rule"]).describe() == rule.describe()


# ---------------------------------------------------------------------- a class of one's own


class Mine(Rule):
    """What TRACE does to the weights, as a class."""

    pre, post = frozenset({"rate"}), frozenset({"error"})

    def initial_state(self, shapes):
        return {"trace": Start(shapes.w[:1], 0.2, per_sample=True)}

    def delta(self, pre, post, synapses):
        trace = synapses.state["trace"]
        trace = trace + (pre["rate"].reshape(len(trace), -1) - trace) / TAU
        dw = synapses.backend.matmul(trace.T, post["error"]) * (ETA / len(trace))
        return Proposal(dw, None, {"trace": trace})

    def describe(self):
        return "mine"


def test_a_class_of_one_s_own_is_handed_the_state_of_each_sample():
    found = []
    for rule in (Mine(), TRACE):
        made = trainer(rule, bias=False)
        made.run_epoch(data())
        assert all(step.program is not None for step in made._programs.values())
        found.append(made.network.parameters()["x__y.w"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-10)


def test_a_state_of_another_shape_is_refused_in_one_line():
    class Mean(Mine):
        def delta(self, pre, post, synapses):
            found = super().delta(pre, post, synapses)
            return Proposal(found.dw, None, {"trace": found.state["trace"].mean(axis=0)})

    class Nothing(Mine):
        def delta(self, pre, post, synapses):
            return Proposal(super().delta(pre, post, synapses).dw, None, {})

    for rule, shape in ((Mean(), r"\(4,\)"), (Nothing(), "None")):
        made = network(rule)
        said = f"^projection 'x__y': state 'trace' of each sample: the rule returns shape {shape}: expected \\(8, 4\\); [^\n]*$"
        with pytest.raises(ShapeError, match=said):
            made.propose(made.sweep(X[:, None, 0]), {})


# ---------------------------------------------------------------------- what is refused, and what is warned of

REFUSED = [
    ({"per_sample": "trace_pre"}, "rule per_sample 'trace_pre': expected a list of names"),
    ({"per_sample": (3,)}, "expected a list of names of states"),
    ({"per_sample": 0.5}, r"no constant can have this name"),
    ({"per_sample": ("trace_pre",)}, r"rule per_sample 'trace_pre': expected one of the rule's states \(none\)"),
    ({"per_sample": ("trace",), "pre": {"trace": "dtrace/dt = rate_pre"}}, r"one of the rule's states \(trace_pre\), as its"),
    ({"per_sample": ("rate_pre",), "pre": {"trace": "dtrace/dt = rate_pre"}}, "rule per_sample 'rate_pre'"),
    ({"per_sample": ("e_post",), "synapse": {"e": "de/dt = rate_pre"}}, r"expected one of the rule's states \(e\)"),
]


@pytest.mark.parametrize(("options", "named"), REFUSED)
def test_what_is_refused_is_said_in_one_line(options, named):
    with pytest.raises(EquationError, match=named) as error:
        PlasticityRule("dw = rate_pre", **options)
    assert "\n" not in str(error.value)


def test_a_bias_has_no_synapse_to_read_and_mixes_nothing():
    with pytest.raises(EquationError, match="name 'u' is not local"):
        PlasticityRule("dw = u", bias="db = u", synapse={"u": "du/dt = rate_pre"}, per_sample=("u",))
    with pytest.raises(EquationError, match="mixes post and synapse"):
        PlasticityRule("dw = 0", bias="db = tanh(b * c_post)", post={"c": "dc/dt = rate_post"}, per_sample=("c_post",))


def test_one_of_the_synapse_needs_all_to_all_synapses():
    rule = PlasticityRule("dw = u", synapse={"u": "du/dt = rate_pre"}, per_sample=("u",))
    ends = [Population("x", 3), Population("y", 3)]
    said = r"^rule state 'u' of each sample and synapse, with weights of shape \(3,\): expected all_to_all synapses; [^\n]*$"
    with pytest.raises(InputError, match=said):
        Network(ends, [Projection("x", "y", rule=rule, connectivity="one_to_one", initial=0.1)])


def test_one_of_a_side_does_not():
    rule = PlasticityRule(
        "dw = trace_pre * rate_post", pre={"trace": "dtrace/dt = rate_pre - trace / 2"}, per_sample=("trace_pre",)
    )
    projection = Projection("x", "y", rule=rule, connectivity="one_to_one", initial=0.5)
    net = Network([Population("x", 3), Population("y", 3)], [projection], dtype="float64")
    x, states = DRAW.normal(size=(2, 4, 3)), {}
    for tick in range(2):
        deltas, after = net.propose(net.sweep(x[tick]), {}, {}, states)
        states |= after
    trace = x[0] / 2 + x[1]
    np.testing.assert_allclose(deltas["x__y.w"], (trace * x[1] * 0.5).mean(axis=0), rtol=1e-6)


def test_an_optimiser_that_rescales_is_no_harm_to_a_rule_that_balances_nothing(caplog):
    """Of a state that begins with every trial nothing comes to rest over steps; of one that lasts it does."""
    trainer(three_factor(per_sample=True))
    Trainer(network(three_factor(per_sample=True)), pathway("backprop"), Adam(0.01))
    Trainer(network(TRACE), pathway("backprop"), Adam(0.01))
    assert not caplog.records
    Trainer(network(MIXED), pathway("backprop"), Adam(0.01))
    assert "adam rescales" in caplog.text


@pytest.mark.parametrize("scheme", ["feedback_alignment", "direct_feedback_alignment"])
def test_feedback_synapses_refuse_them(scheme):
    populations = [Population("x", 3), Population("h", 3, transfer="tanh"), Population("y", 2, transfer="softmax")]
    net = Network(populations, [Projection("x", "h"), Projection("h", "y")])
    rule = PlasticityRule("dw = trace_pre", pre={"trace": "dtrace/dt = rate_pre"}, per_sample=("trace_pre",))
    with pytest.raises(InputError, match="keeps a state or solves for weights"):
        pathway(scheme, rule=rule).attach(net, 2, 0)
