"""Optimisers and transforms against their recurrences written out for one number."""

import math

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.errors import InputError
from neurosim.plasticity import SGD, Adam, Bounds, CentredRMSProp, Clip, Decay, Milestones, Momentum, Nesterov, RMSProp, Time, chain
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


def test_negative_learning_rate_is_refused():
    with pytest.raises(InputError, match="learning_rate -1"):
        SGD(-1)
