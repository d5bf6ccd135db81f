"""
Why does feedback alignment learn?
==================================

Feedback alignment sends errors back through fixed random weights :math:`B`. It learns
because the forward weights :math:`W` turn towards :math:`B`: the angle between the two
falls, and with it the angle between its weight changes and those of back-propagation. At 90
degrees, two directions have nothing in common (Lillicrap et al. 2016).
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

weights = {"hidden1__hidden2": [], "hidden2__output": []}
updates = {"x__hidden1": [], "hidden1__hidden2": []}
x, target = data.test.x[:200], one_hot(data.test.y[:200], data.classes)
for epoch in range(26):
    if epoch:
        trainer.run_epoch(data)
    for name in weights:  # feedback goes from the population above to the one below
        (feedback,) = scheme.networks[name].projections.values()
        weights[name].append(Alignment.of(network.projections[name].w, feedback.w.T).angle)
    draws = network.backend.draws(seed=1, step=epoch)
    found = alignments(network, scheme, x, target, draws)
    for name in updates:
        updates[name].append(found[name].angle)

colours = {"x__hidden1": "#0072B2", "hidden1__hidden2": "#D55E00", "hidden2__output": "#009E73"}
figure, panels = plt.subplots(1, 2, figsize=(7.5, 3.2), sharey=True, layout="constrained")
titles = {"forward and feedback weights": weights, "weight change and exact gradient": updates}
for axes, (title, angles) in zip(panels, titles.items(), strict=True):
    for name, angle in angles.items():
        label = name.replace("__", " to ").replace("hidden", "hidden ")
        axes.plot(angle, color=colours[name], label=label, lw=1.8)
        print(f"{title}, {name}: from {angle[0]:.0f} to {angle[-1]:.0f} degrees")
    axes.axhline(90, color="0.6", lw=0.8)
    axes.set(title=title, xlabel="epoch", xlim=(0, 25), ylim=(0, 110))
    axes.legend(frameon=False, loc="lower left")
panels[0].set_ylabel("angle (degrees)")
plt.show()
