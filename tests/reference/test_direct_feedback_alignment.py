"""Direct feedback alignment, with fixed and with learned feedback, against a straight-line loop."""

import numpy as np
import pytest

from neurosim.datasets import from_arrays
from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.plasticity import SGD
from neurosim.tasks import Classification
from neurosim.training import Trainer


@pytest.mark.parametrize("rule", [None, "dw = rate_post * rate_pre - 0.2 * w"])
def test_ten_steps_of_training_equal_a_straight_line_loop(rule):
    draw = np.random.default_rng(7)
    x, labels = np.float64(np.float32(draw.normal(size=(90, 6)))), draw.integers(0, 3, 90)  # data sets hold float32
    y, data = np.eye(3)[labels], from_arrays(x, labels, x[:3], labels[:3])
    network = Network.layered((6,), [5, 4], 3, dtype="float64", seed=2)
    scheme = pathway("direct_feedback_alignment", rule=rule)
    trainer = Trainer(network, scheme, SGD(0.1), epochs=1, batch=9, shuffle=False, seed=1)
    trainer.check(data)
    w = [p.w.copy() for p in network.projections.values()]
    b = [p.parameters["b"].copy() for p in network.projections.values()]
    back = [scheme.networks[name].projections[f"output__{name}"].w.copy() for name in network.hidden]
    trainer.fit(data)
    for k in range(10):
        rows = slice(9 * k, 9 * k + 9)
        h1 = np.tanh(x[rows] @ w[0] + b[0])
        h2 = np.tanh(h1 @ w[1] + b[1])
        scores = np.exp(h2 @ w[2] + b[2])
        e3 = y[rows] - scores / scores.sum(axis=1, keepdims=True)
        e1, e2 = e3 @ back[0] * (1 - h1**2), e3 @ back[1] * (1 - h2**2)
        for weights, bias, pre, error in zip(w, b, (x[rows], h1, h2), (e1, e2, e3), strict=True):
            weights += 0.1 * pre.T @ error / 9
            bias += 0.1 * error.mean(axis=0)
        for weights, rate in zip(back, (h1, h2), strict=True):
            weights += 0.1 * (e3.T @ rate / 9 - 0.2 * weights) if rule else 0
    for p, weights, bias in zip(network.projections.values(), w, b, strict=True):
        np.testing.assert_allclose(p.w, weights, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(p.parameters["b"], bias, rtol=1e-10, atol=1e-13)
    for name, weights in zip(network.hidden, back, strict=True):
        np.testing.assert_allclose(scheme.networks[name].projections[f"output__{name}"].w, weights, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("scheme", ["feedback_alignment", "direct_feedback_alignment"])
def test_scale_is_a_factor_of_what_is_drawn(scheme):
    drawn = {}
    for options in ({}, {"scale": 1.0}, {"scale": 2.5}):
        network = Network.layered((6,), [5, 4], 3, dtype="float64", seed=2)
        made = pathway(scheme, **options)
        made.attach(network, Classification(3), 1)
        drawn[options.get("scale")] = {name: p.w for name, link in made.networks.items() for p in link.projections.values()}
    for name, weights in drawn[None].items():
        np.testing.assert_array_equal(drawn[1.0][name], weights)
        np.testing.assert_array_equal(drawn[2.5][name], 2.5 * weights)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_a_scale_that_is_none_is_one_line(scale):
    with pytest.raises(InputError, match="scheme 'feedback_alignment': scale .*: expected a positive number; give one such as 1.0"):
        pathway("feedback_alignment", scale=scale)
