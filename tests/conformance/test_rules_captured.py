"""Every named rule, and a spread of equations: all keep the contract, and a captured step does what array code does."""

import copy
import tracemalloc

import numpy as np
import pytest

from neurosim.checking.bench import ArrayTrainer, make_data
from neurosim.checking.checking import RULE
from neurosim.checking.rules import make_trainer
from neurosim.checking.subject import list_subjects
from neurosim.datasets import from_arrays
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.plasticity import (
    SGD,
    Adam,
    Bounds,
    Momentum,
    NormaliseIncoming,
    OneSign,
    PlasticityRule,
    bcm,
    chain,
    covariance,
    rules,
    three_factor,
)
from neurosim.tasks import Classification
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep

EQUATIONS = [
    ("dw = -decay * w", {"decay": 0.1}),
    ("dw = 0.01", {}),
    ("dw = 0.01 - 0.1 * w", {}),
    ("dw = w", {}),
    ("dw = eta * rate_pre", {"eta": 0.1}),
    ("dw = eta * rate_post", {"eta": 0.1}),
    ("dw = eta * rate_pre * (rate_pre - w)", {"eta": 0.1}),
    ("dw = rate_post * (rate_pre - w)", {}),
    ("dw = (rate_post - m) * (rate_pre - m)", {"m": 0.2}),
    ("dw = rate_pre * rate_post - 0.1 * rate_post - 0.1 * rate_pre + 0.01 * w**3 - 0.02", {}),
    ("dw = error_post * rate_pre / (1 + w**2)", {}),
    ("dw = int(rate_pre > 0) * rate_post", {}),
    ("dw = int(rate_pre > 0 and not rate_pre >= 1 or rate_pre == 0.5) * error_post + int(rate_post != 0)", {}),
    ("dw = int(w < 0.1) * rate_pre * rate_post - int(10 * w) * 0.01", {}),
    ("dw = exp(-rate_pre**2) * tanh(drive_post) + log1p(abs(activation_post))", {}),
    ("dw = clip(rate_pre, -0.5, 0.5) * sign(rate_post) * sqrt(abs(w))", {}),
    ("dw = arctan(rate_pre) * (floor(3 * rate_post) + ceil(rate_post)) - rate_pre % 0.3 * (rate_post // 0.2)", {}),
    ("dw = exp(rate_pre + 0.5 * rate_post - 1) * sin(w) + cos(rate_pre) * expm1(rate_post)", {}),
    ("dw = log10(9 + rate_pre) * cosh(rate_post) + sinh(rate_pre) * arcsin(0.3 * tanh(rate_post)) * tan(w)", {}),
    ("dw = arccos(0.3 * tanh(rate_pre)) * abs(rate_post)**1.5 + 2**rate_pre", {}),
]
STATES = [
    ("dw = c_pre * rate_post - 0.1 * w", {"pre": {"c": ("dc/dt = (rate_pre - c) / tau", 0.5)}, "tau": 3.0}),
    ("dw = rate_pre * c_post * (1 - 0.3 * c_post)", {"post": {"c": "dc/dt = abs(rate_post) - 0.2 * c"}}),
    ("dw = 0.1 * c_pre * c_post - 0.1 * w", {"pre": {"c": "dc/dt = 0.1 - 0.5 * c"}, "post": {"c": "dc/dt = rate_post"}}),
    ("dw = e * w - f", {"synapse": {"e": "de/dt = rate_pre * rate_post - 0.5 * e * w", "f": ("df/dt = -0.1 * f + 0.1 * e", 0.2)}}),
    ("dw = e", {"synapse": {"e": "de/dt = c_pre * error_post * reward"}, "pre": {"c": "dc/dt = rate_pre * reward - 0.5 * c"}}),
    ("dw = reward * rate_pre * tanh(c_post * reward) + 0.1 * reward", {"post": {"c": "dc/dt = reward - c"}}),
    ("dw = rate_pre", {"bias": "db = reward * (rate_post - c_post) + 0.1 * c_post", "post": {"c": "dc/dt = 0.1 * rate_post"}}),
    ("dw = int(e > c_post) * rate_pre + 0.01", {"synapse": {"e": "de/dt = rate_pre"}, "post": {"c": "dc/dt = int(rate_post > 0)"}}),
]
OF_EACH_SAMPLE = [  # in trials of three ticks; those without a state of the synapse learn one to one
    ("dw = t_pre * error_post", {"pre": {"t": ("dt/dt = (rate_pre - t) / tau", 0.5)}, "per_sample": ["t_pre"], "tau": 3.0}),
    ("dw = rate_pre * t_post * (t_post - m_post)", {
        "post": {"t": "dt/dt = drive_post - 0.2 * t - 0.1 * m", "m": "dm/dt = (t**2 - m) / 5"}, "per_sample": ["t_post"],
    }),
    ("dw = t_pre * u_post - 0.1 * w", {
        "pre": {"t": "dt/dt = tanh(rate_pre * reward) - 0.5 * t"}, "post": {"u": "du/dt = error_post + 0.1 * reward - u"},
        "bias": "db = u_post * reward", "per_sample": ["t_pre", "u_post"],
    }),
]  # fmt: skip
OF_EACH_SYNAPSE = [
    ("dw = reward * k", {"synapse": {"k": ("dk/dt = rate_pre * rate_post - 0.5 * k", 0.1)}, "per_sample": ["k"]}),
    ("dw = error_post * tanh(k + l) - 0.1 * l", {
        "synapse": {"k": "dk/dt = tanh(rate_pre + drive_post) - 0.3 * k * w", "l": "dl/dt = 0.5 * (k * reward - l)"},
        "per_sample": ["k"],
    }),
    ("dw = k - 0.1 * k**2 * m_post + int(k > 0.5) * rate_pre", {
        "synapse": {"k": "dk/dt = t_pre * error_post - 0.5 * k - 0.1 * l * m_post", "l": "dl/dt = 0.1 * rate_pre - 0.1 * l"},
        "pre": {"t": "dt/dt = rate_pre - 0.5 * t"}, "post": {"m": "dm/dt = abs(rate_post) - 0.5 * m"}, "per_sample": ["k", "t_pre"],
    }),
]  # fmt: skip
BIASES = [
    ("dw = error_post * rate_pre", {"bias": "db = eta * error_post", "eta": 0.3}),
    ("dw = -0.1 * w", {"bias": "db = -0.1 * b + eta * int(rate_post > 0) - 0.01", "eta": 0.3}),
    ("dw = rate_pre", {"bias": "db = error_post * b"}),
]
CASES = [pytest.param(subject, id=name) for name, make in rules().items() for subject in list_subjects(make, {})] + [
    pytest.param(*list_subjects("three_factor", {"per_sample": True}), id="three_factor per sample")
] + [
    pytest.param(*list_subjects(text, options), id="; ".join([text, options.get("bias", "")]))
    for text, options in EQUATIONS + BIASES + STATES + OF_EACH_SAMPLE + OF_EACH_SYNAPSE
]
ONE_TO_ONE = CASES[-len(EQUATIONS + BIASES + STATES + OF_EACH_SAMPLE + OF_EACH_SYNAPSE) : -len(OF_EACH_SYNAPSE)]
PROPERTIES = [(group, name) for group, properties in RULE.items() for name in properties]


