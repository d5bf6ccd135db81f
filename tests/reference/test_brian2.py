"""The same equation in neurosim and in Brian2, as ``Synapses`` that change their weights by it."""

import brian2
import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.connectivity import Dense
from neurosim.plasticity import PlasticityRule, Synapses

EQUATIONS = [
    ("dw = eta * rate_post * rate_pre", {"eta": 0.3}),
    ("dw = eta * rate_post * (rate_pre - rate_post * w)", {"eta": 0.3}),
    ("dw = eta * error_post * rate_pre - decay * w", {"eta": 0.3, "decay": 0.1}),
    ("dw = rate_pre * exp(-rate_post**2) + sin(w) * gain_post", {}),
    ("dw = eta * tanh(rate_pre + rate_post)", {"eta": 0.3}),
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
