"""How far a scheme's updates point where back-propagation's would.

Lillicrap, Cownden, Tweed and Akerman (2016) measured the angle between the two for feedback alignment; below 90 degrees, a
small step along the proposed change lowers the loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neurosim.backends import Draws
from neurosim.feedback import FeedbackPathway
from neurosim.network import Network, Sweep
from neurosim.plasticity import Synapses, error_driven

EXACT = error_driven()


@dataclass(frozen=True)
class Alignment:
    """A proposed change of weights beside minus the exact gradient.

    angle : degrees between the two; cosine : of that angle; norm_ratio : norm of the proposed change over the gradient's

    All are not-a-number where one of the two is zero.
    """

    angle: float
    cosine: float
    norm_ratio: float

    @staticmethod
    def of(proposed: Any, exact: Any) -> Alignment:
        """Return the alignment of two arrays of one shape."""
        pairs = ((proposed, exact), (proposed, proposed), (exact, exact))
        product, own, wanted = (float((a * b).sum(dtype="float64")) for a, b in pairs)
        if not own or not wanted:
            return Alignment(math.nan, math.nan, math.nan)
        cosine = max(-1.0, min(1.0, product / math.sqrt(own * wanted)))
        return Alignment(math.degrees(math.acos(cosine)), cosine, math.sqrt(own / wanted))


def alignments(network: Network, pathway: FeedbackPathway, x: Any, target: Any, draws: Draws) -> dict[str, Alignment]:
    """Return how each projection's proposed change for one batch lies to minus the exact gradient of the task's mean loss.

    x : (batch, *input shape); target : (batch, task.size).  Both changes come from one sweep, with the batch's own statistics,
    dropout and noise where the scheme trains with them.  Nothing learns.  A projection the scheme leaves alone is left out.
    """
    sweep = network.sweep(x, training=pathway.training_sweep, draws=draws)
    outcome = pathway.task.outcome(network.backend, sweep[network.output], target, draws)
    proposed, _ = network.propose(sweep, pathway.teach(sweep, outcome, draws), pathway.task.broadcast(outcome))
    exact = exact_changes(pathway, sweep, outcome)
    keys = {name: f"{network.prefix}{name}.w" for name in network.projections}
    return {name: Alignment.of(proposed[key], exact[name]) for name, key in keys.items() if key in proposed}


def exact_changes(pathway: FeedbackPathway, sweep: Sweep, outcome: Any) -> Mapping[str, Any]:
    """Return minus the gradient of the task's mean loss in each projection's weights, by back-propagation, whatever its rule."""
    network = pathway.network
    teaching = network.errors_back(sweep, pathway.output_teaching(sweep, outcome))
    changes = {}
    for name, p in network.projections.items():
        synapses = Synapses(network.backend, p.connectivity, p.w, None, {})
        post = {"error": teaching[p.post].error}
        changes[name] = EXACT.delta({"rate": sweep[p.pre].transmitted}, post, synapses).dw
    return changes
