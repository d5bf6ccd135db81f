"""How far a scheme's updates point where back-propagation's would.

Lillicrap, Cownden, Tweed and Akerman (2016) measured the angle between the two for feedback alignment; below 90 degrees, a
small step along the proposed change lowers the loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurosim.backends import Draws
from neurosim.feedback import FeedbackPathway
from neurosim.network import Network, Sweep
from neurosim.plasticity import Synapses, error_driven
from neurosim.training.trial import Trial, add_changes, modulators_of, teach_ticks

EXACT = error_driven()
STATIC = Trial()


@dataclass(frozen=True)
class Alignment:
    """A proposed change of weights beside minus the exact gradient.

    angle : degrees between the two; cosine : of that angle; norm_ratio : norm of the proposed change over the gradient's

    All are not-a-number where one of the two is zero, or holds anything that is no finite number.
    """

    angle: float
    cosine: float
    norm_ratio: float

    @staticmethod
    def of(proposed: Any, exact: Any) -> Alignment:
        """Return the alignment of two arrays of one shape."""
        pairs = ((proposed, exact), (proposed, proposed), (exact, exact))
        product, own, wanted = (float((a * b).sum(dtype="float64")) for a, b in pairs)
        if not (own and wanted and math.isfinite(product + own + wanted)):
            return Alignment(math.nan, math.nan, math.nan)
        cosine = max(-1.0, min(1.0, product / math.sqrt(own * wanted)))
        return Alignment(math.degrees(math.acos(cosine)), cosine, math.sqrt(own / wanted))


def alignments(
    network: Network, pathway: FeedbackPathway, x: Any, target: Any, draws: Draws, trial: Trial = STATIC
) -> dict[str, Alignment]:
    """Return how each projection's proposed change for one batch lies to minus the exact gradient of the task's mean loss.

    x : (batch, *sample); target : (batch, task.size).  Both changes come from the same sweeps, with the batch's own statistics,
    dropout and noise where the scheme trains with them; of a trial both are those of all its ticks together, through which what
    rules remember goes on.  Nothing learns, and nothing is remembered afterwards.  A projection the scheme leaves alone is left
    out.
    """
    sweeps = trial.sweeps(network, x, training=pathway.training_sweep, draws=draws)
    outcomes = trial.outcomes(pathway, sweeps, target, draws)
    proposed = proposed_changes(pathway, sweeps, outcomes, draws)
    exact = exact_changes(pathway, sweeps, outcomes)
    keys = {name: f"{network.prefix}{name}.w" for name in network.projections}
    return {name: Alignment.of(proposed[key], exact[name]) for name, key in keys.items() if key in proposed}


def proposed_changes(
    pathway: FeedbackPathway, sweeps: Sequence[Sweep], outcomes: Sequence[Any], draws: Draws
) -> Mapping[str, Any]:
    """Return what the network's rules propose for a trial, the ticks' proposals summed; by name of the parameter.

    outcomes : of each tick, None where the output is not asked
    """
    total: dict[str, Any] = {}
    states: dict[str, Any] = {}
    ticks = zip(sweeps, outcomes, teach_ticks(pathway, sweeps, outcomes, draws), strict=True)
    for sweep, outcome, teaching in ticks:
        proposed, after = pathway.network.propose(sweep, teaching, modulators_of(pathway.task, outcome), states)
        total, states = add_changes(total, proposed), states | after
    return total


def exact_changes(pathway: FeedbackPathway, sweeps: Sequence[Sweep], outcomes: Sequence[Any]) -> Mapping[str, Any]:
    """Return minus the gradient of the task's loss, summed over ticks, in each projection's weights, whatever its rule.

    It is found by back-propagation through the trial.  outcomes : of each tick, None where the output is not asked
    """
    network = pathway.network
    asked = [None if o is None else pathway.output_teaching(s, o) for s, o in zip(sweeps, outcomes, strict=True)]
    teaching = network.errors_back_in_time(sweeps, asked)
    changes = {}
    for name, p in network.projections.items():
        synapses = Synapses(network.backend, p.connectivity, p.w, None, {})
        change = network.backend.xp.zeros_like(p.w)  # what does not reach the output changes nothing there
        for sweep, taught in zip(sweeps, teaching, strict=True):
            if p.post in taught:
                rate = sweep.arrived[name] if p.delay else sweep[p.pre].transmitted
                change = change + EXACT.delta({"rate": rate}, {"error": taught[p.post].error_on(p.into)}, synapses).dw
        changes[name] = change
    return changes
