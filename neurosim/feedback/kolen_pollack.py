"""Kolen and Pollack's scheme: each feedback synapse changes as its forward partner does, and so becomes equal to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.backends import Draws
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway
from neurosim.feedback.synapses import draw_weights, feedback, list_crossed, reverse, synapses
from neurosim.network import Population, Sweep, Teaching


class KolenPollack(FeedbackPathway):
    """e_l = (B_{l+1} e_{l+1}) * phi'(a_l), and B_{l+1} is proposed what W_{l+1} is proposed, whatever the rule of W.

    If both sides have one optimiser, and it decays weights, W - B shrinks by one factor in each step: ``[Decay(1e-3), SGD(0.1)]``
    leaves 1 - 1e-4 of it.  B starts as Glorot's.

    Optimisers that look at past proposals (Momentum, Adam) do the same to both, since both have seen the same ones.  The decay has
    to come after one that rescales, ``[Adam(1e-3), Decay(1e-4)]``: before it, each side's decay would be rescaled by its own past.

    With the delta rule for W, what B is proposed is the error sent times the rate of the population that receives it: both are at
    the feedback synapse.
    """

    name = "kolen_pollack"
    title = "Kolen-Pollack feedback"
    citation = (
        "Kolen and Pollack (1994). Backpropagation without weight transport. ICNN 1994, 1375-1380; Akrout, Wilson, Humphreys, "
        "Lillicrap and Tweed (2019). Deep learning without weight transport. NeurIPS 2019. arXiv:1904.05391."
    )
    claims = Claims(
        weight_transport="none", update_locking=True, backward_locking=True, feedback_learns_from=("activity", "labels")
    )

    def build(self, seed: int) -> None:
        network = self.network
        self.crossed = [p for links in list_crossed(network).values() for p in links]
        for p in self.crossed:
            above, below = network.populations[p.post], network.populations[p.pre]
            ends = Population(p.post, above.shape), Population(p.pre, below.shape, neurons=below.neurons)
            weights = draw_weights(seed, f"feedback/{p.name}", "glorot", p.w.shape, p.connectivity.fan_in(p.pre_shape))
            self.networks[p.name] = feedback(network, *ends, weights, f"feedback/{p.name}/", wiring=p.connectivity.reversed())

    def fixed_weights(self) -> dict[str, Any]:
        """Return nothing: without a rule of their own, the feedback synapses learn."""
        return {}

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        back = {p.name: reverse(synapses(self.networks[p.name]).w, p.connectivity) for p in self.crossed}
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), back)

    def adapt_to_proposals(
        self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], proposals: Mapping[str, Any], draws: Draws
    ) -> Deltas:
        deltas: Deltas = {}
        for p in self.crossed:
            forward, link = f"{p.name}.w", self.networks[p.name]
            if forward in proposals:
                deltas[f"{link.prefix}{synapses(link).name}.w"] = reverse(proposals[forward], p.connectivity)
        return deltas
