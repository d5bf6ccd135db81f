"""Predictive coding: values relax to agree with what is predicted of them, and each synapse reduces its own prediction error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from neurosim.backends import Draws
from neurosim.capture import repeat
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims
from neurosim.feedback.relaxing import Relaxing
from neurosim.network import Activity, Sweep, Teaching

LEARN = ("settled", "arrival", "always")

Values = dict[str, Activity]


class PredictiveCoding(Relaxing):
    """Values z_l are activations, at first the sweep's; mu_l = f_l(phi(z_{l-1})) predicts them, eps_l = z_l - mu_l.

    clamped : E = sum_l ||eps_l||**2 / 2 + loss(mu_L, y)
    nudged  : E = sum_l ||eps_l||**2 / 2 + beta loss(z_L, y), where z_L relaxes, too
    relax   : z_l <- z_l + step (-eps_l + phi'(z_l) eps_{l+1} W_{l+1}^T), all at once, ``iterations`` times: down the energy E
    error_l = eps_l (nudged: / beta), learned with the relaxed rate phi(z_{l-1})

    The loss is the task's.  Where that is the squared error of a linear output, its eps_L is y - mu_L, as that of an output clamped
    to y; of classes it is y - p(mu_L), from cross-entropy.

    Three cases are back-propagation: predictions that stay ``fixed``, when relaxed (Millidge et al. 2022); ``learn = "arrival"``
    with a step of 1 (Song et al. 2020); a nudged output, as beta goes to 0.  A clamped output is not, however near the target is:
    relaxed, it carries back S^-1 (y - mu_L), with S = I + the sum over hidden l of J_l J_l^T, J_l = dz_L / dz_l.

    iterations, step : of relaxing: how often, at least 2 times (nudged: 3), and how far; errors come down by one population in each
    beta : how far the output is nudged; None: it is clamped
    fixed : predictions, and slopes, stay those of the sweep; synapses then learn with the sweep's rates
    learn : when synapses do: once values have ``settled``; each when its error first arrives (Z-IL, in as many iterations as there
        are hidden populations); or ``always``, after each iteration (incremental), whose changes are summed

    Raises
    ------
    InputError
        An option out of range, a network that is not one chain, a transfer whose slope is not its own, a task without targets.
    """

    name = "predictive_coding"
    title = "Predictive coding"
    citation = (
        "Whittington and Bogacz (2017). An approximation of the error backpropagation algorithm in a predictive coding network "
        "with local Hebbian synaptic plasticity. Neural Computation 29, 1229-1262. Fixed predictions: Millidge, Tschantz and "
        "Buckley (2022), arXiv:2006.04182. Arrival: Song, Lukasiewicz, Xu and Bogacz (2020). NeurIPS 2020. Always: Salvatori et "
        "al. (2024). ICLR 2024, arXiv:2212.00720."
    )
    variants = ({}, {"beta": 0.1}, {"fixed": True}, {"learn": "arrival", "step": 1.0}, {"learn": "always", "iterations": 4})

    def __init__(
        self, *, iterations: int = 20, step: float = 0.1, beta: float | None = None, fixed: bool = False, learn: str = "settled"
    ) -> None:
        owner = f"scheme {self.name!r}"
        require(step > 0, f"{owner}: step {quoted(step)} is not positive; give a step such as 0.1")
        require(beta is None or beta > 0, f"{owner}: beta {quoted(beta)} is not positive; give a nudge such as 0.1, or None")
        require(learn in LEARN, f"{owner}: learn {quoted(learn)}: expected one of {', '.join(LEARN)}; pick one")
        arrives = learn != "arrival" or beta is None
        said = f"{owner}: learn 'arrival' with beta {quoted(beta)}"
        require(arrives, f"{said}: expected a clamped output, whose error is there at once; drop beta")
        least = 2 if beta is None else 3  # with fewer, hidden populations hear of the last projection only
        self.iterations = self.check_turns("iterations", iterations, least)
        self.step, self.beta, self.fixed, self.learn = step, beta, fixed, learn

    @property
    def claims(self) -> Claims:
        # One iteration carries an error down one projection.  Over a step the chain of them reaches every population.
        # Where predictions move, the output's error is found anew as they do, and with it the label comes to hidden populations.
        return Claims(weight_transport="full", update_locking=True, backward_locking=True, labels_at_hidden=not self.fixed)

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        values = {name: sweep[name] for name in self._free}
        if self.learn == "settled":
            return self._taught(self._relaxed(values, self.iterations, sweep, target, draws), sweep, target, draws)
        moments = []
        for _ in range(len(self.network.hidden) if self.learn == "arrival" else self.iterations):
            moments.append(self._taught(values, sweep, target, draws))
            values = self._relaxed(values, 1, sweep, target, draws)
        moments.append(self._taught(values, sweep, target, draws))
        if self.learn == "always":
            return {name: Teaching.of([moment[name] for moment in moments[1:]]) for name in self.links}
        arrived = dict(zip(reversed(self.links), moments, strict=True))  # an error needs one iteration for each projection
        rates = {link.pre: arrived[name][link.pre].rate for name, link in self.links.items() if link.pre in self.links}
        return {name: replace(moment[name], rate=rates.get(name)) for name, moment in arrived.items()}

    def signals(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, dict[str, Any]]:
        values = self._relaxed({name: sweep[name] for name in self._free}, self.iterations, sweep, target, draws)
        return {name: {"value": at.activation} for name, at in values.items()}

    @property
    def _free(self) -> list[str]:
        """The populations whose values relax, input side first."""
        return list(self.links) if self.beta is not None else self.network.hidden

    def _relaxed(self, values: Values, iterations: int, sweep: Sweep, target: Any, draws: Draws) -> Values:
        """Return the values after some more iterations."""

        def turn(*activations: Any) -> tuple[Any, ...]:
            now = self._held(activations, sweep)
            errors = self._errors(now, sweep, target, draws)
            return tuple(
                at.activation + self.step * (self._pull(name, now, errors, sweep, target) - errors[name][0])
                for name, at in now.items()
            )

        return self._held(repeat(iterations, turn, *(at.activation for at in values.values())), sweep)

    def _held(self, activations: tuple[Any, ...], sweep: Sweep) -> Values:
        return {name: self.hold(name, z, sweep) for name, z in zip(self._free, activations, strict=True)}

    def _errors(self, values: Values, sweep: Sweep, target: Any, draws: Draws) -> dict[str, tuple[Any, Activity]]:
        """Return eps_l of every population, (batch, *shape), with the activity that was predicted."""
        errors = {}
        for name in self.links:
            local = sweep[name] if self.fixed else self.respond(name, values, sweep, draws)
            if name in values:
                error = values[name].activation - local.activation
            else:
                error = self.task.error(self.population(name), local, target)
            errors[name] = error, local
        return errors

    def _pull(
        self, name: str, values: Values, errors: dict[str, tuple[Any, Activity]], sweep: Sweep, target: Any
    ) -> Any:
        """Return where the population above, or the target, draws a value, (batch, *shape)."""
        population, output = self.population(name), self.network.output
        at = sweep[name] if self.fixed else values[name]
        if name == output:
            return self.beta * self.task.error(population, at, target)
        (above,) = (post for post, link in self.links.items() if link.pre == name)
        down = self.send_down(above, *errors[above])
        return population.error_on_activation(population.error_on_rate(down, at), at)

    def _taught(self, values: Values, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        """Return what synapses learn from while values are these."""
        teaching = {}
        for name, (error, local) in self._errors(values, sweep, target, draws).items():
            if self.beta is not None:
                error = error * error.dtype.type(1 / self.beta)
            rate = values[name].transmitted if name in values and not self.fixed else None
            teaching[name] = replace(self.population(name).teach_activation(error, local), rate=rate)
        return teaching
