"""Local difference reconstruction (L-DRL): target propagation whose feedback learns the transpose, not the inverse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway
from neurosim.feedback.synapses import draw_weights, feedback
from neurosim.network import Activity, Population, Projection, Sweep, Teaching
from neurosim.plasticity import error_driven


class LocalDifferenceReconstruction(FeedbackPathway):
    """Difference targets, sent down from the output through feedback g_l(s) = V_l phi(s) that learns to mimic f_l's Jacobian.

    target_M     = a_M + step * e_M, e_M = y - p for classes        of the output it is the drive that counts: f_M(h) = a_M
    target_{l-1} = h_{l-1} + g_l(target_l) - g_l(h_l)               g_M is linear
    error_l      = (target_l - h_l) / step * phi'(a_l)              minus the gradient of ||target_l - h_l||**2 / (2 step)
    g_l learns   (-2 xi . (g_l(f_l(h + xi)) - g_l(f_l(h))) + ||g_l(f_l(h) + eta) - g_l(f_l(h))||**2) / noise**2

    h is what population l - 1 transmits; xi and eta are normal, of standard deviation ``noise``.  The mean of g_l's loss over small
    noise is ||G||**2 - 2 tr(G J), J the Jacobian of f_l and G that of g_l: least where G is the transpose of J.  On linear
    populations V_l becomes the transpose of W_l, and the errors those of back-propagation.  After division by noise and step,
    neither is a part of a learning rate.

    step : of the output's target, per sample
    noise : standard deviation of xi and eta

    Raises
    ------
    InputError
        ``step`` or ``noise`` is not positive, a network that is not one chain, or a transfer whose slope is not its own.
    """

    name = "local_difference_reconstruction"
    title = "Local difference reconstruction (L-DRL)"
    citation = (
        "Ernoult, Normandin, Moudgil, Spinney, Belilovsky, Rish, Richards and Bengio (2022). Towards scaling difference target "
        "propagation by learning backprop targets. ICML 2022. arXiv:2201.13415."
    )
    claims = Claims(
        weight_transport="none", update_locking=True, backward_locking=True, feedback_learns_from=("activity", "responses")
    )

    def __init__(self, *, step: float = 0.5, noise: float = 0.1) -> None:
        owner = f"scheme {self.name!r}"
        require(0 < step < math.inf, f"{owner}: step {quoted(step)} is not positive and finite; give one such as 0.5")
        require(0 < noise < math.inf, f"{owner}: noise {quoted(noise)} is not positive and finite; give one such as 0.1")
        self.step, self.noise = step, noise

    def build(self, seed: int) -> None:
        network = self.network
        self.check_slopes()
        self.links = network.chain(f"scheme {self.name!r}")[1:]  # no feedback into the input
        for link in self.links:
            above, below = Population(link.post, link.post_shape), Population(link.pre, link.pre_shape)
            weights = draw_weights(seed, f"feedback/{link.name}", "glorot", link.w.shape, link.w.shape[0])
            own = feedback(network, above, below, weights, f"feedback/{link.name}/", rule=error_driven())
            self.networks[link.name] = own

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network = self.network
        teaching = {network.output: self.output_teaching(sweep, target)}
        for name, way in self._ways(teaching[network.output], sweep).items():
            teaching[name] = network.populations[name].teach(way / way.dtype.type(self.step), sweep[name])
        return teaching

    def _ways(self, at_output: Teaching, sweep: Sweep) -> dict[str, Any]:
        """Return the way from each hidden population's rate to its target, (batch, *shape)."""
        ways, way = {}, at_output.error * at_output.error.dtype.type(self.step)
        for link in reversed(self.links):
            s = self._answer(link, sweep[link.post])
            carried = self._carry(link, self._felt(link, s + way) - self._felt(link, s))
            way = ways[link.pre] = self.network.populations[link.pre].error_on_rate(carried, sweep[link.pre])
        return ways

    def _answer(self, link: Projection, activity: Activity) -> Any:
        """Return f_l, (batch, *post): the rate, or the output's drive."""
        return activity.drive if link.post == self.network.output else activity.rate

    def _felt(self, link: Projection, s: Any) -> Any:
        """Return phi(s), (batch, *post): what the feedback synapses of ``link`` are driven by."""
        if link.post == self.network.output:
            return s
        return self.network.populations[link.post].transfer.rate(self.network.backend, s, None, link.post)

    def _carry(self, link: Projection, felt: Any) -> Any:
        """Return V_l times a difference of what is felt above, (batch, *pre)."""
        return self.networks[link.name].sweep(felt).rate[link.pre]

    def signals(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, dict[str, Any]]:
        ways = self._ways(self.output_teaching(sweep, target), sweep)
        return {name: {"target": sweep.rate[name] + way} for name, way in ways.items()}

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        deltas: Deltas = {}
        for link in self.links:
            h, s = sweep[link.pre].transmitted, self._answer(link, sweep[link.post])
            xi, eta = (draws.normal(f"{link.name}/{name}", like.shape, like.dtype) for name, like in (("xi", h), ("eta", s)))
            noise = h.dtype.type(self.noise)
            moved = self.network.respond(link.post, {link.pre: h + noise * xi}, training=sweep.training, draws=draws)
            answered, disturbed = (
                (self._felt(link, other) - self._felt(link, s)) / noise
                for other in (self._answer(link, moved), s + noise * eta)
            )
            grown = self._propose(link, answered, 2 * xi)
            shrunk = self._propose(link, disturbed, -2 * self._carry(link, disturbed))
            deltas |= {name: change + shrunk[name] for name, change in grown.items()}
        return deltas

    def _propose(self, link: Projection, felt: Any, error: Any) -> Deltas:
        """Return what feedback synapses propose for a difference felt above and an error on what it brings below."""
        g = self.networks[link.name]
        return g.propose(g.sweep(felt), {link.pre: Teaching(error)})[0]
