"""Feedback alignment: the error goes back layer by layer, through fixed random weights instead of the transposed forward ones."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Draws
from neurosim.backends.base import generator
from neurosim.connectivity import initialiser
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.network import Sweep, Teaching


class FeedbackAlignment(FeedbackPathway):
    """e_l = (B_{l+1} e_{l+1}) * phi'(a_l) with B_{l+1} drawn once, like the forward weights, and never changed."""

    name = "feedback_alignment"
    title = "Feedback alignment"
    citation = (
        "Lillicrap, Cownden, Tweed and Akerman (2016). Random synaptic feedback weights support error backpropagation for deep "
        "learning. Nature Communications 7, 13276."
    )
    claims = Claims(weight_transport="none", update_locking=True, backward_locking=True)

    def build(self, seed: int) -> None:
        network = self.network
        self.feedback: dict[str, Any] = {}
        for p in network.projections.values():
            draw = generator(seed, f"feedback/{p.name}")
            w = initialiser("glorot")(draw, p.w.shape, p.connectivity.fan_in(p.pre_shape))
            self.feedback[p.name] = network.backend.asarray(w, network.dtype)

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), self.feedback)

    def memory(self) -> dict[str, Any]:
        return {f"feedback/{name}.w": w for name, w in self.feedback.items()}
