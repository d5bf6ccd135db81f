"""DECOLLE: every population has a fixed random readout, and learns from that readout's error in every tick, as it comes."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.backends import Draws
from neurosim.backends.base import generator
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.feedback.synapses import synapses
from neurosim.network import Network, Population, Projection, Sweep, Teaching

LOSSES = ("squared", "smooth", "task")


class DECOLLE(FeedbackPathway):
    name = "decolle"
    spiking = True

    claims = Claims(weight_transport="none", update_locking=False, backward_locking=False, labels_at_hidden=True)

    def __init__(self, *, loss: str = "squared") -> None:
        require(loss in LOSSES, f"scheme {self.name!r}: loss {quoted(loss)}: expected one of {', '.join(LOSSES)}; pick one")
        self.loss_of = loss

    def build(self, seed: int) -> None:
        for name in self.network.hidden:
            size, prefix = self.network.populations[name].size, f"readout/{name}/"
            kind = self.task.readout if self.loss_of == "task" else "linear"
            ends = [Population("input", size), Population("output", self.task.size, transfer=kind)]
            link = Projection("input", "output", initial="zeros", bias=False, rule=None)
            options: dict[str, Any] = {"dtype": str(self.network.dtype), "backend": self.network.backend}
            self.networks[f"readout/{name}"] = Network(ends, [link], prefix=prefix, **options)
            half = 0.5 / np.sqrt(size)
            drawn = generator(seed, f"decolle/{name}").uniform(-half, half, (size, self.task.size))
            link.w[...] = self.network.backend.asarray(drawn.astype(self.network.dtype))

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        teaching = {self.network.output: self.output_teaching(sweep, target)}
        for name in self.network.hidden:
            population, activity, readout = self.network.populations[name], sweep[name], self.networks[f"readout/{name}"]
            read = readout.sweep(activity.transmitted.reshape(len(target), -1))
            if self.loss_of == "task":
                error = self.task.error(readout.populations["output"], read["output"], target)
            else:
                error = target - read.rate["output"]
                if self.loss_of == "smooth":
                    error = np.clip(error, -1, 1)
            on_transmitted = synapses(readout).back(error).reshape(activity.rate.shape)
            teaching[name] = population.teach(population.error_on_rate(on_transmitted, activity), activity)
        return teaching
