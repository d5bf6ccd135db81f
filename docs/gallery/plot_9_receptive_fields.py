"""
Which features does a local rule find?
======================================

No teacher: twenty neurons look at handwritten digits, and every synapse follows Oja's rule. Alone, this rule makes all neurons find
the same feature. Competition between the neurons (a softmax over their activity) keeps their features apart.

The pictures are the weights of the neurons before and after learning: blue is negative, and red is positive.
"""

import matplotlib.pyplot as plt
import numpy as np

from neurosim import BatchNormalisation, Network, Population, Projection, Trainer, load, pathway
from neurosim.plasticity import SGD, oja
from neurosim.tasks import Unsupervised

data = load("digits", normalise=(0.305, 1.0))
features = Population("features", 20, transfer="softmax", normalisation=BatchNormalisation(affine=False))
network = Network([Population("x", data.shape), features], [Projection("x", "features", bias=False, rule=oja())], seed=1)
trainer = Trainer(network, pathway("none"), SGD(0.1), task=Unsupervised(10), epochs=20, batch=32, seed=1)
weights = [network.projections["x__features"].w.copy()]
history = trainer.fit(data)
weights.append(network.projections["x__features"].w)
print(f"wrong answers of a linear probe on the features: {history[-1]['test'].error:.1f} %")

figure, panels = plt.subplots(1, 2, figsize=(7.5, 3.3), layout="constrained")
for axes, w, title in zip(panels, weights, ("before learning", "after 20 epochs"), strict=True):
    w = w / abs(w).max(axis=0)
    fields = np.pad(w.T.reshape(4, 5, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    shown = axes.imshow(fields.transpose(0, 2, 1, 3).reshape(40, 50), cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set(title=title, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
figure.colorbar(shown, ax=panels, label="weight / largest of the neuron", shrink=0.8)
plt.show()
