"""Difference target propagation for spikes: targets of filtered spike trains, carried down by inverses that learn from spikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from neurosim.backends import Draws
from neurosim.capture import scan
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway
from neurosim.network import Network, Population, Projection, Sweep, Teaching

FILTERED = "filtered"  # the name under which a tick's teaching holds the activity that its target is compared with


class SpikingDifferenceTargetPropagation(FeedbackPathway):
    """The activity of a layer is its filtered spikes; in each tick it gets a target, through learned approximate inverses g_l.

    s_l(t)        = (1 - 1 / tau) s_l(t - 1) + z_l(t) / tau             z the spikes, or rates, of a population
    target_{M-1}  = s_{M-1} + step * W_M e_M, e_M = y - p for classes   error of the output on what it gets in this tick
    target_{l-1}  = s_{l-1} + g_l(target_l) - g_l(s_l)
    loss_l        = sum of ||target_l(t) - s_l(t)||**2 over the t in which the output is asked; targets are constants
    error_l(t)    = (1 / tau) sum over t' >= t of (1 - 1 / tau)**(t' - t) * 2 (target_l(t') - s_l(t')) * psi(u_l(t))
    g_l learns ||g_l(s_l(t)) - s_{l-1}(t)||**2

    The error is minus the gradient of loss_l: with the rule ``error_driven_trace``, which has the neurons' time constants, the
    weights follow it.  It goes back through the filter; a synapse could as well keep a filtered eligibility trace, see ``EProp``.

    No published model has this form.  From rate neurons in one tick, with ``tau`` 1, targets and errors are those of
    ``DifferenceTargetPropagation``, and its inverses' changes without noise.  g_l has the transfer of the population below; it is
    linear where that one spikes, so that V_l (target_l - s_l) is what comes down, and ``step`` is no more than a scale.

    step : per sample
    tau : of the filter, in ticks, 1 or more; with 1 a tick's spikes are the activity.  If the output is ``Leaky`` with the same
        tau, its potential is linear in s_{M-1}, and the last hidden population follows the exact gradient of the output's loss

    Raises
    ------
    InputError
        ``step`` or ``tau`` out of range, a network that is not one chain, or a transfer whose slope is not its own.
    """

    name = "spiking_difference_target_propagation"
    title = "Spiking difference target propagation"
    citation = (
        "neurosim's own, after Lee, Zhang, Fischer and Bengio (2015). Difference target propagation. ECML PKDD 2015. "
        "arXiv:1412.7525."
    )
    claims = Claims(
        weight_transport="output",
        update_locking=True,
        backward_locking=True,
        feedback_learns_from=("activity",),
        history="trace",
        future=True,
    )
    answers = "trial"
    made_for = ("spike",)

    def __init__(self, *, step: float = 0.1, tau: float = 20.0) -> None:
        require(step > 0, f"scheme {self.name!r}: step {quoted(step)} is not positive; give one such as 0.1")
        require(1 <= tau < 1e6, f"scheme {self.name!r}: tau {quoted(tau)}: expected 1 to 1,000,000 ticks; give one such as 20")
        self.step, self.tau = step, tau

    def build(self, seed: int) -> None:
        network = self.network
        for name in network.hidden:
            made = network.populations[name].neurons
            said = f"scheme {self.name!r}: population {name!r} has transfer {made.name!r}: expected one that is differentiable"
            require(made.emits == "spike" or not made.straight_through, f"{said}, or spiking neurons; use 'tanh'")
        self.links = network.chain(f"scheme {self.name!r}")[1:-1]  # no inverse into the input, none out of the output
        for link in self.links:
            above, below = network.populations[link.post], network.populations[link.pre]
            populations = [
                Population(above.name, above.shape),
                Population(below.name, below.shape, transfer=below.neurons.curve or "linear"),
            ]
            inverse = Projection(above.name, below.name, initial=link.initial)
            options: dict[str, Any] = {"dtype": str(network.dtype), "backend": network.backend, "prefix": "inverse/"}
            self.networks[link.post] = Network(populations, [inverse], seed=seed, **options)

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        return self.teach_trial([sweep], [target], draws)[0]

    def teach_trial(self, sweeps: Sequence[Sweep], targets: Sequence[Any], draws: Draws) -> list[dict[str, Teaching]]:
        network, number = self.network, self.network.dtype.type
        share, kept = number(1 / self.tau), number(1 - 1 / self.tau)

        def follow(before: Mapping[str, Any], sweep: Sweep) -> tuple[dict[str, Any], dict[str, Any]]:
            now = {name: kept * before[name] + share * sweep.rate[name] for name in network.hidden}
            return now, now

        def back(later: Mapping[str, Any], sweep: Sweep, target: Any, s: Any) -> tuple[dict[str, Any], dict[str, Teaching]]:
            """Return the error on each filtered activity that goes on to the tick before, and this tick's teaching."""
            errors, teaching = {name: kept * error for name, error in later.items()}, {}
            if target is not None:
                teaching[network.output] = self.output_teaching(sweep, target)
                for name, aim in self._targets(sweep, s, teaching).items():
                    errors[name] = errors[name] + 2 * (aim - s[name])
            for name, error in errors.items():
                taught = network.populations[name].teach(share * error, sweep[name])
                seen = replace(sweep[name], passing={**sweep[name].passing, FILTERED: s[name]})
                teaching[name] = replace(taught, activity=seen)
            return errors, teaching

        nothing = {name: network.backend.xp.zeros_like(sweeps[0].rate[name]) for name in network.hidden}
        _, filtered = scan(follow, nothing, sweeps)
        _, taught = scan(back, nothing, sweeps, targets, filtered, backwards=True)
        return taught  # type: ignore[no-any-return]

    def _targets(self, sweep: Sweep, s: Mapping[str, Any], at_output: Mapping[str, Teaching]) -> dict[str, Any]:
        """Return the filtered activity that every hidden population should have in a tick, (batch, *shape)."""
        last = self.network.hidden[-1]
        error = self.network.populations[last].error_on_rate(self.network.error_from_above(last, at_output), sweep[last])
        targets = {last: s[last] + self.step * error}
        for link in reversed(self.links):
            g = self.networks[link.post]
            carried, present = (g.sweep(rate).rate[link.pre] for rate in (targets[link.post], s[link.post]))
            targets[link.pre] = s[link.pre] + carried - present
        return targets

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        deltas: Deltas = {}
        for link in self.links:
            g = self.networks[link.post]
            inverse = g.sweep(find_filtered(teaching[link.post]))
            error = 2 * (find_filtered(teaching[link.pre]) - inverse.rate[link.pre])
            deltas |= g.propose(inverse, {link.pre: g.populations[link.pre].teach(error, inverse[link.pre])})[0]
        return deltas


def find_filtered(taught: Teaching) -> Any:
    """Return the filtered activity that a tick's teaching was found from, (batch, *shape)."""
    assert taught.activity is not None
    return taught.activity.passing[FILTERED]
