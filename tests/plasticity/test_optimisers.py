"""Optimisers and transforms against their recurrences written out for one number."""

import math

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.errors import InputError
from neurosim.plasticity import (
    SGD,
    Adam,
    Bounds,
    CentredRMSProp,
    Clip,
    Decay,
    Milestones,
    Momentum,
    Nesterov,
    RMSProp,
    Sparsity,
    StepDecay,
    Time,
    chain,
)  # fmt: skip
from neurosim.training import Commit

G = [0.3, -0.2, 0.5]


def track(update, epoch=0):
    weights = {"w": np.array([1.0])}
    commit = Commit(update, NumpyBackend())
    for g in G:
        commit.apply(weights, {"w": np.array([g])}, Time(epoch, 10), set())
    return weights["w"][0]


def by_hand(recurrence):
    w, memory = 1.0, {}
    for t, g in enumerate(G, start=1):
        w += recurrence(g, t, memory)
    return w


def momentum(g, t, s):
    s["u"] = 0.9 * s.get("u", 0) + g
    return 0.1 * s["u"]


def nesterov(g, t, s):
    s["u"] = 0.9 * s.get("u", 0) + g
    return 0.1 * (g + 0.9 * s["u"])


def rmsprop(g, t, s):
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g * g
    return 0.1 * g / math.sqrt(s["v"] + 1e-8)


def centred(g, t, s):
    s["m"] = 0.95 * s.get("m", 0) + 0.05 * g
    s["v"] = 0.95 * s.get("v", 0) + 0.05 * g * g
    s["u"] = 0.9 * s.get("u", 0) + 0.1 * g / math.sqrt(s["v"] - s["m"] ** 2 + 1e-3)
    return s["u"]


def adam(g, t, s):
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
    return 0.1 * (s["m"] / (1 - 0.9**t)) / (math.sqrt(s["v"] / (1 - 0.999**t)) + 1e-8)


@pytest.mark.parametrize(
    ("update", "recurrence"),
    [
        (SGD(0.1), lambda g, t, s: 0.1 * g),
        (Momentum(0.1), momentum),
        (Nesterov(0.1), nesterov),
        (RMSProp(0.1), rmsprop),
        (CentredRMSProp(0.1), centred),
        (Adam(0.1), adam),
    ],
)
def test_recurrence(update, recurrence):
    assert track(update) == pytest.approx(by_hand(recurrence), rel=1e-12)


def test_transforms():
    assert track(chain(Clip(0.25), SGD(1.0))) == pytest.approx(1 + 0.25 - 0.2 + 0.25)
    assert track(chain(SGD(1.0), Bounds(0.0, 1.2))) == pytest.approx(1.2)
    assert track(chain(SGD(1.0), Milestones([0.5], factor=0.25)), epoch=5) == pytest.approx(1 + 0.25 * sum(G))
    w = 1.0
    for g in G:
        w += g - 0.1 * w
    assert track(chain(Decay(0.1), SGD(1.0))) == pytest.approx(w)


NOT_RATES = [-1, -1e-9, math.nan, math.inf, -math.inf, "0.1", "nan", None, True, 1j, [0.1], 10**400, np.array([0.1, 0.2])]


@pytest.mark.parametrize("value", NOT_RATES, ids=str)
@pytest.mark.parametrize("kind", [SGD, Adam, Momentum, Nesterov, RMSProp, CentredRMSProp])
def test_a_learning_rate_is_a_finite_number_of_0_or_more(kind, value):
    with pytest.raises(InputError, match=f"^optimiser '{kind.name}': learning_rate .* not a number of 0 or more") as error:
        kind(value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("value", [0, 0.0, 1, 1e-12, np.float32(0.1), np.float64(0.1), np.int64(1)], ids=repr)
def test_numbers_of_any_kind_are_learning_rates(value):
    assert Adam(value).learning_rate == value


BAD = [
    (lambda v: Momentum(0.1, momentum=v), [-0.1, 1, math.nan, "0.9", None], "momentum"),
    (lambda v: Adam(0.1, beta2=v), [-0.1, 1, math.nan, "0.9", None], "beta2"),
    (lambda v: Adam(0.1, epsilon=v), [0, -1, math.nan, math.inf, "1", None], "epsilon"),
    (Decay, [-1, math.nan, math.inf, "1", None], "rate"),
    (Sparsity, [-1, math.nan, math.inf, "1", None], "rate"),
    (Clip, [0, -1, math.nan, math.inf, "1", None], "limit"),
    (lambda v: Bounds(v, 1), [1, 2, math.nan, "0", None], "w_min"),
    (lambda v: Bounds(-1, v), [-1, -2, math.nan, "0", None], "w_max"),
    (lambda v: Milestones(v, factor=0.1), [[0.5, 0.2], [1.0], [math.nan], ["a"], "0.5", 0.5, None], "at"),
    (lambda v: Milestones([0.5], factor=v), [0, -1, math.nan, math.inf, "1", None], "factor"),
    (lambda v: StepDecay(v, factor=0.1), [0, -1, 1.5, math.nan, "1", None], "every"),
    (lambda v: StepDecay(1, factor=v), [0, -1, math.nan, math.inf, "1", None], "factor"),
    (chain, [0.1, "adam", None, Adam], "optimiser"),
]


@pytest.mark.parametrize(("make", "value", "name"), [(make, value, name) for make, values, name in BAD for value in values])
def test_every_setting_out_of_its_range_is_refused_in_one_line(make, value, name):
    with pytest.raises(InputError, match=rf"{name}\b.*(expected|give|swap)") as error:
        make(value)
    assert "\n" not in str(error.value)
