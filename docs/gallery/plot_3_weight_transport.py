"""
Can feedback weights learn to match?
====================================

Back-propagation needs feedback weights that equal the forward weights. Kolen and Pollack (1994) found a local way to get there: if
both learn from the same two signals, presynaptic rate and postsynaptic error, and both decay, their difference shrinks to zero. No
synapse reads the weight of another.

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
    "back-propagation": (pathway("backprop"), "#000000", ":"),
}
for label, (scheme, colour, style) in rows.items():
    network = Network.layered(data.shape, [64, 64], data.classes, seed=1)
    trainer = Trainer(network, scheme, chain(Decay(2e-3), SGD(0.2)), epochs=30, batch=16, seed=1)
    trainer.check(data)
    angles, errors = [], []
    for epoch in range(31):
        if epoch:
            trainer.run_epoch(data)
        errors.append(trainer.evaluate(data.test).error)
        if "hidden1__hidden2" in scheme.networks:
            w = network.projections["hidden1__hidden2"].w
            (feedback,) = scheme.networks["hidden1__hidden2"].projections.values()
            angles.append(Alignment.of(w, feedback.w.T).angle)
    if angles:
        left.plot(angles, style, color=colour, label=label, lw=1.8)
        print(f"{label}: angle between W and B from {angles[0]:.0f} to {angles[-1]:.0f} degrees")
    right.plot(errors, style, color=colour, label=label, lw=1.8)
    print(f"{label}: test error {errors[-1]:.1f} %")

left.set(xlabel="epoch", ylabel="angle between W and B (degrees)", ylim=(0, 95), xlim=(0, 30))
right.set(xlabel="epoch", ylabel="test error (%)", yscale="log", xlim=(0, 30), yticks=[2, 5, 10, 20, 50, 100])
right.yaxis.set_major_formatter("{x:.0f}")
right.minorticks_off()
left.legend(frameon=False, loc="lower left")
right.legend(frameon=False)
plt.show()
