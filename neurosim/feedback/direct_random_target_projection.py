"""Direct random target projection (DRTP): the label, and not the error, goes straight to every hidden population."""

from __future__ import annotations

import math
from typing import Any

from neurosim.backends import Draws
from neurosim.backends.base import generator
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.feedback.synapses import feedback, synapses
from neurosim.network import Population, Sweep, Teaching


class DirectRandomTargetProjection(FeedbackPathway):
    """e_l = (B_l y) * phi'(a_l) with B_l, (n_l, n_L), drawn once and fixed; e_L = y - p for classes.

    A hidden population learns from the label, so it need not wait for the output, nor for any population above it.  The signal does
    not get smaller as the network learns: weights grow until the slopes of their neurons vanish.

    B_l is uniform in +-sqrt(6 / n_l), as in the released code (Kaiming's initialiser, whose fan-in is there the population's size).
    """

    name = "direct_random_target_projection"
    title = "Direct random target projection"
    citation = (
        "Frenkel, Lefebvre and Bol (2021). Learning without feedback: fixed random learning signals allow for feedforward training "
        "of deep neural networks. Frontiers in Neuroscience 15, 629892. arXiv:1909.01311."
    )
    claims = Claims(weight_transport="none", update_locking=False, backward_locking=False, labels_at_hidden=True)

    def build(self, seed: int) -> None:
        network, output = self.network, self.network.populations[self.network.output]
        for name in network.hidden:
            below = network.populations[name]
            bound = math.sqrt(6 / below.size)
            weights = generator(seed, f"feedback/{name}").uniform(-bound, bound, (below.size, output.size))
            ends = Population(output.name, output.shape), Population(name, below.shape, neurons=below.neurons)
            self.networks[name] = feedback(network, *ends, weights, f"feedback/{name}/")

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network = self.network
        teaching = {network.output: self.output_teaching(sweep, target)}
        label = target.reshape(sweep.rate[network.output].shape)
        for name in network.hidden:
            population, activity = network.populations[name], sweep[name]
            on_rate = synapses(self.networks[name]).drive(label)
            teaching[name] = population.teach(population.error_on_rate(on_rate, activity), activity)
        return teaching
