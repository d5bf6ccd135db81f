"""E-prop: eligibility traces and learning signals, for recurrent networks of spiking neurons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from neurosim.backends import Draws
from neurosim.capture import scan
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, Deltas
from neurosim.feedback.synapses import ErrorFeedback, draw_weights
from neurosim.network import Sweep, Teaching
from neurosim.network.network import add_errors

FEEDBACK = ("symmetric", "random", "adaptive")


class EProp(ErrorFeedback):
    """dw_ji = sum over t of L_j(t) e_ji(t): an eligibility trace of the synapse times a learning signal of the neuron.

    e_ji(t) = dz_j(t) / dw_ji, through neuron j's own state only, is the trace; L_j(t) = sum_k B_jk e_k(t) is the signal.  No error
    goes back along a projection with a delay, so what the neurons of a recurrent network do to each other later is left out.

    Both sums may be turned around.  Here the learning signal goes back in time through the neuron's own state (its membrane, its
    adaptation), in place of the trace that goes forward in each synapse.  The change of a weight is the same number, as tests show,
    and what is kept is one number a neuron, not one a synapse, for each sample.  The same holds for the leak of a readout, which in
    the paper filters the traces: here the error goes back through it.

    feedback : what the signal comes through.  ``symmetric``: the transposed forward weights; between populations without a delay
        they carry it on.  ``random``: fixed synapses from the output to every population.  ``adaptive``: these learn by the
        same product of activity and error as the output's own synapses (Kolen and Pollack; give both the same weight decay)
    scale : a factor of the random feedback weights, which are drawn as Glorot's
    rate_target, rate_cost : the loss also holds rate_cost / 2 * sum_j (f_j - rate_target)**2, with f_j the spikes of neuron j in a
        tick, averaged over the trial and the batch, for all spiking populations; no target: it does not

    Raises
    ------
    InputError
        A feedback that is none of these, a scale that is not positive, a target that is no rate, a negative cost.
    """

    name = "eprop"
    title = "E-prop"
    citation = (
        "Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein and Maass (2020). A solution to the learning dilemma for recurrent "
        "networks of spiking neurons. Nature Communications 11, 3625."
    )
    answers = "trial"
    made_for = ("spike",)
    variants = ({"feedback": "random"}, {"feedback": "symmetric"}, {"feedback": "adaptive"})

    def __init__(
        self, *, feedback: str = "random", scale: float = 1.0, rate_target: float | None = None, rate_cost: float = 1.0
    ) -> None:
        said = f"scheme {self.name!r}: feedback {quoted(feedback)}: expected one of {', '.join(FEEDBACK)}; change it"
        require(feedback in FEEDBACK, said)
        super().__init__(rule="hebbian" if feedback == "adaptive" else None, scale=scale)
        said = f"scheme {self.name!r}: rate_target {quoted(rate_target)}: expected spikes in a tick, 0 to 1; give one such as 0.01"
        require(rate_target is None or 0 <= rate_target <= 1, said)
        said = f"scheme {self.name!r}: rate_cost {quoted(rate_cost)}: expected 0 or more; give one such as 1.0"
        require(0 <= rate_cost < math.inf, said)
        self.feedback, self.rate_target, self.rate_cost = feedback, rate_target, rate_cost

    @property
    def claims(self) -> Claims:
        """Of one variant; a target for rates compares neurons with their mean over the trial and the batch."""
        symmetric, regular = self.feedback == "symmetric", self.rate_target is not None
        return Claims(
            weight_transport="full" if symmetric else "none",
            update_locking=True,
            backward_locking=symmetric,
            pairwise=regular,
            feedback_learns_from=self.learned_from,
            history="full" if regular else "none",
            future=True,
        )

    def build(self, seed: int) -> None:
        if self.feedback == "symmetric":
            return
        for name in self.network.hidden:
            shape = (self.network.populations[name].size, self.network.populations[self.network.output].size)
            weights = draw_weights(seed, f"feedback/{name}", "glorot", shape, shape[0])
            self.add_feedback(name, self.network.output, name, weights)

    # ------------------------------------------------------------------ learning signals, and how far they go back

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        return self.teach_trial([sweep], [target], draws)[0]

    def teach_trial(self, sweeps: Sequence[Sweep], targets: Sequence[Any], draws: Draws) -> list[dict[str, Teaching]]:
        network, on_rates = self.network, self.find_rate_errors(sweeps, targets)

        def back(later: Mapping[str, Any], sweep: Sweep, target: Any) -> tuple[dict[str, Any], dict[str, Teaching]]:
            """Return what a tick sends back to the neurons' states before it, and its teaching; ``later`` : what it is sent."""
            teaching: dict[str, Teaching] = {}
            before: dict[str, Any] = {}
            for name in reversed(network.order):
                if name in network.inputs:
                    continue
                population, activity, on_state = network.populations[name], sweep[name], later.get(name, {})
                signal = self.find_signal(name, sweep, teaching)
                if name in on_rates:
                    signal = on_rates[name] if signal is None else signal + on_rates[name]
                if name == network.output and target is not None:
                    asked = self.output_teaching(sweep, target)
                    if not asked.on_state:
                        teaching[name] = asked
                        continue
                    on_state = add_errors(on_state, asked.on_state)
                if signal is None and on_state:
                    signal = network.backend.xp.zeros_like(activity.rate)
                if signal is not None:
                    on_rate = population.error_on_rate(signal, activity)
                    error, before[name], on_inputs = population.errors_back(on_rate, on_state, activity)
                    teaching[name] = population.teach_activation(error, activity, on_inputs)
            return before, teaching

        _, taught = scan(back, {}, sweeps, targets, backwards=True)
        return taught  # type: ignore[no-any-return]

    def find_signal(self, population: str, sweep: Sweep, teaching: Mapping[str, Teaching]) -> Any:
        """Return the learning signal of a population in a tick, (batch, *shape), or None: the error on what it sends.

        teaching : of this tick, of the populations above
        """
        if self.feedback == "symmetric":
            return self.network.error_from_above(population, teaching)
        if self.network.output not in teaching or population not in self.networks:
            return None
        return self.carry(population, teaching[self.network.output].error)

    def find_rate_errors(self, sweeps: Sequence[Sweep], targets: Sequence[Any]) -> dict[str, Any]:
        """Return for each spiking population what its rate adds to its learning signal in every tick, (batch, *shape)."""
        network = self.network
        spiking = [name for name in network.order if network.populations[name].neurons.emits == "spike"]
        spiking = [name for name in spiking if name not in network.inputs]
        if self.rate_target is None or not spiking:
            return {}

        def count(so_far: Mapping[str, Any], sweep: Sweep) -> tuple[dict[str, Any]]:
            return ({name: so_far[name] + sweep.rate[name] for name in spiking},)

        (counts,) = scan(count, {name: network.backend.xp.zeros_like(sweeps[0].rate[name]) for name in spiking}, sweeps)
        # a step divides by the ticks in which the output is asked, over which this loss is no mean
        share = self.rate_cost * sum(target is not None for target in targets) / len(sweeps)
        found = {}
        for name, spikes in counts.items():
            number = spikes.dtype.type
            away = number(self.rate_target) - spikes.mean(axis=0) * number(1 / len(sweeps))
            found[name] = number(share) * away + network.backend.xp.zeros_like(spikes)
        return found

    # ------------------------------------------------------------------ feedback that learns

    def adapt_to_proposals(
        self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], proposals: Mapping[str, Any], draws: Draws
    ) -> Deltas:
        """Return what ``adapt`` does, in every tick in which the output has an error: its leak brings one from later ticks."""
        return self.adapt(sweep, target, teaching, draws) if target is not None or self.network.output in teaching else {}
