"""
Can a network sort images without an error signal?
==================================================

The HSIC bottleneck sends no error down. Each hidden population changes its responses so
that they depend less on the input and more on the label. The figure shows the responses of
the second hidden population to test images, on their first two principal components, before
and after learning. Every colour and number is one digit.
"""

import matplotlib.pyplot as plt
import numpy as np

from neurosim import Adam, Network, Trainer, load, pathway

data = load("digits")
network = Network.layered(data.shape, [64, 64], data.classes, seed=1)
trainer = Trainer(
    network,
    pathway("hsic_bottleneck", beta=50.0, sigma=5.0),
    Adam(3e-3),
    epochs=10,
    batch=64,
    seed=1,
)
trainer.check(data)
x, y = data.test.x[:300], data.test.y[:300]

figure, panels = plt.subplots(1, 2, figsize=(7.5, 3.8), layout="constrained")
colours = plt.colormaps["cividis"](np.linspace(0, 0.95, 10))
for axes, title in zip(panels, ("before learning", "after 10 epochs"), strict=True):
    if title != "before learning":
        trainer.fit(data)
    rate = network.sweep(x).rate["hidden2"]
    centred = rate - rate.mean(axis=0)
    total, between = (
        (centred**2).sum(),
        sum((y == k).sum() * (centred[y == k].mean(axis=0) ** 2).sum() for k in range(10)),
    )
    plane = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    for digit in range(10):
        axes.scatter(*plane[y == digit].T, s=14, color=colours[digit], alpha=0.8, lw=0)
        axes.text(
            *np.median(plane[y == digit], axis=0),
            digit,
            ha="center",
            va="center",
            weight="bold",
            fontsize=13,
        )
    axes.set(title=title, xlabel="component 1", ylabel="component 2")
    print(f"{title}: {100 * between / total:.0f} % of the variance is between digits")
plt.show()
