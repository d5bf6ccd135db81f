"""The control: hidden populations keep their initial weights, only the output projection learns."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Draws
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.network import Sweep, Teaching


class Frozen(FeedbackPathway):
    """The output's own error, y - p for classes, at the output, nothing anywhere else.

    settled : sweep as in evaluation (running statistics, no dropout), to train a readout on features that are already learned, as
        in the HSIC bottleneck's format training
    """

    name = "frozen"
    title = "Frozen hidden layers (control)"
    citation = "Widrow and Hoff (1960). Adaptive switching circuits. IRE WESCON Convention Record 4, 96-104."
    claims = Claims(weight_transport="none", update_locking=False, backward_locking=False)
    variants = ({}, {"settled": True})
    made_for = ("rate", "spike")

    def __init__(self, *, settled: bool = False) -> None:
        self.training_sweep = not settled

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        return {self.network.output: self.output_teaching(sweep, target)}
