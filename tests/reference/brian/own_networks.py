"""Networks of neurosim's own, each beside the same one written by hand for Brian2: name -> a function of the number of cells.

Each returns the network, its inputs, its start values, and a function that returns Brian2's network for the synapses that the
first has drawn.
"""

import brian2 as b2
import numpy as np
from brian2 import cm, ms, msiemens, mV, second, siemens, ufarad, umetre, volt

from neurosim.connectivity import FixedInDegree, FixedProbability
from neurosim.network import Network, Population, Projection
from neurosim.neurons import Equations, GivenSpikes
from neurosim.plasticity import SGD, Bounds, additive_stdp, chain

FIXED = {"bias": False, "rule": None}


def joined(net, source, target, p, code, **options):
    """Return Brian2's synapses of a projection."""
    made = b2.Synapses(source, target, "w : 1", on_pre=code, name=p.name, **options)
    pre, post = p.synapses()
    made.connect(i=pre, j=post)
    made.w = p.weights()
    net.add(made)
    return made


CUBA = """dv/dt = (ge + gi - (v - El)) / taum : volt (unless refractory)
dge/dt = -ge / taue : volt
dgi/dt = -gi / taui : volt"""


def cuba(cells=4000):
    """Brette et al. 2007, benchmark 2."""
    excitatory, inhibitory = cells * 4 // 5, cells // 5
    values = {"taum": 20 * ms, "taue": 5 * ms, "taui": 10 * ms, "Vt": -50 * mV, "Vr": -60 * mV, "El": -49 * mV}
    made = {"threshold": "v > Vt", "reset": "v = Vr", "refractory": "5*ms", "method": "exact"}
    sizes = {"e": excitatory, "i": inhibitory}
    populations = [Population(name, n, neurons=Equations(CUBA, **made, **values)) for name, n in sizes.items()]
    wiring = FixedProbability(80 / cells)
    links = [Projection("e", post, into="ge", initial=1.62e-3, connectivity=wiring, **FIXED) for post in "ei"]
    links += [Projection("i", post, into="gi", initial=-9e-3, connectivity=wiring, **FIXED) for post in "ei"]
    network = Network(populations, links, dt=0.1 * ms, dtype="float64", seed=1)
    draw = np.random.default_rng(0)
    starts = {"e.v": draw.uniform(-0.06, -0.05, excitatory), "i.v": draw.uniform(-0.06, -0.05, inhibitory)}

    def theirs():
        net = b2.Network()
        for name, n in (("e", excitatory), ("i", inhibitory)):
            group = b2.NeuronGroup(n, CUBA, **(made | {"refractory": 5 * ms}), namespace=values, name=name)
            group.v = starts[f"{name}.v"] * volt
            net.add(group)
        for p in network.projections.values():
            joined(net, net[p.pre], net[p.post], p, f"{p.into}_post += w*volt")
        return net

    return network, {}, starts, theirs


HH = """dv/dt = (gl*(El-v) + ge*(Ee-v) + gi*(Ei-v) - g_na*m**3*h*(v-ENa) - g_kd*n**4*(v-EK)) / Cm : volt
dm/dt = alpha_m*(1-m) - beta_m*m : 1
dn/dt = alpha_n*(1-n) - beta_n*n : 1
dh/dt = alpha_h*(1-h) - beta_h*h : 1
dge/dt = -ge / (5*ms) : siemens
dgi/dt = -gi / (10*ms) : siemens
alpha_m = 0.32*4/exprel((13*mV - v + VT)/(4*mV))/ms : Hz
beta_m = 0.28*5/exprel((v - VT - 40*mV)/(5*mV))/ms : Hz
alpha_h = 0.128*exp((17*mV - v + VT)/(18*mV))/ms : Hz
beta_h = 4.0/(1 + exp((40*mV - v + VT)/(5*mV)))/ms : Hz
alpha_n = 0.032*5/exprel((15*mV - v + VT)/(5*mV))/ms : Hz
beta_n = 0.5*exp((10*mV - v + VT)/(40*mV))/ms : Hz"""


