"""
The frequency of pairs
======================

Rules of pairs say: input before output strengthens a synapse, output before input weakens it. In the visual
cortex this holds at low frequencies only. Sjostrom, Turrigiano and Nelson (2001) repeated pairs of spikes, ten
milliseconds apart, at 0.1 to 50 Hz: at high frequencies the synapse grew in either order.

A rule of pairs cannot do that. A rule of *triplets* can (Pfister and Gerstner 2006): an output spike
strengthens more if another one came shortly before it.
"""

import brian2 as b2
import matplotlib.pyplot as plt
import numpy as np
from brian2 import ms, second

import neurosim.brian
from neurosim.plasticity import additive_stdp, spike_code, triplet_stdp

b2.defaultclock.dt = 1 * ms
FREQUENCIES, PAIRS, LAG = [0.1, 5, 10, 20, 30, 40, 50], 60, 10  # Hz, and ms
rules = {
    "pairs": (additive_stdp(A_plus=0.001, A_minus=0.0006, tau_plus="16.8*ms", tau_minus="33.7*ms"), "#999999"),
    "triplets, all": (triplet_stdp(fit="visual_cortex", eta=0.1), "#0072B2"),
    "triplets, nearest": (triplet_stdp(fit="visual_cortex_nearest", eta=0.1), "#D55E00"),
}


def change(rule, frequency, lag):
    """Return the change of a weight of 0.5 by pairs of spikes, output ``lag`` ms after input."""
    first = (20 + np.arange(PAIRS) * 1000 / frequency).round()  # ms
    source = b2.SpikeGeneratorGroup(1, np.zeros(PAIRS, int), first * ms)
    target = b2.SpikeGeneratorGroup(1, np.zeros(PAIRS, int), (first + lag) * ms)
    synapses = neurosim.brian.plastic_synapses(spike_code(rule), source, target, name="synapses")
    synapses.w = 0.5
    run = neurosim.brian.load(b2.Network(source, target, synapses), {}).run((first[-1] + 100) * 1e-3 * second)
    return run.final["synapses.w"][0, 0] - 0.5


# %%
# Each curve is one synapse at seven frequencies. Only triplets turn the order "output first" from weakening to
# strengthening; the curves themselves are held to the sums over spikes of the paper's equations by a test.

figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True, layout="constrained")
for ax, lag, title in zip(axes, (LAG, -LAG), ("input 10 ms before output", "output 10 ms before input"), strict=True):
    for label, (rule, colour) in rules.items():
        found = [change(rule, frequency, lag) for frequency in FREQUENCIES]
        ax.plot(FREQUENCIES, found, "o-", color=colour, label=label, lw=1.8, ms=4)
        print(f"{title}, {label:18} {found[0]:+.3f} at 0.1 Hz, {found[-1]:+.3f} at 50 Hz")
    ax.axhline(0, color="0.6", lw=0.8)
    ax.set(xlabel="pairs in a second", title=title)
axes[0].set_ylabel("change of weight, of 60 pairs")
axes[0].legend(frameon=False, fontsize=8)
plt.show()