@pytest.mark.parametrize(("group", "name"), PROPERTIES)
@pytest.mark.parametrize("subject", CASES)
def test_every_rule_keeps_the_contract_captured_or_not(subject, group, name, measure):
    found = measure(subject, group, name)
    assert found.passed, str(found)


@pytest.mark.parametrize("subject", CASES)
def test_every_rule_is_captured(subject, measure):
    assert measure(subject, "capture", "step_is_captured").outcome.measured == "captured"


@pytest.mark.parametrize("subject", CASES)
def test_every_rule_is_local_but_those_that_say_they_are_not(subject, measure):
    local = subject.make().local
    assert measure(subject, "contract", "synapse_is_local").outcome.measured.startswith("local" if local else "not local")


@pytest.mark.parametrize("subject", ONE_TO_ONE)
def test_an_equation_learns_one_to_one(subject, measure):
    made = make_trainer(subject.make(), connectivity="one_to_one", kind=ArrayTrainer)
    before = made.network.projections["x__hidden"].w.copy()
    made.run_epoch(make_data())
    assert np.abs(made.network.projections["x__hidden"].w - before).max() > 1e-4
    assert measure(subject, "capture", "array_code_agrees_one_to_one").outcome.measured.startswith("the same")


@pytest.mark.parametrize("text", ["dw = rate_post * rate_pre - w", "dw = int(rate_pre > 0) * rate_post", "dw = rate_pre"])
def test_a_proposal_has_the_weights_type(text):
    made = make_trainer(PlasticityRule(text), dtype="float32")
    made.run_epoch(make_data())
    assert made.network.projections["x__hidden"].w.dtype == np.float32


def test_a_rule_synapse_by_synapse_runs_as_array_code_and_says_why(measure):
    """It reads one sample after another, and does what its matrix products do."""

    def trained(text, **options):
        made = make_trainer(PlasticityRule(text, **options))
        before = made.network.projections["x__hidden"].w.copy()
        made.run_epoch(make_data())
        return made, before

    (inseparable,) = list_subjects("dw = tanh(rate_pre + rate_post) - 0.1 * w", {"method": "explicit"})
    for group, name in PROPERTIES:
        finding = measure(inseparable, group, name)
        assert finding.passed, str(finding)
    assert measure(inseparable, "capture", "step_is_captured").outcome.measured.startswith("array code: rule 'dw = tanh")
    separable, before = trained("dw = rate_pre * rate_post - 0.1 * w")
    again, _ = trained("dw = rate_pre * rate_post - 0.1 * w", method="explicit")
    w = again.network.parameters()["x__hidden.w"]
    np.testing.assert_allclose(w, separable.network.parameters()["x__hidden.w"], rtol=1e-7, atol=1e-11)
    assert np.abs(w - before).max() > 1e-4


