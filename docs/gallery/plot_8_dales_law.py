"""
Does Dale's law cost accuracy?
==============================

A cortical neuron excites all its targets or inhibits all of them. Here, 80 % of the neurons that project within the network are
excitatory, and the others are inhibitory. The transform ``OneSign`` keeps the sign of every weight while it learns. In the control,
the same initial weights are free to change their signs.
"""

import matplotlib.pyplot as plt
import numpy as np

from neurosim import Adam, Network, Population, Projection, Trainer, load, pathway
from neurosim.plasticity import OneSign, chain

data = load("digits")
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.2), layout="constrained")
for label, colour, style in (("free weights", "#000000", ":"), ("Dale's law", "#0072B2", "-")):
    adam = {"free weights": lambda: Adam(3e-3), "Dale's law": lambda: chain(Adam(3e-3), OneSign())}[label]
    populations = [Population("x", data.shape), Population("hidden1", 100, transfer="relu")]
    populations += [Population("hidden2", 100, transfer="relu"), Population("output", 10, transfer="softmax")]
    projections = [Projection("x", "hidden1")]
    projections += [Projection(a, b, optimiser=adam()) for a, b in (("hidden1", "hidden2"), ("hidden2", "output"))]
    network = Network(populations, projections, seed=1)
    for projection in projections[1:]:  # one sign for all synapses of a presynaptic neuron
        projection.w[...] = abs(projection.w) * np.where(np.arange(100) < 80, 1, -4)[:, None] / 2
    history = Trainer(network, pathway("backprop"), Adam(3e-3), epochs=20, batch=32, seed=1).fit(data)
    error = [epoch["test"].error for epoch in history]
    left.plot(range(1, 21), error, style, color=colour, label=label, lw=1.8)
    w = projections[1].w
    right.hist(w[:80].ravel(), np.linspace(-0.6, 0.9, 31), histtype="step", color=colour, ls=style, lw=1.8, label=label)
    mixed = ((w > 0).any(axis=1) & (w < 0).any(axis=1)).mean()
    print(f"{label}: test error {error[-1]:.1f} %, neurons that both excite and inhibit: {100 * mixed:.0f} %")

left.set(xlabel="epoch", ylabel="test error (%)", yscale="log", xlim=(1, 20), yticks=[2, 5, 10, 20])
left.yaxis.set_major_formatter("{x:.0f}")
left.minorticks_off()
right.set(xlabel="weight from an excitatory neuron", ylabel="number of synapses", yscale="log", ylim=(0.7, None))
left.legend(frameon=False)
plt.show()
