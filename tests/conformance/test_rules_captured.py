"""Every named rule, and a spread of equations: a captured step does what array code does, and is in fact captured."""

import numpy as np
import pytest

from neurosim.datasets import from_arrays
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.plasticity import SGD, PlasticityRule, rules
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
    ("dw = exp(-rate_pre**2) * tanh(drive_post) + log1p(abs(potential_post))", {}),
    ("dw = clip(rate_pre, -0.5, 0.5) * sign(rate_post) * sqrt(abs(w))", {}),
    ("dw = arctan(rate_pre) * (floor(3 * rate_post) + ceil(rate_post)) - rate_pre % 0.3 * (rate_post // 0.2)", {}),
    ("dw = exp(rate_pre + 0.5 * rate_post - 1) * sin(w) + cos(rate_pre) * expm1(rate_post)", {}),
    ("dw = log10(9 + rate_pre) * cosh(rate_post) + sinh(rate_pre) * arcsin(0.3 * tanh(rate_post)) * tan(w)", {}),
    ("dw = arccos(0.3 * tanh(rate_pre)) * abs(rate_post)**1.5 + 2**rate_pre", {}),
]
BIASES = [
    ("dw = error_post * rate_pre", {"bias": "db = eta * error_post", "eta": 0.3}),
    ("dw = -0.1 * w", {"bias": "db = -0.1 * b + eta * int(rate_post > 0) - 0.01", "eta": 0.3}),
    ("dw = rate_pre", {"bias": "db = error_post * b"}),
]
CASES = [pytest.param(make, id=name) for name, make in rules().items()] + [
    pytest.param(lambda text=text, options=options: PlasticityRule(text, **options), id="; ".join([text, options.get("bias", "")]))
    for text, options in EQUATIONS + BIASES
]


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
    trainer = Trainer(network, pathway("backprop"), SGD(0.05), epochs=1, batch=16, seed=1)
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
    return captured.network.parameters(), plain.network.parameters(), before


@pytest.mark.parametrize("make", CASES)
def test_captured_and_array_code_agree(make, monkeypatch):
    captured, plain, before = compared(make, monkeypatch)
    for name, value in plain.items():
        np.testing.assert_allclose(captured[name], value, rtol=1e-7, atol=1e-11, err_msg=name)
    assert np.abs(plain["x__hidden.w"] - before["x__hidden.w"]).max() > 1e-4


@pytest.mark.parametrize(("text", "constants"), EQUATIONS[::3])
def test_captured_and_array_code_agree_one_to_one(text, constants, monkeypatch):
    captured, plain, before = compared(lambda: PlasticityRule(text, **constants), monkeypatch, connectivity="one_to_one")
    np.testing.assert_allclose(captured["x__hidden.w"], plain["x__hidden.w"], rtol=1e-7, atol=1e-11)
    assert np.abs(plain["x__hidden.w"] - before["x__hidden.w"]).max() > 1e-4


@pytest.mark.parametrize("text", ["dw = rate_post * rate_pre - w", "dw = int(rate_pre > 0) * rate_post", "dw = rate_pre"])
def test_a_proposal_has_the_weights_type(text, monkeypatch):
    captured, plain, _ = compared(lambda: PlasticityRule(text), monkeypatch, dtype="float32")
    assert captured["x__hidden.w"].dtype == np.float32
    np.testing.assert_allclose(captured["x__hidden.w"], plain["x__hidden.w"], rtol=1e-4, atol=1e-6)


def test_a_rule_synapse_by_synapse_runs_as_array_code_and_says_why(caplog):
    """It reads one sample after another, which has no place in a captured step."""
    text = "dw = tanh(rate_pre + rate_post) - 0.1 * w"
    explicit, _ = trained(PlasticityRule(text, method="explicit"))
    assert all(step.program is None for step in explicit._programs.values())
    assert [r.message for r in caplog.records if "not captured" in r.message]
    separable, before = trained(PlasticityRule("dw = rate_pre * rate_post - 0.1 * w"))
    again, _ = trained(PlasticityRule("dw = rate_pre * rate_post - 0.1 * w", method="explicit"))
    found = again.network.parameters()["x__hidden.w"]
    np.testing.assert_allclose(found, separable.network.parameters()["x__hidden.w"], rtol=1e-7, atol=1e-11)
    assert np.abs(found - before["x__hidden.w"]).max() > 1e-4
