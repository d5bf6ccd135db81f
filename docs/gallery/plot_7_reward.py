"""
What does it cost to learn from reward alone?
=============================================

A teacher tells the network the right answer. The world only tells it whether its own answer
was rewarded. The figure compares the two, on the same network: ten actions, one for each
digit, and a reward of 1 for the right one.

The network draws an action from its output, and learns from the reward minus a baseline.
The baseline does not change the mean of the updates, but it changes how noisy they are
(Williams 1992). Without one, only rewarded actions lead to learning.
"""

import matplotlib.pyplot as plt

from neurosim import Adam, Network, Trainer, load, pathway
from neurosim.tasks import Reward

data = load("digits")
rows = {
    "reward, no baseline": (Reward(10), "#D55E00", "--"),
    "reward minus 0.5": (Reward(10, baseline=0.5), "#0072B2", "-"),
    "teacher": (None, "#000000", ":"),
}
training = {"epochs": 30, "batch": 32, "seed": 1}
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
for label, (task, colour, style) in rows.items():
    network = Network.layered(data.shape, [64], data.classes, seed=1)
    trainer = Trainer(network, pathway("backprop"), Adam(3e-3), task=task, **training)
    trainer.check(data)
    wrong = []
    for _ in range(30):
        trainer.run_epoch(data)
        preferred = network.sweep(data.test.x).rate["output"].argmax(axis=1)
        wrong.append(100 * (preferred != data.test.y).mean())
    axes.plot(range(1, 31), wrong, style, color=colour, label=label, lw=1.8)
    print(f"{label:20} wrong answers after 30 epochs: {wrong[-1]:4.1f} %")

axes.set(xlabel="epoch", ylabel="wrong answers, test (%)", yscale="log", xlim=(1, 30))
axes.set_yticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
axes.minorticks_off()
axes.legend(frameon=False)
plt.show()
