"""Equilibrium propagation: a network of symmetric synapses settles freely, then nudged to the target, and learns the difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims
from neurosim.feedback.relaxing import Relaxing
from neurosim.network import Activity, Sweep, Teaching

READOUTS = ("softmax", "linear")  # outputs that are no part of the dynamics

States = dict[str, Activity]


class EquilibriumPropagation(Relaxing):
    """Each synapse carries signals both ways, and populations settle: from the sweep freely, and from there nudged by +-beta.

    Phi    = sum_l h_l . f_l(h_{l-1})                                         the primitive function
    settle : h_l <- phi(f_l(h_{l-1}) + h_{l+1} W_{l+1}^T + nudge_l)
    dW_l   = (h_{l-1}^T h_l at +beta  -  h_{l-1}^T h_l at -beta) / (2 beta)   one-sided: at beta, at 0, over beta

    An output of softmax or linear neurons is a readout outside the dynamics: it sends nothing down, and nudges the population below
    it by beta e_L W_L^T, with e_L the task's error; its own synapses learn from e_L, half in each phase.  Any other output settles
    with the rest, nudged by beta (y - h_L), and what learning lowers is the squared error, of classes too.

    The network's answer is its free equilibrium.  A step is off from the gradient of the loss there by O(beta**2), one-sided by
    O(beta), where both phases come to rest.

    beta : how far the output is nudged
    centred : whether there is a phase of -beta beside that of beta; otherwise the free phase takes its place
    free, nudged : how often every population is updated in the free phase and in each nudged one

    Raises
    ------
    InputError
        An option out of range, a network that is not one chain, a transfer whose slope is not its own, an output of another size
        than the targets, a task without targets.
    """

    name = "equilibrium_propagation"
    title = "Equilibrium propagation"
    citation = (
        "Scellier and Bengio (2017). Equilibrium propagation: bridging the gap between energy-based models and backpropagation. "
        "Frontiers in Computational Neuroscience 11, 24. Centred: Laborieux, Ernoult, Scellier, Bengio, Grollier and Querlioz "
        "(2021). Frontiers in Neuroscience 15, 633674."
    )
    # Everything settles together, so within a step all depends on all weights and, through the nudge, on the label.
    claims = Claims(weight_transport="full", update_locking=True, backward_locking=True, labels_at_hidden=True)
    variants = ({}, {"centred": False})

    def __init__(self, *, beta: float = 0.1, centred: bool = True, free: int = 10, nudged: int = 4) -> None:
        require(beta > 0, f"scheme {self.name!r}: beta {quoted(beta)} is not positive; give a nudge such as 0.1")
        self.beta, self.centred = beta, centred
        self.free, self.nudged = self.check_turns("free", free), self.check_turns("nudged", nudged)

    # ------------------------------------------------------------------ what settles

    @property
    def reads_out(self) -> bool:
        """Whether the output is a readout outside the dynamics."""
        return getattr(self.population(self.network.output).neurons, "name", None) in READOUTS

    @property
    def moving(self) -> list[str]:
        """The populations that settle, input side first."""
        return list(self.links)[:-1] if self.reads_out else list(self.links)

    def check_output(self) -> None:
        output = self.population(self.network.output)
        if self.reads_out:
            return super().check_output()
        curve = output.transfer
        said = f"scheme {self.name!r}: output population {output.name!r}"
        smooth = f"{said} has transfer {curve.name!r}: expected one with a slope of its own; use 'sigmoid' or 'softmax'"
        require(not curve.straight_through, smooth)
        expected = f"expected {self.task.size}, one for each number of a target; change its size"
        require(output.size == self.task.size, f"{said} has {output.size} neurons: {expected}")

    def _at_rest(self, sweep: Sweep, draws: Draws | None) -> States:
        """Return the free equilibrium, from where the sweep puts the populations."""
        return self.settle(self.free, {name: sweep[name] for name in self.moving}, self.moving, sweep, draws)

    def _nudged(self, at: States, beta: float, sweep: Sweep, target: Any, draws: Draws) -> States:
        """Return where the populations come from the free equilibrium when the output is nudged by ``beta``."""
        output = self.network.output

        def pull(name: str, now: Mapping[str, Activity]) -> Any:
            if name == output:
                rate = now[name].rate
                return beta * (target.reshape(rate.shape) - rate)
            if not self.reads_out or name != self.links[output].pre:
                return None
            read = self.respond(output, now, sweep, draws)
            error = self.task.error(self.population(output), read, target)
            return beta * self.send_down(output, error, read)

        return self.settle(self.nudged, at, self.moving, sweep, draws, pull)

    # ------------------------------------------------------------------ teach

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        free = self._at_rest(sweep, draws)
        plus = self._nudged(free, self.beta, sweep, target, draws)
        minus = self._nudged(free, -self.beta, sweep, target, draws) if self.centred else free
        share = 1 / (2 * self.beta) if self.centred else 1 / self.beta
        phases = [self._taught(at, signed, sweep, target, draws) for at, signed in ((plus, share), (minus, -share))]
        return {name: Teaching.of([phase[name] for phase in phases]) for name in self.links}

    def _taught(self, at: States, share: float, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        """Return the teaching of one phase: the rates of both sides of each synapse, times ``share``."""
        teaching = {}
        for name in self.links:
            local = self.respond(name, at, sweep, draws)
            if name in at:
                signal, sent = at[name].transmitted, at[name].transmitted
                signal = signal * signal.dtype.type(share)
            else:
                signal, sent = self.task.error(self.population(name), local, target) * 0.5, None
            teaching[name] = replace(self.population(name).teach_activation(signal, local), rate=sent)
        return teaching

    def signals(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, dict[str, Any]]:
        free = self._at_rest(sweep, draws)
        nudged = self._nudged(free, self.beta, sweep, target, draws)
        return {name: {"free": free[name].rate, "nudged": nudged[name].rate} for name in self.moving}

    # ------------------------------------------------------------------ answer

    def _answer(self, sweep: Sweep) -> Any:
        """Return the output's rate at the free equilibrium, (batch, *shape)."""
        free, output = self._at_rest(sweep, None), self.network.output
        return (free[output] if output in free else self.respond(output, free, sweep, None)).rate

    def scores(self, sweep: Sweep) -> Any:
        return self.task.scores(self.network.backend, self._answer(sweep))

    def loss(self, sweep: Sweep, target: Any) -> Any:
        """Return the mean loss at the free equilibrium; of an output that settles, half the squared distance from the target."""
        rate = self._answer(sweep)
        if self.reads_out:
            return self.task.loss(self.network.backend, rate, target)
        away = target - rate.reshape(target.shape)
        return (away * away).sum() / (2 * len(target))
