"""
Why does feedback alignment learn?
==================================

Feedback alignment sends errors back through fixed random weights :math:`B`. It learns because the forward weights :math:`W` turn
towards :math:`B`: the angle between the two falls, and with it the angle between its weight changes and those of back-propagation.
At 90 degrees, two directions have nothing in common (Lillicrap et al. 2016).
"""

import matplotlib.pyplot as plt

from neurosim import Adam, Network, Trainer, load, pathway
from neurosim.tasks import one_hot
from neurosim.training.alignment import Alignment, alignments

data = load("digits")
network = Network.layered(data.shape, [64, 64], data.classes, seed=1)
scheme = pathway("feedback_alignment")
trainer = Trainer(network, scheme, Adam(1e-3), epochs=25, batch=32, seed=1)
trainer.check(data)

links = {"hidden1__hidden2": "hidden 1 to hidden 2", "hidden2__output": "hidden 2 to output"}
weights, updates = {name: [] for name in links}, {"x__hidden1": [], "hidden1__hidden2": []}
x, target = data.test.x[:200], one_hot(data.test.y[:200], data.classes)
for epoch in range(26):
    if epoch:
        trainer.run_epoch(data)
    for name in links:
        w = network.projections[name].w
        (feedback,) = scheme.networks[name].projections.values()  # from the population above to the one below
        weights[name].append(Alignment.of(w, feedback.w.T).angle)
    found = alignments(network, scheme, x, target, network.backend.draws(seed=1, step=epoch))
    for name in updates:
        updates[name].append(found[name].angle)

figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.2), sharey=True, layout="constrained")
for name, colour in zip(links, ("#D55E00", "#009E73"), strict=True):
    left.plot(weights[name], color=colour, label=links[name], lw=1.8)
    print(f"{name}: angle between W and B from {weights[name][0]:.0f} to {weights[name][-1]:.0f} degrees")
for name, colour, words in zip(updates, ("#0072B2", "#D55E00"), ("input to hidden 1", "hidden 1 to hidden 2"), strict=True):
    right.plot(updates[name], color=colour, label=words, lw=1.8)
for axes, title in ((left, "forward and feedback weights"), (right, "weight change and exact gradient")):
    axes.axhline(90, color="0.6", lw=0.8)
    axes.set(title=title, xlabel="epoch", xlim=(0, 25), ylim=(0, 110))
    axes.legend(frameon=False, loc="lower left")
left.set_ylabel("angle (degrees)")
plt.show()
