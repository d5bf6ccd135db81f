"""
Does Dale's law cost accuracy?
==============================

A cortical neuron excites all its targets or inhibits all of them. Here, 80 % of the neurons
that project within the network are excitatory, and the others are inhibitory. The transform
``OneSign`` keeps the sign of every weight while it learns. In the control, the same initial
weights are free to change their signs.
"""

import matplotlib.pyplot as plt
import numpy as np

from neurosim import Adam, Network, Population, Projection, Trainer, load, pathway
from neurosim.plasticity import OneSign, chain

data = load("digits")
sign = np.where(np.arange(100) < 80, 1, -1)[:, None]  # of every presynaptic neuron
rows = {"free weights": ("black", ":"), "Dale's law": ("#0072B2", "-")}
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.2), layout="constrained")
for label, (colour, style) in rows.items():
    populations = [Population("x", data.shape), Population("hidden1", 100, transfer="relu")]
    populations += [Population("hidden2", 100, transfer="relu")]
    populations += [Population("output", 10, transfer="softmax")]
    projections = [Projection("x", "hidden1")]
    for pre, post in (("hidden1", "hidden2"), ("hidden2", "output")):
        adam = chain(Adam(3e-3), OneSign()) if label == "Dale's law" else Adam(3e-3)
        projections.append(Projection(pre, post, optimiser=adam))
    network = Network(populations, projections, seed=1)
    for projection in projections[1:]:  # few inhibitory neurons, with strong synapses
        projection.w[...] = abs(projection.w) * np.where(sign > 0, 0.5, -2)
    trainer = Trainer(network, pathway("backprop"), Adam(3e-3), epochs=20, batch=32, seed=1)
    error = [epoch["test"].error for epoch in trainer.fit(data)]
    left.plot(range(1, 21), error, style, color=colour, label=label, lw=1.8)
    w, bins = projections[1].w, np.linspace(-0.6, 0.9, 31)
    right.hist(w[:80].ravel(), bins, histtype="step", color=colour, ls=style, lw=1.8)
    mixed = 100 * ((w > 0).any(axis=1) & (w < 0).any(axis=1)).mean()
    print(f"{label}: test error {error[-1]:.1f} %; {mixed:.0f} % of neurons excite and inhibit")

left.set(xlabel="epoch", ylabel="test error (%)", yscale="log", xlim=(1, 20))
left.set_yticks([2, 5, 10, 20], ["2", "5", "10", "20"])
left.minorticks_off()
left.legend(frameon=False)
right.set(xlabel="weight from an excitatory neuron", ylabel="number of synapses")
right.set(yscale="log", ylim=(0.7, None))
plt.show()
