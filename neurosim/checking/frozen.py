"""One step, taken apart: the sweeps of a trial frozen, what is proposed from them asked for again and again, or written down.

What is asked is what the trainer asks (see ``training/step.py``): teaching, the rules' proposals, the pathway's own.  Nothing is
committed, and whatever the pathway or a rule changes on the way is put back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.backends import Backend, Program, RecordedDraws
from neurosim.capture import RECORDED, Graph, Node, Reach, Recorded, recording
from neurosim.capture.recorded import node_of
from neurosim.checking.contract import collect_arrays
from neurosim.errors import NotCapturableError
from neurosim.feedback import FeedbackPathway, Proposals
from neurosim.network import Activity, Clock, Network, Population, Projection, Sweep
from neurosim.training import Observer, Trainer
from neurosim.training.trial import modulators_of

Arrays = dict[str, Any]
OUTSIDE = Backend, Observer, Program, Trainer  # they take no part in a step
SEED = 0
WRITTEN = " (written)"  # after the name of an array that a step writes into without proposing a change
PARTS = ("state", "inputs", "before", "passing")  # of an activity, by variable


@dataclass(frozen=True)
class Trial:
    """The frozen records of a trial, tick by tick.

    outcomes : what the pathway is given; None where the output is not asked
    modulators : what the task broadcasts
    shown : the input of each tick, as the network is shown it before anything is asked
    """

    sweeps: Sequence[Sweep]
    outcomes: Sequence[Any]
    modulators: Sequence[Mapping[str, Any]]
    shown: Sequence[Any]

    def at(self, tick: int, **changed: Any) -> Trial:
        """Return the trial with ``sweep``, ``outcome``, ``modulators`` or ``shown`` of one tick replaced."""
        names = {"sweep": "sweeps", "outcome": "outcomes", "modulators": "modulators", "shown": "shown"}
        lists = {names[name]: [value if k == tick else one for k, one in enumerate(getattr(self, names[name]))]
                 for name, value in changed.items()}  # fmt: skip
        return dataclasses.replace(self, **lists)


class Frozen:
    """A pathway on a network, one trial of it frozen, and every pathway weight off zero.

    given : targets, (samples, task.size), to draw from
    clock : the ticks of the trial; the last ``asked`` of them are compared with the target
    """

    def __init__(self, network: Network, pathway: FeedbackPathway, given: Any, clock: Clock) -> None:
        self.network, self.pathway, self.clock = network, pathway, clock
        draw = np.random.default_rng(5)
        for values in pathway.parameters().values():  # heads and modules that start at zero would hide what they carry
            values += (0.3 * draw.normal(size=values.shape)).astype(values.dtype)
        for population in network.populations.values():  # what is drawn anew in each step is not what is asked about
            population.dropout = population.noise = 0.0
        self.target = given
        self.trial = self._run(draw)
        self._held: list[tuple[Any, Any]] = []
        self.reach: Reach | None = None
        self.answer(self.trial)  # fills what is made when it is first needed
        with contextlib.suppress(NotCapturableError):
            self.reach = Reach([network, pathway], OUTSIDE)
        self.arrays = self._collect()
        self._held = [(array, array.copy()) for array in self.arrays.values() if array.flags.writeable]
        self.written = self._list_written()

    @property
    def ticks(self) -> int:
        """The number of ticks of the trial."""
        return self.clock.ticks

    def draws(self, tick: int, draws: Any = None) -> Any:
        """Return the random numbers of a tick."""
        step = self.network.backend.draws(SEED, 0) if draws is None else draws
        return step if self.ticks == 1 else step.at(tick)

    def _run(self, draw: np.random.Generator) -> Trial:
        sweeps: list[Sweep] = []
        shown = []
        spiking = any(self.network.populations[name].neurons.emits == "spike" for name in self.network.inputs)
        for tick in range(self.ticks):
            x = draw.normal(size=(len(self.target), *self.network.input_shape))
            x = (x > 0).astype(self.network.dtype) if spiking else x.astype(self.network.dtype)
            state = sweeps[-1].state if sweeps else None
            sweeps.append(self.network.sweep(x, state, training=self.pathway.training_sweep, draws=self.draws(tick)))
            shown.append(x)
        outcomes = [self.outcome(tick, sweeps[tick], self.target) for tick in range(self.ticks)]
        return Trial(sweeps, outcomes, [modulators_of(self.pathway.task, one) for one in outcomes], shown)

    def outcome(self, tick: int, sweep: Sweep, target: Any, draws: Any = None) -> Any:
        """Return what comes of a target in a tick; None where the output is not asked."""
        if not self.clock.asks(tick):
            return None
        task, backend = self.pathway.task, self.network.backend
        return task.outcome(backend, sweep[self.network.output], target, self.draws(tick, draws))

    # ------------------------------------------------------------------ asking

    def answer(self, trial: Trial, draws: Any = None, keep: Callable[[Mapping[str, Any]], None] | None = None) -> list[Arrays]:
        """Return for each tick what is proposed: parameter of the network or of the pathway -> change.

        keep : is handed what the rules remember for good, as the step would commit it; the pathway remembers its sweeps then, too
        """
        network, pathway = self.network, self.pathway
        state = None
        for tick, x in enumerate(trial.shown):  # who looks on sees what is shown
            state = network.sweep(x, state, training=pathway.training_sweep, draws=self.draws(tick, draws)).state
        found: list[Arrays] = [{} for _ in trial.sweeps]
        for phase in pathway.phases:
            teaching: Any = [{} for _ in trial.sweeps]
            if phase.forward and pathway.answers == "trial" and self.ticks > 1:
                teaching = pathway.teach_trial(trial.sweeps, trial.outcomes, self._step_draws(draws))
            states: Arrays = {}
            for tick, (sweep, outcome) in enumerate(zip(trial.sweeps, trial.outcomes, strict=True)):
                own, taught = self.draws(tick, draws), teaching[tick]
                proposed: Arrays = {}
                if phase.forward and outcome is not None and not (pathway.answers == "trial" and self.ticks > 1):
                    taught = pathway.teach(sweep, outcome, own)
                if phase.forward:
                    proposed, after = network.propose(sweep, taught, trial.modulators[tick], states or None)
                    states |= after
                    found[tick] |= proposed
                if phase.feedback:
                    changes = pathway.adapt_to_proposals(sweep, outcome, taught, Proposals(proposed), own)
                    found[tick] |= changes
            if keep is not None:
                keep(network.pick_lasting(states))
                for sweep, outcome in zip(trial.sweeps, trial.outcomes, strict=True):
                    network.remember(sweep)
                    if outcome is not None:
                        pathway.remember(sweep)
        return found

    def _step_draws(self, draws: Any) -> Any:
        return self.network.backend.draws(SEED, 0) if draws is None else draws

    def ask(self, trial: Trial, before: AbstractContextManager[Trial] | None = None) -> list[Arrays]:
        """Return what is proposed in a trial, as arrays of their own; all is put back afterwards.

        What is written besides, into arrays of the pathway, is among the proposals of the last tick.

        before : yields the trial of the step before, which leaves behind what rules and pathway remember
        """
        try:
            if before is not None:
                with before as earlier:
                    self.answer(earlier, keep=self._commit)
            found = self.answer(trial, keep=self._commit)
            found[-1] |= {f"{name}{WRITTEN}": self.arrays[name] for name in self.written}
            return [{name: np.array(value) for name, value in tick.items()} for tick in found]
        finally:
            self.restore()

    def _list_written(self) -> list[str]:
        """Return the arrays of the pathway, and those outside, that a step writes into; running statistics are not meant."""
        network, pathway = self.network, self.pathway
        apart = network.parameters().keys() | network.memory().keys()
        apart |= {name for own in pathway.networks.values() for name in own.memory()}
        before = {name: array.copy() for name, array in self.arrays.items() if name not in apart}
        try:
            self.answer(self.trial, keep=self._commit)
            return [name for name, value in before.items() if not np.array_equal(value, self.arrays[name], equal_nan=True)]
        finally:
            self.restore()

    def _commit(self, states: Mapping[str, Any]) -> None:
        memory = self.network.memory()
        for name, value in states.items():
            memory[name][...] = value

    def restore(self) -> None:
        """Put back whatever a step has changed."""
        if self.reach is not None and self.reach.changed():
            self.reach.restore()
        for array, copy in self._held:
            array[...] = copy

    def _collect(self) -> Arrays:
        """Return every array that the step can read besides the trial, by name: parameters, memory, and others by their place."""
        network, pathway = self.network, self.pathway
        named = {**network.parameters(), **network.memory(), **pathway.parameters(), **pathway.memory()}
        known = {id(value) for value in named.values()}
        known |= {id(value) for p in _projections(network, pathway) for value in (p.mask, getattr(p.connectivity, "pre", None),
                  getattr(p.connectivity, "post", None))}  # fmt: skip
        if self.reach is None:
            return named
        others = collect_arrays(self.reach)
        for names, values in self.reach.named:
            others |= {f"{key!r} of {names.title}": value for key, value in values.items() if isinstance(value, np.ndarray)}
        for kind, values in self.reach.classes.items():
            others |= {f"{key!r} of class {kind.__name__}": value for key, value in values.items() if isinstance(value, np.ndarray)}
        for name, value in others.items():
            if id(value) not in known and value.dtype.kind == "f":
                known.add(id(value))
                named[name] = value
        return named

    @property
    def outside(self) -> Arrays:
        """The arrays that are neither a parameter nor memory of the network or the pathway, by their place in words."""
        network, pathway = self.network, self.pathway
        own = {**network.parameters(), **network.memory(), **pathway.parameters(), **pathway.memory()}
        return {name: value for name, value in self.arrays.items() if name not in own}

    # ------------------------------------------------------------------ writing down

    def record(self) -> Recording:
        """Return the step written down as a graph, each part of the trial an input of its own.

        Raises NotCapturableError where it cannot be.
        """
        graph, network, pathway = Graph(loops=False), self.network, self.pathway
        made = Recording(graph)
        backend = network.backend
        try:
            with backend.recording(), recording(graph, Reach([network, pathway], (*OUTSIDE, *RECORDED)), backend.array):
                draws = RecordedDraws(graph, SEED)
                trial = made.take(self.trial, network)
                trial = dataclasses.replace(trial, outcomes=[], modulators=[])
                for tick, sweep in enumerate(trial.sweeps):
                    target = made.add(("target", tick), self.target)
                    outcome = self.outcome(tick, sweep, target, draws)
                    made.outcomes |= set() if outcome is None else {made.node(outcome)}
                    trial.outcomes.append(outcome)  # type: ignore[attr-defined]
                    broadcast = modulators_of(pathway.task, outcome)
                    trial.modulators.append(broadcast)  # type: ignore[attr-defined]
                    made.broadcast.append({name: made.node(value) for name, value in broadcast.items()})
                with self._noted(made):
                    answers = self.answer(trial, draws, keep=self._commit)
                made.proposals = [{name: made.node(value) for name, value in tick.items()} for tick in answers]
            leaves = {name: graph.leaf(self.arrays[name]) for name in self.written}
            made.proposals[-1] |= {f"{name}{WRITTEN}": graph.assigned.get(leaf, leaf) for name, leaf in leaves.items()}
        finally:
            self.restore()
        return made

    @contextlib.contextmanager
    def _noted(self, made: Recording) -> Iterator[None]:
        """Note errors of the output as the task makes them, and hand slopes and responses on as inputs of their own."""
        task = self.pathway.task
        error = task.error

        def noted(population: Population, activity: Activity, outcome: Any) -> Any:
            found = error(population, activity, outcome)
            if population is self.network.populations[self.network.output]:  # and not a readout elsewhere, which asks the same
                made.errors.add(made.node(found))
            return found

        responses = {name: functools.partial(made.respond, name) for name in self.network.projections}
        with patched(task, "error", noted), self.slopes(made.slope), self.responses(responses):
            yield

    # ------------------------------------------------------------------ two things that are read through functions

    @contextlib.contextmanager
    def slopes(self, factor: Callable[[str, Any], Any]) -> Iterator[None]:
        """Multiply what goes back through the neurons of a population by ``factor(population, error)``, (1, *shape)."""
        with contextlib.ExitStack() as stack:
            for name, population in self.network.populations.items():
                stack.enter_context(patched(population, "errors_back", _through(population.errors_back, factor, name)))
                argument = _through_argument(population.error_on_argument, factor, name)
                stack.enter_context(patched(population, "error_on_argument", argument))
            yield

    @contextlib.contextmanager
    def responses(self, other: Mapping[str, Callable[[Arrays], Arrays]]) -> Iterator[None]:
        """Let some projections drive their targets by other parameters, while their own can be read.

        other : projection -> what makes them of its own
        """
        with contextlib.ExitStack() as stack:
            for name, change in other.items():
                projection = self.network.projections[name]
                stack.enter_context(patched(projection, "drive", _driven(projection, change)))
            yield


def _through(errors_back: Callable[..., Any], factor: Callable[[str, Any], Any], name: str) -> Callable[..., Any]:
    def changed(error_on_rate: Any, error_on_state: Any, activity: Activity) -> Any:
        error, on_state, on_inputs = errors_back(error_on_rate, error_on_state, activity)
        if error is error_on_rate:  # no slope is read
            return error, on_state, on_inputs
        return error * factor(name, error), on_state, on_inputs

    return changed


def _through_argument(error_on_argument: Callable[..., Any], factor: Callable[[str, Any], Any], name: str) -> Callable[..., Any]:
    def changed(error_on_rate: Any, activity: Activity) -> Any:
        error = error_on_argument(error_on_rate, activity)
        return error if error is error_on_rate else error * factor(name, error)

    return changed


def _driven(projection: Projection, other: Callable[[Arrays], Arrays]) -> Callable[[Any], Any]:
    plain = projection.drive

    def drive(rate: Any) -> Any:
        held = projection.parameters
        projection.parameters = other(held)
        try:
            return plain(rate)
        finally:
            projection.parameters = held

    return drive


@contextlib.contextmanager
def patched(owner: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Let ``owner`` have another method for a while."""
    before = vars(owner).get(name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        if before is None:
            vars(owner).pop(name, None)  # where all was put back meanwhile, it is gone
        else:
            setattr(owner, name, before)


def _projections(network: Network, pathway: FeedbackPathway) -> list[Any]:
    return [p for one in (network, *pathway.networks.values()) for p in one.projections.values()]


# ---------------------------------------------------------------------- parts of records


def map_activity(activity: Activity, change: Callable[[Any], Any]) -> Activity:
    """Return the activity with ``change(array)`` in place of each of its arrays; one that stands twice is changed once."""
    done: dict[int, Any] = {}

    def changed(value: Any) -> Any:
        if not hasattr(value, "dtype"):
            return value
        if id(value) not in done:
            done[id(value)] = change(value)
        return done[id(value)]

    fields: dict[str, Any] = {}
    for one in dataclasses.fields(activity):
        value = getattr(activity, one.name)
        fields[one.name] = {name: changed(part) for name, part in value.items()} if one.name in PARTS else changed(value)
    return Activity(**fields)


def list_arrays(activity: Activity) -> list[Any]:
    """Return all arrays of an activity in a fixed order, one that stands twice as often."""
    found = []
    for one in dataclasses.fields(activity):
        value = getattr(activity, one.name)
        found += [part for part in (value.values() if one.name in PARTS else [value]) if hasattr(part, "dtype")]
    return found


class Recording:
    """A step as a graph.

    inputs : what each input of the graph is: ("activity", tick, population), ("arrived", tick, projection), ("travels", tick,
        population), ("shown", tick), ("target", tick), ("slope", population) or ("response", projection) -> its nodes
    errors : the nodes of the output's error; outcomes : of what the pathway is given
    broadcast : of each tick the nodes of the modulators; proposals : of the proposed changes
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.inputs: dict[tuple[Any, ...], list[Node]] = {}
        self.errors: set[Node] = set()
        self.outcomes: set[Node] = set()
        self.broadcast: list[dict[str, Node]] = []
        self.proposals: list[dict[str, Node]] = []
        self._slopes: dict[str, Recorded] = {}
        self._responses: dict[str, Arrays] = {}

    def node(self, value: Any) -> Node:
        """Return the node of a value."""
        return node_of(self.graph, value)

    def add(self, key: tuple[Any, ...], like: Any) -> Recorded:
        """Return a new input that is an array as ``like``."""
        known = self.inputs.setdefault(key, [])
        known.append(self.graph.input(f"{key} {len(known)}", tuple(like.shape), like.dtype))
        return Recorded(self.graph, known[-1])

    def take(self, trial: Trial, network: Network) -> Trial:
        """Return the trial with an input in place of each array."""
        sweeps = []
        for tick, sweep in enumerate(trial.sweeps):
            made: dict[int, Any] = {}
            activity = {name: self._take_activity(tick, name, one, made) for name, one in sweep.activity.items()}
            arrived = {name: self.add(("arrived", tick, name), rate) for name, rate in sweep.arrived.items()}
            state = {
                name: made[id(value)] if id(value) in made else self.add(("travels", tick, name.partition("@")[0]), value)
                for name, value in sweep.state.items()
            }
            sweeps.append(Sweep.of(activity, sweep.training, arrived, state))
        shown = [self.add(("shown", tick), x) for tick, x in enumerate(trial.shown)]
        return Trial(sweeps, trial.outcomes, trial.modulators, shown)

    def _take_activity(self, tick: int, name: str, activity: Activity, made: dict[int, Any]) -> Activity:
        def taken(array: Any) -> Any:
            made[id(array)] = self.add(("activity", tick, name), array)
            return made[id(array)]

        return map_activity(activity, taken)

    def slope(self, population: str, error: Any) -> Recorded:
        """Return the input that stands for a population's slopes."""
        if population not in self._slopes:
            self._slopes[population] = self.add(("slope", population), error[:1])
        return self._slopes[population]

    def respond(self, projection: str, parameters: Arrays) -> Arrays:
        """Return the inputs that stand for a projection's parameters where it drives its target."""
        if projection not in self._responses:
            self._responses[projection] = {
                name: self.add(("response", projection), values) for name, values in parameters.items()
            }
        return self._responses[projection]
