"""Difference target propagation (DTP): learned inverses carry targets downward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway, Phase
from neurosim.network import Network, Population, Projection, Sweep, Teaching


class DifferenceTargetPropagation(FeedbackPathway):
    """Targets instead of errors, sent down through learned approximate inverses g_l.

    target_{M-1} = h_{M-1} + step * W_M e_M, e_M = y - p for classes   equation 20 of the first version
    target_{l-1} = h_{l-1} + g_l(target_l) - g_l(h_l)                 equation 18; without ``difference``: g_l(target_l)
    error_l      = 2 (target_l - h_l) * phi'(a_l)                     minus the gradient of ||target_l - h_l||**2
    g_l learns ||g_l(f_l(h_{l-1} + noise)) - (h_{l-1} + noise)||**2   equation 32

    step : per sample; the released code's step is on the batch mean, 100 times this one at batch 100
    noise : standard deviation of the noise that the inverses learn with
    difference : False is target propagation without the correction, a control
    learned : False keeps the inverses as they are drawn (fixed-weight DTP, Shibuya et al. 2023, AAAI): the correction alone makes
        targets of use; there is one pass in each epoch then
    alternate : two passes in each epoch, as in the paper, the inverses first; with False, both learn from every batch

    The paper's discrete and stochastic networks have other targets (its sections 3.2 and 3.3: inverses that read signs, targets for
    probabilities), which are not built, so ``sign`` and ``bernoulli`` are refused.

    Raises
    ------
    InputError
        ``step`` or ``noise`` out of range, a network that is not one chain, or a transfer whose slope is not its own.
    """

    name = "difference_target_propagation"
    title = "Difference target propagation"
    citation = "Lee, Zhang, Fischer and Bengio (2015). Difference target propagation. ECML PKDD 2015. arXiv:1412.7525."
    variants = ({}, {"difference": False}, {"alternate": False}, {"learned": False})

    def __init__(
        self,
        *,
        step: float = 0.1,
        noise: float = 0.36,
        difference: bool = True,
        alternate: bool = True,
        learned: bool = True,
    ) -> None:
        require(step > 0, f"scheme {self.name!r}: step {quoted(step)} is not positive; give one such as 0.00328")
        require(noise >= 0, f"scheme {self.name!r}: noise {quoted(noise)} is negative; give a standard deviation such as 0.36")
        self.step, self.noise, self.difference, self.learned = step, noise, difference, learned
        if alternate and learned:
            self.phases = (Phase("inverse", forward=False), Phase("forward", feedback=False))

    @property
    def claims(self) -> Claims:
        """The same in all variants, but for inverses that do not learn."""
        learns = ("activity", "responses") if self.learned else ()
        return Claims(weight_transport="output", update_locking=True, backward_locking=True, feedback_learns_from=learns)

    def build(self, seed: int) -> None:
        network = self.network
        self.check_slopes(", since the paper's discrete and stochastic variants are not built")
        self.links = network.chain(f"scheme {self.name!r}")[1:-1]  # no inverse into the input, none out of the output
        for link in self.links:
            above, below = network.populations[link.post], network.populations[link.pre]
            populations = [Population(above.name, above.shape), Population(below.name, below.shape, transfer=below.transfer)]
            learning: dict[str, Any] = {} if self.learned else {"rule": None}
            inverse = Projection(above.name, below.name, initial=link.initial, **learning)
            options: dict[str, Any] = {"dtype": str(network.dtype), "backend": network.backend, "prefix": "inverse/"}
            self.networks[link.post] = Network(populations, [inverse], seed=seed, **options)

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network = self.network
        teaching = {network.output: self.output_teaching(sweep, target)}
        for name, aim in self._targets(sweep, teaching).items():
            teaching[name] = network.populations[name].teach(2 * (aim - sweep.rate[name]), sweep[name])
        return teaching

    def _targets(self, sweep: Sweep, at_output: Mapping[str, Teaching]) -> dict[str, Any]:
        """Return the rate that every hidden population should have, (batch, *shape)."""
        last = self.network.hidden[-1]
        error = self.network.populations[last].error_on_rate(self.network.error_from_above(last, at_output), sweep[last])
        targets = {last: sweep.rate[last] + self.step * error}
        for link in reversed(self.links):
            g, h = self.networks[link.post], sweep.rate[link.post]
            carried = g.sweep(targets[link.post]).rate[link.pre]
            correction = sweep.rate[link.pre] - g.sweep(h).rate[link.pre] if self.difference else 0
            targets[link.pre] = carried + correction
        return targets

    def signals(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, dict[str, Any]]:
        targets = self._targets(sweep, {self.network.output: self.output_teaching(sweep, target)})
        return {name: {"target": aim} for name, aim in targets.items()}

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        deltas: Deltas = {}
        for link in self.links if self.learned else ():
            h, g = sweep.rate[link.pre], self.networks[link.post]
            noisy = h + h.dtype.type(self.noise) * draws.normal(f"{link.name}/reconstruction", h.shape, h.dtype)
            code = self.network.respond(link.post, {link.pre: noisy}, training=sweep.training).rate
            inverse = g.sweep(code)
            error = 2 * (noisy - inverse.rate[link.pre])
            deltas |= g.propose(inverse, {link.pre: g.populations[link.pre].teach(error, inverse[link.pre])})[0]
        return deltas
