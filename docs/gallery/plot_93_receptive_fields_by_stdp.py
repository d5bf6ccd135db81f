"""
Receptive fields by spikes alone
================================

Diehl and Cook (2015) showed digits to spiking cells, without labels. Synapses learn by STDP, a cell that spikes inhibits all
others, and each spike raises its cell's threshold, so that every cell has its turn. Which digits do cells come to stand for?

Here 100 cells see 800 small digits, each once. It is simpler than the paper: cells inhibit each other directly, a tick later, and
may spike again after 5 ms, not 50; inputs have no delays, and higher rates. The paper's network learns
:doc:`MNIST </howto/diehl-and-cook>`.
"""

import matplotlib.pyplot as plt
import numpy as np

from neurosim import load
from neurosim.connectivity import FromMatrix
from neurosim.network import Network, Population, Projection
from neurosim.neurons import Equations, PoissonSpikes
from neurosim.plasticity import SGD, Bounds, PlasticityRule, chain

CELLS, SUM, OTHERS = 100, 12.8, FromMatrix(1 - np.eye(100))  # the sum of a cell's incoming weights; whom it inhibits
data = load("digits", limit=800)
(x, labels), (test_x, test_labels) = ((split.x.reshape(-1, 64), split.y) for split in (data.train, data.test))
stdp = PlasticityRule(  # spikes set their traces to 1; a cell's first spike changes nothing
    "dw = 1e-2 * trace_pre * before_post * spike_post - 1e-4 * fast_post * spike_pre",
    pre={"trace": "dtrace/dt = (1 - trace) * spike_pre - trace / tau_fast"},
    post={"fast": "dfast/dt = (1 - fast) * spike_post - fast / tau_fast",
          "slow": "dslow/dt = (1 - slow) * spike_post - slow / tau_slow",
          "before": "dbefore/dt = (slow - before) * spike_post"},
    tau_fast="20*ms", tau_slow="40*ms",
)  # fmt: skip


def network(weights, learns):
    """Return inputs and cells; only where the network learns do weights and thresholds change."""
    cells = Equations(
        """dv/dt = (-65*mV - v - ge * v + gi * (-100*mV - v)) / (100*ms) : volt (unless refractory)
        dge/dt = -ge / (1*ms) : 1
        dgi/dt = -gi / (2*ms) : 1
        dtheta/dt = -theta / (1e7*ms) : volt""",
        threshold="v > theta - 72*mV", reset="v = -65*mV" + learns * "; theta += 0.05*mV",
        refractory="5*ms", method="euler", start={"v": "-65*mV", "theta": "20*mV"},
    )  # fmt: skip
    learning = {"rule": stdp, "optimiser": chain(SGD(1), Bounds(0, 1))} if learns else {"rule": None}
    links = [Projection("x", "e", into="ge", initial=weights, bias=False, **learning),
             Projection("e", "e", into="gi", initial=17.0, connectivity=OTHERS, delay=1, bias=False, rule=None)]  # fmt: skip
    inputs = Population("x", 64, neurons=PoissonSpikes("400*Hz"))
    return Network([inputs, Population("e", CELLS, neurons=cells)], links, dt="0.5*ms", dtype="float64", seed=1)


def responses(images, seed):
    """Return how often each cell spikes, (images, cells), while nothing changes; each image is a trial."""
    spikes = network(w, learns=False).run("350*ms", images, initial={"e.theta": theta}, seed=seed).spikes["e"]
    return np.bincount(spikes.trial * CELLS + spikes.index, minlength=len(images) * CELLS).reshape(-1, CELLS)


w, theta = np.random.default_rng(1).uniform(0.003, 0.3, (64, CELLS)), np.full(CELLS, 0.02)
learner = network(w, learns=True)
for number, image in enumerate(x):  # begin with the weights, scaled to their sum, and thresholds that the last one left
    learner.projections["x__e"].set_weights((SUM * w / w.sum(axis=0)).ravel())
    run = learner.run("350*ms", image, initial={"e.theta": theta}, seed=number)
    w, theta = run.final["x__e.w"].reshape(64, CELLS), run.final["e.theta"][0]
seen, heard = responses(x, 800), responses(test_x, 801)
label = np.argmax([seen[labels == k].mean(axis=0) for k in range(10)], axis=0)  # to whose training images a cell responds most
answer = np.argmax([heard[:, label == k].mean(axis=1) for k in range(10)], axis=0)  # whose cells respond most
print(f"test images answered wrongly: {100 * (answer != test_labels).mean():.1f} %")
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.1), layout="constrained", width_ratios=(1.3, 1))
fields = np.pad(w.T[np.argsort(label, kind="stable")].reshape(10, 10, 8, 8), 2 * [(0, 0)] + 2 * [(0, 1)], constant_values=np.nan)
mosaic = left.imshow(fields.transpose(0, 2, 1, 3).reshape(90, 90), cmap="magma", vmin=0)
for cell, digit in enumerate(np.sort(label)):
    left.text(9 * (cell % 10) - 0.2, 9 * (cell // 10), digit, color="w", fontsize=7, ha="left", va="top")
left.set(title="weights of the cells, and their labels", xticks=[], yticks=[], frame_on=False)
figure.colorbar(mosaic, ax=left, label="weight", shrink=0.8)
counts = np.histogram2d(test_labels, answer, bins=np.arange(11))[0].astype(int)
right.imshow(counts, cmap="Blues")
for true, given in np.argwhere(counts):
    right.text(given, true, counts[true, given], ha="center", va="center", fontsize=8, color="w" if true == given else "k")
right.set(title="500 test images", xlabel="answer", ylabel="digit", xticks=range(10), yticks=range(10))
plt.show()
