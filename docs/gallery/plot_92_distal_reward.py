"""
A reward that comes late
========================

A reward comes seconds after the spikes that earned it, and in between every synapse has had spikes of its own.
How can it find the right one? A pair of spikes leaves an *eligibility* in its synapse, which decays in a second. A
reward releases dopamine, and the weight changes by the product of both (Izhikevich 2007).

Here one of fifty synapses is rewarded: whenever its input spikes less than 10 ms before the cell, a reward comes
1 to 2 s later. All spikes are random and given, so no learning changes them, and all rewards are known
before the run.
"""

import matplotlib.pyplot as plt
import numpy as np

from neurosim.network import InTime, Network, Population, Projection
from neurosim.neurons import Equations, GivenSpikes
from neurosim.plasticity import SGD, Bounds, chain, distal_reward_stdp

DT, MINUTES, INPUTS, CHOSEN = 1e-3, 30, 50, 0
TICKS, START, draw = MINUTES * 60_000, 0.3, np.random.default_rng(0)


def network(inputs, start):
    """Return inputs whose synapses learn, and a cell that only the spikes of a teacher make fire."""
    cell = Equations("dv/dt = -v / (10*ms) : 1", threshold="v > 90", reset="v = 0", method="exact")
    populations = [Population("x", inputs, neurons=GivenSpikes()), Population("teacher", 1, neurons=GivenSpikes()),
                   Population("cell", 1, neurons=cell)]  # fmt: skip
    learning = {"rule": distal_reward_stdp(eta="3*Hz"), "optimiser": chain(SGD(1), Bounds(0, 1))}
    links = [Projection("x", "cell", initial=np.full((inputs, 1), start), into="v", bias=False, **learning),
             Projection("teacher", "cell", initial=100.0, into="v", bias=False, rule=None)]  # fmt: skip
    return Network(populations, links, dt=DT, dtype="float64")


# %%
# Left: one pair, 5 ms apart, and one reward. Each trial has its own delay. The line is the integral of eligibility
# times dopamine: it falls with the time constant of the eligibility.

delays = np.arange(0, 4000, 250)  # ticks
reward = np.zeros((len(delays), 6000))
reward[np.arange(len(delays)), 17 + delays] = 1.0
pair = {"x": ([0], [0.010]), "teacher": ([0], [0.014])}  # the cell fires one tick after its teacher
w = network(1, START).run("6*second", pair, modulators={"reward": InTime(reward, DT)}).final["x__cell.w"][:, 0]
changes = 3 * 0.1 * np.exp(-5 / 20) * 0.5 * np.exp(-delays * DT) / (1 + 1 / 0.2)
print(f"largest difference from the integral: {abs((w - START) / changes - 1).max():.1%}")

# %%
# Middle: half an hour. Right: the same spikes and as many rewards, at times that have nothing to do with them. Most
# weights sink, because by chance there is more depression than potentiation: the area of its window is 1.5 times as large.

spikes = [draw.random(TICKS) < 2 * DT for _ in range(INPUTS + 1)]  # 2 Hz
index, ticks = np.nonzero(spikes[:-1])
fires, before = np.flatnonzero(spikes[-1]) + 1, np.flatnonzero(spikes[CHOSEN])  # ticks
since = fires - before[np.searchsorted(before, fires) - 1]
paired = fires[(since > 0) & (since < 10)]
earned = paired + draw.integers(1000, 2000, len(paired))
earned = earned[earned < TICKS]
rewards = np.zeros((2, TICKS))
rewards[0, earned], rewards[1, draw.choice(TICKS, len(earned), replace=False)] = 1.0, 1.0
given = {"x": (index, ticks * DT), "teacher": (np.zeros(len(fires), int), (fires - 1) * DT)}
modulators = {"reward": InTime(rewards, DT)}
run = network(INPUTS, START).run(TICKS * DT, given, modulators=modulators, record="x__cell.w", every="10*second")
weights = run.states["x__cell"]["w"]

figure, (left, *panels) = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
left.plot(delays * DT, changes, color="0.6", lw=1.8, label="integral")
left.plot(delays * DT, w - START, "o", color="#0072B2", ms=4, label="run")
left.set(xlabel="reward after the pair (s)", ylabel="change of the weight", title="one pair, one reward", ylim=(0, None))
left.legend(frameon=False, fontsize=8)
for panel, of, title in zip(panels, weights, ("rewards for one synapse", "as many, at random"), strict=True):
    minutes, others = run.states["x__cell"].time / 60, np.delete(of, CHOSEN, axis=1)
    panel.plot(minutes, others, color="0.75", lw=0.6)
    panel.plot(minutes, of[:, CHOSEN], color="#D55E00", lw=1.8)
    panel.set(xlabel="time (min)", ylabel="weight", title=title, ylim=(0, 0.6))
    above = (others[-1] >= of[-1, CHOSEN]).sum()
    print(f"{title:24} {len(earned)} rewards: {of[-1, CHOSEN]:.2f}; others {others[-1].mean():.2f} on average, {above} above it")
panels[0].text(29, 0.55, "the rewarded synapse", color="#D55E00", fontsize=8, ha="right")
panels[0].text(29, 0.03, "the others", color="0.45", fontsize=8, ha="right")
plt.show()
