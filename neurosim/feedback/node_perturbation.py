"""Node perturbation: every neuron is pushed at random, and keeps what made the loss smaller."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.network import Sweep, Teaching
from neurosim.neurons import DRIVE
from neurosim.plasticity.optimisers import is_number
from neurosim.tasks import Task

Noise = dict[str, dict[str, Any]]  # population -> input -> (batch, *shape)


class NodePerturbation(FeedbackPathway):
    """A second sweep of the same samples, with noise added to every drive at once; what it does to the loss is broadcast.

    a'_l = W_l' h'_{l-1} + b_l + xi_l,  xi_l ~ N(0, noise**2)          all populations, the output too
    e_l  = (L - L') xi_l / noise**2                                    L, L' : the sample's own loss without and with noise

    <e_l> is minus the gradient of L with respect to a_l, up to terms in noise**2.  Around this mean, e_l scatters the more, the
    more neurons are perturbed at once: its variance is the square of the gradient with respect to all of them.  So the learning
    rate has to be smaller than for back-propagation.  Adam turns the scatter into steps of full size.

    Dropout and noise of the populations' own are the same in both sweeps.  Inputs beside the drive are perturbed as well.  Gains
    and shifts of a normalisation stay as they are.

    noise : standard deviation of what is added to each drive; small beside the drive's own

    Raises
    ------
    InputError
        ``noise`` is not positive, or the task gives no loss of each sample.
    """

    name = "node_perturbation"
    title = "Node perturbation"
    citation = (
        "Werfel, Xie and Seung (2005). Learning curves for stochastic gradient descent in linear feedforward networks. Neural "
        "Computation 17, 2699-2718."
    )
    claims = Claims(weight_transport="none", update_locking=True, backward_locking=False, scalar_broadcast=True)

    def __init__(self, *, noise: float = 0.01) -> None:
        said = f"scheme {self.name!r}: noise {quoted(noise)}"
        require(is_number(noise) and noise > 0, f"{said}: expected a positive number; give one such as 0.01")
        self.noise = noise

    def build(self, seed: int) -> None:
        said = f"scheme {self.name!r}: task {self.task.name!r} gives no loss of each sample"
        require(type(self.task).losses is not Task.losses, f"{said}; use another scheme")

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        backend, output, noise = self.network.backend, self.network.output, self._draw(sweep, draws)
        before = self.task.losses(backend, sweep.rate[output], target)
        after = self.task.losses(backend, self._sweep_with(noise, sweep, draws), target)
        gain = (before - after) / before.dtype.type(self.noise**2)
        teaching = {}
        for name, added in noise.items():
            errors = {into: gain.reshape(-1, *[1] * (xi.ndim - 1)) * xi for into, xi in added.items()}
            teaching[name] = Teaching(errors.pop(DRIVE, None), inputs=errors)
        return teaching

    def _draw(self, sweep: Sweep, draws: Draws) -> Noise:
        """Return what is added to every input that synapses add into."""
        noise: Noise = {}
        for name in self.network.order:
            like = sweep.rate[name]
            for into in self.network.added_into(name):
                xi = like.dtype.type(self.noise) * draws.normal(f"{name}.{into}/perturbation", like.shape, like.dtype)
                noise.setdefault(name, {})[into] = xi
        return noise

    def _sweep_with(self, noise: Noise, sweep: Sweep, draws: Draws) -> Any:
        """Return the rate of the output, (batch, *shape), in the second sweep."""
        network, rate = self.network, sweep.rate[self.network.output]
        sent = {name: sweep.transmitted[name] for name in network.inputs}
        for name in network.order:
            if name in network.inputs:
                continue
            received = dict(noise[name])
            for p in network.incoming(name):
                received[p.into] = received[p.into] + p.drive(sweep.arrived[p.name] if p.delay else sent[p.pre])
            drive = received.pop(DRIVE) if DRIVE in received else network.backend.xp.zeros_like(sweep.drive[name])
            second = network.populations[name].respond(
                drive, sweep[name].before, inputs=received, training=sweep.training, draws=draws
            )
            sent[name] = second.transmitted
            rate = second.rate if name == network.output else rate
        return rate
