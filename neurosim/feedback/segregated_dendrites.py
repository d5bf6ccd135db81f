"""Segregated dendrites: plateau potentials of apical dendrites, in a phase without and in one with the answer that is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from neurosim.backends import Draws
from neurosim.capture import scan
from neurosim.errors import ShapeError, quoted, require
from neurosim.feedback.pathway import Claims
from neurosim.feedback.synapses import ErrorFeedback, draw_weights
from neurosim.network import Sweep, Teaching
from neurosim.neurons.segregated import Segregated, filtered
from neurosim.neurons.sigmoid import logistic

EXCITED, INHIBITED = 8.0, -8.0  # where a teaching current holds the soma of an output neuron


class SegregatedDendrites(ErrorFeedback):
    """e_l = (alpha_l^t - alpha_l^f) * phi'(a_l), with the plateau potential alpha_l = sigma(Y_l h_L) of the apical dendrites.

    In the forward phase the output h_L is the network's own answer, in the target phase a teaching current makes it the target.
    At the end of each phase every hidden neuron has a plateau potential, from what the output sent to its apical dendrite through
    fixed random synapses Y_l, (n_l, n_L).  Their difference is what basal synapses learn from.  The dendrite has no way to the
    soma (the paper's g_A = 0), so in the target phase nothing but the output is other than before, and only that is run again.

    Without spikes a phase is one tick, and the output of the target phase is the target.  Spiking neurons are ``Segregated``.  A
    trial is the forward phase; the target phase is as long, and the output spikes in it as its teaching current says.  Then a_l,
    h_l and the apical potential are means over a phase, without its first ticks, and rules read as ``rate_pre`` the mean
    postsynaptic potential.  All is taught in the last tick.

    settle : ticks at the beginning of a phase that no mean takes in, at most half of them; for spiking neurons
    scale : a factor of Y, which is drawn as Glorot's

    Raises
    ------
    InputError
        A number of ticks that is not whole or is negative, or a scale that is not positive.
    """

    name = "segregated_dendrites"
    title = "Segregated dendrites"
    citation = "Guerguiev, Lillicrap and Richards (2017). Towards deep learning with segregated dendrites. eLife 6, e22901."
    answers = "trial"

    def __init__(self, *, settle: int = 30, scale: float = 1.0) -> None:
        whole = isinstance(settle, int) and not isinstance(settle, bool) and settle >= 0
        require(whole, f"scheme {self.name!r}: settle {quoted(settle)}: expected 0 ticks or more; give a number such as 30")
        super().__init__(scale=scale)
        self.settle = settle

    @property
    def claims(self) -> Claims:
        """What it needs; of spiking neurons also the ticks before, of which it keeps means."""
        history = "trace" if self.attached and self.by_phases else "none"
        return Claims(weight_transport="none", update_locking=True, backward_locking=False, labels_at_hidden=True, history=history)

    def check_output(self) -> None:
        network = self.network
        taught = [*network.hidden, network.output]
        spiking = [name for name in taught if isinstance(network.populations[name].neurons, Segregated)]
        if not spiking:
            return super().check_output()
        others = [name for name in taught if name not in spiking]
        said = f"scheme {self.name!r}: populations {quoted(spiking)} are made of 'segregated' neurons, and {quoted(others)} are not"
        require(not others, f"{said}: expected all or none but inputs; change some")
        output = network.populations[network.output]
        said = f"scheme {self.name!r}: output population {output.name!r} has {output.size} neurons"
        require(output.size == self.task.size, f"{said}: expected {self.task.size}, one for each number of a target", ShapeError)

    def build(self, seed: int) -> None:
        network = self.network
        for name in network.hidden:
            shape = (network.populations[name].size, network.populations[network.output].size)
            self.add_feedback(name, network.output, name, draw_weights(seed, f"feedback/{name}", "glorot", shape, shape[0]))

    @property
    def by_phases(self) -> bool:
        """Whether a trial is one phase of spiking neurons; otherwise each of its ticks is a phase."""
        return isinstance(self.network.populations[self.network.output].neurons, Segregated)

    def plateau(self, population: str, sent: Any) -> Any:
        """Return the plateau potential of a population, (batch, *shape), for what the output sent in a phase, (batch, *output)."""
        return logistic(self.network.backend, self.carry(population, sent))

    # ------------------------------------------------------------------ without spikes

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        network, output = self.network, sweep[self.network.output]
        if self.by_phases:
            return self.teach_trial([sweep], [target], draws)[0]
        teaching = {network.output: self.output_teaching(sweep, target)}
        taught = target.reshape(output.rate.shape)
        for name in network.hidden:
            error = self.plateau(name, taught) - self.plateau(name, output.transmitted)
            teaching[name] = network.populations[name].teach(error, sweep[name])
        return teaching

    # ------------------------------------------------------------------ with spikes

    def teach_trial(self, sweeps: Sequence[Sweep], targets: Sequence[Any], draws: Draws) -> list[dict[str, Teaching]]:
        if not self.by_phases:

            def answer(_: None, sweep: Sweep, target: Any) -> tuple[None, dict[str, Teaching]]:
                return None, {} if target is None else self.teach(sweep, target, draws)

            return scan(answer, None, sweeps, targets)[1]  # type: ignore[no-any-return]
        network, output = self.network, self.network.output
        sent, potential, traces = self.run_forward(sweeps)
        chance = self.find_taught_rate(targets[-1])
        sent_when_taught = self.run_target(chance, traces[output], len(sweeps), draws)
        asked = sum(target is not None for target in targets)  # a step divides by it
        teaching = {name: Teaching(rate=sent[name]) for name in network.inputs}
        for name in (*network.hidden, output):
            population, activity = network.populations[name], sweeps[-1][name]
            if name == output:
                error = chance - self.max_rate * logistic(network.backend, potential[name])
            else:
                error = self.plateau(name, sent_when_taught) - self.plateau(name, sent[output])
            at_rest = replace(activity, state={**activity.state, "potential": potential[name]})
            taught = population.teach(error * error.dtype.type(asked), at_rest)
            teaching[name] = Teaching(taught.error, taught.error_on_activation, at_rest, rate=sent[name])
        return [*({} for _ in sweeps[:-1]), teaching]

    @property
    def max_rate(self) -> Any:
        """The output's highest rate, in spikes in a tick."""
        return self.network.dtype.type(self.network.populations[self.network.output].neurons.max_rate)  # type: ignore[attr-defined]

    def list_counted(self, ticks: int) -> list[bool]:
        """Return of each tick of a phase whether means take it in."""
        return [tick >= min(self.settle, ticks // 2) for tick in range(ticks)]

    def run_forward(self, sweeps: Sequence[Sweep]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return, by population, the mean postsynaptic potential of what it sent, its mean potential, and the traces at the end."""
        network, counted = self.network, self.list_counted(len(sweeps))
        nothing = {name: network.backend.xp.zeros_like(sweeps[0].transmitted[name]) for name in network.order}

        def turn(carried: tuple[Any, Any, Any], sweep: Sweep, counts: bool) -> tuple[tuple[Any, Any, Any]]:
            sent, potential, traces = carried
            now = {name: filtered(sweep.transmitted[name], *traces[name]) for name in network.order}
            if counts:
                sent = {name: sent[name] + now[name][2] for name in now}
                potential = {name: potential[name] + sweep[name].state["potential"] for name in potential}
            return ((sent, potential, {name: (slow, fast) for name, (slow, fast, _) in now.items()}),)

        potential = {name: nothing[name] for name in network.order if name not in network.inputs}
        begin = nothing, potential, {name: (zero, zero) for name, zero in nothing.items()}
        ((sent, potential, traces),) = scan(turn, begin, sweeps, counted)
        share = network.dtype.type(1 / sum(counted))
        means = [{name: total * share for name, total in totals.items()} for totals in (sent, potential)]
        return means[0], means[1], traces

    def find_taught_rate(self, target: Any) -> Any:
        """Return the probability of a spike of the output in a tick of the target phase, (batch, *output)."""
        output = self.network.populations[self.network.output]
        soma = INHIBITED + (EXCITED - INHIBITED) * target.reshape(len(target), *output.shape)
        return self.max_rate * logistic(self.network.backend, soma.astype(self.network.dtype))

    def run_target(self, chance: Any, traces: tuple[Any, Any], ticks: int, draws: Draws) -> Any:
        """Return the mean postsynaptic potential of what the output sends in a target phase, which follows on ``traces``."""

        def turn(carried: tuple[Any, Any, Any], tick: int, counts: bool) -> tuple[tuple[Any, Any, Any]]:
            total, slow, fast = carried
            drawn = draws.at(tick).uniform(f"{self.network.output}/taught", chance.shape, chance.dtype)
            slow, fast, potential = filtered((drawn < chance).astype(chance.dtype), slow, fast)
            return ((total + potential if counts else total, slow, fast),)

        counted, begin = self.list_counted(ticks), (self.network.backend.xp.zeros_like(chance), *traces)
        ((total, _, _),) = scan(turn, begin, range(ticks), counted)
        return total * chance.dtype.type(1 / sum(counted))

    # ------------------------------------------------------------------ evaluate

    def loss(self, sweep: Sweep, target: Any) -> Any:
        """Return the mean loss in the task's unit; of spikes, half the squared distance of target and share of the highest rate."""
        if not self.by_phases:
            return super().loss(sweep, target)
        away = target - self.scores(sweep).reshape(target.shape) / self.max_rate
        return (away * away).sum() / (2 * len(target))
