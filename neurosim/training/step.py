"""One batch, five slots, one direction: present, sweep, teach, learn, commit."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from neurosim import reprs
from neurosim.backends import Backend, Draws
from neurosim.capture import scan, writeable
from neurosim.errors import DivergedError, quoted, require
from neurosim.feedback import FeedbackPathway, Phase, Proposals
from neurosim.network import Network, Projection, Sweep, Teaching
from neurosim.neurons import DRIVE
from neurosim.plasticity import Chain, Rule, Time, Update, chain
from neurosim.training.trial import Tick, Trial, add_changes, modulators_of

log = logging.getLogger(__name__)

STATIC = Trial()

_warned_of: weakref.WeakSet[Rule] = weakref.WeakSet()


class Learned(NamedTuple):
    """What the ticks of a trial have proposed so far, by name.

    deltas : the changes of the network's parameters, summed; own : of the pathway's; states : what its rules remember
    """

    deltas: Mapping[str, Any]
    states: Mapping[str, Any]
    own: Mapping[str, Any]


class Commit:
    """Applies proposed changes to parameters, through an optimiser with memory for each of them.

    optimiser : of all parameters but those of projections of ``network`` that have one of their own
    memory : parameter name -> the optimiser's arrays; updates : parameter name -> how often it was changed, a float64 array of one
    number, so that a captured step can count on

    Raises InputError where a transform cannot work on a projection's synapses.
    """

    def __init__(self, optimiser: Update, backend: Backend, network: Network | None = None) -> None:
        self.chain = chain(optimiser)
        self.backend = backend
        self.network = network
        self.memory: dict[str, dict[str, Any]] = {}
        self.updates: dict[str, Any] = {}
        for name in {} if network is None else network.parameters():
            self.chain_of(name)
        self._warn_of_rescaling()

    def __repr__(self) -> str:
        return reprs.brief(self.chain.alone)

    def apply(self, parameters: Mapping[str, Any], deltas: Mapping[str, Any], time: Time, solved: set[str]) -> None:
        """Add to each parameter what the optimiser makes of its proposed change; ``solved`` ones take theirs as it is."""
        for name, change in deltas.items():
            weight, links = parameters[name], self.chain_of(name, name in solved)
            works = bool(links.working)
            if works:
                memory = self._memory(name, weight, self.chain_of(name) if name in solved else links)
                time.updates = self.updates[name]
                links.apply(self.backend, change, weight, memory, time)
                self.updates[name] += 1
            require(
                writeable(weight),
                f"training: {name} is read-only, and its rule changes it: expected an array that can be written into; "
                "give its projection rule=None to keep it as it is",
            )
            weight += change
            if works:
                links.constrain(self.backend, weight, memory)
                self._keep_pattern(name, weight)

    def _keep_pattern(self, parameter: str, weight: Any) -> None:
        """Set to 0 what a constraint made of weights without a synapse; no rule's change is ever there."""
        projection = self._projection(parameter)
        if projection is not None and projection.mask is not None and parameter.endswith(".w"):
            weight *= projection.mask

    def chain_of(self, parameter: str, solved: bool = False) -> Chain:
        """Return the optimiser of ``parameter``, as it works on it."""
        projection = self._projection(parameter)
        own = None if projection is None else projection.optimiser
        links = (self.chain if own is None else chain(own)).on(parameter, solved)
        if projection is not None and not projection.connectivity.matrix:
            for _, link in links.working:
                said = f"projection {projection.name!r}: transform {link.name!r} needs all_to_all synapses"
                require(not link.all_to_all_only, f"{said}; give the projection an optimiser of its own without it")
        return links

    def state_names(self, parameter: str) -> tuple[str, ...]:
        """Return the names of all memory that there may be of ``parameter``."""
        return self.chain_of(parameter).state_names

    def _projection(self, parameter: str) -> Projection | None:
        """Return the projection that ``parameter`` is of, if it is of one."""
        owner = parameter.rpartition(".")[0]
        return None if self.network is None else self.network.projections.get(owner.removeprefix(self.network.prefix))

    def _warn_of_rescaling(self) -> None:
        """Warn, once for each rule, where an optimiser undoes the balance of its terms."""
        if self.network is None:
            return
        for p in self.network.projections.values():
            rescaling = [link.name for _, link in self.chain_of(f"{self.network.prefix}{p.name}.w").working if link.rescales]
            if p.rule is not None and p.rule.scale_matters and rescaling and p.rule not in _warned_of:
                _warned_of.add(p.rule)
                log.warning(
                    "projection %r: %s rescales every weight's change, and the terms of %s balance by their size; use SGD for it: "
                    "Projection(..., optimiser=SGD(1.0))",
                    p.name, " then ".join(rescaling), quoted(p.rule.describe()),
                )  # fmt: skip

    def _memory(self, name: str, weight: Any, links: Chain) -> dict[str, Any]:
        kept, names = self.memory.get(name, {}), links.state_names  # nothing yet, or another optimiser's
        if name not in self.updates or kept.keys() != set(names):
            self.memory[name] = {key: self.backend.lasting(weight.shape, weight.dtype, weight) for key in names}
            self.updates[name] = self.backend.lasting((), np.float64, weight)
        return self.memory[name]

    def state(self) -> dict[str, Any]:
        """Return the optimiser's memory as flat name -> array."""
        flat: dict[str, Any] = {f"{name}:updates": np.int64(int(count)) for name, count in self.updates.items()}
        return flat | {f"{name}:{key}": value for name, values in self.memory.items() for key, value in values.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned; memory of what was never changed may be there, and is left out."""
        for flat, value in state.items():
            name, _, key = flat.rpartition(":")
            if not state[f"{name}:updates"]:
                continue
            if key == "updates":
                self.updates[name] = self.backend.asarray(np.array(float(value)))
                self.memory.setdefault(name, {})
            else:
                self.memory.setdefault(name, {})[key] = self.backend.asarray(np.array(value))


def step(
    network: Network,
    pathway: FeedbackPathway,
    phase: Phase,
    x: Any,
    target: Any,
    draws: Draws,
    commit: Any,
    trial: Trial = STATIC,
) -> None:
    """Run one batch through the five slots; ``commit(deltas, states, own_deltas)`` applies what was proposed."""
    if trial.clock.ticks > 1:
        return _trial_step(network, pathway, phase, x, target, draws, commit, trial)
    x = trial.encode(next(trial.ticks(x)), draws)
    # present: x, (batch, *input shape), and target, (batch, task.size), are the caller's
    sweep = network.sweep(x, training=pathway.training_sweep, draws=draws)  # sweep: forward never learns
    check_finite(network, sweep, draws.step)
    outcome = pathway.task.outcome(network.backend, sweep[network.output], target, draws)
    teaching = pathway.teach(sweep, outcome, draws) if phase.forward else {}  # teach: never touches a forward weight
    modulators = modulators_of(pathway.task, outcome)
    # learn: each rule sees its own synapses, and what reaches all of them alike
    deltas, states = network.propose(sweep, teaching, modulators) if phase.forward else ({}, {})
    own: dict[str, Any] = {}
    if phase.feedback:  # all proposals come from the one frozen sweep
        own = pathway.adapt_to_proposals(sweep, outcome, teaching, Proposals(deltas), draws)
    commit(deltas, network.pick_lasting(states), own)
    network.remember(sweep)
    pathway.remember(sweep)


def _trial_step(
    network: Network, pathway: FeedbackPathway, phase: Phase, x: Any, target: Any, draws: Draws, commit: Any, trial: Trial
) -> None:
    """Run one batch through the five slots, tick by tick; weights change at the trial's end.

    Their change is what the ticks propose, summed, over the number of ticks in which the output is asked: minus the gradient of the
    mean loss over those, where rules follow errors.  What rules remember goes on from tick to tick; of each sample it ends here.

    A scheme that answers each tick teaches and learns within the tick, one that answers each trial after all have been shown.
    """

    def present(state: Any, tick: Tick) -> tuple[Any, Sweep, Any]:
        own = draws.at(tick.number)
        sweep = network.sweep(trial.encode(tick, own), state, training=pathway.training_sweep, draws=own)
        check_finite(network, sweep, draws.step)
        outcome = pathway.task.outcome(network.backend, sweep[network.output], target, own) if tick.asked else None
        return sweep.state, sweep, outcome

    def learn(learned: Learned, tick: int, sweep: Sweep, outcome: Any, teaching: Mapping[str, Teaching]) -> tuple[Learned]:
        deltas, states, own = learned
        proposed: dict[str, Any] = {}
        if phase.forward:
            proposed, after = network.propose(sweep, teaching, modulators_of(pathway.task, outcome), states)
            deltas, states = add_changes(deltas, proposed), {**states, **after}
        if phase.feedback:
            changes = pathway.adapt_to_proposals(sweep, outcome, teaching, Proposals(proposed), draws.at(tick))
            own = add_changes(own, changes)
        return (Learned(deltas, states, own),)

    def teach_and_learn(carried: tuple[Any, Learned], tick: Tick) -> tuple[tuple[Any, Learned], Sweep, Any]:
        state, sweep, outcome = present(carried[0], tick)
        answered = phase.forward and outcome is not None
        teaching = pathway.teach(sweep, outcome, draws.at(tick.number)) if answered else {}
        return (state, *learn(carried[1], tick.number, sweep, outcome, teaching)), sweep, outcome

    if pathway.answers == "trial" and phase.forward:
        _, sweeps, outcomes = scan(present, None, trial.ticks(x))
        teaching = pathway.teach_trial(sweeps, outcomes, draws)
        (learned,) = scan(learn, Learned({}, {}, {}), range(trial.clock.ticks), sweeps, outcomes, teaching)
    else:
        (_, learned), sweeps, outcomes = scan(teach_and_learn, (None, Learned({}, {}, {})), trial.ticks(x))
    share = 1 / trial.clock.asked
    commit({name: change * change.dtype.type(share) for name, change in learned.deltas.items()},
           network.pick_lasting(learned.states),
           {name: change * change.dtype.type(share) for name, change in learned.own.items()})  # fmt: skip

    def remember(_: None, sweep: Sweep, outcome: Any) -> tuple[None]:
        network.remember(sweep)
        if outcome is not None:
            pathway.remember(sweep)
        return (None,)

    scan(remember, None, sweeps, outcomes)


def check_finite(network: Network, sweep: Sweep, at: int) -> None:
    """Raise DivergedError naming the first population, in sweep order, whose drive or other input is no finite number."""
    try:
        for what, (population, name) in list_inputs(network).items():
            network.backend.check_finite(what, sweep[population].value(name))
    except FloatingPointError as cause:
        raise diverged(cause, at, network) from cause


def diverged(cause: FloatingPointError, at: int, network: Network) -> DivergedError:
    """Return the error that tells of an input, ``cause``, that was no finite number at step ``at``, or at the one it tells of.

    Where the synapses that bring the input are no finite numbers themselves, it names them, and the rule that changed them.
    """
    what, total, noted = cause.args
    population, _, name = what.partition(".")
    at = at if noted is None else noted
    where = f"population {population!r}: {name or DRIVE} is {total} at step {at}"
    for p in network.incoming(population) if at else ():
        for key, values in p.parameters.items():
            if p.into == (name or DRIVE) and p.rule is not None and not bool(network.backend.xp.isfinite(values).all()):
                where += f": {p.name}.{key}, which rule {quoted(p.rule.describe())} changes, is no finite number"
                advice = "lower the learning rate, clip, or change the rule where it divides by 0 or overflows"
                return DivergedError(f"{where}: expected finite numbers; {advice}")
    return DivergedError(f"{where}: expected finite numbers; lower the learning rate, or clip")


def list_inputs(network: Network) -> dict[str, tuple[str, str]]:
    """Return name -> (population, input) in the order of a sweep: the drives, and the other inputs that projections add into.

    A drive has its population's name, another input ``population.input``.
    """
    reached = [name for name in network.order if name not in network.inputs]  # a data set holds finite numbers only
    pairs = [(name, one) for name in reached for one in dict.fromkeys((DRIVE, *network.added_into(name)))]
    return {name if one == DRIVE else f"{name}.{one}": (name, one) for name, one in pairs}
