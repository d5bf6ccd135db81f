"""The same equation in neurosim and in Brian2: as ``Synapses`` that change their weights by it, and as Brian2's own array code."""

import brian2
import numpy as np
import pytest
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.parsing.rendering import NumpyNodeRenderer
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.backends import NumpyBackend
from neurosim.connectivity import Dense
from neurosim.datasets import from_arrays
from neurosim.encoders import Sequence
from neurosim.equations import FUNCTIONS, compile_expression, names_in, parse
from neurosim.errors import EquationError
from neurosim.feedback import pathway
from neurosim.network import Clock, Network, Population, Projection
from neurosim.plasticity import SGD, PlasticityRule, Shapes, Synapses, rules, three_factor
from neurosim.tasks import Classification
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep

EQUATIONS = [
    ("dw = eta * rate_post * rate_pre", {"eta": 0.3}),
    ("dw = eta * rate_post * (rate_pre - rate_post * w)", {"eta": 0.3}),
    ("dw = eta * error_post * rate_pre - decay * w", {"eta": 0.3, "decay": 0.1}),
    ("dw = -eta * (rate_pre * rate_post - target)", {"eta": 0.3, "target": 0.25}),
    ("dw = eta * gain_post * (rate_pre - error_post * w)", {"eta": 0.3}),  # SoftHebb's, with other names
    ("dw = rate_pre * exp(-rate_post**2) + sin(w) * gain_post", {}),
    ("dw = eta * tanh(rate_pre + rate_post)", {"eta": 0.3}),
    ("dw = int(rate_pre > 0 and not rate_pre > 1) * rate_post - int(w < 0) * eta", {"eta": 0.3}),
    ("dw = clip(rate_pre, -0.5, 0.5) * (rate_post // 0.2) + rate_pre % 0.3", {}),
]


@pytest.mark.parametrize(("text", "constants"), EQUATIONS)
def test_rule_equals_brian2(text, constants):
    draw = np.random.default_rng(4)
    pre = {"rate": draw.normal(size=(1, 5))}
    post = {name: draw.normal(size=(1, 3)) for name in ("rate", "error", "gain")}
    w = draw.normal(size=(5, 3))
    method = "explicit" if "tanh" in text else "separable"
    rule = PlasticityRule(text, method=method, **constants)
    ours = rule.delta(pre, post, Synapses(NumpyBackend(), Dense(), w, None, {})).dw

    brian2.prefs.codegen.target = "numpy"
    source = brian2.NeuronGroup(5, "rate : 1")
    sink = brian2.NeuronGroup(3, "rate : 1\nerror : 1\ngain : 1")
    source.rate = pre["rate"][0]
    sink.rate, sink.error, sink.gain = post["rate"][0], post["error"][0], post["gain"][0]
    synapses = brian2.Synapses(source, sink, "w : 1", namespace=constants)
    synapses.connect()
    synapses.w = w.reshape(-1)
    synapses.run_regularly(text.replace("dw =", "w +="), dt=1 * brian2.ms)
    network = brian2.Network(source, sink, synapses)
    network.run(1 * brian2.ms)
    theirs = np.asarray(synapses.w).reshape(5, 3) - w
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------------- rules that remember, over fifty steps of 1 ms

