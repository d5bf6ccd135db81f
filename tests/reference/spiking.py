"""A spiking network written out tick by tick, for automatic differentiation: LIF populations and a leaky softmax readout."""

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive
from autograd.tracer import getval

from neurosim.datasets import DataSet, Split
from neurosim.network import Network, Population, Projection
from neurosim.neurons import Leaky
from neurosim.neurons.lif import LIF
from neurosim.neurons.softmax import Softmax
from neurosim.neurons.surrogates import FastSigmoid

TAU, TAU_SYN, TAU_OUT, R, R_OUT = 10.0, 4.0, 7.0, 10.0, 3.0  # ticks of 1 ms
BETA, SAMPLES, INPUTS, CLASSES = 2.0, 24, 5, 3
HIDDEN = {"hidden1": 7, "hidden2": 6}
DRAW = np.random.default_rng(8)
X = DRAW.uniform(0, 1, size=(SAMPLES, INPUTS)).astype(np.float32)
Y = DRAW.integers(0, CLASSES, SAMPLES)
TARGET = np.eye(CLASSES)[Y]
DATA = DataSet("points", Split(X, Y), Split(X[:0], Y[:0]), Split(X[:4], Y[:4]), CLASSES, (INPUTS,))


@primitive
def spike(x):
    """Return 1 above threshold, 0 below; x is the distance to it."""
    return (x > 0).astype(float)


defvjp(spike, lambda ans, x: lambda g: g / (1 + BETA * np.abs(x)) ** 2)


def network(rule, output_rule, synapses=False, subtract=True):
    """Return x -> hidden1 -> hidden2 -> output, with weights large enough for spikes; one rule into the output, one elsewhere."""
    options = {"tau": "10*ms", "tau_syn": "4*ms" if synapses else None, "resistance": R, "subtract": subtract}
    populations = [Population("x", INPUTS)]
    populations += [Population(name, n, neurons=LIF(surrogate=FastSigmoid(beta=BETA), **options)) for name, n in HIDDEN.items()]
    populations.append(Population("output", CLASSES, neurons=Leaky(tau=TAU_OUT, resistance=R_OUT, transfer=Softmax())))
    names = [population.name for population in populations]
    links = [
        Projection(a, b, rule=output_rule if b == "output" else rule) for a, b in zip(names, names[1:], strict=False)
    ]
    made = Network(populations, links, dtype="float64", dt="1*ms", seed=4)
    for p in links:
        p.w[...] *= 2
        p.parameters["b"][...] = 0.3
    return made


def forward(weights, ticks, *, synapses=False, subtract=True, local=False):
    """Return for each tick population -> rate, with the output's softmax argument as ``output``; resets are constants.

    local : no error passes from a population to those below, but the output's argument is a function of its own weights
    """
    a, b = np.exp(-1 / TAU), np.exp(-1 / TAU_SYN)
    passed = (b - a) * TAU_SYN / (TAU_SYN - TAU)  # of the current into the membrane, in a tick
    v = {name: 0.0 for name in HIDDEN}
    current = dict(v)
    u, found = 0.0, []
    for _ in range(ticks):
        sent, rates = X.astype(float), {}
        for (name, _), pre in zip(HIDDEN.items(), ("x", "hidden1"), strict=True):
            drive = anp.dot(sent, weights[f"{pre}__{name}.w"]) + weights[f"{pre}__{name}.b"]
            if synapses:
                v[name] = a * v[name] + R * (passed * current[name] + (1 - a - passed) * drive)
                current[name] = b * current[name] + (1 - b) * drive
            else:
                v[name] = a * v[name] + (1 - a) * R * drive
            rates[name] = spike(v[name] - 1)
            fired = getval(rates[name])
            v[name] = v[name] - fired if subtract else v[name] * (1 - fired)
            sent = fired if local else rates[name]
        u = u + (R_OUT * (anp.dot(sent, weights["hidden2__output.w"]) + weights["hidden2__output.b"]) - u) / TAU_OUT
        found.append(rates | {"output": u})
    return found


def cross_entropy(u):
    """Return the mean cross-entropy of softmax(u)."""
    return anp.mean(anp.log(anp.sum(anp.exp(u), axis=1)) - anp.sum(TARGET * u, axis=1))
