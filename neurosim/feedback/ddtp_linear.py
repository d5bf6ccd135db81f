"""Direct difference target propagation with linear feedback: targets straight from the output, through learned inverses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway
from neurosim.feedback.synapses import draw_weights, feedback
from neurosim.network import Population, Sweep, Teaching
from neurosim.plasticity import error_driven


class DDTPLinear(FeedbackPathway):
    """Every hidden population has feedback Q_l from the output, which learns to undo all that lies between.

    target_l = h_l + Q_l e_M                     e_M = y - p for classes: the way from the output's drive a_M to its target
    error_l  = (target_l - h_l) * phi'(a_l)      minus the gradient of ||target_l - h_l||**2 / 2
    Q_l learns ||Q_l (f_l(h_l + noise * xi) - a_M) / noise - xi||**2      the difference reconstruction loss; xi standard normal

    f_l is the network from population l to the drive of the output, h what population l transmits.  With small noise, the loss is
    least where Q_l is the pseudo-inverse of f_l's Jacobian, and target_l a Gauss-Newton target.  Since Q_l is linear, a step of the
    output's target would only be a factor of the errors; and so would the noise, by which the loss is divided.  For the paper's
    decay of feedback weights, which damps the inverse, give the feedback optimiser a ``decay``.

    noise : standard deviation of the noise that the feedback learns with

    Raises
    ------
    InputError
        ``noise`` is not positive, a network that is not one chain, or a transfer whose slope is not its own.
    """

    name = "ddtp_linear"
    title = "Direct difference target propagation, linear"
    citation = (
        "Meulemans, Carzaniga, Suykens, Sacramento and Grewe (2020). A theoretical framework for target propagation. Advances in "
        "Neural Information Processing Systems 33. arXiv:2006.14331."
    )
    claims = Claims(
        weight_transport="none", update_locking=True, backward_locking=False, feedback_learns_from=("activity", "responses")
    )

    def __init__(self, *, noise: float = 0.1) -> None:
        said = f"scheme {self.name!r}: noise {quoted(noise)} is not positive and finite: expected a standard deviation"
        require(0 < noise < math.inf, f"{said}; give one such as 0.1")
        self.noise = noise

    def build(self, seed: int) -> None:
        network = self.network
        self.check_slopes()
        self.links = network.chain(f"scheme {self.name!r}")[1:]
        output = network.populations[network.output]
        for name in network.hidden:
            below = network.populations[name]
            weights = draw_weights(seed, f"feedback/{name}", "glorot", (below.size, output.size), below.size)
            ends = Population(output.name, output.shape), Population(name, below.shape)
            self.networks[name] = feedback(network, *ends, weights, f"feedback/{name}/", rule=error_driven())

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network = self.network
        teaching = {network.output: self.output_teaching(sweep, target)}
        for name, way in self._ways(teaching[network.output].error, sweep).items():
            teaching[name] = network.populations[name].teach(way, sweep[name])
        return teaching

    def _ways(self, error: Any, sweep: Sweep) -> dict[str, Any]:
        """Return the way from each hidden population's rate to its target, (batch, *shape)."""
        return {
            name: self.network.populations[name].error_on_rate(link.sweep(error).rate[name], sweep[name])
            for name, link in self.networks.items()
        }

    def signals(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, dict[str, Any]]:
        ways = self._ways(self.output_teaching(sweep, target).error, sweep)
        return {name: {"target": sweep.rate[name] + way} for name, way in ways.items()}

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        deltas: Deltas = {}
        for name, link in self.networks.items():
            h = sweep[name].transmitted
            xi, noise = draws.normal(f"{name}/reconstruction", h.shape, h.dtype), h.dtype.type(self.noise)
            moved = self._answer(name, h + noise * xi, sweep.training, draws)
            found = link.sweep((moved - sweep[self.network.output].drive) / noise)
            deltas |= link.propose(found, {name: Teaching(2 * (xi - found.rate[name]))})[0]
        return deltas

    def _answer(self, name: str, transmitted: Any, training: bool, draws: Draws) -> Any:
        """Return the output's drive, (batch, *shape), where ``name`` transmits this; noise and dropout are the sweep's."""
        for link in self.links[[link.pre for link in self.links].index(name) :]:
            activity = self.network.respond(link.post, {link.pre: transmitted}, training=training, draws=draws)
            transmitted = activity.transmitted
        return activity.drive
