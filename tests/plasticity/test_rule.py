"""Rules as equations: what they compute, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.connectivity import Dense
from neurosim.errors import EquationError, InputError
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
        ("dv = rate_pre", {}, "expected 'dw = ...'"),
        ("dw = sum(w) * rate_pre", {}, "function 'sum' is unknown"),
        ("dw = mean(w) * rate_pre", {}, "function 'mean' is unknown"),
        ("dw = roll(rate_post, 1)", {}, "function 'roll' is unknown"),
        ("dw = eta * rate_pre", {"eta": "0.01"}, "constant eta = '0.01': expected a finite number"),
        ("dw = rate_pre", {"bias": "db = eta * error_post"}, "'eta'"),
        ("dw = rate_pre", {"bias": "db = rate_pre"}, "postsynaptic variables and b only"),
        ("dw = rate_pre", {"bias": "db = w"}, "name 'w' is not local"),
        ("dw = method * rate_pre", {"method": 0.3}, "no constant can have this name"),
        ("dw = bias * rate_pre", {"bias": 0.3}, "no constant can have this name"),
    ],
)
def test_refusals_name_what_is_wrong(text, constants, named):
    with pytest.raises(InputError, match=named):
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


def test_a_constant_may_have_the_name_of_an_argument_or_be_in_both_equations():
    rule = PlasticityRule("dw = self * rate_pre + equation", bias="db = equation * error_post", self=2.0, equation=0.5)
    np.testing.assert_allclose(dw(rule), 2 * PRE["rate"].mean(axis=0)[:, None] + np.full((3, 2), 0.5))
    given = {name: POST[name] for name in rule.post}
    np.testing.assert_allclose(rule.delta({"rate": PRE["rate"]}, given, synapses()).db, 0.5 * POST["error"].mean(axis=0))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda rule: pickle.loads(pickle.dumps(rule))])
def test_a_rule_is_copied_and_pickled_as_its_text(duplicate):
    rule = PlasticityRule("dw = eta * int(rate_pre > 0) * exp(rate_post)", bias="db = eta * error_post", eta=0.5)
    expected = dw(rule)
    again = duplicate(rule)
    assert again is not rule and again.describe() == rule.describe()
    np.testing.assert_array_equal(dw(again), expected)


LOCAL = [
    "dw = rate_post * (rate_pre - rate_post * w)", "dw = -w + 0.1", "dw = rate_pre", "dw = rate_post**2 - rate_pre * w",
    "dw = int(rate_pre > 0) * abs(w) * clip(rate_post, -1, 1)", "dw = exp(rate_pre + rate_post) * tanh(w)",
]  # fmt: skip


@pytest.mark.parametrize("method", ["separable", "explicit"])
@pytest.mark.parametrize("text", LOCAL)
def test_no_synapse_learns_from_another_s_neurons_or_weight(text, method):
    """One neuron's rate, or one weight, is changed: no other synapse's change moves by a bit, and its own do."""
    def changes(pre, post, w):
        own = Synapses(NumpyBackend(), Dense(), w, np.zeros(2), {})
        rule = PlasticityRule(text, method=method)
        return rule.delta({name: pre for name in rule.pre}, {name: post for name in rule.post}, own).dw

    before = changes(PRE["rate"], POST["rate"], W)
    places = {"_pre": (np.s_[:, 1], np.s_[[0, 2], :]), "_post": (np.s_[:, 0], np.s_[:, 1]), "w": (np.s_[2, 0], np.s_[:2, :])}
    for number, (side, (changed, others)) in enumerate(places.items()):
        given = [PRE["rate"].copy(), POST["rate"].copy(), W.copy()]
        given[number][changed] += 0.7
        after = changes(*given)
        np.testing.assert_array_equal(after[others], before[others])
        assert np.array_equal(after, before) == (side not in text.split("=", 1)[1]), side
