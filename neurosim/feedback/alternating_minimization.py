"""Online alternating minimisation (AM): first the codes move to what the layer above needs, then each weight follows its code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from neurosim.backends import Draws
from neurosim.capture import repeat
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims
from neurosim.feedback.relaxing import Relaxing
from neurosim.network import Activity, Sweep, Teaching
from neurosim.neurons import Transfer


class AlternatingMinimization(Relaxing):
    """Codes c_l are activations, c_l^0 = f_l(h_{l-1}) those of the sweep; h = phi(c), and f_l includes the normalisation.

    last code    minimises  L(output(phi(c)), y) / mu  + ||c - c^0||**2 + code_sparsity / mu |c|
    code below   minimises  ||f_{l+1}(phi(c)) - c_{l+1}||**2 + ||c - c^0||**2 + code_sparsity / mu |c|
    error_l      = 2 / n_l (c_l - f_l(phi(c_{l-1})))    a delta rule on relaxed rates; no derivative of phi; n_l neurons
    output       learns from phi(c_L) by L, the task's loss: cross-entropy for classes

    L, squares and sizes are means over the batch, the latter two over neurons as well: the lower codes move little, and the hidden
    weights need an optimiser that renormalises (Adam), or a rule that solves for them (``CoActivationMemory``: AM-mem).

    Codes relax from the top down by Nesterov's gradient, each toward the new code above.  In the released code the proximal term
    ||c - c^0||**2 has no gradient (c^0 is cloned without being detached); here it has the one of the paper's equation.  It makes no
    difference to see: altmin-mnist, 5 epochs, seeds 1 to 3, validation error 2.45 % with it and 2.48 % without (2026-11-24).

    A normalised population is normalised by the batch's statistics wherever f_l is asked, so by those of relaxed rates while codes
    move and weights learn.  Its running statistics take in the sweep's only; in the released code, those of all these passes.
    Noise on a drive is part of f_l: every pass of a step has the sweep's.

    mu : how closely codes follow the sweep; with a smaller one, the label moves the last code more
    iterations : how many steps of gradient descent each code takes
    step, momentum : of these steps: their size, and Nesterov's momentum
    code_sparsity : the weight of the codes' absolute values (lambda_c); for sparse weights, use the transform ``Sparsity``

    Raises
    ------
    InputError
        An option out of range, a network that is not one chain, a transfer that draws (a code has one rate), a rule that solves for
        the weights of a normalised population.
    """

    name = "alternating_minimization"
    title = "Online alternating minimisation"
    citation = (
        "Choromanska, Cowen, Kumaravel, Luss, Rigotti, Rish et al. (2019). Beyond backprop: online alternating minimization with "
        "auxiliary variables. ICML 2019. arXiv:1806.09077."
    )
    # One gradient step on one code needs only the projection above it.  The sweep over the codes is a chain, though: within a step
    # every weight and code further up has moved the code above, and the label enters at the top, through mu.
    claims = Claims(weight_transport="full", update_locking=True, backward_locking=True, labels_at_hidden=True)
    variants = ({}, {"code_sparsity": 0.1}, {"iterations": 1})

    def __init__(
        self,
        *,
        mu: float = 0.003,
        iterations: int = 5,
        step: float = 0.3,
        momentum: float = 0.9,
        code_sparsity: float = 0.0,
    ) -> None:
        owner = f"scheme {self.name!r}"
        require(mu > 0, f"{owner}: mu {quoted(mu)} is not positive; give a weight such as 0.003")
        few = f"{owner}: iterations {quoted(iterations)}: expected 0 to 100 code steps; give a number such as 5"
        require(0 <= iterations <= 100, few)
        require(step > 0, f"{owner}: step {quoted(step)} is not positive; give a step such as 0.3")
        require(0 <= momentum < 1, f"{owner}: momentum {quoted(momentum)} is not in [0, 1); give a share such as 0.9")
        require(code_sparsity >= 0, f"{owner}: code_sparsity {quoted(code_sparsity)} is negative; give 0 or more")
        self.mu, self.iterations, self.step, self.momentum, self.code_sparsity = mu, iterations, step, momentum, code_sparsity

    def check_transfer(self, owner: str, curve: Transfer) -> None:
        said = f"{owner} has transfer {curve.name!r}, which draws: expected one that gives a code one rate"
        require(not curve.stochastic, f"{said}; use 'relu', 'tanh' or 'sign'")

    def build(self, seed: int) -> None:
        super().build(seed)
        self.solved = {name for name, link in self.links.items() if link.rule is not None and link.rule.solves}
        for name in self.solved:
            require(
                self.population(name).normalisation is None and name != self.network.output,
                f"scheme {self.name!r}: population {name!r}, normalised or the output, is fed by a rule that solves for weights: "
                "expected error-driven synapses there; change the rule",
            )

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        codes = self._relaxed(sweep, target, draws)
        teaching = {}
        for name in self.links:
            local = self.respond(name, codes, sweep, draws)
            if name == self.network.output:
                error = self.task.error(self.population(name), local, target)
            else:
                error = codes[name].activation - local.activation
                if name not in self.solved:  # those take drive + error for their target: the code itself
                    error *= 2 / self.population(name).size
            teaching[name] = self.population(name).teach_activation(error, local)
        return {name: replace(t, rate=codes[name].transmitted if name in codes else None) for name, t in teaching.items()}

    def signals(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, dict[str, Any]]:
        return {name: {"code": coded.activation} for name, coded in self._relaxed(sweep, target, draws).items()}

    def _relaxed(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Activity]:
        """Return every hidden population as its relaxed code has it: activation = code, rate = phi(code)."""
        codes: dict[str, Activity] = {}
        above, aim = self.network.output, target
        for name in reversed(self.network.hidden):
            codes[name] = self._relax(name, above, aim, sweep, draws)
            above, aim = name, codes[name].activation
        return codes

    def _relax(self, name: str, above: str, aim: Any, sweep: Sweep, draws: Draws) -> Activity:
        """Return the population after ``iterations`` steps of its code down the gradient, toward the aim of ``above``."""
        start = sweep[name].activation

        def turn(code: Any, velocity: Any) -> tuple[Any, Any]:
            descent = self._descent(name, above, aim, self.hold(name, code, sweep), start, sweep, draws)
            velocity = self.momentum * velocity + descent
            return code + self.step * (descent + self.momentum * velocity), velocity

        code, _ = repeat(self.iterations, turn, start.copy(), 0)
        return self.hold(name, code, sweep)

    def _descent(
        self, name: str, above: str, aim: Any, coded: Activity, start: Any, sweep: Sweep, draws: Draws
    ) -> Any:
        """Return minus the gradient of the code's objective, (batch, *shape)."""
        population, xp, code = self.population(name), self.network.backend.xp, coded.activation
        local = self.respond(above, {name: coded}, sweep, draws)
        if above == self.network.output:
            error = self.task.error(self.population(above), local, aim) / (self.mu * len(code))
        else:
            error = 2 / local.activation.size * (aim - local.activation)
        below = self.send_down(above, error, local)
        descent = population.error_on_activation(population.error_on_rate(below, coded), coded)
        descent += 2 / code.size * (start - code)
        if self.code_sparsity:
            descent -= self.code_sparsity / (self.mu * code.size) * xp.sign(code)
        return descent