class Praise(Classification):
    """Rewards each class differently, whatever the network did."""

    modulators = ("reward",)

    def broadcast(self, outcome):
        return {"reward": (outcome * np.linspace(-0.5, 1.0, 4, dtype=outcome.dtype)).sum(axis=1)}


def data():
    draw = np.random.default_rng(0)
    return from_arrays(draw.normal(size=(48, 12)), draw.integers(0, 4, 48), draw.normal(size=(8, 12)), draw.integers(0, 4, 8))


def trained(rule, dtype="float64", connectivity="all_to_all"):
    """Return a trainer after an epoch in which the rule changed a hidden projection, and the weights it started from."""
    size = 12 if connectivity == "one_to_one" else 7
    populations = [Population("x", 12), Population("hidden", size, transfer="tanh"), Population("output", 4, transfer="softmax")]
    initial = 0.3 if connectivity == "one_to_one" else "glorot"
    hidden = Projection("x", "hidden", rule=rule, connectivity=connectivity, initial=initial)
    network = Network(populations, [hidden, Projection("hidden", "output")], seed=3, dtype=dtype)
    trainer = Trainer(network, pathway("backprop"), SGD(0.05), epochs=1, batch=16, seed=1, task=Praise(4))
    trainer.check(data())
    network.projections["x__hidden"].parameters["b"] += 0.1  # a bias of zero hides what multiplies it
    before = {name: np.array(value) for name, value in network.parameters().items()}
    trainer.run_epoch(data())
    return trainer, before


def compared(make, monkeypatch, **options):
    captured, before = trained(make(), **options)
    assert all(step.program is not None for step in captured._programs.values()), "the step was not captured"
    monkeypatch.setattr(CapturedStep, "prepared", lambda self, epoch, epochs: None)
    plain, _ = trained(make(), **options)
    return *(made.network.parameters() | made.network.memory() for made in (captured, plain)), before


@pytest.mark.parametrize("make", [bcm, covariance, three_factor])
def test_a_state_has_the_network_s_type(make, monkeypatch):
    captured, plain, _ = compared(make, monkeypatch, dtype="float32")
    for name, value in plain.items():
        assert value.dtype == captured[name].dtype == np.float32
        np.testing.assert_allclose(captured[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("make", [bcm, covariance, three_factor])
def test_a_warm_step_of_a_rule_with_state_asks_for_no_memory(make):
    n = 200
    populations = [Population("x", 12), Population("hidden", n, transfer="tanh"), Population("output", 4, transfer="softmax")]
    optimiser = chain(SGD(0.05), Bounds(-1, 1), OneSign(), NormaliseIncoming(1.0))
    projections = [Projection("x", "hidden", rule=make(), optimiser=optimiser), Projection("hidden", "output")]
    made = Trainer(Network(populations, projections), pathway("backprop"), SGD(0.05), epochs=1, batch=48, task=Praise(4))
    made.check(data())
    (phase,) = made.pathway.phases
    program = made.network.backend.capture(made.recorded(phase))
    program.hold({"x": data().train.x, "target": np.eye(4, dtype=np.float32)[data().train.y]})
    program.order(np.arange(48))
    program.run(0)
    asked = []
    for step in range(1, 6):
        program.order(np.arange(48))
        tracemalloc.start()
        program.run(step)
        asked.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert min(asked) < 4 * 12 * n, "bytes of the weights"  # the interpreter itself takes 2 to 9 kB


def test_a_run_with_states_and_constraints_is_restored_and_copied_bit_by_bit():
    def made():
        populations = [Population("x", 12), Population("hidden", 7, transfer="tanh"), Population("output", 4, transfer="softmax")]
        optimiser = chain(Momentum(0.05), OneSign(), NormaliseIncoming(1.0, of="norm"))
        hidden = Projection("x", "hidden", rule=three_factor(), optimiser=optimiser)
        network = Network(populations, [hidden, Projection("hidden", "output", rule=bcm())], seed=3)
        trainer = Trainer(network, pathway("backprop"), Adam(0.01), epochs=4, batch=16, seed=1, task=Praise(4))
        trainer.check(data())
        return trainer

    whole, stopped, resumed = made(), made(), made()
    for _ in range(4):
        whole.run_epoch(data())
    for _ in range(2):
        stopped.run_epoch(data())
    state, layout = stopped.state(), stopped.state_layout()
    assert state.keys() <= layout.keys()
    assert {(name, value.shape) for name, value in state.items()} <= {(name, shape) for name, (shape, _) in layout.items()}
    assert "optimiser|x__hidden.b:1.sign" not in layout, "a bias has no sign to keep"
    resumed.restore(state)
    copied = copy.deepcopy(stopped)
    for _ in range(2):
        resumed.run_epoch(data())
        copied.run_epoch(data())
    assert any("eligibility" in name for name in state) and any("1.sign" in name for name in state)
    for name, value in whole.state().items():
        np.testing.assert_array_equal(resumed.state()[name], value, err_msg=name)
        np.testing.assert_array_equal(copied.state()[name], value, err_msg=name)
    for name, value in stopped.state().items():  # nothing is shared with the copy
        np.testing.assert_array_equal(value, state[name], err_msg=name)
