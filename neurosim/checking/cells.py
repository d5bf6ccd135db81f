"""From what was found to reach changes to the cells of a locality card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from neurosim.checking.frozen import WRITTEN
from neurosim.checking.locality import Key, Locality, Reached, Target
from neurosim.network import Network, Projection
from neurosim.runfile.locality_card import BEFORE, COLUMNS, NO, NONE, READS, YES, Cell, Row, Through, state_of

Where = Mapping[str, Any]



class Cells:
    """The cells of every row of a card, of one step whose ``found`` sources were asked for.

    apart : what was found of samples where batch normalisation is switched off; None where there is none
    aside : what was found of a tick in the middle of the trial, where ``found`` is of its last one
    """

    def __init__(self, found: Locality, apart: Locality | None = None, aside: Locality | None = None) -> None:
        self.found, self.network, self.aside = found, found.network, aside or found
        self.samples, self.steps = found.reach_samples(), found.reach_steps()
        self.apart = None if apart is None else apart.reach_samples()
        ticks = range(found.frozen.ticks)
        self.now, self.all = [found.tick], list(ticks)
        middle = self.aside.tick
        self.after, self.before = [k for k in ticks if k > middle], [k for k in ticks if k < middle]

    def list_rows(self) -> list[Row]:
        """Return a row for each projection that learns, and for each other array."""
        return [Row(t.name, t.owner, t.pre, t.post, self._row(t)) for t in self.found.targets]

    def _row(self, target: Target) -> dict[str, Cell]:
        return {column: getattr(self, f"_{column}")(target) for column in COLUMNS}

    # ------------------------------------------------------------------ asking

    def _state(self, target: Target, key: Key, ticks: Sequence[int], where: Where | None = None) -> str:
        """Return how the target's change depends on a source, in some ticks, in all of its arrays or a part of them."""
        reached = self.found.reached.get(key)
        return NO if reached is None else _state(target, reached, ticks, where)

    def _cell(self, target: Target, key: Key, where: Where | None = None) -> Cell:
        return Cell(self._state(target, key, self.now, where))

    def _keys(self, kind: str) -> Iterator[Key]:
        return (key for key in self.found.reached if key[0] == kind)

    def _outward(self, target: Target) -> Where:
        """Return where the changes of all synapses but those onto the looked-at neuron are."""
        return target.beyond(target.fan_in)

    # ------------------------------------------------------------------ its own

    def _pre(self, target: Target) -> Cell:
        p = target.projection
        if not target.pre or p is None:
            return Cell(NONE)
        if target.owner == "network" and p.delay:
            return self._cell(target, ("arrived", p.name))
        return self._cell(target, self._end(target.pre, target.synapse[0]), target.fan_out)

    def _post(self, target: Target) -> Cell:
        if not target.post:
            return Cell(NONE)
        return self._cell(target, self._end(target.post, target.synapse[1]), target.fan_in)

    def _slope(self, target: Target) -> Cell:
        if not target.post:
            return Cell(NONE)
        return self._cell(target, ("slope", *self._end(target.post, target.synapse[1])[1:]), target.fan_in)

    def _end(self, population: str, neuron: int) -> Key:
        return "neuron", population, neuron if neuron < self.network.populations[population].size else 0

    def _near(self, target: Target) -> Cell:
        p, found = target.projection, []
        delayed = target.owner == "network" and p is not None and p.delay
        if target.pre and p is not None and not delayed and target.pre != target.post:
            found.append(Through(target.pre, self._state(target, self._end(target.pre, target.synapse[0]), self.now,
                                                         target.beyond(target.fan_out))))  # fmt: skip
        if target.post:
            key = self._end(target.post, target.synapse[1])
            found.append(Through(target.post, self._state(target, key, self.now, target.beyond(target.fan_in))))
        return Cell.join(found) if found else Cell(NONE)

    def _weight(self, target: Target) -> Cell:
        if target.owner == "network" and target.projection is not None:
            return self._cell(target, ("synapse", target.projection.name), target.at)
        if target.owner == "network":
            return self._cell(target, ("gain", target.post))
        return Cell(_strongest([self._state(target, ("own at", name), self.now, target.at) for name in target.at]))

    def _fan_in(self, target: Target) -> Cell:
        beside = {name: mask & ~target.at[name] for name, mask in target.fan_in.items()}
        if target.owner == "pathway":
            return Cell(_strongest([self._state(target, ("own at", name), self.now, beside) for name in target.at]))
        p, found = target.projection, []
        if p is not None:
            weights = {name: mask for name, mask in beside.items() if name.endswith(".w")}
            found.append(Through(p.name, self._state(target, ("synapse", p.name), self.now, beside)))
            found.append(Through(f"{p.name}.b", self._state(target, ("bias", p.name), self.now, weights)))
            found.append(Through(f"gain of {p.post}", self._state(target, ("gain", p.post), self.all)))
        for q in self.network.incoming(target.post):
            if q is not p:
                found.append(Through(q.name, self._state(target, ("onto", q.name), self.all, target.fan_in)))
        return Cell.join(found)

    def _scalar(self, target: Target) -> Cell:
        return Cell.join([Through(key[1], self._state(target, key, self.all)) for key in self._keys("modulator")])

    def _samples(self, target: Target) -> Cell:
        state = _state(target, self.samples, self.all)
        if state != NO and self.apart is not None and _state(target, self.apart, self.all) == NO:
            return Cell(state, (Through("batch normalisation", state),))
        return Cell(state)

    # ------------------------------------------------------------------ elsewhere

    def _weights(self, target: Target) -> Cell:
        found = []
        for q in self.network.projections.values():
            own = target.owner == "network" and q is target.projection
            into = target.owner == "network" and q.post == target.post
            where = self._outward(target) if into else None
            read = self._state(target, ("synapse" if own else "read", q.name), self.all, where)
            used = self._state(target, ("response", q.name), self.all)
            state = _strongest([read, used])
            if state == NO:
                continue
            values = self._state(target, ("size", q.name), self.all)
            how = "its responses" if read == NO else "values" if values in (YES, "!!") else "signs" if state != READS else ""
            notes = [note for note in (how, "" if own else self._distance(target, q)) if note]
            found.append(Through(q.name, state, ", ".join(notes)))
        for key in self._keys("gain"):
            if key[1] != target.post or target.owner == "pathway":
                found.append(Through(f"gain of {key[1]}", self._state(target, key, self.all)))
        for name, hits in self.steps.items():
            if name in self.network.projections and target.hit(hits, self.all):
                found.append(Through(name, YES, BEFORE))
        return Cell.join(found)

    def _distance(self, target: Target, q: Projection) -> str:
        hops = count_hops(self.network, target.post, q) if target.owner == "network" else None
        return "" if hops is None else f"{hops} hop{'s' if hops > 1 else ''}"

    def _layers(self, target: Target) -> Cell:
        names = [name for name in self.network.order if name not in (*target.home, *self.network.inputs)]
        found = [Through(name, self._state(target, ("population", name), self.now)) for name in names]
        return Cell.join([*found, *self._list_delayed(target, inputs=False)])

    def _list_delayed(self, target: Target, inputs: bool) -> list[Through]:
        """Return what arrives through other projections with a delay."""
        found = []
        for key in self._keys("arrived"):
            q = self.network.projections[key[1]]
            own = target.owner == "network" and q is target.projection
            if not own and (q.pre in self.network.inputs) == inputs:
                found.append(Through(f"what {q.name} brings", self._state(target, key, self.now)))
        return found

    def _labels(self, target: Target) -> Cell:
        reached = self.found.reached
        state = self._state(target, ("labels",), self.now)
        if state == NO:
            return Cell(NO)
        direct = self._direct(target)
        names = [key[1] for key in self._keys("modulator") if self._state(target, key, self.now) == YES]
        smuggled = [name for name in names if name in self.found.smuggled]
        ways = ["directly"] if direct and not smuggled else []
        ways += [f"{name} brings them" for name in smuggled]
        beside = ("outcome",) not in reached or self._state(target, ("outcome",), self.now) == YES
        if not ways and beside:
            ways = ["through the output's error"] if self.found.pathway.task.gives_target else ["through the reward of an action"]
        ways += [f"through {name}" for name in names if name not in smuggled]
        return Cell(state, tuple(Through(way, state) for way in ways))

    def _direct(self, target: Target) -> bool:
        """Return whether labels reach a change beside the output's error."""
        direct = self.found.reached["direct",]
        perturbed, followed = (target.hit(hits, self.now) for hits in (direct.perturbed, direct.followed))
        return bool(perturbed if followed is None else followed and perturbed is not False)

    def _input(self, target: Target) -> Cell:
        names = [name for name in self.network.inputs if name not in target.home]
        found = [Through(name, self._state(target, ("population", name), self.now)) for name in names]
        found.append(Through("past the sweep", self._state(target, ("shown",), self.all)))
        return Cell.join([*found, *self._list_delayed(target, inputs=True)])

    def _earlier(self, target: Target) -> Cell:
        found = self._list_crossings(target, self.after)
        for name, hits in self.steps.items():
            if name not in self.network.projections:
                found.append(Through(name, YES if target.hit(hits, self.all) else NO, BEFORE))
        return Cell.join(found)

    def _later(self, target: Target) -> Cell:
        return Cell.join(self._list_crossings(target, self.before)) if len(self.all) > 1 else Cell(NONE)

    def _list_crossings(self, target: Target, ticks: Sequence[int]) -> list[Through]:
        """Return what of the perturbed tick reaches changes in other ticks."""
        kinds = ("population", "arrived", "labels", "modulator")
        reached = {key: one for key, one in self.aside.reached.items() if key[0] in kinds}
        return [Through(key[-1], _state(target, one, ticks)) for key, one in reached.items()] if ticks else []

    def _feedback(self, target: Target) -> Cell:
        states: dict[str, list[str]] = {}  # weights and bias of one projection are told as one
        for key in self._keys("own"):
            if key[1].removesuffix(WRITTEN) not in (name.removesuffix(WRITTEN) for name in target.at):
                states.setdefault(_stem(key[1]), []).append(self._state(target, key, self.all))
        if target.owner == "pathway":
            for name in target.at:
                outward = self._state(target, ("own at", name), self.all, self._outward(target))
                states.setdefault(_stem(name), []).append(outward)
        return Cell.join([Through(name, _strongest(found)) for name, found in states.items()])

    def _outside(self, target: Target) -> Cell:
        return Cell.join([Through(key[1], self._state(target, key, self.all)) for key in self._keys("outside")])


def _state(target: Target, reached: Reached, ticks: Sequence[int], where: Where | None = None) -> str:
    return state_of(target.hit(reached.perturbed, ticks, where), target.hit(reached.followed, ticks, where))


def _stem(name: str) -> str:
    """Return the projection that an array is of, or the array's own name."""
    stem, _, key = name.rpartition(".")
    return stem if key in ("w", "b") else name


def _strongest(states: Sequence[str]) -> str:
    return Cell.join([Through("", state) for state in states]).state


def count_hops(network: Network, population: str, projection: Projection) -> int | None:
    """Return how many projections lie on the shortest way down from ``population`` through ``projection``; None without a way."""
    ends, hops = {population}, 0
    seen: set[str] = set()
    while ends - seen:
        hops += 1
        if projection.pre in ends:
            return hops
        seen |= ends
        ends = {p.post for name in ends for p in network.outgoing(name)}
    return None
