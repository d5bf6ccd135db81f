"""Dual propagation: each neuron is a dyad, whose mean goes up and whose difference goes down, in one phase."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from neurosim.backends import Draws
from neurosim.capture import repeat
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims
from neurosim.feedback.relaxing import Relaxing
from neurosim.network import Activity, Sweep, Teaching

Dyads = dict[str, tuple[Any, Any]]


class DualPropagation(Relaxing):
    """Dyads (h+_l, h-_l), both as the sweep's rate at first, settle from the output down, ``passes`` times:

    hbar_l = alpha h+_l + (1 - alpha) h-_l                   goes up:    a_l = f_l(hbar_{l-1})
    d_l    = (h+_{l+1} - h-_{l+1}) W_{l+1}^T                 comes down
    h+_l   = phi(a_l + (1 - alpha) d_l),  h-_l = phi(a_l - alpha d_l)
    output :  a+ - a- = beta e_L, with e_L minus the gradient of the task's loss at a_L;  y - p for classes
    error_l = (h+_l - h-_l) / beta,  learned with the presynaptic rate hbar_{l-1}

    No derivative of phi is used: the difference of a dyad is a finite difference of phi.  Beside back-propagation the error is off
    by O(beta**2) for alpha = 1/2, by O(beta) for others; not at all for rectified neurons that no dyad takes across 0.

    alpha : how much of a dyad's mean is its plus state, 0 to 1
    beta : how far the output is nudged
    passes : how often all dyads take their state; a signal reaches all of them in one, and further passes take the means that
        have moved into account

    Raises
    ------
    InputError
        An option out of range, a network that is not one chain, a transfer whose slope is not its own, a task without targets.
    """

    name = "dual_propagation"
    title = "Dual propagation"
    citation = (
        "Hoier, Staudt and Zach (2023). Dual propagation: accelerating contrastive Hebbian learning with dyadic neurons. "
        "ICML 2023. arXiv:2302.01228."
    )
    # The output's error is found where the dyads' means put the output: with it, the label comes to hidden populations anew.
    claims = Claims(weight_transport="full", update_locking=True, backward_locking=True, labels_at_hidden=True)
    variants = ({}, {"alpha": 0.0, "passes": 1})

    def __init__(self, *, alpha: float = 0.5, beta: float = 0.1, passes: int = 2) -> None:
        owner = f"scheme {self.name!r}"
        require(0 <= alpha <= 1, f"{owner}: alpha {quoted(alpha)} is not in [0, 1]; give a share such as 0.5")
        require(beta > 0, f"{owner}: beta {quoted(beta)} is not positive; give a nudge such as 0.1")
        self.alpha, self.beta, self.passes = alpha, beta, self.check_turns("passes", passes)

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        dyads, output = self._settled(sweep, target, draws), self.network.output
        means = self._means(dyads, sweep)
        teaching = {}
        for name in self.links:
            local = self.respond(name, means, sweep, draws)
            if name == output:
                error = self.task.error(self.population(output), local, target)
            else:
                plus, minus = dyads[name]
                error = (plus - minus) * plus.dtype.type(1 / self.beta)
            rate = means[name].transmitted if name in means else None
            teaching[name] = replace(self.population(name).teach_activation(error, local), rate=rate)
        return teaching

    def signals(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, dict[str, Any]]:
        dyads = self._settled(sweep, target, draws)
        return {name: {"plus": plus, "minus": minus} for name, (plus, minus) in dyads.items()}

    def _settled(self, sweep: Sweep, target: Any, draws: Draws) -> Dyads:
        """Return (h+, h-) of every hidden population, (batch, *shape) each."""
        hidden = self.network.hidden

        def paired(states: tuple[Any, ...]) -> Dyads:
            return dict(zip(hidden, zip(states[::2], states[1::2], strict=True), strict=True))

        def turn(*states: Any) -> tuple[Any, ...]:
            settled = self._settle_once(paired(states), sweep, target, draws)
            return tuple(state for name in hidden for state in settled[name])

        return paired(repeat(self.passes, turn, *(sweep.rate[name] for name in hidden for _ in range(2))))

    def _settle_once(self, dyads: Dyads, sweep: Sweep, target: Any, draws: Draws) -> Dyads:
        """Return the dyads after one pass from the output down."""
        means, above = self._means(dyads, sweep), self.network.output
        local = self.respond(above, means, sweep, draws)
        difference = self.beta * self.task.error(self.population(above), local, target)
        settled: Dyads = {}
        for name in reversed(self.network.hidden):
            down = self.population(name).error_on_rate(self.send_down(above, difference, local), sweep[name])
            local, above = self.respond(name, means, sweep, draws), name
            plus = self.hold(name, local.activation + (1 - self.alpha) * down, sweep).rate
            minus = self.hold(name, local.activation - self.alpha * down, sweep).rate
            settled[name], difference = (plus, minus), plus - minus
        return settled

    def _means(self, dyads: Dyads, sweep: Sweep) -> dict[str, Activity]:
        """Return every hidden population with the mean of its dyads for its rate."""
        found = {}
        for name, (plus, minus) in dyads.items():
            mean, mask = self.alpha * plus + (1 - self.alpha) * minus, sweep[name].mask
            found[name] = replace(sweep[name], rate=mean, transmitted=mean if mask is None else mean * mask)
        return found
