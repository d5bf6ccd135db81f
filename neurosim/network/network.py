"""Populations joined by projections: a graph, checked when it is built; a cycle is closed by a delay."""

from __future__ import annotations

import graphlib
import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from neurosim import reprs
from neurosim.backends import Backend, Draws, NumpyBackend, as_seed
from neurosim.capture import scan
from neurosim.equations.units import measure, seconds
from neurosim.errors import EquationError, InputError, ShapeError, UnknownNameError, quoted, require
from neurosim.network.delays import duration as duration_of
from neurosim.network.population import Population
from neurosim.network.projection import Projection
from neurosim.network.sweep import Activity, Sweep, Teaching
from neurosim.neurons import DRIVE, BatchNormalisation, Equations, Neurons, Transfer
from neurosim.plasticity import PlasticityRule, Rule
from neurosim.simulation import Simulated


class Network:
    """A graph of populations joined by projections.

    populations, projections : in any order; the graph decides the order of a sweep.  Each may be part of one network only
    output : the name of the population that does the task; needed if several populations have no projection to others
    seed : with the name of each projection, it decides that projection's initial weights
    dtype : ``float32`` or ``float64``
    dt : how long a tick is, where neurons are equations in time: seconds, text such as ``0.1*ms``, or a quantity of Brian2's
    prefix : put before every name in ``parameters``; networks that belong to a pathway have one

    Raises
    ------
    InputError, ShapeError, UnknownNameError
        An invalid seed, two parts with one name, a part of another network, a projection from or to an unknown population, a
        cycle without a delay, no input or no output, or shapes that do not fit together.
    """

    usual_transfer: ClassVar[str] = "tanh"

    def __init__(
        self,
        populations: Iterable[Population],
        projections: Iterable[Projection],
        *,
        seed: int = 0,
        dtype: str = "float32",
        backend: Backend | None = None,
        prefix: str = "",
        output: str | None = None,
        dt: Any = None,
    ) -> None:
        require(dtype in ("float32", "float64"), f"network: dtype {quoted(dtype)}: expected 'float32' or 'float64'; pick one")
        self.backend = backend or NumpyBackend()
        self.seed = as_seed(seed)
        self.dtype = np.dtype(dtype)
        self.dt = None if dt is None else seconds(dt, "network: dt")
        self.prefix = prefix
        self._runner: Any = None
        self.populations = _by_name("population", populations)
        self.projections = _by_name("projection", projections)
        for p in self.projections.values():
            p.set_tick(self.dt)
        self.run_only = ""  # why it can be in a run, and not in a sweep; empty where it can be in a sweep
        self.order = self._sorted()
        self.inputs, self.outputs = self._ends("input", incoming=True), self._ends("output", incoming=False)
        self.output = self._asked(output)
        self.delays = self._longest_delays()
        self._check_rules()
        for population in self.populations.values():
            population.build(self.backend, self.dtype, self.dt)
        self._check_inputs()
        for p in self.projections.values():
            p.build(self.backend, self.populations[p.pre], self.populations[p.post], self.seed, prefix, self.dtype, self.dt)
            p.carries_spikes = self._carries_spikes(p)
        for part in (*self.populations.values(), *self.projections.values()):
            part.joined = True  # only now: parts of a network that could not be built are free

    @classmethod
    def layered(
        cls,
        shape: tuple[int, ...],
        hidden: Sequence[int],
        classes: int,
        *,
        transfer: str | Transfer | None = None,
        neurons: str | Neurons | None = None,
        normalisation: BatchNormalisation | None = None,
        initial: str = "glorot",
        rule: Rule | str | None = "error_driven",
        readout: str | Neurons = "softmax",
        **options: Any,
    ) -> Network:
        """Return the chain x -> hidden1 -> ... -> output, all to all; ``options`` go to Network.

        transfer, neurons, normalisation : of hidden populations: a transfer (default: ``usual_transfer``), or neurons with a state
        initial, rule : of all projections
        readout : the output's transfer, ``linear`` for real targets, or its neurons
        classes : how many neurons the output has: the classes, or the numbers of a real target
        """
        listed = isinstance(hidden, Iterable) and not isinstance(hidden, str)
        require(listed, f"network: hidden {quoted(hidden)}: expected the hidden populations' sizes; give a list such as [64, 64]")
        curve = cls.usual_transfer if transfer is None and neurons is None else transfer
        populations = [Population("x", shape)]
        populations += [
            Population(f"hidden{k}", n, transfer=curve, neurons=neurons, normalisation=normalisation)
            for k, n in enumerate(hidden, start=1)
        ]
        populations.append(Population("output", classes, neurons=readout))
        names = [population.name for population in populations]
        links = [Projection(a, b, initial=initial, rule=rule) for a, b in pairwise(names)]
        return cls(populations, links, **options)

    def __repr__(self) -> str:
        parts = reprs.listed((self.populations[name].describe() for name in self.order), 8)
        how = f"{self.parameter_count:,} parameters, {self.dtype} on {self.backend.name}, seed {self.seed}"
        return f"<Network of {parts}; {len(self.projections)} projections, {how}>"

    # ------------------------------------------------------------------ structure

    def _sorted(self) -> list[str]:
        graph: dict[str, set[str]] = {name: set() for name in self.populations}
        for projection in self.projections.values():
            for end in (projection.pre, projection.post):
                if end not in self.populations:
                    raise UnknownNameError(f"projection {quoted(projection.name)}: population", end, self.populations)
            if not projection.delay:
                graph[projection.post].add(projection.pre)
        try:
            return list(graphlib.TopologicalSorter(graph).static_order())
        except graphlib.CycleError as cause:
            where = f"network: the projections form a cycle {cause.args[1]}"
            self._leave_to_runs(f"{where}: expected a delay in every cycle; give one of them delay = 1", InputError)
            return list(self.populations)

    def _leave_to_runs(self, reason: str, error: type[InputError]) -> None:
        """Note why the network cannot be in a sweep; raise ``error`` where none of its populations spikes: there is no run then."""
        require(self._spikes, reason, error)
        self.run_only = self.run_only or reason

    @property
    def _spikes(self) -> bool:
        return any(population.neurons.emits == "spike" for population in self.populations.values())

    def _carries_spikes(self, p: Projection) -> bool:
        """Return whether what a projection gets may be spikes; an encoder's arrive by rate neurons."""
        return self.populations[p.pre].neurons.emits == "spike" or (self._spikes and p.pre in self.inputs)

    def _ends(self, kind: str, *, incoming: bool) -> list[str]:
        """Return the populations without projections from others (``incoming``) or to others."""
        others = [p for p in self.projections.values() if p.pre != p.post]
        busy = {p.post if incoming else p.pre for p in others}
        if incoming:
            busy |= {p.post for p in self.projections.values()}
        ends = [name for name in self.order if name not in busy]
        where = "into it" if incoming else "to another"
        if not ends:
            self._leave_to_runs(f"network: no {kind}: expected a population with no projection {where}; add one", ShapeError)
        return ends

    def _asked(self, output: str | None) -> str:
        """Return the output that does the task."""
        if output is not None and output not in self.populations:
            raise UnknownNameError("network: output", output, self.populations)
        ends = [output] if output else self.outputs or self.order[-1:]
        if len(ends) != 1:
            said = f"network: outputs {ends}: expected one, or the name of the one that does the task"
            self._leave_to_runs(f"{said}; give output={ends[0]!r}", ShapeError)
        return ends[0]

    def _longest_delays(self) -> dict[str, int]:
        """Return for each population whose rates travel for some ticks: for how many, at most."""
        longest: dict[str, int] = {}
        for p in self.projections.values():
            if p.delays is not None:
                said = f"projection {quoted(p.name)}: its synapses have delays of their own"
                self._leave_to_runs(f"{said}: expected one delay for all in a sweep; give a number", InputError)
            if p.delay:
                longest[p.pre] = max(p.delay, longest.get(p.pre, 0))
        return longest

    @property
    def input(self) -> str:
        """The input, where there is one; raise ShapeError where there are more."""
        said = f"network: inputs {self.inputs}: this is defined for one input; join them into one population"
        require(len(self.inputs) == 1, said, ShapeError)
        return self.inputs[0]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input; where there are several, (n,): theirs one after the other, each flat."""
        if len(self.inputs) == 1:
            return self.populations[self.inputs[0]].shape
        return (sum(self.populations[name].size for name in self.inputs),)

    def _check_inputs(self) -> None:
        for p in self.projections.values():
            known = self.populations[p.post].neurons.inputs
            if p.into not in known:
                raise UnknownNameError(f"projection {quoted(p.name)} into population {p.post!r}: input", p.into, known)
            self._check_unit(p)
            carries = bool(self.prefix)  # a pathway's projection carries errors, whatever its neurons read
            reads = carries or p.into != DRIVE or self.populations[p.post].neurons.reads_drive
            said = f"projection {quoted(p.name)} into population {p.post!r}: its equations do not name the drive: expected one of"
            require(reads, f"{said} {', '.join(known[1:])}; give into = {known[-1]!r}, or name drive in an equation")

    def _check_unit(self, p: Projection) -> None:
        """Raise InputError where initial weights have another unit than what they add into."""
        post = self.populations[p.post].neurons
        if p.dimensions is None or not isinstance(post, Equations) or (p.into == DRIVE and not post.reads_drive):
            return
        unit = post.unit_of(p.into)
        expected = measure(1 if unit == "1" else f"1*({unit})", "unit").dimensions
        said = f"projection {quoted(p.name)}: initial weights of another unit than {p.into!r}, which is in {unit}"
        require(tuple(p.dimensions) == tuple(expected), f"{said}: expected the same; change it")

    def _check_rules(self) -> None:
        for p in self.projections.values():
            if p.rule is None:
                continue
            remembered = {state.name for state in p.rule.states} if isinstance(p.rule, PlasticityRule) else set()
            pre, post = self.populations[p.pre].neurons, self.populations[p.post].neurons
            sent = set(pre.variables) if not p.delay else {"rate", pre.emits}  # what travels
            for side, wanted, known in (("pre", p.rule.pre, sent), ("post", p.rule.post, {*post.variables, "error"})):
                for name in sorted(wanted - known):
                    where = f"projection {quoted(p.name)}"
                    said = f"{where}: rule {quoted(p.rule.describe())} reads spikes, but population"
                    said += f" {getattr(p, side)!r} sends rates"
                    require(name != "spike", f"{said}: expected neurons that spike; change them, or the rule", EquationError)
                    raise EquationError(
                        f"{where}: {name}_{side} is no variable of population {getattr(p, side)!r}: expected one of "
                        f"{', '.join(f'{k}_{side}' for k in sorted(known))}; change the equation {quoted(p.rule.describe())}"
                    )
                for name in sorted(name for name in known if f"{name}_{side}" in remembered):
                    where = f"projection {quoted(p.name)}"
                    raise EquationError(
                        f"{where}: state {name}_{side} has the name of a variable of its population; give it another"
                    )

    def check_modulators(self, delivered: Collection[str], source: str = "the step") -> None:
        """Raise InputError where a rule reads a modulator that is not ``delivered``.

        source : what delivers them, as the message calls it
        """
        for p in self.projections.values():
            for name in sorted(set() if p.rule is None else set(p.rule.modulators) - set(delivered)):
                known = ", ".join(sorted(delivered)) or "none"
                raise InputError(
                    f"projection {quoted(p.name)}: rule {quoted(p.rule.describe())} reads the modulator {quoted(name)}: {source} "
                    f"delivers {known}; use a task that delivers it, such as Reward, or give a constant of that name"
                )

    def incoming(self, population: str) -> list[Projection]:
        """Return the projections into ``population``."""
        return [p for p in self.projections.values() if p.post == population]

    def outgoing(self, population: str) -> list[Projection]:
        """Return the projections out of ``population``."""
        return [p for p in self.projections.values() if p.pre == population]

    @property
    def hidden(self) -> list[str]:
        """Every population but inputs and outputs, in the order of a sweep."""
        return [name for name in self.order if name not in (*self.inputs, *self.outputs, self.output)]

    def added_into(self, population: str) -> list[str]:
        """Return the inputs that projections into ``population`` add into, in the order in which its neurons list them."""
        reached = {p.into for p in self.incoming(population)}
        return [name for name in self.populations[population].neurons.inputs if name in reached]

    def chain(self, owner: str) -> list[Projection]:
        """Return the projections from input to output, in order.

        Raises ShapeError, naming ``owner``, where the network is not one chain of all-to-all projections into drives.
        """
        ends = list(zip(self.order, self.order[1:], strict=False))
        for p in self.projections.values():
            said = f"{owner}: projection {quoted(p.name)} adds into {quoted(p.into)}: expected all to add into the drive"
            require(p.into == DRIVE, f"{said}, as this scheme is defined for; drop its into", ShapeError)
        known = {(p.pre, p.post): p for p in self.projections.values() if p.connectivity.name == "all_to_all" and not p.delay}
        found = [known[pair] for pair in ends if pair in known]
        path = f"give it one path from {self.inputs[0]!r} to {self.output!r}"
        require(
            len(found) == len(ends) == len(self.projections),
            f"{owner}: the network is no chain of all_to_all projections; {path}",
            ShapeError,
        )
        return found

    # ------------------------------------------------------------------ runs of spiking networks

    def run(
        self,
        duration: Any,
        inputs: Any = None,
        *,
        modulators: Mapping[str, Any] | None = None,
        batch: int | None = None,
        record: Any = None,
        every: Any = None,
        initial: Mapping[str, Any] | None = None,
        seed: int | None = None,
        after: Simulated | None = None,
        keep: int | None = None,
        backend: str = "numpy",
        file: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        resume: bool = False,
    ) -> Simulated:
        """Run trials of a spiking network: event by event, in Brian2's order of a tick, with the plasticity of its rules.

        duration : seconds, text such as ``350*ms``, or a quantity of Brian2
        inputs : input population -> what it is given; where there is one such population, this alone.  PoissonSpikes, LatencySpikes
            and rate neurons take numbers, (*shape) or (batch, *shape), one for all, or an ``InTime``; GivenSpikes take
            ``(index, time)``, one entry a spike, or a list of such pairs, one for each trial
        modulators : what the rules read from outside, such as ``reward`` -> a number, (batch,), or an ``InTime`` of (steps,) or
            (batch, steps); all that a rule reads are needed
        batch : how many trials; by default as many as the inputs and modulators are for
        record : names, ``population.variable`` or ``projection.w``, or name -> which neurons or synapses
        every : time between two recordings, by default a tick
        initial : ``population.variable`` -> its values when the trials begin, (n,) or (batch, n), SI units
        seed : of the random numbers; by default the network's
        after : a run of this network: the trials go on where its trials ended, with their weights; times of inputs and modulators
            count from there
        keep : a trial whose weights the network takes over at the end; by default it keeps its own
        backend : ``numpy`` runs a trial on each core, ``cupy`` all trials at once on a GPU
        file : a run file, into which spikes and recordings go as they come, so that memory does not grow with the duration (None:
            they are in memory); overwrite : whether it may exist; resume : whether to go on with the run that it holds

        Returns ``Simulated``: ``.spikes[population]`` with ``.index``, ``.time`` (s), ``.tick`` and ``.trial``, one entry a spike;
        ``.states[name]``, (batch, times, n); ``.final["projection.w"]``, (batch, synapses), and all other variables.

        Raises
        ------
        InputError
            A network or an input that cannot be in a run, by name, before anything runs; more recordings, trials or spikes than
            there is memory for; an ``after`` of another number of trials.
        BackendError
            ``cupy`` was asked for and no CUDA device answers.
        RunFileError
            ``file`` exists (without ``overwrite``) or cannot be written; or holds no such run that could be resumed.
        """
        from neurosim.brian.running import Runner  # the import of Brian2 takes its time

        self._runner = self._runner or Runner()
        seconds = duration_of(duration, "run: duration")
        steps = None if every is None else duration_of(every, "run: every")
        number = self.seed if seed is None else as_seed(seed)
        found = self._runner.run(
            self, seconds, inputs, modulators, batch, record, steps, initial, number, after, backend, file, overwrite, resume
        )
        if keep is not None:
            self._keep(found, keep)
        return found

    def _keep(self, run: Simulated, trial: int) -> None:
        """Take over the weights that a trial of a run ended with."""
        trials = len(run.left)
        whole = isinstance(trial, int | np.integer) and not isinstance(trial, bool) and 0 <= trial < trials
        require(whole, f"run: keep {quoted(trial)}: expected the number of a trial, 0 to {trials - 1}; give one")
        for p in self.projections.values():
            if f"{p.name}.w" in run.final:
                p.set_weights(run.final[f"{p.name}.w"][trial])

    # ------------------------------------------------------------------ activity

    def fresh(self, x: Any) -> dict[str, Any]:
        """Return the state in which a trial of the inputs ``x``, (batch, ...), begins.

        It is empty where no neurons have a state and no projection has a delay.

        ``population.variable`` -> the neurons' own, (batch, *shape)
        ``population@k`` -> what the population sent k ticks ago, (batch, *shape), at first 0
        """
        starts = {
            f"{name}.{variable}": (population.shape, start)
            for name, population in self.populations.items()
            for variable, start in population.neurons.state().items()
        }
        starts |= {f"{name}@{k}": (self.populations[name].shape, 0.0) for name, n in self.delays.items() for k in range(1, n + 1)}
        return {key: self.backend.full((len(x), *shape), self.dtype, start, x) for key, (shape, start) in starts.items()}

    def sweep(
        self, x: Any, state: Mapping[str, Any] | None = None, *, training: bool = False, draws: Draws | None = None
    ) -> Sweep:
        """Return the activity of every population for the input ``x``, (batch, *input shape), in one tick; nothing learns.

        state : of the sweep before (default: a trial begins)
        training : use the statistics of the batch, and dropout and noise drawn from ``draws``; otherwise use running statistics,
            without dropout and noise

        Raises ShapeError for an input of another shape, InputError where the network can only be in a run (``run_only``).
        """
        require(not self.run_only, f"{self.run_only}, or use Network.run, which needs none of it")
        shape = self.input_shape
        if tuple(x.shape[1:]) != shape:
            raise ShapeError(f"input of shape {tuple(x.shape)}: expected (batch, {', '.join(map(str, shape))}); reshape the data")
        x = self.backend.asarray(x, self.dtype)
        given = self.fresh(x) if state is None else state
        arrived = {p.name: given[f"{p.pre}@{p.delay}"] for p in self.projections.values() if p.delay}
        activity: dict[str, Activity] = {}
        for name, part in self._parts(x).items():
            activity[name] = self.populations[name].respond(part, self._own(name, given), training=training, draws=draws)
        for name in self.order:
            if name not in activity:
                sent = {p.name: arrived[p.name] if p.delay else activity[p.pre].transmitted for p in self.incoming(name)}
                activity[name] = self._respond(name, sent, self._own(name, given), training=training, draws=draws)
        on_the_way = {f"{name}.{key}": value for name, own in activity.items() for key, value in own.state.items()}
        on_the_way |= {f"{name}@1": activity[name].transmitted for name in self.delays}
        on_the_way |= {f"{name}@{k}": given[f"{name}@{k - 1}"] for name, n in self.delays.items() for k in range(2, n + 1)}
        return Sweep.of(activity, training, arrived, on_the_way)

    def _own(self, population: str, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of a state that is a population's own, by variable."""
        return {variable: state[f"{population}.{variable}"] for variable in self.populations[population].neurons.state()}

    def _parts(self, x: Any) -> dict[str, Any]:
        """Return the input of each input population."""
        if len(self.inputs) == 1:
            return {self.inputs[0]: x}
        parts, start = {}, 0
        for name in self.inputs:
            population = self.populations[name]
            parts[name] = x[:, start : start + population.size].reshape(len(x), *population.shape)
            start += population.size
        return parts

    def respond(self, population: str, rates: Mapping[str, Any], *, training: bool = False, draws: Draws | None = None) -> Activity:
        """Return the activity of one ``population`` for given presynaptic ``rates``: name -> (batch, *shape)."""
        sent = {p.name: rates[p.pre] for p in self.incoming(population)}
        return self._respond(population, sent, None, training=training, draws=draws)

    def _respond(
        self, population: str, sent: Mapping[str, Any], state: Mapping[str, Any] | None, *, training: bool, draws: Draws | None
    ) -> Activity:
        inputs: dict[str, Any] = {}
        for p in self.incoming(population):
            part = p.drive(sent[p.name])
            inputs[p.into] = inputs[p.into] + part if p.into in inputs else part
        drive = inputs.pop(DRIVE) if DRIVE in inputs else self.backend.xp.zeros_like(next(iter(inputs.values())))
        return self.populations[population].respond(drive, state, inputs=inputs, training=training, draws=draws)

    def errors_back(
        self, sweep: Sweep, at_output: Teaching, feedback: Mapping[str, Any] | None = None
    ) -> dict[str, Teaching]:
        """Return teaching signals for the populations that reach the output within this tick, sent back projection by projection.

        What goes back through a projection is the error on the input that it adds into.

        feedback : projection name -> weights to send the error back through; the projections' own where absent.  With the own
        weights this is the chain rule, so the errors are minus the exact gradient of the loss behind ``at_output``.
        """
        teaching = {self.output: at_output}
        for name in reversed(self.order):
            if name == self.output or name in self.inputs:
                continue
            error = self.error_from_above(name, teaching, feedback)
            if error is None:
                continue
            population, activity = self.populations[name], sweep[name]
            teaching[name] = population.teach(population.error_on_rate(error, activity), activity)
        return teaching

    def error_from_above(
        self, population: str, teaching: Mapping[str, Teaching], feedback: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the error on what ``population`` transmitted, (batch, *shape), given the teaching of those it projects to.

        Only what it transmits within the tick counts; None where none of those has an error.
        """
        total: Any = None
        for p in self.outgoing(population):
            error = None if p.delay or p.post not in teaching else teaching[p.post].error_on(p.into)
            if error is None:
                continue
            part = p.back(error, None if feedback is None else feedback.get(p.name))
            total = part if total is None else total + part
        return total

    def errors_back_in_time(
        self, sweeps: Sequence[Sweep], at_output: Sequence[Teaching | None], horizon: int | None = None
    ) -> list[dict[str, Teaching]]:
        """Return the teaching signals of every tick of a trial: the chain rule through the graph and through its delays.

        sweeps : tick by tick; at_output : the output's own teaching at each, None where nothing is asked of it
        horizon : ticks in one segment, at whose ends no error goes back (default: none are cut)
        """
        farthest = max(self.delays.values(), default=0)

        def back(later: tuple[Any, Any], sweep: Sweep, asked: Teaching | None, cut: bool) -> tuple[Any, dict[str, Teaching]]:
            taught, on_state = ((), {}) if cut else later  # of the ticks after, the next one first; what that sends back
            teaching: dict[str, Teaching] = {}
            before: dict[str, dict[str, Any]] = {}
            for name in reversed(self.order):
                if name in self.inputs:
                    continue
                population, activity = self.populations[name], sweep[name]
                total = self._error_from_later(name, (teaching, *taught))
                error, on_inputs, after = None, {}, on_state.get(name, {})
                if name == self.output and asked is not None and asked.on_state:
                    after, asked = add_errors(after, asked.on_state), None
                if total is None and after:
                    total = self.backend.xp.zeros_like(activity.rate)
                if total is not None:
                    on_rate = population.error_on_rate(total, activity)
                    error, before[name], on_inputs = population.errors_back(on_rate, after, activity)
                if name == self.output and asked is not None:
                    error = asked.error_on_activation if error is None else error + asked.error_on_activation
                    on_inputs = add_errors(on_inputs, asked.inputs)
                if error is not None:
                    teaching[name] = population.teach_activation(error, activity, on_inputs)
            sent = {name: Teaching(taught.error, inputs=taught.inputs) for name, taught in teaching.items()}
            return ((sent, *taught)[:farthest], before), teaching

        cuts = [horizon is not None and (tick + 1) % horizon == 0 for tick in range(len(sweeps))]
        _, teaching = scan(back, ((), {}), sweeps, at_output, cuts, backwards=True)
        return teaching  # type: ignore[no-any-return]

    def _error_from_later(self, population: str, teaching: Sequence[Mapping[str, Teaching]]) -> Any:
        """Return the error on what ``population`` transmitted in a tick, from all it reached then and later; None where none.

        teaching : of the tick and of those after it, as far as errors come from
        """
        total: Any = None
        for p in self.outgoing(population):
            there = p.delay < len(teaching) and p.post in teaching[p.delay]
            error = teaching[p.delay][p.post].error_on(p.into) if there else None
            if error is not None:
                part = p.back(error)
                total = part if total is None else total + part
        return total

    # ------------------------------------------------------------------ learning

    def propose(
        self,
        sweep: Sweep,
        teaching: Mapping[str, Teaching],
        modulators: Mapping[str, Any] | None = None,
        states: Mapping[str, Any] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return (proposed change of each parameter, next state of each rule), both by name; nothing is changed.

        modulators : what reaches all synapses alike: name -> a number, or (batch,)
        states : of the rules, as the trial's ticks before left them (default: a trial begins).  A state that is not there is the
            network's own, or, of each sample, starts

        A rule reads as ``error_post`` the error on the input that its projection adds into, and rests where the pathway gave none;
        what it remembers of each sample goes on, with an error of 0.  Where the teaching has phases, all this is done in each, one
        after the other, and the proposed changes are summed.

        Raises InputError where a rule reads a modulator that is not there, the teaching is of an input that is not, or populations
        are taught in unequal numbers of phases; ShapeError where a modulator is of another shape.
        """
        counts = {name: len(taught.phases) for name, taught in teaching.items()}
        if not any(counts.values()):
            return self._propose(sweep, teaching, modulators, states or {})
        require(
            len(set(counts.values())) == 1,
            f"teaching: phases of each population: {counts}: expected as many of all; teach all of them in every phase",
        )
        deltas: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for taught in zip(*(of.phases for of in teaching.values()), strict=True):
            one = dict(zip(teaching, taught, strict=True))
            proposed, now = self._propose(sweep, one, modulators, {**(states or {}), **after})
            deltas, after = add_errors(deltas, proposed), {**after, **now}
        return deltas, after

    def _propose(
        self, sweep: Sweep, teaching: Mapping[str, Teaching], modulators: Mapping[str, Any] | None, states: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what rules propose in one phase."""
        for name, taught in teaching.items():
            others = self.populations[name].neurons.inputs[1:]
            for into in taught.inputs:
                if into not in others:
                    label = f"teaching of population {name!r}: input other than the drive"
                    raise UnknownNameError(label, into, others or ["(none)"])
        shared: dict[str, Any] = {}
        if needed := {name for p in self.projections.values() if p.rule is not None for name in p.rule.modulators}:
            given = modulators or {}
            self.check_modulators(given)
            shared = {name: self._modulator(name, given[name], sweep) for name in sorted(needed)}
        deltas: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for projection in self.projections.values():
            taught = teaching.get(projection.post, Teaching())
            rule = projection.rule
            rests = rule is not None and "error" in rule.post and taught.error_on(projection.into) is None
            if rule is None or (rests and not projection.starts):
                continue
            pre, post = self._pre(projection, sweep, teaching), self._post(projection, sweep, taught)
            if rests:
                post["error"] = self.backend.xp.zeros_like(sweep.rate[projection.post])
            own = f"{self.prefix}{projection.name}."
            before = {name.removeprefix(own): value for name, value in states.items() if name.startswith(own)}
            proposal = projection.delta(pre, post, {name: shared[name] for name in rule.modulators}, before)
            after |= {f"{own}{name}": value for name, value in proposal.state.items() if not rests or name in projection.starts}
            if rests:
                continue
            deltas[f"{own}w"] = proposal.dw
            if proposal.db is not None:
                deltas[f"{own}b"] = proposal.db
        for name, taught in teaching.items():
            deltas |= {f"{self.prefix}{name}.{k}": v for k, v in self.populations[name].delta(taught).items()}
        return deltas, after

    def trace_bytes(self, batch: int) -> int:
        """Return the bytes of what rules remember of each of ``batch`` samples within a trial."""
        starts = [start for p in self.projections.values() for start in p.starts.values()]
        return batch * sum(math.prod(start.shape) for start in starts) * self.dtype.itemsize

    def pick_lasting(self, states: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the rules' states that outlive a trial: what is one for all samples."""
        ending = {f"{self.prefix}{p.name}.{name}" for p in self.projections.values() for name in p.starts}
        return {name: value for name, value in states.items() if name not in ending}

    def _modulator(self, name: str, value: Any, sweep: Sweep) -> Any:
        """Return a modulator as one value a sample, (batch,)."""
        value = value if hasattr(value, "astype") else self.backend.asarray(value)
        batch = len(next(iter(sweep.rate.values())))
        require(
            value.shape in ((), (batch,)),
            f"modulator {quoted(name)}: shape {tuple(value.shape)}: expected () or ({batch},), one value a sample; reshape it",
            ShapeError,
        )
        return self.backend.zeros((batch,), self.dtype) + value.astype(self.dtype)

    def _pre(self, projection: Projection, sweep: Sweep, teaching: Mapping[str, Teaching]) -> dict[str, Any]:
        activity, emits = sweep[projection.pre], self.populations[projection.pre].neurons.emits
        clamped = teaching[projection.pre].rate if projection.pre in teaching else None
        if projection.delay:
            return dict.fromkeys(("rate", emits), sweep.arrived[projection.name])
        values = {name: activity.value(name) for name in self.populations[projection.pre].neurons.variables}
        return values | dict.fromkeys(("rate", emits), activity.transmitted if clamped is None else clamped)

    def _post(self, projection: Projection, sweep: Sweep, taught: Teaching) -> dict[str, Any]:
        activity = taught.activity or sweep[projection.post]
        values = {name: activity.value(name) for name in self.populations[projection.post].neurons.variables}
        return values | {"error": taught.error_on(projection.into)}

    def remember(self, sweep: Sweep) -> None:
        """Take the sweep's statistics into the populations' running ones."""
        for name, activity in sweep.activity.items():
            self.populations[name].remember(activity)

    # ------------------------------------------------------------------ values by name

    def parameters(self) -> dict[str, Any]:
        """Return every learned array by name: ``x__hidden1.w``, ``x__hidden1.b``, ``hidden1.gain``, ``hidden1.shift``."""
        own = [(owner.name, owner.parameters) for owner in (*self.projections.values(), *self.populations.values())]
        return {f"{self.prefix}{name}.{key}": value for name, values in own for key, value in values.items()}

    def memory(self) -> dict[str, Any]:
        """Return every array that is remembered but not learned: running statistics and synaptic state."""
        own = [(p.name, p.statistics) for p in self.populations.values()] + [(p.name, p.state) for p in self.projections.values()]
        return {f"{self.prefix}{name}.{key}": value for name, values in own for key, value in values.items()}

    @property
    def parameter_count(self) -> int:
        """How many numbers are learned."""
        of_populations = sum(math.prod(value.shape) for p in self.populations.values() for value in p.parameters.values())
        return of_populations + sum(p.parameter_count for p in self.projections.values())

    def summary(self) -> str:
        """Return populations, projections and their rules as text."""
        lines = ["populations", *(f"  {self.populations[name].describe()}" for name in self.order)]
        lines += ["projections", *(f"  {p.describe()}" for p in self.projections.values())]
        lines += [] if self.dt is None else [f"tick  {self.dt * 1e3:g} ms"]
        lines.append(f"parameters  {self.parameter_count:,} {self.dtype}")
        lines.append("slots  present -> sweep -> teach -> learn -> commit")
        return "\n".join([*lines, *self._run_order()])

    def _run_order(self) -> list[str]:
        """Return what happens in a tick of a run, a slot a line; nothing where no population spikes."""
        neurons = {name: population.neurons for name, population in sorted(self.populations.items())}
        spiking = [name for name, one in neurons.items() if one.emits == "spike"]
        if not spiking:
            return []
        integrated = [name for name in spiking if isinstance(neurons[name], Equations)]
        sending = sorted(p.name for p in self.projections.values() if p.pre in spiking)
        slots = {"integrate": integrated, "threshold": spiking, "deliver": sending, "reset": integrated}
        lines = [f"  {k}. {what}: {', '.join(names)}" for k, (what, names) in enumerate(slots.items(), 1) if names]
        return ["a tick of Network.run; where both sides of a synapse spike, the presynaptic one comes first", *lines]


def add_errors(errors: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, by name, errors or changes; those of one name added."""
    return {**errors, **{name: own + errors[name] if name in errors else own for name, own in more.items()}}


def _by_name(kind: str, items: Iterable[Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for item in items:
        require(item.name not in named, f"{kind} {quoted(item.name)} is there twice: expected one of each name; rename one")
        require(
            not item.joined,
            f"{kind} {quoted(item.name)} is part of another network, whose weights or statistics it holds: expected a new {kind}; "
            f"make one with {kind.title()}(...)",
        )
        named[item.name] = item
    return named