def cobahh(cells=4000):
    """Brette et al. 2007, benchmark 3: Hodgkin-Huxley cells."""
    area = 20000 * umetre**2
    values = {
        "Cm": 1 * ufarad * cm**-2 * area, "gl": 5e-5 * siemens * cm**-2 * area, "El": -60 * mV, "EK": -90 * mV, "ENa": 50 * mV,
        "g_na": 100 * msiemens * cm**-2 * area, "g_kd": 30 * msiemens * cm**-2 * area, "VT": -63 * mV, "Ee": 0 * mV, "Ei": -80 * mV,
    }  # fmt: skip
    sizes = {"e": cells * 4 // 5, "i": cells // 5}
    made = {"threshold": "v > -20*mV", "refractory": "3*ms", "method": "exponential_euler"}
    populations = [Population(name, n, neurons=Equations(HH, **made, **values)) for name, n in sizes.items()]
    wiring = FixedProbability(80 / cells)
    links = [Projection("e", post, into="ge", initial=6e-9, connectivity=wiring, **FIXED) for post in "ei"]
    links += [Projection("i", post, into="gi", initial=67e-9, connectivity=wiring, **FIXED) for post in "ei"]
    network = Network(populations, links, dt=0.1 * ms, dtype="float64", seed=1)
    draw, starts = np.random.default_rng(0), {}
    for name, n in sizes.items():
        starts[f"{name}.v"] = -0.06 + (draw.normal(size=n) * 5 - 5) * 1e-3
        starts[f"{name}.ge"] = (draw.normal(size=n) * 1.5 + 4) * 1e-8
        starts[f"{name}.gi"] = (draw.normal(size=n) * 12 + 20) * 1e-8

    def theirs():
        net = b2.Network()
        for name, n in sizes.items():
            group = b2.NeuronGroup(n, HH, **(made | {"refractory": 3 * ms}), namespace=values, name=name)
            group.v = starts[f"{name}.v"] * volt
            group.ge, group.gi = starts[f"{name}.ge"] * siemens, starts[f"{name}.gi"] * siemens
            net.add(group)
        for p in network.projections.values():
            joined(net, net[p.pre], net[p.post], p, f"{p.into}_post += w*siemens")
        return net

    return network, {}, starts, theirs


BRUNEL = "dv/dt = -v / tau : volt (unless refractory)"


def brunel(cells=4000):
    """Brunel 2000, model A, with replayed Poisson input: delta synapses, fixed in-degrees, delays."""
    sizes, per_cell = {"e": cells * 4 // 5, "i": cells // 5}, cells // 50
    made = {"threshold": "v > theta", "reset": "v = V_r", "refractory": "2*ms", "method": "exact"}
    values = {"tau": 20 * ms, "theta": 20 * mV, "V_r": 10 * mV}
    populations = [Population(name, n, neurons=Equations(BRUNEL, **made, **values)) for name, n in sizes.items()]
    populations.append(Population("x", 200, neurons=GivenSpikes()))
    degree, weight = {"e": per_cell * 4 // 5, "i": per_cell // 5, "x": 20}, {"e": 2e-4, "i": -1.2e-3, "x": 1e-3}
    links = [
        Projection(pre, post, into="v", initial=weight[pre], connectivity=FixedInDegree(degree[pre]), delay="1.5*ms", **FIXED)
        for pre in "eix"
        for post in "ei"
    ]
    network = Network(populations, links, dt=0.1 * ms, dtype="float64", seed=1)
    draw = np.random.default_rng(0)
    ticks, index = np.nonzero(draw.random((10_000, 200)) < 7e-3)
    starts = {f"{name}.v": draw.uniform(0, 0.02, n) for name, n in sizes.items()}

    def theirs():
        net = b2.Network(b2.SpikeGeneratorGroup(200, index, ticks * 1e-4 * second, name="x"))
        for name, n in sizes.items():
            group = b2.NeuronGroup(n, BRUNEL, **(made | {"refractory": 2 * ms}), namespace=values, name=name)
            group.v = starts[f"{name}.v"] * volt
            net.add(group)
        for p in network.projections.values():
            joined(net, net[p.pre], net[p.post], p, "v_post += w*volt", delay=1.5 * ms)
        return net

    return network, {"x": (index, ticks * 1e-4)}, starts, theirs


def several(cells=4000):
    """Two projections between the same populations, into two variables; a delay for each synapse."""
    text = "dv/dt = (1.1 + I - v) / (10*ms) : 1 (unless refractory)\ndI/dt = -I / (5*ms) : 1"
    made = {"threshold": "v > 1", "reset": "v -= 1", "refractory": "1*ms", "method": "euler"}
    size, draw = cells // 10, np.random.default_rng(0)
    wiring = FixedProbability(0.1, self_connections=False)
    populations = [Population("a", size, neurons=Equations(text, **made)), Population("b", size, neurons=Equations(text, **made))]
    five, delays = FixedInDegree(5), draw.integers(0, 40, 5 * size)
    links = [
        Projection("a", "b", name="slow", into="I", initial=0.02, connectivity=wiring, delay=3, **FIXED),
        Projection("a", "b", name="fast", into="v", initial=0.01, connectivity=five, delay=delays, **FIXED),
        Projection("b", "a", into="v", initial=-0.05, connectivity=wiring, delay="0.7*ms", **FIXED),
    ]
    network = Network(populations, links, dt=0.1 * ms, dtype="float64", seed=1)
    starts = {f"{name}.v": draw.uniform(0, 1, size) for name in "ab"}

    def theirs():
        net = b2.Network()
        for name in "ab":
            group = b2.NeuronGroup(size, text, **(made | {"refractory": 1 * ms}), name=name)
            group.v = starts[f"{name}.v"]
            net.add(group)
        for p in network.projections.values():
            delay = (p.delay if p.delays is None else p.delays) * 0.1 * ms
            joined(net, net[p.pre], net[p.post], p, f"{p.into}_post += w").pre.delay = delay
        return net

    return network, {}, starts, theirs


def plastic(cells=4000):
    """Pair plasticity with bounds; there is no network by hand, as the translation of rules has tests of its own."""
    size, draw = cells // 10, np.random.default_rng(0)
    text = "dv/dt = (1.1 - v) / (10*ms) : 1"
    neurons = Equations(text, threshold="v > 1", reset="v = 0", method="euler")
    learning = {"rule": additive_stdp(A_plus=0.01, A_minus=0.012), "optimiser": chain(SGD(1.0), Bounds(0, 0.05)), "bias": False}
    links = [
        Projection("a", "b", into="v", initial=0.02, connectivity=FixedInDegree(5), delay="1.5*ms", **learning),
        Projection("b", "b", name="loop", into="v", initial=-0.01, connectivity=FixedInDegree(3), delay=1, **FIXED),
    ]
    network = Network([Population(name, size, neurons=neurons) for name in "ab"], links, dt=0.1 * ms, dtype="float64", seed=1)
    return network, {}, {f"{name}.v": draw.uniform(0, 1, size) for name in "ab"}, None


NETWORKS = {build.__name__: build for build in (cuba, cobahh, brunel, several, plastic)}