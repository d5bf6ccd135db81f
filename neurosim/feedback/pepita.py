"""PEPITA: a second sweep whose input is modulated by the output's error; how rates change between the two is what teaches."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.feedback.synapses import draw_weights, feedback, synapses
from neurosim.network import Activity, Population, Sweep, Teaching

FEEDBACK = "feedback"


class Pepita(FeedbackPathway):
    """Present the input, then present it with error: x' = x - F e_M, e_M = y - p for classes; primed rates are the second sweep's.

    error_l  = h'_l - h_l                    on the drive: no slope of phi
    dW_l     = eta * h'_{l-1} error_l        presynaptic rates are the second sweep's, x' for the first projection
    output   learns from h'_{M-1} by the task's error in the second sweep, y - p' for classes

    F, (n_x, n_M), is drawn once and fixed.  To first order hidden population 1 gets (W_1' F e_M) * -phi'(a_1): direct feedback
    alignment with the feedback weights -W_1' F.  Nothing is carried backwards: the error enters at the input and goes forward.

    Noise and dropout are those of the sweep, the same in both: with another mask for each, the change would be of masks.

    scale : factor of F, which is drawn uniform in +-sqrt(6 / n_x); a large F makes the second sweep another input's

    Raises
    ------
    InputError
        ``scale`` is not positive, a network that is not one chain, or neurons that draw their rate.
    """

    name = "pepita"
    title = "PEPITA (error-driven input modulation)"
    citation = (
        "Dellaferrera and Kreiman (2022). Error-driven input modulation: solving the credit assignment problem without a backward "
        "pass. ICML 2022. arXiv:2201.11665."
    )
    # "raw input": the second sweep begins at the input, and what it brings reaches each population through those in between.
    claims = Claims(weight_transport="none", update_locking=True, backward_locking=False, raw_input_at_hidden=True)

    def __init__(self, *, scale: float = 0.05) -> None:
        said = f"scheme {self.name!r}: scale {quoted(scale)} is not positive and finite: expected a factor; give one such as 0.05"
        require(0 < scale < math.inf, said)
        self.scale = scale

    def build(self, seed: int) -> None:
        network = self.network
        self.links = network.chain(f"scheme {self.name!r}")
        for name in network.hidden:
            curve = network.populations[name].transfer
            said = f"scheme {self.name!r}: population {name!r} has transfer {curve.name!r}, which draws: two sweeps differ anyway"
            require(not curve.stochastic, f"{said}: expected one that gives an input one rate; use 'relu' or 'tanh'")
        x, output = network.populations[network.input], network.populations[network.output]
        bound = self.scale * math.sqrt(6)  # "lecun" draws uniform in +-1 / sqrt(n_x)
        weights = bound * draw_weights(seed, "feedback/input", "lecun", (x.size, output.size), x.size)
        ends = Population(output.name, output.shape), Population(x.name, x.shape)
        self.networks[FEEDBACK] = feedback(network, *ends, weights, f"{FEEDBACK}/")

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network = self.network
        second = self._present_with_error(sweep, self.output_teaching(sweep, target).error, draws)
        teaching = {network.input: Teaching()}
        for name in network.hidden:
            change = second[name].transmitted - sweep[name].transmitted
            teaching[name] = network.populations[name].teach_activation(change, second[name])
        teaching[network.output] = self.task.teach(network.populations[network.output], second[network.output], target)
        return {name: replace(taught, rate=second[name].transmitted) for name, taught in teaching.items()}

    def _present_with_error(self, sweep: Sweep, error: Any, draws: Draws) -> dict[str, Activity]:
        """Return the activity of every population in the second sweep, with the first one's noise and dropout."""
        network = self.network
        modulation = synapses(self.networks[FEEDBACK]).drive(error)
        first = sweep[network.input]
        rate = first.rate - modulation
        second = {network.input: replace(first, rate=rate, transmitted=rate if first.mask is None else rate * first.mask)}
        for link in self.links:
            below = {link.pre: second[link.pre].transmitted}
            second[link.post] = network.respond(link.post, below, training=sweep.training, draws=draws)
        return second
