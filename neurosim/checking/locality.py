"""What each proposed change of a step depends on, asked in two ways: by perturbing one thing at a time, and of the step's graph.

A perturbation that has an effect proves a dependence; a graph without a path proves that there is none.  Where a path has no
effect, the perturbation is made stronger, and what then still has none is told apart: it is read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurosim.backends import Draws
from neurosim.capture import Node
from neurosim.checking.following import Following, Mixing
from neurosim.checking.frozen import WRITTEN, Frozen, Recording, Trial, list_arrays, map_activity
from neurosim.errors import NotCapturableError
from neurosim.network import Activity, Network, Projection, Sweep
from neurosim.training.trial import modulators_of

Key = tuple[Any, ...]
Attempt = Callable[[], AbstractContextManager[Trial]]
Arrays = Mapping[str, Any]
Hits = list[dict[str, np.ndarray]]  # of each tick: parameter -> where its change is reached
BITS = 60  # marks that are followed at once
FAR = (1.0, 5.0)  # how far something is moved, in turn, until there is an effect
STANDING = ("slope", "read", "size", "response", "synapse", "onto", "bias", "gain", "own", "own at", "outside")  # no activity
CLOSE = 1e-9  # of the largest number: differences that are rounding


@dataclass(frozen=True)
class Source:
    """One thing that changes may depend on.

    attempts : each perturbs the thing for a while, weakly first, and yields the trial that is then to be asked about
    marks : (node, where it is marked) in the step's graph
    """

    key: Key
    attempts: Sequence[Attempt]
    marks: Sequence[tuple[Node, np.ndarray]] = ()


@dataclass
class Reached:
    """Where changes were found to depend on a source: by perturbing, and in the graph; None where that could not be asked."""

    perturbed: Hits | None
    followed: Hits | None


@dataclass
class Target:
    """What a row of the card is about: its arrays, and the one synapse that is looked at.

    pre, post : populations, "" where there is none; at : of each array, where the synapse is in it; fan_in : where all weights onto
    its neuron are, and the bias; fan_out : where those of its presynaptic neuron are
    """

    name: str
    owner: str
    pre: str
    post: str
    projection: Projection | None = None
    synapse: tuple[int, int] = (0, 0)
    at: dict[str, Any] = field(default_factory=dict)
    fan_in: dict[str, Any] = field(default_factory=dict)
    fan_out: dict[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> set[str]:
        """The populations that it belongs to."""
        return {self.pre, self.post} - {""}

    def hit(self, hits: Hits | None, ticks: Sequence[int], where: Mapping[str, Any] | None = None) -> bool | None:
        """Return whether its change is reached in one of ``ticks``, anywhere or in a part of it; None where nothing was asked."""
        if hits is None:
            return None
        masks = where if where is not None else dict.fromkeys(self.at, True)
        return any(
            bool((hits[tick][name] & mask).any()) for tick in ticks for name, mask in masks.items() if name in hits[tick]
        )

    def beyond(self, *inside: Mapping[str, Any]) -> dict[str, Any]:
        """Return where the rest of its arrays is."""
        return {name: ~np.logical_or.reduce([part[name] for part in inside]) for name in self.at}


class Locality:
    """All sources of one frozen step, and what they reach.

    frozen : the step; whole : whether sources are asked for, or samples only
    tick : the tick in which something is perturbed, by default the middle one
    unwritten : why the step could not be written down as a graph, or an empty text
    """

    def __init__(self, frozen: Frozen, *, whole: bool = True, tick: int | None = None) -> None:
        self.frozen, self.network, self.pathway = frozen, frozen.network, frozen.pathway
        self.tick = frozen.ticks // 2 if tick is None else tick  # in which the output has to be asked
        self.trial = frozen.trial
        self.base = frozen.ask(self.trial)
        self.noise = np.random.default_rng(6)
        self.unwritten, self.recording = "", None
        try:
            self.recording = frozen.record()
        except NotCapturableError as reason:
            self.unwritten = str(reason)
        self.targets = list(self._list_targets())
        self.reached = self._reach({source.key: source for source in self._list_sources()}) if whole else {}

    @property
    def silent(self) -> bool:
        """Whether nothing is proposed in the tick that is perturbed, as where all is taught in the last one."""
        return not any(value.any() for value in self.base[self.tick].values())

    # ------------------------------------------------------------------ rows

    def _list_targets(self) -> Iterator[Target]:
        """Yield a target for each projection, population and array for which something is proposed."""
        shapes = {name: value.shape for tick in self.base for name, value in tick.items()}
        for owner, networks in (("network", [self.network]), ("pathway", list(self.pathway.networks.values()))):
            for network in networks:
                for projection in network.projections.values():
                    names = [f"{network.prefix}{projection.name}.{key}" for key in ("w", "b")]
                    own = {name: shapes.pop(name) for name in names if name in shapes}
                    if own:
                        yield self._of_projection(owner, network.prefix, projection, own)
        for name, shape in sorted(shapes.items(), key=lambda one: one[0].endswith(WRITTEN)):
            stem, _, key = name.rpartition(".")
            population = stem if stem in self.network.populations and key in ("gain", "shift") else ""
            part = {name: np.ones(shape, bool)}
            title = population and f"{population} {key}" or name
            yield Target(title, "network" if population else "pathway", "", population, at=part, fan_in=part, fan_out=part)

    def _of_projection(self, owner: str, prefix: str, p: Projection, own: Mapping[str, tuple[int, ...]]) -> Target:
        pre, post = p.synapses()
        i, j = int(pre[0]), int(post[0])
        places = self._places(prefix, p) if owner == "pathway" else (p.pre, p.post)
        found = Target(prefix + p.name, owner, *places, p, (i, j))
        for name, shape in own.items():
            at, fan_in, fan_out = (np.zeros(shape, bool) for _ in range(3))
            flat: Any = np.unravel_index(j, p.post_shape)
            if name.endswith(".b"):
                fan_in[flat] = True
            elif p.connectivity.matrix:
                at[i, j], fan_in[:, j], fan_out[i] = True, True, True
            elif shape == p.post_shape:  # one to one
                at[flat] = fan_in[flat] = fan_out[flat] = True
            else:  # whatever it is: nothing is told apart
                at[...] = fan_in[...] = fan_out[...] = True
            found.at[name], found.fan_in[name], found.fan_out[name] = at, fan_in, fan_out
        return found

    def _places(self, prefix: str, p: Projection) -> tuple[str, str]:
        """Return the network's populations that a projection of the pathway joins, as far as names and sizes say so."""
        known = self.network.populations
        pre, post = (
            name if name in known and known[name].size == int(np.prod(shape)) else ""
            for name, shape in ((p.pre, p.pre_shape), (p.post, p.post_shape))
        )
        inside = [part for part in prefix.replace("__", "/").split("/") if part in known]
        return (pre, post) if pre or post or not inside else (inside[0], "")

    # ------------------------------------------------------------------ sources

    def _list_sources(self) -> Iterator[Source]:
        for name in self.network.order:
            yield self._of_activity(("population", name), name, None)
        for name, neuron in sorted({end for target in self.targets for end in _ends(target, self.network)}):
            yield self._of_activity(("neuron", name, neuron), name, neuron)
            yield self._of_slope(name, neuron)
        for p in self.network.projections.values():
            if p.delay:
                yield self._of_arrived(p)
            yield from self._of_weights(p)
        for name, values in self._list_gains():
            yield self._of_array(("gain", name), values)
        yield from self._of_task()
        for name, values in self.pathway.parameters().items():
            yield self._of_array(("own", name), values)
            yield from self._of_own_synapse(name, values)
        for name, values in self.pathway.memory().items():
            yield self._of_array(("own", name), values)
        for name, values in self.frozen.outside.items():
            yield self._of_array(("outside", name), values)

    def _inputs(self, *key: Any) -> list[Node]:
        """Return the graph's inputs for a part of the trial."""
        return [] if self.recording is None else self.recording.inputs.get(key, [])

    def _leaf(self, values: Any) -> list[Node]:
        return [] if self.recording is None or not values.flags.c_contiguous else [self.recording.graph.leaf(values)]

    def _of_activity(self, key: Key, name: str, neuron: int | None) -> Source:
        """Return the activity of a population in the tick, or that of one of its neurons."""
        shape = self.network.populations[name].shape
        at: Any = None if neuron is None else np.unravel_index(neuron, shape)

        def select(array: Any) -> np.ndarray:
            chosen = np.full(array.shape, at is None)
            if at is not None:
                chosen[(..., *at)] = True
            return chosen

        def perturb(far: float, inconsistent: bool) -> Attempt:
            def attempt() -> AbstractContextManager[Trial]:
                sweep = self.trial.sweeps[self.tick]
                moved = self._jitter(sweep[name]) if inconsistent else self._respond(sweep, name, far)
                olds, news = list_arrays(sweep[name]), list_arrays(moved)
                blended = {id(old): np.where(select(old), new, old) for old, new in zip(olds, news, strict=True)}
                return nullcontext(self._with(name, map_activity(sweep[name], lambda array: blended[id(array)])))

            return attempt

        attempts = [*(perturb(far, False) for far in FAR), perturb(1.0, True)]
        nodes = [*self._inputs("activity", self.tick, name), *([] if at else self._inputs("travels", self.tick, name))]
        return Source(key, attempts, [(node, select(node)) for node in nodes])

    def _with(self, name: str, activity: Activity, tick: int | None = None) -> Trial:
        tick = self.tick if tick is None else tick
        sweep = self.trial.sweeps[tick]
        return self.trial.at(tick, sweep=_replace(sweep, **{name: activity}))

    def _respond(self, sweep: Sweep, name: str, far: float, rows: Any = slice(None), tick: int | None = None) -> Activity:
        """Return what a population does where its drive is another in some samples."""
        before = sweep[name]
        drive = before.drive.copy()
        drive[rows] += (far * self.noise.normal(size=drive[rows].shape)).astype(drive.dtype)
        options: dict[str, Any] = {"inputs": before.inputs, "training": sweep.training}
        draws = self.frozen.draws(self.tick if tick is None else tick)
        return self.network.populations[name].respond(drive, before.before or None, draws=draws, **options)

    def _jitter(self, activity: Activity) -> Activity:
        """Return an activity whose arrays are all moved, whether they fit together or not: nothing is read that is not moved."""
        return map_activity(activity, lambda array: array + self.noise.normal(size=array.shape).astype(array.dtype))

    def _of_arrived(self, p: Projection) -> Source:
        rate = self.trial.sweeps[self.tick].arrived[p.name]

        def perturb(far: float) -> Attempt:
            def attempt() -> AbstractContextManager[Trial]:
                sweep = self.trial.sweeps[self.tick]
                moved = {**sweep.arrived, p.name: rate + far * self.noise.normal(size=rate.shape).astype(rate.dtype)}
                other = Sweep.of(sweep.activity, sweep.training, moved, sweep.state)
                return nullcontext(self.trial.at(self.tick, sweep=other))

            return attempt

        nodes = self._inputs("arrived", self.tick, p.name)
        return Source(("arrived", p.name), [perturb(far) for far in FAR], [(node, np.ones(node.shape, bool)) for node in nodes])

    def _of_slope(self, name: str, neuron: int) -> Source:
        shape = self.network.populations[name].shape
        chosen = np.zeros((1, *shape), bool)
        at: Any = (0, *np.unravel_index(neuron, shape))
        chosen[at] = True

        def factor(population: str, error: Any) -> Any:
            return np.where(chosen, 1.5, 1.0).astype(error.dtype) if population == name else error.dtype.type(1)

        @contextmanager
        def attempt() -> Iterator[Trial]:
            with self.frozen.slopes(factor):
                yield self.trial

        nodes = self._inputs("slope", name)
        return Source(("slope", name, neuron), [attempt], [(node, np.broadcast_to(chosen, node.shape)) for node in nodes])

    def _of_weights(self, p: Projection) -> Iterator[Source]:
        """Yield the weights of a projection: read, in what it makes of activity, in their sizes, and those of one synapse."""
        arrays = p.parameters
        whole = {name: np.ones(values.shape, bool) for name, values in arrays.items()}
        yield self._of_arrays(("read", p.name), arrays, whole, unread=p)
        scaled = self._of_arrays(("size", p.name), arrays, whole, scale=True, unread=p)
        yield dataclasses.replace(scaled, marks=[(node, mask) for node in self._leaf(p.w) for mask in [whole["w"]]])
        yield self._of_response(p)
        pre, post = p.synapses()
        i, j = int(pre[0]), int(post[0])
        flat: Any = np.unravel_index(j, p.post_shape)
        one, onto = np.zeros(p.w.shape, bool), np.zeros(p.w.shape, bool)
        if p.connectivity.matrix:
            one[i, j], onto[:, j] = True, True
        elif p.w.shape == p.post_shape:
            one[flat] = onto[flat] = True
        else:
            one[...] = onto[...] = True
        bias = {name: np.zeros(values.shape, bool) for name, values in arrays.items() if name == "b"}
        for mask in bias.values():
            mask[flat] = True
        yield self._of_arrays(("synapse", p.name), arrays, {"w": one}, unread=p)
        yield self._of_arrays(("onto", p.name), arrays, {"w": onto, **bias}, unread=p)
        if bias:
            yield self._of_arrays(("bias", p.name), arrays, bias, unread=p)

    def _of_arrays(
        self, key: Key, arrays: Arrays, where: Mapping[str, Any], *, scale: bool = False, unread: Projection | None = None
    ) -> Source:
        """Return some elements of arrays; of the projection ``unread``, its responses stay as they were."""

        def perturb(far: float) -> Attempt:
            @contextmanager
            def attempt() -> Iterator[Trial]:
                before = {name: arrays[name].copy() for name in where}
                plain = {} if unread is None else {**unread.parameters, **before}
                for name, mask in where.items():
                    size = arrays[name].shape
                    draw = self.noise.uniform(0.5, 2, size) if scale else far * self.noise.normal(size=size)
                    moved = arrays[name] * draw if scale else arrays[name] + draw
                    arrays[name][...] = np.where(mask, moved, arrays[name])
                try:
                    with self.frozen.responses({} if unread is None else {unread.name: lambda _: plain}):
                        yield self.trial
                finally:
                    for name, values in before.items():
                        arrays[name][...] = values

            return attempt

        marks = [(node, mask) for name, mask in where.items() for node in self._leaf(arrays[name])]
        return Source(key, [perturb(far) for far in FAR[: 1 if scale else None]], marks)

    def _of_response(self, p: Projection) -> Source:
        @contextmanager
        def attempt() -> Iterator[Trial]:
            other = {name: w + self.noise.normal(size=w.shape).astype(w.dtype) for name, w in p.parameters.items()}
            with self.frozen.responses({p.name: lambda _: other}):
                yield self.trial

        return Source(("response", p.name), [attempt], [(n, np.ones(n.shape, bool)) for n in self._inputs("response", p.name)])

    def _list_gains(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name, population in self.network.populations.items():
            if population.parameters:
                yield name, population.parameters

    def _of_array(self, key: Key, values: Any) -> Source:
        arrays = dict(values) if isinstance(values, Mapping) else {key[-1]: values}
        return self._of_arrays(key, arrays, {name: np.ones(one.shape, bool) for name, one in arrays.items()})

    def _of_own_synapse(self, name: str, values: Any) -> Iterator[Source]:
        """Yield the looked-at synapse of one of the pathway's projections."""
        for target in self.targets:
            if name in target.at and target.owner == "pathway":
                yield self._of_arrays(("own at", name), {name: values}, {name: target.at[name]})

    # ------------------------------------------------------------------ what the task brings

    def _of_task(self) -> Iterator[Source]:
        tick, trial, frozen = self.tick, self.trial, self.frozen
        ones = lambda nodes: [(node, np.ones(node.shape, bool)) for node in nodes]  # noqa: E731

        def labelled(rows: slice) -> Attempt:
            return lambda: nullcontext(self._with_labels(np.roll(frozen.target, 1, axis=1), rows))

        # those of some samples only, too: where classes are merely renamed, similarities stay as they are
        yield Source(("labels",), [labelled(slice(None)), labelled(slice(3))], ones(self._inputs("target", tick)))
        yield Source(("direct",), self._list_direct(), ones(self._inputs("target", tick)))
        if trial.modulators[tick]:  # what the pathway is given is another, and what is broadcast is as it was
            outcome = self._with_labels(np.roll(frozen.target, 1, axis=1), slice(None)).outcomes[tick]
            yield Source(("outcome",), [lambda: nullcontext(trial.at(tick, outcome=outcome))])
        x = trial.shown[tick]

        def shown() -> AbstractContextManager[Trial]:
            return nullcontext(trial.at(tick, shown=x + self.noise.normal(size=x.shape).astype(x.dtype)))

        yield Source(("shown",), [shown], ones(self._inputs("shown", tick)))
        for name in trial.modulators[tick]:

            def broadcast(name: str = name) -> AbstractContextManager[Trial]:
                values = trial.modulators[tick]
                moved = np.asarray(values[name]) + self.noise.normal(size=np.shape(values[name]))
                return nullcontext(trial.at(tick, modulators={**values, name: moved}))

            nodes = [] if self.recording is None else [self.recording.broadcast[tick][name]]
            yield Source(("modulator", name), [broadcast], ones(nodes))

    def _with_labels(self, target: Any, rows: Any) -> Trial:
        """Return the trial with other labels for some samples in the tick, and all that the task makes of them."""
        changed = self.frozen.target.copy()
        changed[rows] = target[rows]
        outcome = self.frozen.outcome(self.tick, self.trial.sweeps[self.tick], changed)
        return self.trial.at(self.tick, outcome=outcome, modulators=modulators_of(self.pathway.task, outcome))

    def _list_direct(self) -> list[Attempt]:
        """Return what moves labels and the output with them, so that the output's error stays; nothing where there is no way."""
        task, output = self.pathway.task, self.network.output
        if not (task.gives_target and task.has_error):
            return []
        target = np.roll(self.frozen.target, 1, axis=1)
        other = self._with_labels(target, slice(3))
        before = self.trial.sweeps[self.tick][output]
        shift = (other.outcomes[self.tick] - self.trial.outcomes[self.tick]).reshape(before.rate.shape).astype(before.rate.dtype)
        rate = before.rate + shift
        moved = dataclasses.replace(before, rate=rate, transmitted=rate)
        population = self.network.populations[output]
        error, shifted = (
            task.teach(population, activity, trial.outcomes[self.tick]).error
            for activity, trial in ((before, self.trial), (moved, other))
        )
        if not np.allclose(error, shifted, rtol=1e-6, atol=1e-9):
            return []
        trial = dataclasses.replace(other, sweeps=self._with(output, moved).sweeps)
        return [lambda: nullcontext(trial)]

    # ------------------------------------------------------------------ asking both

    def _reach(self, sources: Mapping[Key, Source]) -> dict[Key, Reached]:
        followed = self._follow(sources)
        idle = self._list_idle(sources, followed)
        nothing = [{name: np.zeros(value.shape, bool) for name, value in tick.items()} for tick in self.base]
        return {
            key: Reached(nothing if key in idle else self._perturb(source, followed.get(key)), followed.get(key))
            for key, source in sources.items()
        }

    def _list_idle(self, sources: Mapping[Key, Source], followed: Mapping[Key, Hits]) -> set[Key]:
        """Return sources that move nothing: those of a kind of which the graph expects that are perturbed all at once."""
        kinds: dict[str, list[Key]] = {}
        for key in sources:
            if key[0] in STANDING and not _any(followed.get(key, [])):
                kinds.setdefault(key[0], []).append(key)
        found: set[Key] = set()
        for keys in kinds.values():
            with ExitStack() as stack:
                for key in keys:
                    stack.enter_context(sources[key].attempts[-1]())
                if not _any(self._differ(self.frozen.ask(self.trial))):
                    found |= set(keys)
        return found

    def _perturb(self, source: Source, followed: Hits | None) -> Hits | None:
        """Return what a perturbation moves: the first one, and, as long as the graph shows more, stronger ones too."""
        hits: Hits | None = None
        close = CLOSE if source.key == ("direct",) else 0.0
        for attempt in source.attempts:
            with attempt() as trial:
                more = self._differ(self.frozen.ask(trial), close)
            hits = more if hits is None else [
                {name: mask | other[name] for name, mask in tick.items()} for tick, other in zip(hits, more, strict=True)
            ]  # fmt: skip
            if followed is not None and _covers(hits, followed):
                break
        return hits

    def _differ(self, found: list[dict[str, Any]], close: float = 0.0) -> Hits:
        """Return where proposals differ from those of the unperturbed step."""
        hits: Hits = []
        for before, after in zip(self.base, found, strict=True):
            tick = {}
            for name, value in before.items():
                other = after.get(name)
                if other is None or other.shape != value.shape:
                    tick[name] = np.ones(value.shape, bool)
                    continue
                apart = (value != other) & ~(np.isnan(value) & np.isnan(other))
                if close:
                    apart &= np.abs(value - other) > close * max(float(np.abs(value).max(initial=0)), 1e-3)
                tick[name] = apart
            hits.append(tick)
        return hits

    def _follow(self, sources: Mapping[Key, Source]) -> dict[Key, Hits]:
        """Return what the graph says that each source reaches."""
        if self.recording is None:
            return {}
        found: dict[Key, Hits] = {}
        keys = list(sources)
        for start in range(0, len(keys), BITS):
            bits = {key: np.uint64(1 << k) for k, key in enumerate(keys[start : start + BITS])}
            marks: dict[Node, np.ndarray] = {}
            for key, bit in bits.items():
                for node, mask in sources[key].marks:
                    marks[node] = marks.get(node, np.zeros(node.shape, np.uint64)) | np.where(mask, bit, np.uint64(0))
            sizes = _sum(bit for key, bit in bits.items() if key[0] == "size")
            following = Following(marks, self._taken(bits), sizes)
            after = self._arrive(self.recording, following)
            for key, bit in bits.items():
                found[key] = [{name: (value & bit) != 0 for name, value in tick.items()} for tick in after]
        return found

    def _taken(self, bits: Mapping[Key, np.uint64]) -> dict[Node, np.uint64]:
        """Return where labels end that are looked for beside the output's error, and beside what the task makes of them."""
        recording = self.recording
        if ("direct",) not in bits or recording is None:
            return {}
        ends = set(recording.errors)
        honest = set(self.trial.modulators[self.tick]) - self.smuggled
        ends |= {node for tick in recording.broadcast for name, node in tick.items() if name in honest}
        ends |= set() if self.pathway.task.gives_target else recording.outcomes
        return dict.fromkeys(ends, bits["direct",])

    def _arrive(self, recording: Recording, following: Following) -> list[dict[str, np.ndarray]]:
        """Return the marks of every proposal."""
        nodes = [node for tick in recording.proposals for node in tick.values()]
        marks = iter(following.follow(nodes))
        return [{name: next(marks) for name in tick} for tick in recording.proposals]

    # ------------------------------------------------------------------ other samples

    def reach_samples(self) -> Reached:
        """Return where changes are no mean over samples: what one sample adds depends on the others."""
        return Reached(self._mix_perturbed(), self._mix_followed())

    def _mix_perturbed(self) -> Hits:
        """One sample is moved, the others are, and both: where a change is a sum over samples, the effects add up."""
        first, rest, batch = slice(0, 1), slice(1, None), len(self.frozen.target)
        sweep = self.trial.sweeps[self.tick]
        moved = {name: self._respond(sweep, name, 1.0) for name in self.network.order}

        def ask(*rows: slice) -> list[dict[str, Any]]:
            chosen = np.zeros(batch, bool)
            for part in rows:
                chosen[part] = True
            activity = {name: _blend_samples(sweep[name], moved[name], chosen) for name in self.network.order}
            trial = self._with_labels(np.roll(self.frozen.target, 1, axis=1), chosen)
            return self.frozen.ask(trial.at(self.tick, sweep=_replace(sweep, **activity)))

        one, others, both = ask(first), ask(rest), ask(first, rest)
        hits: Hits = []
        for tick, base in enumerate(self.base):
            found = {}
            for name, value in base.items():
                parts = [np.asarray(each[tick].get(name, value)) for each in (one, others, both)]
                off = np.abs(parts[2] - parts[1] - parts[0] + value)
                scale = max(float(np.abs(part).max(initial=0)) for part in (*parts, value))
                found[name] = off > CLOSE * scale
            hits.append(found)
        return hits

    def _mix_followed(self) -> Hits | None:
        if self.recording is None:
            return None
        one, other, mixed = (np.uint64(1 << k) for k in range(3))
        marks: dict[Node, np.ndarray] = {}
        batch = len(self.frozen.target)
        for key, nodes in self.recording.inputs.items():
            if key[0] in ("slope", "response"):
                continue
            for node in nodes:
                value = np.full(node.shape, one | other | mixed, np.uint64)  # statistics of the batch
                if node.shape[:1] == (batch,) and (len(node.shape) > 1 or key[0] == "target"):
                    value[0], value[1:] = one, other
                marks[node] = value
        after = self._arrive(self.recording, Following(marks, mixing=Mixing(one, other, mixed)))
        return [{name: (value & mixed) != 0 for name, value in tick.items()} for tick in after]

    # ------------------------------------------------------------------ steps before

    def reach_steps(self) -> dict[str, Hits]:
        """Return what of the step before changes depend on, through what rules and pathway remember: name -> where.

        ``activity``, ``input``, ``labels``, and ``weights`` of a projection by its name
        """
        base, self.base = self.base, self.frozen.ask(self.trial, before=nullcontext(self.trial))
        try:
            found = {name: self._differ(self.frozen.ask(self.trial, before=trial)) for name, trial in self._list_befores().items()}
            every = [self._perturb_weights(p) for p in self.network.projections.values()]
            if _any(self._differ(self.frozen.ask(self.trial, before=_together(every, self.trial)))):
                for p in self.network.projections.values():
                    found[p.name] = self._differ(self.frozen.ask(self.trial, before=self._perturb_weights(p)))
            return found
        finally:
            self.base = base

    def _list_befores(self) -> dict[str, AbstractContextManager[Trial]]:
        tick, trial = self.tick, self.trial
        inputs = self.network.inputs
        moved = {name: self._respond(trial.sweeps[tick], name, 5.0) for name in self.network.order}
        sides = {"input": {name: one for name, one in moved.items() if name in inputs}}
        sides["activity"] = {name: one for name, one in moved.items() if name not in inputs}
        befores = {name: trial.at(tick, sweep=_replace(trial.sweeps[tick], **side)) for name, side in sides.items()}
        befores["labels"] = self._with_labels(np.roll(self.frozen.target, 1, axis=1), slice(3))
        return {name: nullcontext(one) for name, one in befores.items()}

    @contextmanager
    def _perturb_weights(self, p: Projection) -> Iterator[Trial]:
        """Perturb the weights of a projection, read or in its responses, for a while."""
        before = p.w.copy()
        p.w[...] += self.noise.normal(size=p.w.shape)
        try:
            yield self.trial
        finally:
            p.w[...] = before

    @property
    def smuggled(self) -> set[str]:
        """The modulators that bring the label itself: with output and labels renamed alike, they are others.

        A reward asks only whether what the network did was right, whatever the classes are called.
        """
        task = self.pathway.task
        if not task.modulators:
            return set()
        tick, output = self.tick, self.network.output
        before = self.trial.sweeps[tick]
        turned = map_activity(before[output], lambda array: np.roll(array, 1, axis=-1))
        renamed = _replace(before, **{output: turned})
        values = []
        for sweep, target in ((before, self.frozen.target), (renamed, np.roll(self.frozen.target, 1, axis=1))):
            outcome = task.outcome(self.network.backend, sweep[output], target, Even())
            values.append(modulators_of(task, outcome))
        return {name for name in values[0] if not np.allclose(values[0][name], values[1][name])}


@contextmanager
def _together(perturbed: Sequence[AbstractContextManager[Trial]], trial: Trial) -> Iterator[Trial]:
    with ExitStack() as stack:
        for one in perturbed:
            stack.enter_context(one)
        yield trial


class Even(Draws):
    """Random numbers that are all alike, so that classes can be renamed."""

    def uniform(self, stream: str, shape: tuple[int, ...], dtype: Any, *, part: int = 0) -> Any:
        return np.full(shape, 0.5, dtype)


def _sum(bits: Iterator[np.uint64]) -> np.uint64:
    total = np.uint64(0)
    for bit in bits:
        total |= bit
    return total


def _any(hits: Hits) -> bool:
    return any(mask.any() for tick in hits for mask in tick.values())


def _covers(hits: Hits, followed: Hits) -> bool:
    """Return whether what was moved is all that the graph shows."""
    pairs = [(mask, hits[k][name]) for k, tick in enumerate(followed) for name, mask in tick.items() if name in hits[k]]
    return all(not (mask & ~moved).any() for mask, moved in pairs)


def _replace(sweep: Sweep, **activity: Activity) -> Sweep:
    return Sweep.of({**sweep.activity, **activity}, sweep.training, sweep.arrived, sweep.state)


def _blend_samples(before: Activity, after: Activity, chosen: np.ndarray) -> Activity:
    """Return an activity of which the chosen samples are those of ``after``; statistics of the batch stay as they were."""
    blended: dict[int, Any] = {}
    for old, new in zip(list_arrays(before), list_arrays(after), strict=True):
        own = old.shape == before.drive.shape
        blended[id(old)] = np.where(chosen.reshape(-1, *(1 for _ in old.shape[1:])), new, old) if own else old
    return map_activity(before, lambda array: blended[id(array)])


def _ends(target: Target, network: Network) -> Iterator[tuple[str, int]]:
    """Yield (population, neuron) of both ends of the looked-at synapse."""
    for name, neuron in zip((target.pre, target.post), target.synapse, strict=True):
        if name:
            yield name, neuron if neuron < network.populations[name].size else 0
