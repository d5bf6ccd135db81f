"""
Where do targets point?
=======================

In target propagation, a hidden population does not get an error but a *target*: the
activity that it should have had. Learned inverses carry the targets down. They are not
exact, so difference target propagation corrects them.

Does the loss fall in the direction of a target? The figure compares the step from the
activity to its target with minus the gradient of the loss, while the network learns.
Without the correction, the error of the inverse hides the direction, and the network learns
nothing. The targets of the last hidden population come from the gradient itself, at 0
degrees.
"""

import matplotlib.pyplot as plt

from neurosim import Adam, Network, Trainer, load, pathway
from neurosim.tasks import one_hot
from neurosim.training.alignment import Alignment

data = load("digits")
x, target = data.test.x[:200], one_hot(data.test.y[:200], data.classes)
colours = {"hidden1": "#0072B2", "hidden2": "#D55E00", "hidden3": "#009E73"}
figure, panels = plt.subplots(1, 2, figsize=(7.5, 3.2), sharey=True, layout="constrained")
for axes, corrected in zip(panels, (True, False), strict=True):
    sizes = [64, 64, 64]
    network = Network.layered(data.shape, sizes, data.classes, initial="orthogonal", seed=1)
    scheme = pathway("difference_target_propagation", difference=corrected, noise=0.1)
    trainer = Trainer(network, scheme, Adam(2e-3), epochs=15, batch=32, seed=1)
    trainer.check(data)
    angles = {name: [] for name in network.hidden}
    for epoch in range(16):
        if epoch:
            trainer.run_epoch(data)
        sweep, draws = network.sweep(x), network.backend.draws(seed=1, step=epoch)
        signals = scheme.signals(sweep, target, draws)
        exact = network.errors_back(sweep, scheme.output_teaching(sweep, target))
        for name in angles:
            rate = sweep.rate[name]
            step = (signals[name]["target"] - rate) * (1 - rate**2)  # on the drive
            angles[name].append(Alignment.of(step, exact[name].error).angle)
    for name, angle in angles.items():
        axes.plot(angle, color=colours[name], label=name.replace("hidden", "hidden "), lw=1.8)
    axes.axhline(90, color="0.6", lw=0.8)
    title = "with the correction" if corrected else "without the correction"
    axes.set(xlabel="epoch", title=title, xlim=(0, 15), ylim=(-4, 120), xticks=[0, 5, 10, 15])
    error = trainer.evaluate(data.test).error
    print(f"{title}: {angles['hidden1'][-1]:.0f} degrees at hidden 1, test error {error:.1f} %")
panels[0].set_ylabel("angle of the step to the target\nand minus the gradient (degrees)")
panels[0].legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.72))
plt.show()
