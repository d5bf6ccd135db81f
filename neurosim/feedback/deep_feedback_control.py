"""Deep feedback control (DFC) in steady state: a controller drives the output to its target, and its drive is what teaches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway
from neurosim.feedback.synapses import draw_weights, feedback, synapses
from neurosim.network import Population, Sweep, Teaching
from neurosim.plasticity import error_driven


class DeepFeedbackControl(FeedbackPathway):
    """The control u enters every population through Q_l, and the output itself, until the output is where it should be.

    delta    = e_M, y - p for classes                    the way that the output's drive has to go
    u        = (J Q + alpha 1)^-1 delta                  steady state of a leaky integral controller, to first order in delta
    v_l      = a_l + Q_l u                               the drive under control; a_l is what comes from below
    error_l  = phi(v_l) - phi(a_l), error_M = u          how far control moves each rate
    Q_l learns by dQ_l = -(Q_l u' + xi_l) u'             xi normal: noise in all drives, u' the control that it calls forth

    J has the Jacobian J_l of the output's drive in the drives of population l for each l, of each sample; J Q is the sum of
    J_l Q_l and 1, for the output.  Where Q_l is J_l transposed, a small alpha makes Q u the pseudo-inverse of J times delta
    (the least change of all drives together that does it), and a large one back-propagation's errors, alpha times smaller.

    In the mean over noise, Q_l comes to rest at (1 + alpha) times J_l transposed.  Without noise at the output it would grow on.

    The dynamics in time, which reach this state without anyone knowing J, are not built; so the controller reads J.

    alpha : leak of the controller.  Give the feedback a slow optimiser of its own: what it learns from is mostly noise
    scale : factor of Q_l, which is drawn like weights; where the network with its controller is to be stable from the beginning it
        has to be small

    Raises
    ------
    InputError
        An option out of range, a network that is not one chain, normalised populations, or a transfer without a slope for each
        neuron.
    """

    name = "deep_feedback_control"
    title = "Deep feedback control (steady state)"
    citation = (
        "Meulemans, Tristany Farinha, Garcia Ordonez, Vilimelis Aceituno, Sacramento and Grewe (2021). Credit assignment in neural "
        "networks through deep feedback control. Advances in Neural Information Processing Systems 34. arXiv:2106.07887."
    )
    takes_normalised = False  # the output of a sample would depend on the drives of others
    claims = Claims(
        weight_transport="full", update_locking=True, backward_locking=True, feedback_learns_from=("activity", "full")
    )

    def __init__(self, *, alpha: float = 1.0, scale: float = 0.1) -> None:
        for name, value, usual in (("alpha", alpha, 1.0), ("scale", scale, 0.1)):
            said = f"scheme {self.name!r}: {name} {quoted(value)} is not positive and finite; give one such as {usual}"
            require(0 < value < math.inf, said)
        self.alpha, self.scale = alpha, scale

    def build(self, seed: int) -> None:
        network = self.network
        self.links = network.chain(f"scheme {self.name!r}")[1:]
        output = network.populations[network.output]
        for name in network.hidden:
            below = network.populations[name]
            curve = below.transfer
            said = f"scheme {self.name!r}: population {name!r} has transfer {curve.name!r}: expected one in which each neuron has"
            require(not curve.straight_through and curve.name != "softmax", f"{said} a slope of its own; use 'tanh'")
            weights = draw_weights(seed, f"feedback/{name}", "glorot", (below.size, output.size), below.size)
            ends = Population(output.name, output.shape), Population(name, below.shape)
            scaled = self.scale * weights
            self.networks[name] = feedback(network, *ends, scaled, f"feedback/{name}/", rule=error_driven())

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network, output = self.network, self.network.output
        delta = self.output_teaching(sweep, target).error
        u = self._control(self._jacobians(sweep), delta.reshape(len(delta), -1)).reshape(delta.shape)
        errors = {name: self._moved(name, move, sweep) for name, move in self.move(u).items()} | {output: u}
        return {name: network.populations[name].teach_activation(error, sweep[name]) for name, error in errors.items()}

    def move(self, u: Any) -> dict[str, Any]:
        """Return how far a control u, (batch, *output), moves the drive of each hidden population: Q_l u, (batch, *shape)."""
        return {name: link.sweep(u).rate[name] for name, link in self.networks.items()}

    def _moved(self, name: str, move: Any, sweep: Sweep) -> Any:
        """Return how far the rate of a population goes with its drive, (batch, *shape)."""
        activity = sweep[name]
        curve = self.network.populations[name].transfer
        return curve.rate(self.network.backend, activity.activation + move, None, name) - activity.rate

    def _jacobians(self, sweep: Sweep) -> dict[str, Any]:
        """Return J_l of each hidden population, (batch, n_M, n_l)."""
        found: dict[str, Any] = {}
        xp, output = self.network.backend.xp, self.network.populations[self.network.output]
        drive = sweep.drive[self.network.output]
        batch, neurons = len(drive), output.size
        rows = [xp.zeros_like(drive).reshape(batch, neurons) for _ in range(neurons)]
        for k, row in enumerate(rows):
            row[:, k] = 1
        above = xp.stack(rows, axis=1)
        for link in reversed(self.links):
            population, activity = self.network.populations[link.pre], sweep[link.pre]
            slope = population.error_on_rate(xp.ones_like(activity.rate), activity)
            slope = population.error_on_activation(slope, activity).reshape(batch, 1, population.size)
            back = link.back(above.reshape(batch * neurons, *link.post_shape))
            above = found[link.pre] = back.reshape(batch, neurons, population.size) * slope
        return found

    def _control(self, jacobians: Mapping[str, Any], delta: Any) -> Any:
        """Return u, (batch, n_M)."""
        xp, neurons = self.network.backend.xp, delta.shape[1]
        rows = [xp.zeros_like(delta) for _ in range(neurons)]
        for k, row in enumerate(rows):
            row[:, k] = 1 + self.alpha
        system = xp.stack(rows, axis=1)
        for name, jacobian in jacobians.items():
            q = synapses(self.networks[name]).w  # (n_M, n_l): Q_l transposed
            product = self.network.backend.matmul(jacobian.reshape(-1, jacobian.shape[2]), q.T)
            system = system + product.reshape(system.shape)
        return self._solve(system, delta)

    def _solve(self, system: Any, right: Any) -> Any:
        """Return the solution of each sample's linear equations, (batch, n): Gauss and Jordan's elimination.

        Written out, since a captured step holds no solver for a stack of systems that are not symmetric.  Rows are not exchanged: a
        pivot of 0 ends the run, at activity that is not finite.
        """
        n = right.shape[1]
        rows = self.network.backend.xp.concatenate([system, right[:, :, None]], axis=2)
        for k in range(n):
            pivot = rows[:, k : k + 1, :] / rows[:, k : k + 1, k : k + 1]
            rows = rows - rows[:, :, k : k + 1] * pivot
            rows[:, k : k + 1, :] = pivot
        return rows[:, :, n]

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        jacobians = self._jacobians(sweep)
        noise = {name: draws.normal(f"{name}/control", j.shape[::2], j.dtype) for name, j in jacobians.items()}
        output = sweep.drive[self.network.output]
        away = draws.normal(f"{self.network.output}/control", output.shape, output.dtype).reshape(len(output), -1)
        for name, jacobian in jacobians.items():
            away = away + (jacobian * noise[name][:, None, :]).sum(axis=2)
        u = self._control(jacobians, -away).reshape(output.shape)
        deltas: Deltas = {}
        for name, link in self.networks.items():
            found = link.sweep(u)
            moved = found.rate[name]
            deltas |= link.propose(found, {name: Teaching(-(moved + noise[name].reshape(moved.shape)))})[0]
        return deltas
