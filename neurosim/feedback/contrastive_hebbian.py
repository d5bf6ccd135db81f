"""Contrastive Hebbian learning: a network settles freely, then with its output clamped, and learns the difference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims
from neurosim.feedback.relaxing import Relaxing
from neurosim.network import Activity, Sweep, Teaching

States = dict[str, Activity]


class ContrastiveHebbian(Relaxing):
    """Each synapse carries signals both ways, those that come down times gamma; L is the output.

    settle : h_l <- phi(f_l(h_{l-1}) + gamma h_{l+1} W_{l+1}^T)          free, and then with h_L = y
    dW_l   = gamma**(l - L) (h_{l-1}^T h_l clamped - h_{l-1}^T h_l free)

    For small gamma this is back-propagation of the output's y - h_L (Xie and Seung 2003, section 4): of cross-entropy where the
    output is softmax, of the squared error where it is linear.  The network's answer is its free state.

    gamma : how strong feedback is beside the way up.  Where gamma |W|**2 comes near 1, phases do not come to rest; where
        gamma**(L - 1) comes near rounding, which is 1e-7 in float32, nothing of the target is left below
    turns : how often every population is updated in a phase

    Raises
    ------
    InputError
        An option out of range, a network that is not one chain, a transfer whose slope is not its own, a task without targets.
    """

    name = "contrastive_hebbian"
    title = "Contrastive Hebbian learning"
    citation = (
        "Xie and Seung (2003). Equivalence of backpropagation and contrastive Hebbian learning in a layered network. Neural "
        "Computation 15, 441-454. After Movellan (1991)."
    )
    # Everything settles together; the label is the output's rate in the clamped phase.
    claims = Claims(weight_transport="full", update_locking=True, backward_locking=True, labels_at_hidden=True)
    variants = ({}, {"gamma": 0.5})

    def __init__(self, *, gamma: float = 0.01, turns: int = 5) -> None:
        require(0 < gamma <= 1, f"scheme {self.name!r}: gamma {quoted(gamma)} is not in (0, 1]; give a factor such as 0.01")
        self.gamma, self.turns = gamma, self.check_turns("turns", turns)

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        free = self._free(sweep, draws)
        clamped = self._clamped(free, sweep, target, draws)
        phases = [self._taught(at, sign, sweep, draws) for at, sign in ((clamped, 1), (free, -1))]
        return {name: Teaching.of([phase[name] for phase in phases]) for name in self.links}

    def _free(self, sweep: Sweep, draws: Draws | None) -> States:
        """Return the free state of all populations but the input."""
        at = {name: sweep[name] for name in self.links}
        return self.settle(self.turns, at, list(self.links), sweep, draws, feedback=self.gamma)

    def _clamped(self, free: States, sweep: Sweep, target: Any, draws: Draws) -> States:
        """Return the state that hidden populations take from the free one when the output is held at the target."""
        output = self.network.output
        taught = target.reshape(free[output].rate.shape)
        at = {**free, output: replace(free[output], rate=taught, transmitted=taught)}
        return self.settle(self.turns, at, self.network.hidden, sweep, draws, feedback=self.gamma)

    def _taught(self, at: States, sign: int, sweep: Sweep, draws: Draws) -> dict[str, Teaching]:
        """Return the teaching of one phase: the rates of both sides of each synapse, learned or (sign -1) unlearned."""
        teaching = {}
        for steps, name in enumerate(reversed(self.links)):
            rate = at[name].transmitted
            signal = rate * rate.dtype.type(sign * self.gamma**-steps)
            taught = self.population(name).teach_activation(signal, self.respond(name, at, sweep, draws))
            teaching[name] = replace(taught, rate=rate)
        return teaching

    def signals(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, dict[str, Any]]:
        free = self._free(sweep, draws)
        clamped = self._clamped(free, sweep, target, draws)
        return {name: {"free": free[name].rate, "clamped": clamped[name].rate} for name in self.network.hidden}

    def scores(self, sweep: Sweep) -> Any:
        return self.task.scores(self.network.backend, self._free(sweep, None)[self.network.output].rate)

    def loss(self, sweep: Sweep, target: Any) -> Any:
        """Return the mean loss of the free state in the task's unit."""
        return self.task.loss(self.network.backend, self._free(sweep, None)[self.network.output].rate, target)
