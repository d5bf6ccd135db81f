"""Feedback alignment: the error goes back layer by layer, through synapses of its own instead of the transposed forward ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.backends import Draws
from neurosim.feedback.pathway import Claims
from neurosim.feedback.synapses import ErrorFeedback, draw_weights, list_crossed
from neurosim.network import Sweep, Teaching


class FeedbackAlignment(ErrorFeedback):
    """e_l = (B_{l+1} e_{l+1}) * phi'(a_l) with B_{l+1} drawn once, like the forward weights, and fixed, unless it has a rule.

    ``rule="hebbian"`` is the delta rule of the forward synapses seen from the other side: dB = h_l e_{l+1}, mean over the batch.
    With it, and one optimiser for both that decays weights, ``[Decay(0.001), SGD(0.1)]``, W - B shrinks by one factor in each
    step: B becomes W, and nothing reads W (Kolen and Pollack 1994; Akrout et al. 2019, Deep learning without weight transport,
    section 4.2, arXiv:1904.05391).

    What comes back along a projection is the error on the input that it adds into.

    rule : the rule of the feedback synapses.  None keeps them as they are drawn.  Otherwise a Rule, the name of one, an equation
        ``"dw = ..."``, or a table with ``name`` or ``equation`` and the rule's options.  ``rate_pre`` is the error sent, per
        sample.  Names that end with ``_post`` are of the population that receives it; its rate is the one that it transmits, after
        dropout
    scale : a factor of the feedback weights, which are drawn as Glorot's

    Raises
    ------
    InputError, EquationError
        A rule that is none, keeps a state of its own, or solves for weights; a scale that is not positive.
    """

    name = "feedback_alignment"
    title = "Feedback alignment"
    citation = (
        "Lillicrap, Cownden, Tweed and Akerman (2016). Random synaptic feedback weights support error backpropagation for deep "
        "learning. Nature Communications 7, 13276."
    )
    variants = ({}, {"rule": "hebbian"})
    made_for = ("rate", "spike")

    @property
    def claims(self) -> Claims:
        """The same with any rule, but for what the feedback synapses learn from."""
        return Claims(
            weight_transport="none", update_locking=True, backward_locking=True, feedback_learns_from=self.learned_from
        )

    def build(self, seed: int) -> None:
        self.links = list_crossed(self.network)
        for links in self.links.values():
            for p in links:
                weights = draw_weights(seed, f"feedback/{p.name}", "glorot", p.w.shape, p.connectivity.fan_in(p.pre_shape))
                self.add_feedback(p.name, p.post, p.pre, weights, p.connectivity.reversed())

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        teaching = {self.network.output: self.output_teaching(sweep, target)}
        for name, (first, *others) in self.links.items():
            population, activity = self.network.populations[name], sweep[name]
            error = self.carry(first.name, self.find_error(first.name, teaching))
            for p in others:
                error = error + self.carry(p.name, self.find_error(p.name, teaching))
            teaching[name] = population.teach(population.error_on_rate(error, activity), activity)
        return teaching

    def find_error(self, key: str, teaching: Mapping[str, Teaching]) -> Any:
        crossed = self.network.projections[key]
        return teaching[crossed.post].error_on(crossed.into)
