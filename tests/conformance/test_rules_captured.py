"""Every named rule, and a spread of equations: all keep the contract, and a captured step does what array code does."""

import numpy as np
import pytest

from neurosim.checking.bench import ArrayTrainer, make_data
from neurosim.checking.checking import RULE, measure
from neurosim.checking.rules import make_trainer
from neurosim.checking.subject import list_subjects
from neurosim.plasticity import PlasticityRule, rules

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
CASES = [pytest.param(subject, id=name) for name, make in rules().items() for subject in list_subjects(make, {})] + [
    pytest.param(*list_subjects(text, options), id="; ".join([text, options.get("bias", "")]))
    for text, options in EQUATIONS + BIASES
]
PROPERTIES = [(group, name) for group, properties in RULE.items() for name in properties]


@pytest.mark.parametrize(("group", "name"), PROPERTIES)
@pytest.mark.parametrize("subject", CASES)
def test_every_rule_keeps_the_contract_captured_or_not(subject, group, name):
    found = measure(subject, group, name)
    assert found.passed, str(found)


@pytest.mark.parametrize("subject", CASES)
def test_every_rule_is_captured(subject):
    assert measure(subject, "capture", "step_is_captured").outcome.measured == "captured"


@pytest.mark.parametrize("subject", CASES)
def test_every_rule_is_local_but_the_one_that_says_it_is_not(subject):
    local = not getattr(subject.make(), "needs_pre_pre_correlations", False)
    assert measure(subject, "contract", "synapse_is_local").outcome.measured.startswith("local" if local else "not local")


@pytest.mark.parametrize(("text", "constants"), EQUATIONS)
def test_an_equation_learns_one_to_one(text, constants):
    (subject,) = list_subjects(text, constants)
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


def test_a_rule_synapse_by_synapse_is_captured_and_does_what_its_matrix_products_do():
    """It reads one sample after another: a captured step has them all."""

    def trained(text, **options):
        made = make_trainer(PlasticityRule(text, **options))
        before = made.network.projections["x__hidden"].w.copy()
        made.run_epoch(make_data())
        return made, before

    (inseparable,) = list_subjects("dw = tanh(rate_pre + rate_post) - 0.1 * w", {"method": "explicit"})
    for group, name in PROPERTIES:
        finding = measure(inseparable, group, name)
        assert finding.passed, str(finding)
    assert measure(inseparable, "capture", "step_is_captured").outcome.measured == "captured"
    separable, before = trained("dw = rate_pre * rate_post - 0.1 * w")
    again, _ = trained("dw = rate_pre * rate_post - 0.1 * w", method="explicit")
    w = again.network.parameters()["x__hidden.w"]
    np.testing.assert_allclose(w, separable.network.parameters()["x__hidden.w"], rtol=1e-7, atol=1e-11)
    assert np.abs(w - before).max() > 1e-4
