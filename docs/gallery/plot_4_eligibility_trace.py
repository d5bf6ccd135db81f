"""
What does an eligibility trace buy?
===================================

A cue appears in the first tick of a trial. Then there is only noise. The network has to
name the cue in the last tick. Its hidden neurons are leaky, so they remember the cue; but
when the error arrives, the input that mattered is long over.

A local rule can bridge the gap. Each synapse keeps a trace of its presynaptic rate that
decays as the neuron's own state does. In a network without loops, this gives the same
gradient as back-propagation through time (Bellec et al. 2020).
"""

import matplotlib.pyplot as plt
import numpy as np

from neurosim import Adam, Network, Population, Projection, Trainer, datasets, pathway
from neurosim.encoders import Sequence
from neurosim.network import Clock
from neurosim.neurons import Leaky
from neurosim.plasticity import PlasticityRule

TICKS, CELLS, CUES, TAU = 10, 24, 4, 10.0
draw = np.random.default_rng(0)
cue = draw.integers(0, CUES, 1200)
trials = draw.normal(0, 0.3, size=(len(cue), TICKS, CELLS))  # noise in every tick
trials[:, 0] += 2 * draw.normal(size=(CUES, CELLS))[cue]  # the cue, in the first tick only
data = datasets.from_arrays(trials, cue, name="cues")

trace = PlasticityRule(
    "dw = error_post * trace_pre",
    pre={"trace": "dtrace/dt = rate_pre - trace / tau"},
    per_sample=("trace_pre",),
    tau=TAU,
)
delta = PlasticityRule("dw = error_post * rate_pre")
rows = {
    "no trace: this tick's input only": ("backprop", delta, "#D55E00", "--"),
    "local trace": ("backprop", trace, "#0072B2", "-"),
    "back-propagation through time": ("backprop_through_time", delta, "#000000", ":"),
}
timing = {"clock": Clock(ticks=TICKS), "encoder": Sequence(axis=1)}
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
for label, (scheme, rule, colour, style) in rows.items():
    x, output = Population("x", (1, CELLS)), Population("output", CUES, transfer="softmax")
    hidden = Population("hidden", 4, neurons=Leaky(tau=TAU))
    learns = Projection("x", "hidden", rule=rule, bias=False)
    network = Network([x, hidden, output], [learns, Projection("hidden", "output")], seed=1)
    training = {"epochs": 20, "batch": 20, "seed": 1}
    history = Trainer(network, pathway(scheme), Adam(3e-3), **timing, **training).fit(data)
    error = [epoch["test"].error for epoch in history]
    axes.plot(range(1, 21), error, style, color=colour, label=label, lw=1.8)
    print(f"{label:34} test error {error[-1]:4.1f} %")

axes.set(xlabel="epoch", ylabel="test error (%)", ylim=(-1, 80), xlim=(1, 20))
axes.set_xticks([1, 5, 10, 15, 20])
axes.axhline(75, color="0.6", lw=0.8)
axes.annotate("chance", (20, 76), ha="right", color="0.4")
axes.legend(frameon=False)
plt.show()
