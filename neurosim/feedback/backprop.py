"""Back-propagation of error: the baseline every scheme is compared with."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Draws
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.network import Sweep, Teaching


class Backprop(FeedbackPathway):
    """e_l = (W_{l+1} e_{l+1}) * phi'(a_l): the exact gradient, through the transposed forward weights; e_L = y - p for classes."""

    name = "backprop"
    title = "Back-propagation"
    citation = "Rumelhart, Hinton and Williams (1986). Learning representations by back-propagating errors. Nature 323, 533-536."
    claims = Claims(weight_transport="full", update_locking=True, backward_locking=True)

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        return self.network.errors_back(sweep, self.output_teaching(sweep, target))
