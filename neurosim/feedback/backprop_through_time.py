"""Back-propagation through time: the exact gradient of a trial, through the graph and its delays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurosim.backends import Draws
from neurosim.capture import scan
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.network import Sweep, Teaching


class BackpropThroughTime(FeedbackPathway):
    """e_i(t) = phi'(a_i(t)) * sum over projections p from i:  W_p e_post(t + delay_p);  e_L(t): the task's error where it is asked.

    In a trial of one tick this is back-propagation.

    horizon : ticks in one segment of a trial; no error goes back over the ends of segments (default: none are cut, the exact
        gradient).  Williams and Peng (1990), Neural Computation 2, 490-501, call it BPTT(h; h').

    Raises
    ------
    InputError
        ``horizon`` is no positive whole number.
    """

    name = "backprop_through_time"
    title = "Back-propagation through time"
    citation = "Werbos (1990). Backpropagation through time: what it does and how to do it. Proceedings of the IEEE 78, 1550-1560."
    claims = Claims(weight_transport="full", update_locking=True, backward_locking=True, future=True)
    answers = "trial"
    made_for = ("rate", "spike")
    variants = ({}, {"horizon": 2})

    def __init__(self, *, horizon: int | None = None) -> None:
        whole = horizon is None or (isinstance(horizon, int) and not isinstance(horizon, bool) and horizon >= 1)
        require(whole, f"scheme {self.name!r}: horizon {quoted(horizon)}: expected 1 tick or more; give a number such as 10")
        self.horizon = horizon

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        return self.teach_trial([sweep], [target], draws)[0]

    def teach_trial(self, sweeps: Sequence[Sweep], targets: Sequence[Any], draws: Draws) -> list[dict[str, Teaching]]:
        def ask(_: None, sweep: Sweep, target: Any) -> tuple[None, Teaching | None]:
            return None, None if target is None else self.output_teaching(sweep, target)

        _, asked = scan(ask, None, sweeps, targets)
        return self.network.errors_back_in_time(sweeps, asked, self.horizon)
