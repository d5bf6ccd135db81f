"""
How fast does each scheme learn?
================================

One network learns the bundled digits under each scheme of the package. All start from the
same weights and see the images in the same order. The colour says which downstream weights
reach a hidden population: the *weight transport* that the scheme claims, and that a test
measures.

The control, ``frozen``, learns at the output only. A scheme has to be better than this line
to have taught its hidden neurons something.
"""

import matplotlib.pyplot as plt

from neurosim import Adam, Network, Trainer, load, pathway

OPTIONS = {
    "difference_target_propagation": {"noise": 0.1},
    "hsic_bottleneck": {"beta": 50.0, "sigma": 5.0},
}
STYLES = {
    "backprop": "-",
    "alternating_minimization": "--",
    "difference_target_propagation": "-",
    "synthetic_gradients": (0, (6, 1, 1, 1, 1, 1)),
    "local_errors": "--",
    "feedback_alignment": "-",
    "direct_feedback_alignment": "-.",
    "hsic_bottleneck": (0, (1, 1)),
    "frozen": (0, (1, 4)),
}
COLOURS = {"full": "black", "output": "#0072B2", "none": "#D55E00"}  # safe for all eyes
WORDS = {
    "full": "all downstream weights",
    "output": "the output weights",
    "none": "no weight",
}

data = load("digits")
figure, axes = plt.subplots(figsize=(8.5, 4), layout="constrained")
for name, style in STYLES.items():
    network = Network.layered(data.shape, [64, 64], data.classes, seed=1)
    scheme = pathway(name, **OPTIONS.get(name, {}))
    history = Trainer(network, scheme, Adam(3e-3), epochs=10, batch=32, seed=1).fit(data)
    error = [epoch["test"].error for epoch in history]
    colour, label = COLOURS[scheme.claims.weight_transport], name.replace("_", " ")
    axes.plot(range(1, 11), error, ls=style, color=colour, label=label, lw=1.8)
    print(f"{name:32} test error after 10 epochs: {error[-1]:4.1f} %")

axes.set(xlabel="epoch", ylabel="test error (%)", yscale="log", xlim=(1, 10))
axes.set_yticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
axes.minorticks_off()
figure.legend(loc="outside right upper", frameon=False)
handles = [plt.Line2D([], [], color=COLOURS[key], lw=6, label=WORDS[key]) for key in COLOURS]
axes.legend(
    handles=handles, title="reach a hidden population:", loc="upper right", frameon=False
)
plt.show()
