"""REINFORCE: neurons that fire at random keep what was followed by more reward than usual."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway
from neurosim.network import Sweep, Teaching
from neurosim.neurons.bernoulli import Bernoulli
from neurosim.tasks import Task

log = logging.getLogger(__name__)

REWARD = "reward"


class Reinforce(FeedbackPathway):
    """s ~ Bernoulli(p), p = sigmoid(a): what a neuron did, beside what it tends to do, times how good the outcome was.

    e_l = (R - Rbar) (s_l - p_l)         Williams (1992), equation 5, with the characteristic eligibility of a Bernoulli unit
    Rbar learns the mean of R            dRbar = R - Rbar, mean over the batch

    <e_l> is the gradient of the mean of R with respect to a_l, exactly, whatever the rest of the network is.  It does not depend on
    Rbar, which decides how much e_l scatters.  R is the reward, where the task gives one, and minus the sample's loss elsewhere.
    The output learns from the task's own error.

    Populations with other transfers than ``bernoulli`` try out nothing.  They are taught nothing, and stay as they are.

    Rbar is a parameter of the pathway, ``baseline``, shape (1,): ``feedback_optimiser=SGD(0.05)`` makes it a running mean.

    Raises
    ------
    InputError
        The task gives neither a reward nor a loss of each sample.
    """

    name = "reinforce"
    title = "REINFORCE"
    citation = (
        "Williams (1992). Simple statistical gradient-following algorithms for connectionist reinforcement learning. Machine "
        "Learning 8, 229-256."
    )
    claims = Claims(
        weight_transport="none",
        update_locking=True,
        backward_locking=False,
        scalar_broadcast=True,
        feedback_learns_from=("activity", "labels"),
    )
    made_for = ()  # comparisons are of one network, whose neurons do not fire at random
    hidden_transfer = "bernoulli"

    def build(self, seed: int) -> None:
        known = REWARD in self.task.modulators or type(self.task).losses is not Task.losses
        said = f"scheme {self.name!r}: task {self.task.name!r} gives neither a reward nor a loss of each sample"
        require(known, f"{said}; use another scheme")
        populations = self.network.populations
        self.random = [name for name in self.network.hidden if isinstance(populations[name].neurons, Bernoulli)]
        if not self.random:
            log.warning(
                "scheme %s: no hidden population has transfer 'bernoulli', so none of them learns; give them transfer='bernoulli'",
                quoted(self.name),
            )
        zeros = np.zeros(1, self.network.dtype)
        self.baseline = self.network.backend.asarray(zeros)

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network, teaching = self.network, {self.network.output: self.output_teaching(sweep, target)}
        better = self._reward(sweep, target) - self.baseline
        for name in self.random:
            population, activity = network.populations[name], sweep[name]
            p = population.neurons.rate(network.backend, activity.activation, None, name)
            error = better.reshape(-1, *[1] * len(population.shape)) * (activity.rate - p)
            teaching[name] = population.teach_activation(error, activity)
        return teaching

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        return {"baseline": (self._reward(sweep, target) - self.baseline).mean(axis=0, keepdims=True)}

    def _reward(self, sweep: Sweep, target: Any) -> Any:
        """Return R, (batch,)."""
        if REWARD in self.task.modulators:
            return self.task.broadcast(target)[REWARD]
        return -self.task.losses(self.network.backend, sweep.rate[self.network.output], target)

    def parameters(self) -> dict[str, Any]:
        return super().parameters() | {"baseline": self.baseline}
