"""
Can feedback weights learn to match?
====================================

Back-propagation needs feedback weights that equal the forward weights. Kolen and Pollack
(1994) found a local way to get there: if both learn from the same two signals, presynaptic
rate and postsynaptic error, and both decay, their difference shrinks to zero. No synapse
reads the weight of another.

In neurosim this is feedback alignment with a rule for its feedback synapses.
"""

import matplotlib.pyplot as plt

from neurosim import Network, Trainer, load, pathway
from neurosim.plasticity import SGD, Decay, chain
from neurosim.training.alignment import Alignment

data = load("digits")
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.2), layout="constrained")
rows = {
    "fixed feedback": (pathway("feedback_alignment"), "#D55E00", "--"),
    "learned feedback": (pathway("feedback_alignment", rule="hebbian"), "#0072B2", "-"),
    "back-propagation": (pathway("backprop"), "black", ":"),
}
for label, (scheme, colour, style) in rows.items():
    network = Network.layered(data.shape, [64, 64], data.classes, seed=1)
    optimiser = chain(Decay(2e-3), SGD(0.2))  # one for both: the same rate, the same decay
    trainer = Trainer(network, scheme, optimiser, epochs=30, batch=16, seed=1)
    trainer.check(data)
    angles, errors = [], []
    for epoch in range(31):
        if epoch:
            trainer.run_epoch(data)
        errors.append(trainer.evaluate(data.test).error)
        if scheme.networks:  # feedback goes from the population above to the one below
            (back,) = scheme.networks["hidden1__hidden2"].projections.values()
            w = network.projections["hidden1__hidden2"].w
            angles.append(Alignment.of(w, back.w.T).angle)
    print(f"{label}: test error {errors[-1]:.1f} %", end="")
    print(f", from {angles[0]:.0f} to {angles[-1]:.0f} degrees" if angles else "")
    left.plot(angles, style, color=colour, label=label, lw=1.8)
    right.plot(errors, style, color=colour, label=label, lw=1.8)

left.set(xlabel="epoch", ylabel="angle between W and B (degrees)", ylim=(0, 95))
right.set(xlabel="epoch", ylabel="test error (%)", yscale="log")
right.set_yticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
right.minorticks_off()
right.legend(frameon=False)
plt.show()