STEPS = 50
REMEMBERING = {  # rule -> what Brian2's two groups, its synapses and their change at the end of a step are written as
    "bcm": ("", "dtheta/dt = (rate**2 - theta) / tau : 1", "", "eta * rate_post * (rate_post - theta_post) * rate_pre"),
    "covariance": (
        "dmean/dt = (rate - mean) / tau : 1", "dmean/dt = (rate - mean) / tau : 1", "",
        "eta * (rate_post - mean_post) * (rate_pre - mean_pre)",
    ),
    "three_factor": (
        "", "", "deligibility/dt = rate_pre * rate_post / ms - eligibility / tau : 1 (clock-driven)",
        "eta * reward(t) * eligibility",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REMEMBERING)
def test_a_rule_with_state_equals_brian2(name):
    """Brian2 advances the states of groups and synapses by explicit Euler, and then runs what is set for the end of its step."""
    draw = np.random.default_rng(4)
    pre, post, reward, w = (draw.normal(size=shape) for shape in ((STEPS, 5), (STEPS, 3), STEPS, (5, 3)))
    rule = rules()[name](eta=0.3, tau=7.0)
    ours = w.copy()
    state = {key: np.full(start.shape, start.value) for key, start in rule.initial_state(Shapes((5, 3), (5,), (3,))).items()}
    for k in range(STEPS):
        synapses = Synapses(NumpyBackend(), Dense(), ours, None, state, {"reward": reward[k : k + 1]})
        proposal = rule.delta({"rate": pre[k : k + 1]}, {"rate": post[k : k + 1]}, synapses)
        ours, state = ours + proposal.dw, proposal.state

    brian2.prefs.codegen.target = "numpy"
    step, (of_pre, of_post, of_synapse, change) = 1 * brian2.ms, REMEMBERING[name]
    timed = {name: brian2.TimedArray(values, dt=step) for name, values in (("pre", pre), ("post", post), ("reward", reward))}
    options = {"method": "euler", "dt": step, "namespace": {"eta": 0.3, "tau": 7 * brian2.ms} | timed}
    source = brian2.NeuronGroup(5, f"rate = pre(t, i) : 1\n{of_pre}", **options)
    sink = brian2.NeuronGroup(3, f"rate = post(t, i) : 1\n{of_post}", **options)
    theirs = brian2.Synapses(source, sink, f"w : 1\n{of_synapse}", **options)
    theirs.connect()
    theirs.w = w.reshape(-1)
    theirs.run_regularly(f"w += {change}", dt=step, when="end")
    brian2.Network(source, sink, theirs).run(STEPS * step)
    np.testing.assert_allclose(ours, np.asarray(theirs.w).reshape(5, 3), rtol=1e-9, atol=1e-12)
    held = {"theta_post": lambda: sink.theta, "mean_pre": lambda: source.mean, "mean_post": lambda: sink.mean,
            "eligibility": lambda: np.asarray(theirs.eligibility).reshape(5, 3)}  # fmt: skip
    for key, value in state.items():
        np.testing.assert_allclose(value, np.asarray(held[key]()), rtol=1e-9, atol=1e-12, err_msg=key)


# ---------------------------------------------------------------------- states of each sample, over trials of twelve ticks of 1 ms

TICKS, ASKED, SAMPLES = 12, 4, 3
OF_EACH_SAMPLE = {  # rule, and what Brian2's two groups, its synapses and their change at the end of a step are written as
    "trace": (
        PlasticityRule(
            "dw = eta * error_post * trace_pre", pre={"trace": ("dtrace/dt = (rate_pre - trace) / tau", 0.4)},
            per_sample=("trace_pre",), eta=0.3, tau=7.0,
        ),
        ("dtrace/dt = (rate - trace) / tau : 1", "", "", "eta * error_post * trace_pre"),
    ),
    "filtered error": (
        PlasticityRule(
            "dw = eta * late_post * rate_pre", post={"late": ("dlate/dt = error_post - late / tau", 0.4)},
            per_sample=("late_post",), eta=0.3, tau=7.0,
        ),
        ("", "dlate/dt = error / ms - late / tau : 1", "", "asked(t) * eta * late_post * rate_pre"),
    ),
    "three factors": (
        three_factor(eta=0.3, tau=7.0, per_sample=True),
        ("", "", "deligibility/dt = rate_pre * rate_post / ms - eligibility / tau : 1 (clock-driven)",
         "eta * reward(t) * eligibility"),
    ),
}  # fmt: skip


class Praise(Classification):
    """Rewards every sample with its class plus a half."""

    modulators = ("reward",)

    def broadcast(self, outcome):
        return {"reward": (outcome * (np.arange(self.size) + 0.5)).sum(axis=1)}


@pytest.mark.parametrize("captured", [True, False])
@pytest.mark.parametrize("name", OF_EACH_SAMPLE)
def test_a_trial_of_each_sample_equals_brian2_s_run_of_it(name, captured, monkeypatch):
    """Brian2 runs one sample after the other, each from its start; the trainer's step is the mean of what it proposes."""
    rule, (of_pre, of_post, of_synapse, change) = OF_EACH_SAMPLE[name]
    x = np.random.default_rng(5).normal(size=(SAMPLES, 1, TICKS, 5)).astype(np.float32)
    populations = [Population("x", (1, 5)), Population("y", SAMPLES, transfer="softmax")]
    made = Network(populations, [Projection("x", "y", rule=rule, bias=False)], dtype="float64", seed=2)
    w = made.projections["x__y"].w.copy()
    options = {"task": Praise(SAMPLES), "clock": Clock(TICKS, ASKED), "encoder": Sequence(axis=1), "epochs": 1}
    trainer = Trainer(made, pathway("backprop"), SGD(1.0), batch=SAMPLES, shuffle=False, **options)
    if not captured:
        monkeypatch.setattr(CapturedStep, "prepared", lambda *_: None)
    trainer.run_epoch(from_arrays(x, np.arange(SAMPLES), x, np.arange(SAMPLES)))
    assert all((step.program is not None) == captured for step in trainer._programs.values())

    brian2.prefs.codegen.target = "numpy"
    step, asked, total = 1 * brian2.ms, (np.arange(TICKS) >= TICKS - ASKED) * 1.0, 0.0
    for k in range(SAMPLES):
        pre = x[k, 0].astype(float)
        post = np.exp(pre @ w) / np.exp(pre @ w).sum(axis=1, keepdims=True)
        error = asked[:, None] * (np.eye(SAMPLES)[k] - post)
        given = {"pre": pre, "post": post, "error_at": error, "asked": asked, "reward": asked * (k + 0.5)}
        timed = {key: brian2.TimedArray(values, dt=step) for key, values in given.items()}
        options = {"method": "euler", "dt": step, "namespace": {"eta": 0.3, "tau": 7 * brian2.ms} | timed}
        source = brian2.NeuronGroup(5, f"rate = pre(t, i) : 1\n{of_pre}", **options)
        sink = brian2.NeuronGroup(SAMPLES, f"rate = post(t, i) : 1\nerror = error_at(t, i) : 1\n{of_post}", **options)
        for group, text, state in ((source, of_pre, "trace"), (sink, of_post, "late")):
            if text:
                setattr(group, state, 0.4)
        theirs = brian2.Synapses(source, sink, f"total : 1\n{of_synapse}", **options)
        theirs.connect()
        theirs.run_regularly(f"total += {change}", dt=step, when="end")
        brian2.Network(source, sink, theirs).run(TICKS * step)
        total = total + np.asarray(theirs.total).reshape(5, SAMPLES)
    np.testing.assert_allclose(made.projections["x__y"].w - w, total / SAMPLES / ASKED, rtol=1e-9, atol=1e-12)
    assert np.abs(total).max() > 0.1


# ---------------------------------------------------------------------- random expressions of the whole language

VALUES = {  # of both signs, and far enough from where a rounding decides what floor or a comparison gives
    "rate_pre": np.array([[-1.37], [0.43], [2.19]]),
    "rate_post": np.array([[-0.71, 0.29, 1.63, 3.07]]),
    "w": np.linspace(-1.13, 1.31, 12).reshape(3, 4),
}
CONSTANTS = {"eta": 0.37, "alpha": -1.9, "N": 3.0}
BRIAN2 = {name: function.pyfunc for name, function in DEFAULT_FUNCTIONS.items()} | {
    "logical_not": np.logical_not,
    "int": lambda value: np.trunc(np.asarray(value, float)),  # np.int_ without its overflow at 2**63
}

LEAVES = st.sampled_from(["rate_pre", "rate_post", "w", "eta", "alpha", "N", "2", "0.5", "1.7e-1", "3", "pi", "e"])
SINGLE = sorted(name for name, function in FUNCTIONS.items() if function.arity == 1)


def joined(*parts):
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map("".join)


def compound(inner):
    compared = joined("(", inner, st.sampled_from([" > ", " < ", " >= ", " <= ", " != "]), inner, ")")
    logical = compared | joined("(", compared, st.sampled_from([" and ", " or "]), compared, ")") | joined("(not ", compared, ")")
    return (
        joined("(", inner, st.sampled_from([" + ", " - ", " * ", " / ", "*", "-"]), inner, ")")
        | joined(inner, st.sampled_from([" + ", " - ", " * "]), inner)  # precedence is the parsers' own
        | joined("(", inner, st.sampled_from([" // ", " % "]), inner, ")")
        | joined("(", inner, ")**", st.sampled_from(["2", "3", "-1", "0.5", "-2", "1.5"]))
        | joined("2**", "(", inner, ")")
        | joined(st.sampled_from(SINGLE), "(", inner, ")")
        | joined("clip(", inner, ", ", inner, ", ", inner, ")")
        | joined("int", logical)
        | joined(st.sampled_from(["-", "+", "--"]), inner)
    )


def test_the_functions_are_brian2_s():
    assert set(FUNCTIONS) == DEFAULT_FUNCTIONS.keys() - {"exprel", "timestep", "rand", "randn", "poisson"}


def in_brian2(text, nearby=0.0):
    """Return what the array code that Brian2 writes for NumPy makes of an expression, or of one with inputs ``nearby``."""
    draw = np.random.default_rng(1)
    inputs = {name: value * (1 + nearby * draw.uniform(-1, 1)) for name, value in (VALUES | CONSTANTS).items()}
    scope = BRIAN2 | inputs | {"pi": np.pi, "e": np.e}
    found = eval(NumpyNodeRenderer().render_expr(text), {"__builtins__": {}}, scope)
    return np.broadcast_to(np.asarray(found, float), (3, 4))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.recursive(LEAVES, compound, max_leaves=7))
def test_any_expression_has_the_value_that_brian2_gives_it(text):
    used = CONSTANTS.keys() & names_in(f"dw = {text}")
    with np.errstate(all="ignore"):
        try:
            expression = parse(f"dw = {text}", {name: CONSTANTS[name] for name in used}).expression
        except EquationError as error:
            assert "finite" in str(error) or "exponent" in str(error), text  # everything else that is drawn is in the language
            return
        found = np.broadcast_to(compile_expression(expression, np)(VALUES), (3, 4))
        expected, near = in_brian2(text), in_brian2(text, 1e-11)
    # where a rounding decides (floor, a comparison), either is right
    compared = np.isfinite(found) & np.isfinite(expected) & (np.abs(expected - near) <= 1e-6 * (1 + np.abs(expected)))
    np.testing.assert_allclose(found[compared], expected[compared], rtol=1e-6, atol=1e-6)
