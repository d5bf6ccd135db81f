"""One batch, five slots, one direction: present, sweep, teach, learn, commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosim.backends import Backend, Draws
from neurosim.capture import writeable
from neurosim.errors import DivergedError, require
from neurosim.feedback import FeedbackPathway, Phase
from neurosim.network import Network, Sweep, Teaching
from neurosim.plasticity import Time, Update, chain
from neurosim.training.trial import Trial

STATIC = Trial()


class Commit:
    """Applies proposed changes to parameters, through an optimiser with memory for each of them.

    memory : parameter name -> the optimiser's arrays; updates : parameter name -> how often it was changed, a float64 array of one
    number, so that a captured step can count on
    """

    def __init__(self, optimiser: Update, backend: Backend) -> None:
        self.chain = chain(optimiser)
        self.backend = backend
        self.memory: dict[str, dict[str, Any]] = {}
        self.updates: dict[str, Any] = {}

    def apply(self, parameters: Mapping[str, Any], deltas: Mapping[str, Any], time: Time, solved: set[str]) -> None:
        """Add to each parameter what the optimiser makes of its proposed change; ``solved`` ones take theirs as it is."""
        for name, change in deltas.items():
            weight = parameters[name]
            if name not in solved:
                memory = self._memory(name, weight)
                time.updates = self.updates[name]
                self.chain.apply(self.backend, change, weight, memory, time)
                self.updates[name] += 1
            require(
                writeable(weight),
                f"training: {name} is read-only, and its rule changes it: expected an array that can be written into; "
                "give its projection rule=None to keep it as it is",
            )
            weight += change

    def _memory(self, name: str, weight: Any) -> dict[str, Any]:
        kept = self.memory.get(name, {})  # nothing yet, or another optimiser's
        if name not in self.updates or kept.keys() != set(self.chain.state_names):
            self.memory[name] = {key: self.backend.lasting(weight.shape, weight.dtype, weight) for key in self.chain.state_names}
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
    x = trial.encoder.encode(x, 0)
    # present: x, (batch, *input shape), and target, (batch, task.size), are the caller's
    sweep = network.sweep(x, training=pathway.training_sweep, draws=draws)  # sweep: forward never learns
    check_finite(network, sweep, draws.step)
    outcome = pathway.task.outcome(network.backend, sweep[network.output], target, draws)
    teaching = pathway.teach(sweep, outcome, draws) if phase.forward else {}  # teach: never touches a forward weight
    deltas, states = network.propose(sweep, teaching) if phase.forward else ({}, {})  # learn: each rule sees its own synapses
    own = pathway.adapt(sweep, outcome, teaching, draws) if phase.feedback else {}  # all proposals come from the one frozen sweep
    commit(deltas, states, own)
    network.remember(sweep)
    pathway.remember(sweep)


def _trial_step(
    network: Network, pathway: FeedbackPathway, phase: Phase, x: Any, target: Any, draws: Draws, commit: Any, trial: Trial
) -> None:
    """Run one batch through the five slots, tick by tick; weights change at the trial's end.

    Their change is what the ticks propose, summed, over the number of ticks in which the output is asked: minus the gradient of the
    mean loss over those, where rules follow errors.  What rules remember goes on from tick to tick.
    """
    clock, backend = trial.clock, network.backend
    sweeps = trial.sweeps(network, x, training=pathway.training_sweep, draws=draws)
    outcomes: list[Any] = []
    for tick, sweep in enumerate(sweeps):
        check_finite(network, sweep, draws.step)
        output = sweep[network.output]
        outcomes.append(pathway.task.outcome(backend, output, target, draws.at(tick)) if clock.asks(tick) else None)
    teaching: list[dict[str, Teaching]] = [{} for _ in sweeps]
    if phase.forward and pathway.answers == "trial":
        teaching = pathway.teach_trial(sweeps, outcomes, draws)
    deltas: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for tick, (sweep, outcome) in enumerate(zip(sweeps, outcomes, strict=True)):
        if phase.forward and pathway.answers == "tick" and outcome is not None:
            teaching[tick] = pathway.teach(sweep, outcome, draws.at(tick))
        if phase.forward:
            proposed, states = network.propose(sweep, teaching[tick])
            deltas = _sum(deltas, proposed)
            commit({}, states, {})
        if phase.feedback and outcome is not None:
            own = _sum(own, pathway.adapt(sweep, outcome, teaching[tick], draws.at(tick)))
    share = 1 / clock.asked
    commit({name: change * change.dtype.type(share) for name, change in deltas.items()}, {},
           {name: change * change.dtype.type(share) for name, change in own.items()})  # fmt: skip
    for sweep, outcome in zip(sweeps, outcomes, strict=True):
        network.remember(sweep)
        if outcome is not None:
            pathway.remember(sweep)


def _sum(total: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, those of one name added."""
    return total | {name: total[name] + change if name in total else change for name, change in more.items()}


def check_finite(network: Network, sweep: Sweep, at: int) -> None:
    """Raise DivergedError naming the first population, in sweep order, whose drive is no finite number."""
    try:
        for name in network.order:
            if name not in network.inputs:  # a data set holds finite numbers only
                network.backend.check_finite(name, sweep.drive[name])
    except FloatingPointError as cause:
        raise diverged(cause, at) from cause


def diverged(cause: FloatingPointError, at: int) -> DivergedError:
    """Return the error that tells of a drive, ``cause``, that was no finite number at step ``at``, or at the one it tells of."""
    name, total, noted = cause.args
    at = at if noted is None else noted
    return DivergedError(
        f"population {name!r}: drive is {total} at step {at}: expected finite numbers; lower the learning rate, or clip"
    )
