"""Direct feedback alignment: fixed random feedback from the output to every population."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Draws
from neurosim.backends.base import generator
from neurosim.connectivity import initialiser
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.network import Sweep, Teaching


class DirectFeedbackAlignment(FeedbackPathway):
    """e_l = (B_l e_L) * phi'(a_l) with B_l, (n_l, n_L), drawn once and never changed."""

    name = "direct_feedback_alignment"
    title = "Direct feedback alignment"
    citation = (
        "Nokland (2016). Direct feedback alignment provides learning in deep neural networks. Advances in Neural Information "
        "Processing Systems 29."
    )
    claims = Claims(weight_transport="none", update_locking=True, backward_locking=False)

    def build(self, seed: int) -> None:
        network = self.network
        self.feedback: dict[str, Any] = {}
        for name in network.hidden:
            shape = (network.populations[name].size, network.populations[network.output].size)
            w = initialiser("glorot")(generator(seed, f"feedback/{name}"), shape, shape[0])
            self.feedback[name] = network.backend.asarray(w, network.dtype)

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network = self.network
        teaching = {network.output: self.output_teaching(sweep, target)}
        error = teaching[network.output].error.reshape(len(target), -1)
        for name, w in self.feedback.items():
            population, activity = network.populations[name], sweep[name]
            on_rate = network.backend.matmul(error, w.T).reshape(activity.rate.shape)
            teaching[name] = population.teach(population.error_on_rate(on_rate, activity), activity)
        return teaching

    def memory(self) -> dict[str, Any]:
        return {f"feedback/{name}.w": w for name, w in self.feedback.items()}
