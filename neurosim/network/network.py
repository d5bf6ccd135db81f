"""Populations joined by projections: a feed-forward graph, checked when it is built."""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from neurosim.backends import Backend, Draws, NumpyBackend, as_seed
from neurosim.errors import EquationError, InputError, ShapeError, UnknownNameError, quoted, require
from neurosim.network.population import Population
from neurosim.network.projection import Projection
from neurosim.network.sweep import Activity, Sweep, Teaching
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import PlasticityRule

PRE_VARIABLES = frozenset({"rate", "drive", "potential"})
POST_VARIABLES = PRE_VARIABLES | {"error"}


class Network:
    """A feed-forward graph of populations with one input and one output.

    populations, projections : in any order, the graph decides the order of a sweep; each is part of one network only
    seed : fixes the initial weights, projection by projection, through the projection's name
    dtype : ``float32`` or ``float64``
    prefix : stands before every name in ``parameters``; a pathway's own networks have one

    Raises
    ------
    InputError, ShapeError, UnknownNameError
        A seed that is none, names twice, parts of another network, a projection from or to nowhere, a cycle, more than one input
        or output, shapes that do not chain.
    """

    def __init__(
        self,
        populations: Iterable[Population],
        projections: Iterable[Projection],
        *,
        seed: int = 0,
        dtype: str = "float32",
        backend: Backend | None = None,
        prefix: str = "",
    ) -> None:
        require(dtype in ("float32", "float64"), f"network: dtype {quoted(dtype)}: expected 'float32' or 'float64'; pick one")
        self.backend = backend or NumpyBackend()
        self.seed = as_seed(seed)
        self.dtype = np.dtype(dtype)
        self.prefix = prefix
        self.populations = _by_name("population", populations)
        self.projections = _by_name("projection", projections)
        self.order = self._sorted()
        self.input, self.output = self._end("input", incoming=True), self._end("output", incoming=False)
        self._check_rules()
        for population in self.populations.values():
            population.build(self.backend, self.dtype)
        for p in self.projections.values():
            p.build(self.backend, self.populations[p.pre], self.populations[p.post], self.seed, prefix, self.dtype)
        for part in (*self.populations.values(), *self.projections.values()):
            part.joined = True  # only now: parts of a network that could not be built are free

    @classmethod
    def layered(
        cls,
        shape: tuple[int, ...],
        hidden: Sequence[int],
        classes: int,
        *,
        transfer: str = "tanh",
        normalisation: BatchNormalisation | None = None,
        initial: str = "glorot",
        **options: Any,
    ) -> Network:
        """Return the chain x -> hidden1 -> ... -> output (softmax over ``classes``), all to all; ``options`` go to Network."""
        populations = [Population("x", shape)]
        populations += [
            Population(f"hidden{k}", n, transfer=transfer, normalisation=normalisation) for k, n in enumerate(hidden, start=1)
        ]
        populations.append(Population("output", classes, transfer="softmax"))
        names = [population.name for population in populations]
        return cls(populations, [Projection(a, b, initial=initial) for a, b in zip(names, names[1:], strict=False)], **options)

    # ------------------------------------------------------------------ structure

    def _sorted(self) -> list[str]:
        graph: dict[str, set[str]] = {name: set() for name in self.populations}
        for projection in self.projections.values():
            for end in (projection.pre, projection.post):
                if end not in self.populations:
                    raise UnknownNameError(f"projection {projection.name!r}: population", end, self.populations)
            graph[projection.post].add(projection.pre)
        try:
            return list(graphlib.TopologicalSorter(graph).static_order())
        except graphlib.CycleError as cause:
            raise InputError(f"network: the projections form a cycle {cause.args[1]}; a feed-forward graph is expected") from cause

    def _end(self, kind: str, *, incoming: bool) -> str:
        """Return the one population without projections into it (``incoming``) or out of it."""
        busy = {p.post if incoming else p.pre for p in self.projections.values()}
        ends = [name for name in self.order if name not in busy]
        require(len(ends) == 1, f"network: {kind} populations {ends}: expected exactly one; join or remove the others", ShapeError)
        return ends[0]

    def _check_rules(self) -> None:
        for p in self.projections.values():
            if p.rule is None:
                continue
            remembered = {state.name for state in p.rule.states} if isinstance(p.rule, PlasticityRule) else set()
            for side, wanted, known in (("pre", p.rule.pre, PRE_VARIABLES), ("post", p.rule.post, POST_VARIABLES)):
                for name in sorted(wanted - known):
                    raise EquationError(
                        f"projection {p.name!r}: {name}_{side} is no variable of a rate population: expected one of "
                        f"{', '.join(f'{k}_{side}' for k in sorted(known))}; change the equation {quoted(p.rule.describe())}"
                    )
                for name in sorted(name for name in known if f"{name}_{side}" in remembered):
                    raise EquationError(
                        f"projection {p.name!r}: state {name}_{side} has the name of a variable of its population; give it another"
                    )

    def check_modulators(self, delivered: Collection[str], source: str = "the step") -> None:
        """Raise InputError where a rule reads a modulator that is not ``delivered``.

        source : what delivers them, as the message calls it
        """
        for p in self.projections.values():
            for name in sorted(set() if p.rule is None else set(p.rule.modulators) - set(delivered)):
                known = ", ".join(sorted(delivered)) or "none"
                raise InputError(
                    f"projection {p.name!r}: rule {quoted(p.rule.describe())} reads the modulator {quoted(name)}: {source} "
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
        """Every population but input and output, in the order of a sweep."""
        return [name for name in self.order if name not in (self.input, self.output)]

    def chain(self, owner: str) -> list[Projection]:
        """Return the projections from input to output, in order.

        Raises ShapeError, naming ``owner``, where the network is not one chain of all-to-all projections.
        """
        chain = [self.projections.get(f"{a}__{b}") for a, b in zip(self.order, self.order[1:], strict=False)]
        found = [p for p in chain if p is not None and p.connectivity.name == "all_to_all"]
        require(
            len(found) == len(chain) == len(self.projections),
            f"{owner}: the network is no chain of all_to_all projections; give it one path from {self.input!r} to {self.output!r}",
            ShapeError,
        )
        return found

    # ------------------------------------------------------------------ activity

    def sweep(self, x: Any, *, training: bool = False, draws: Draws | None = None) -> Sweep:
        """Return the activity of every population for the input ``x``, (batch, *input shape); nothing learns.

        training : batch statistics, dropout and noise, drawn from ``draws``; otherwise running statistics and neither of the two
        """
        shape = self.populations[self.input].shape
        if tuple(x.shape[1:]) != shape:
            raise ShapeError(f"input of shape {tuple(x.shape)}: expected (batch, {', '.join(map(str, shape))}); reshape the data")
        x = self.backend.asarray(x, self.dtype)
        activity = {self.input: self.populations[self.input].respond(x, training=training, draws=draws)}
        for name in self.order:
            if name != self.input:
                rates = {p.pre: activity[p.pre].transmitted for p in self.incoming(name)}
                activity[name] = self.respond(name, rates, training=training, draws=draws)
        return Sweep.of(activity, training)

    def respond(self, population: str, rates: Mapping[str, Any], *, training: bool = False, draws: Draws | None = None) -> Activity:
        """Return the activity of one ``population`` for given presynaptic ``rates``: name -> (batch, *shape)."""
        drive: Any = None
        for projection in self.incoming(population):
            part = projection.drive(rates[projection.pre])
            drive = part if drive is None else drive + part
        return self.populations[population].respond(drive, training=training, draws=draws)

    def errors_back(
        self, sweep: Sweep, at_output: Teaching, feedback: Mapping[str, Any] | None = None
    ) -> dict[str, Teaching]:
        """Return teaching signals for every population but the input, sent back from the output projection by projection.

        feedback : projection name -> weights to send the error back through; the projections' own where absent.  With the own
        weights this is the chain rule, so the errors are minus the exact gradient of the loss behind ``at_output``.
        """
        teaching = {self.output: at_output}
        for name in reversed(self.order):
            if name in (self.input, self.output):
                continue
            error = self.error_from_above(name, teaching, feedback)
            population, activity = self.populations[name], sweep[name]
            teaching[name] = population.teach(population.error_on_rate(error, activity), activity)
        return teaching

    def error_from_above(
        self, population: str, teaching: Mapping[str, Teaching], feedback: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the error on what ``population`` transmitted, (batch, *shape), given the teaching of those it projects to."""
        total: Any = None
        for p in self.outgoing(population):
            part = p.back(teaching[p.post].error, None if feedback is None else feedback.get(p.name))
            total = part if total is None else total + part
        return total

    # ------------------------------------------------------------------ learning

    def propose(
        self, sweep: Sweep, teaching: Mapping[str, Teaching], modulators: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return (proposed change of each parameter, next state of each rule), both by name; nothing is changed.

        modulators : what reaches all synapses alike: name -> a number, or (batch,)

        A rule that needs ``error_post`` rests where the pathway gave its population no error.

        Raises InputError where a rule reads a modulator that is not there, ShapeError where one is of another shape.
        """
        modulators = modulators or {}
        self.check_modulators(modulators)
        needed = {name for p in self.projections.values() if p.rule is not None for name in p.rule.modulators}
        shared = {name: self._modulator(name, modulators[name], sweep) for name in sorted(needed)}
        deltas: dict[str, Any] = {}
        states: dict[str, Any] = {}
        for projection in self.projections.values():
            taught = teaching.get(projection.post, Teaching())
            rule = projection.rule
            if rule is None or ("error" in rule.post and taught.error is None):
                continue
            pre, post = self._pre(projection, sweep, teaching), self._post(projection, sweep, taught)
            proposal = projection.delta(pre, post, {name: shared[name] for name in rule.modulators})
            own = f"{self.prefix}{projection.name}"
            deltas[f"{own}.w"] = proposal.dw
            if proposal.db is not None:
                deltas[f"{own}.b"] = proposal.db
            states |= {f"{own}.{name}": value for name, value in proposal.state.items()}
        for name, taught in teaching.items():
            deltas |= {f"{self.prefix}{name}.{k}": v for k, v in self.populations[name].delta(taught).items()}
        return deltas, states

    def _modulator(self, name: str, value: Any, sweep: Sweep) -> Any:
        """Return a modulator as one value a sample, (batch,)."""
        value = value if hasattr(value, "astype") else self.backend.asarray(value)
        batch = len(sweep.rate[self.input])
        require(
            value.shape in ((), (batch,)),
            f"modulator {quoted(name)}: shape {tuple(value.shape)}: expected () or ({batch},), one value a sample; reshape it",
            ShapeError,
        )
        return self.backend.zeros((batch,), self.dtype) + value.astype(self.dtype)

    def _pre(self, projection: Projection, sweep: Sweep, teaching: Mapping[str, Teaching]) -> dict[str, Any]:
        activity = sweep[projection.pre]
        clamped = teaching[projection.pre].rate if projection.pre in teaching else None
        rate = activity.transmitted if clamped is None else clamped
        return {"rate": rate, "drive": activity.drive, "potential": activity.potential}

    def _post(self, projection: Projection, sweep: Sweep, taught: Teaching) -> dict[str, Any]:
        activity = taught.activity or sweep[projection.post]
        return {"rate": activity.rate, "drive": activity.drive, "potential": activity.potential, "error": taught.error}

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

    def summary(self) -> str:
        """Return populations, projections and their rules as text."""
        lines = ["populations", *(f"  {self.populations[name].describe()}" for name in self.order)]
        lines += ["projections", *(f"  {p.describe()}" for p in self.projections.values())]
        count = sum(int(np.prod(value.shape)) for value in self.parameters().values())
        return "\n".join([*lines, f"parameters  {count:,} {self.dtype}", "slots  present -> sweep -> teach -> learn -> commit"])


def _by_name(kind: str, items: Iterable[Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for item in items:
        require(item.name not in named, f"{kind} {item.name!r} is there twice: expected one of each name; rename one")
        require(
            not item.joined,
            f"{kind} {item.name!r} is part of another network, whose weights or statistics it holds: expected a new {kind}; "
            f"make one with {kind.title()}(...)",
        )
        named[item.name] = item
    return named
