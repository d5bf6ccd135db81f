"""Weight perturbation: every synapse is changed at random for a moment, and keeps what made the loss smaller."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.network import Sweep, Teaching
from neurosim.plasticity.optimisers import is_number
from neurosim.tasks import Task


class WeightPerturbation(FeedbackPathway):
    """A second sweep of the same samples, each with weights of its own; what they do to the loss is broadcast.

    W' = W + Xi,  Xi_ij = noise u_i v_j                     u, v : +1 or -1 with equal chances, drawn for each sample
    b' = b + noise v
    dW = (L - L') Xi / noise**2                             L, L' : the sample's own loss without and with perturbation

    The u belong to the population before the synapses, the v to the one after them.  No two synapses are perturbed alike on
    average, <Xi_ij Xi_kl> = 0, so <dW> is minus the gradient, up to terms in noise**2.  Around it dW_ij scatters with the variance
    |g|**2 - g_ij**2, where g is the gradient with respect to all weights and biases: the same as with a sign drawn for each synapse
    by itself, which would take a matrix for each sample.

    In the terms of the contract: error = (L - L') v / noise, and the rate that synapses learn from is u.

    noise : size of what is added to each weight; small beside the weights

    Gains and shifts of a normalisation stay as they are.

    Raises
    ------
    InputError
        ``noise`` is not positive, the task gives no loss of each sample, or a network that is not one chain.
    """

    name = "weight_perturbation"
    title = "Weight perturbation"
    citation = (
        "Jabri and Flower (1992). Weight perturbation: an optimal architecture and learning technique for analog VLSI feedforward "
        "and recurrent multilayer networks. IEEE Transactions on Neural Networks 3, 154-157."
    )
    claims = Claims(weight_transport="none", update_locking=True, backward_locking=False, scalar_broadcast=True)

    def __init__(self, *, noise: float = 0.001) -> None:
        said = f"scheme {self.name!r}: noise {quoted(noise)}"
        require(is_number(noise) and noise > 0, f"{said}: expected a positive number; give one such as 0.001")
        self.noise = noise

    def build(self, seed: int) -> None:
        said = f"scheme {self.name!r}: task {self.task.name!r} gives no loss of each sample"
        require(type(self.task).losses is not Task.losses, f"{said}; use another scheme")
        self.links = self.network.chain(f"scheme {self.name!r}")

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network = self.network
        u = {link.pre: self._draw_signs(f"{link.pre}/before", sweep.rate[link.pre], draws) for link in self.links}
        v = {link.post: self._draw_signs(f"{link.post}/after", sweep.rate[link.post], draws) for link in self.links}
        before = self.task.losses(network.backend, sweep.rate[network.output], target)
        after = self.task.losses(network.backend, self._sweep_with(u, v, sweep, draws), target)
        gain = (before - after) / before.dtype.type(self.noise)
        errors = {name: gain.reshape(-1, *[1] * (signs.ndim - 1)) * signs for name, signs in v.items()}
        return {name: Teaching(errors.get(name), rate=u.get(name)) for name in network.order}

    def _draw_signs(self, stream: str, like: Any, draws: Draws) -> Any:
        """Return +1 and -1, shaped as ``like``, (batch, *shape)."""
        ones = self.network.backend.xp.ones_like(like)
        return self.network.backend.xp.where(draws.uniform(stream, like.shape, like.dtype) < 0.5, -ones, ones)

    def _sweep_with(self, u: dict[str, Any], v: dict[str, Any], sweep: Sweep, draws: Draws) -> Any:
        """Return the rate of the output, (batch, *shape), with perturbed weights: sum_i h_i noise u_i v_j comes to a drive."""
        rate = sent = sweep.transmitted[self.network.input]
        for link in self.links:
            along = (sent * u[link.pre]).reshape(len(sent), -1).sum(axis=1)
            along = along + 1 if link.bias else along
            signs = v[link.post]
            added = sent.dtype.type(self.noise) * along.reshape(-1, *[1] * (signs.ndim - 1)) * signs
            second = self.network.populations[link.post].respond(
                link.drive(sent) + added, sweep[link.post].before, training=sweep.training, draws=draws
            )
            rate, sent = second.rate, second.transmitted
        return rate
