"""
Which features does a local rule find?
======================================

No teacher: twenty neurons look at handwritten digits, and every synapse follows Oja's rule.
Alone, this rule makes all neurons find the same feature. Competition between the neurons (a
softmax over their activity) keeps their features apart.

The pictures are the weights of the neurons before and after learning: blue is negative, and
red is positive.
"""

import matplotlib.pyplot as plt
import numpy as np

from neurosim import Network, Population, Projection, Trainer, load, pathway
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import SGD, oja
from neurosim.tasks import Unsupervised

data = load("digits", normalise=(0.305, 1.0))
competition = {"transfer": "softmax", "normalisation": BatchNormalisation(affine=False)}
populations = [Population("x", data.shape), Population("features", 20, **competition)]
projection = Projection("x", "features", bias=False, rule=oja())
network = Network(populations, [projection], seed=1)
training = {"task": Unsupervised(10), "epochs": 20, "batch": 32, "seed": 1}
before = projection.w.copy()
history = Trainer(network, pathway("none"), SGD(0.1), **training).fit(data)
error = history[-1]["test"].error
print(f"wrong answers of a linear probe on the features: {error:.1f} %")

figure, panels = plt.subplots(1, 2, figsize=(7.5, 3.3), layout="constrained")
shown = {"before learning": before, "after 20 epochs": projection.w}
for axes, (title, w) in zip(panels, shown.items(), strict=True):
    fields = (w / abs(w).max(axis=0)).T.reshape(4, 5, 8, 8)
    framed = np.pad(fields, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    mosaic = framed.transpose(0, 2, 1, 3).reshape(40, 50)
    image = axes.imshow(mosaic, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set(title=title, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
figure.colorbar(image, ax=panels, label="weight / largest of the neuron", shrink=0.8)
plt.show()
