"""DECOLLE: every population has a fixed random readout, and learns from that readout's error, tick by tick."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.backends import Draws
from neurosim.backends.base import generator
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.feedback.synapses import synapses
from neurosim.network import Network, Population, Projection, Sweep, Teaching


class DECOLLE(FeedbackPathway):
    """y = G'h in every tick, with G, (n, size), drawn once for each population and fixed; nothing comes from above.

    loss     sum_k H(y*_k - y_k)                 H(d) = d**2 / 2 where |d| < 1, otherwise |d| - 1/2  (smooth L1)
    error    e = (G c) * psi(u),  c_k = y*_k - y_k, clipped to +-1;   y* the target, one-hot for classes;  psi the neurons' slope

    The loss of a trial is the sum over the ticks in which the output is asked, each population's membranes being functions of its
    own incoming weights alone: what its inputs and its resets did is taken as it was.  With the rule ``error_driven_trace``, which
    has the neurons' time constants, the weights follow minus the gradient of this loss exactly, and the traces of the presynaptic
    neurons are all that is remembered from tick to tick.

    The output learns from its own error, as the task has it.  G is uniform within +-1/2 / sqrt(n).
    """

    name = "decolle"
    title = "DECOLLE, local readouts in time"
    citation = (
        "Kaiser, Mostafa and Neftci (2020). Synaptic plasticity dynamics for deep continuous local learning (DECOLLE). Frontiers "
        "in Neuroscience 14, 424."
    )
    claims = Claims(weight_transport="none", update_locking=False, backward_locking=False, labels_at_hidden=True)
    made_for = ("spike",)

    def build(self, seed: int) -> None:
        for name in self.network.hidden:
            size, half = self.network.populations[name].size, 0.5 / np.sqrt(self.network.populations[name].size)
            ends = [Population("input", size), Population("output", self.task.size)]
            link = Projection("input", "output", initial="zeros", bias=False, rule=None)
            options: dict[str, Any] = {"dtype": str(self.network.dtype), "backend": self.network.backend}
            self.networks[name] = Network(ends, [link], prefix=f"readout/{name}/", **options)
            weights = generator(seed, f"decolle/{name}").uniform(-half, half, link.w.shape)
            link.w[...] = self.network.backend.asarray(weights.astype(self.network.dtype))

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        teaching = {self.network.output: self.output_teaching(sweep, target)}
        for name, readout in self.networks.items():
            population, activity = self.network.populations[name], sweep[name]
            y = synapses(readout).drive(activity.transmitted.reshape(len(target), -1))  # (batch, size)
            clipped = self.network.backend.xp.clip(target - y, -1, 1)
            error = synapses(readout).back(clipped).reshape(activity.rate.shape)
            teaching[name] = population.teach(population.error_on_rate(error, activity), activity)
        return teaching
