"""Rules as equations: what they compute, and what they refuse."""

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.connectivity import Dense
from neurosim.errors import EquationError
from neurosim.plasticity import CoActivationMemory, PlasticityRule, Synapses, hebbian, oja

DRAW = np.random.default_rng(0)
PRE = {"rate": DRAW.normal(size=(8, 3))}
POST = {"rate": DRAW.normal(size=(8, 2)), "error": DRAW.normal(size=(8, 2)), "drive": DRAW.normal(size=(8, 2))}
W = DRAW.normal(size=(3, 2))


def synapses(**state):
    return Synapses(NumpyBackend(), Dense(), W.copy(), np.zeros(2), state)


def dw(rule):
    return rule.delta({k: PRE[k] for k in rule.pre}, {k: POST[k] for k in rule.post}, synapses()).dw


def test_hebbian_and_oja_by_hand():
    expected = np.einsum("bi,bj->ij", PRE["rate"], POST["rate"]) / 8
    np.testing.assert_allclose(dw(hebbian(eta=0.5)), 0.5 * expected)
    decay = (POST["rate"] ** 2).mean(axis=0) * W
    np.testing.assert_allclose(dw(oja(eta=0.5)), 0.5 * (expected - decay))


@pytest.mark.parametrize("text", ["dw = 2 * rate_post", "dw = rate_pre - 3 * w", "dw = rate_pre * (rate_post - w)**2"])
def test_separable_equals_explicit(text):
    np.testing.assert_allclose(dw(PlasticityRule(text)), dw(PlasticityRule(text, method="explicit")), rtol=1e-12)


def test_inseparable_names_the_sub_expression_and_explicit_evaluates_it():
    with pytest.raises(EquationError, match="tanh"):
        PlasticityRule("dw = tanh(rate_pre + rate_post)")
    found = dw(PlasticityRule("dw = tanh(rate_pre + rate_post)", method="explicit"))
    expected = np.tanh(PRE["rate"][:, :, None] + POST["rate"][:, None, :]).mean(axis=0)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("text", "constants", "named"),
    [
        ("dw = eta * rate_pre * rate_post", {}, "'eta'"),
        ("dw = rate_pre * next_layer_error", {}, "'next_layer_error'"),
        ("dw = rate_pre * rate_post", {"eta": 1.0}, "'eta'"),
        ("w = rate_pre", {}, "dw = expression"),
        ("dw = rate_pre *", {}, "syntax"),
        ("dv = rate_pre", {}, "dv"),
    ],
)
def test_refusals_name_what_is_wrong(text, constants, named):
    with pytest.raises(EquationError, match=named):
        PlasticityRule(text, **constants)


def test_co_activation_memory_converges_to_least_squares():
    rule, target = CoActivationMemory(forgetting=0.0), POST["drive"] + POST["error"]
    w, state = W.copy(), {"A": np.zeros((3, 3)), "B": np.zeros((3, 2))}
    for _ in range(200):
        proposal = rule.delta(PRE, POST, Synapses(NumpyBackend(), Dense(), w, None, state))
        w, state = w + proposal.dw, proposal.state
    np.testing.assert_allclose(w, np.linalg.lstsq(PRE["rate"], target, rcond=None)[0], rtol=1e-6)


def test_explicit_says_once_what_it_costs(caplog):
    rule = PlasticityRule("dw = tanh(rate_pre + rate_post)", method="explicit")
    dw(rule)
    dw(rule)
    assert [record.message for record in caplog.records] == [caplog.records[0].message]
    assert "MiB" in caplog.records[0].message


@pytest.mark.parametrize(("text", "expected"), [("dw = 0.5", 0.5), ("dw = 0.5 - 2 * w", 0.5 - 2 * W), ("dw = w", W)])
def test_a_rule_that_reads_no_population_changes_every_synapse(text, expected):
    for method in ("separable", "explicit"):
        own = synapses()
        found = PlasticityRule(text, method=method).delta({}, {}, own).dw
        np.testing.assert_allclose(found, np.broadcast_to(expected, W.shape))
        assert not np.shares_memory(found, own.w), "optimisers write into what a rule proposes"
