"""
STDP explored
=============

Spike-timing-dependent plasticity is one sentence: a synapse grows if its input spike came shortly before
the cell's, and shrinks if it came after. What a cell with a thousand such synapses does depends on a detail:
does a change depend on the weight that it changes?

In the *additive* rule it does not. Synapses compete for the time of the next spike, and end at one of the two
bounds (Song, Miller and Abbott 2000). In the *multiplicative* rule a strong synapse gains less and loses more,
and all stay in the middle. The *power law* (Gutig and others 2003) lies between the two.
"""

import brian2 as b2
import matplotlib.pyplot as plt
import numpy as np
from brian2 import Hz, ms, mV, second

import neurosim.brian
from neurosim.plasticity import additive_stdp, multiplicative_stdp, power_law_stdp, spike_code

b2.defaultclock.dt = 0.2 * ms
SECONDS, INPUTS = 150, 1000
rules = {
    "additive": (additive_stdp(A_plus=0.02, A_minus=0.021), "#0072B2"),
    "power law, mu = 0.1": (power_law_stdp(eta=0.02, mu=0.1), "#E69F00"),
    "multiplicative": (multiplicative_stdp(A_plus=0.02, A_minus=0.021), "#009E73"),
}

# %%
# Left: pairs of one input and one output spike, each at a synapse of its own. The weight is 0.8 of the largest:
# additive changes know nothing of it, the others do.

lags = np.arange(-60, 61)  # ms, output after input


def window(rule):
    """Return the change of the weight by one pair for each lag."""
    source = b2.SpikeGeneratorGroup(len(lags), range(len(lags)), np.full(len(lags), 70) * ms)
    target = b2.SpikeGeneratorGroup(len(lags), range(len(lags)), (70 + lags) * ms)
    synapses = neurosim.brian.plastic_synapses(spike_code(rule), source, target, connect={"j": "i"}, name="synapses")
    synapses.w = 0.8
    net = b2.Network(source, target, synapses)
    return neurosim.brian.load(net, {}).run(140 * ms).final["synapses.w"][0] - 0.8


# %%
# Right: one cell with a thousand Poisson inputs of 15 Hz. Every input spike adds its weight to a conductance.


def weights(rule):
    """Return the weights at the end, and the rate of the cell."""
    inputs = b2.PoissonGroup(INPUTS, 15 * Hz)
    cell = b2.NeuronGroup(
        1, "dv/dt = (-74*mV - v + 0.01*g * (0*mV - v)) / (10*ms) : volt\ndg/dt = -g / (5*ms) : 1",
        threshold="v > -54*mV", reset="v = -60*mV", method="euler", name="cell",
    )  # fmt: skip
    cell.v = -70 * mV
    code = spike_code(rule, bounds=(0, 1), into="g_post")
    synapses = neurosim.brian.plastic_synapses(code, inputs, cell, name="synapses")
    synapses.w = np.random.default_rng(0).random(INPUTS)
    run = neurosim.brian.load(b2.Network(inputs, cell, synapses), {}).run(SECONDS * second, seed=1)
    return run.final["synapses.w"][0], (run.spikes["cell"].time > SECONDS - 10).sum() / 10


figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for label, (rule, colour) in rules.items():
    left.plot(lags, 100 * window(rule), color=colour, label=label, lw=1.8)
    w, rate = weights(rule)
    right.hist(w, bins=np.linspace(0, 1, 31), histtype="step", color=colour, lw=1.8)
    ends = ((w < 0.1) | (w > 0.9)).mean()
    print(f"{label:20} {100 * ends:3.0f} % of the weights near a bound; the cell fires at {rate:4.1f} Hz")
left.axhline(0, color="0.6", lw=0.8)
left.set(xlabel="output after input (ms)", ylabel="change of weight (%)", title="window at w = 0.8")
left.legend(frameon=False, fontsize=8)
right.set(xlabel="weight", ylabel="synapses (cut at 160)", title=f"weights after {SECONDS} s", ylim=(0, 160))
plt.show()
