"""No teaching: synapses learn from the activity of their two populations alone."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Draws
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.network import Sweep, Teaching


class NoFeedback(FeedbackPathway):
    """Nothing is sent to any population; rules that need an error rest.  For Hebbian rules, Oja's, BCM, and unsupervised tasks."""

    name = "none"
    title = "No feedback (activity alone)"
    citation = "Hebb (1949). The organization of behavior. Wiley, New York."
    claims = Claims(weight_transport="none", update_locking=False, backward_locking=False)
    needs_error = False

    def check_output(self) -> None:
        """Every output will do: nothing asks for its error."""

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        return {}
