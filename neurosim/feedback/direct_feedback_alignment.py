"""Direct feedback alignment: feedback from the output straight to every population."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Draws
from neurosim.feedback.pathway import Claims
from neurosim.feedback.synapses import ErrorFeedback, draw_weights
from neurosim.network import Sweep, Teaching


class DirectFeedbackAlignment(ErrorFeedback):
    """e_l = (B_l e_L) * phi'(a_l) with B_l, (n_l, n_L), drawn once and fixed, unless it has a rule.

    rule : the rule of the feedback synapses.  None keeps them as they are drawn.  Otherwise a Rule, the name of one, an equation
        ``"dw = ..."``, or a table with ``name`` or ``equation`` and the rule's options.  ``rate_pre`` is the output's error, per
        sample.  Names that end with ``_post`` are of the population that receives it; its rate is the one that it transmits, after
        dropout
    scale : a factor of the feedback weights, which are drawn as Glorot's

    Raises
    ------
    InputError, EquationError
        A rule that is none, keeps a state of its own, or solves for weights; a scale that is not positive.
    """

    name = "direct_feedback_alignment"
    title = "Direct feedback alignment"
    citation = (
        "Nokland (2016). Direct feedback alignment provides learning in deep neural networks. Advances in Neural Information "
        "Processing Systems 29."
    )
    made_for = ("rate", "spike")

    @property
    def claims(self) -> Claims:
        """The same with any rule, but for what the feedback synapses learn from."""
        return Claims(
            weight_transport="none", update_locking=True, backward_locking=False, feedback_learns_from=self.learned_from
        )

    def build(self, seed: int) -> None:
        network = self.network
        for name in network.hidden:
            shape = (network.populations[name].size, network.populations[network.output].size)
            weights = draw_weights(seed, f"feedback/{name}", "glorot", shape, shape[0])
            self.add_feedback(name, network.output, name, weights)

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        teaching = {self.network.output: self.output_teaching(sweep, target)}
        error = teaching[self.network.output].error
        for name in self.network.hidden:
            population, activity = self.network.populations[name], sweep[name]
            teaching[name] = population.teach(population.error_on_rate(self.carry(name, error), activity), activity)
        return teaching
