"""A circuit: arrays of numbers, and what happens to them in each tick of time.

This is what a spiking network becomes when its equations are integrated and its units are removed.  It has blocks of assignments.
Each block is done for some elements: all neurons of a group, those that spiked, or the synapses of those.  The order is fixed.
``neurosim.brian`` makes circuits, ``neurosim.simulation`` runs them; neither knows the other.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from neurosim import reprs


@dataclass(frozen=True)
class Assignment:
    """``target operator value`` for one element.

    operator : ``=``, or ``+=`` and the like; local : whether the target is a name of this block only, and no array
    kind : ``float``, ``bool`` or ``int``, of what a local name holds
    guard : the name of a truth value without which nothing is assigned, or None
    """

    target: str
    operator: str
    value: ast.expr
    local: bool = False
    kind: str = "float"
    guard: str | None = None

    def __repr__(self) -> str:
        return f"{self.target} {self.operator} {ast.unparse(self.value)}" + (f" where {self.guard}" if self.guard else "")


@dataclass(frozen=True)
class Place:
    """Where a name's value lies: in which array, and at which index.

    index : ``element`` (of the loop), ``pre`` or ``post`` (the neuron of the synapse), or ``shared`` (one value)
    """

    array: str
    index: str


@dataclass(frozen=True)
class Timed:
    """Values that change in time: ``values[round(t / finest) / finer]``, the first before their time and the last after it.

    values : (steps,), or (steps, n) with a value for each index; finest, finer : seconds, and how many of them a step has
    """

    values: np.ndarray
    finest: float
    finer: int

    __repr__ = reprs.fields


@dataclass(frozen=True)
class Block:
    """Assignments that are done for each of some elements.

    constants : numbers by name
    places : name -> where its value lies
    once : assignments that do not depend on the element, done before all others
    each : assignments done for each element, in order
    binomial : name of a function without arguments -> (n, p) of the distribution that it draws from
    timed : name of a function of the time, or of the time and an index -> its values
    """

    constants: Mapping[str, float]
    places: Mapping[str, Place]
    once: tuple[Assignment, ...]
    each: tuple[Assignment, ...]
    binomial: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    timed: Mapping[str, Timed] = field(default_factory=dict)

    __repr__ = reprs.fields


@dataclass(frozen=True)
class SpikingGroup:
    """Neurons that spike together.  size : how many; depth : ticks for which their spikes are kept, this one included"""

    name: str
    size: int
    depth: int = 1


@dataclass(frozen=True)
class Update:
    """Do a block for all of ``size`` elements.

    pre, post : (size,), the neuron on either side of each, where the elements are synapses
    """

    name: str
    size: int
    block: Block
    pre: np.ndarray | None = None
    post: np.ndarray | None = None

    __repr__ = reprs.fields


@dataclass(frozen=True)
class Record:
    """Write down, every so many ticks, what a block makes of some elements.

    elements : (n,), which; variables : name of the variable -> the block's local name that holds it
    units : name of the variable -> its SI unit, such as ``V``; ``1`` where there is none
    """

    name: str
    elements: np.ndarray
    block: Block
    variables: Mapping[str, str]
    every: int = 1
    pre: np.ndarray | None = None
    post: np.ndarray | None = None
    units: Mapping[str, str] = field(default_factory=dict)

    __repr__ = reprs.fields


@dataclass(frozen=True)
class Threshold:
    """Let those neurons of a group spike for which ``condition``, a name that the block makes, is true.

    refractory : names of the arrays that note who is refractory since when (``not_refractory``, ``lastspike``), or None
    """

    name: str
    group: str
    block: Block
    condition: str
    refractory: tuple[str, str] | None = None

    __repr__ = reprs.fields


@dataclass(frozen=True)
class Replay:
    """Let neurons of a group spike at ticks that are given.  starts : (ticks + 1,), where each tick's begin; indices : (spikes,)"""

    name: str
    group: str
    starts: np.ndarray
    indices: np.ndarray

    __repr__ = reprs.fields


@dataclass(frozen=True)
class Lag:
    """The synapses that a spike reaches after some ticks.

    starts : (group.size + 1,), where each neuron's synapses begin in ``synapses``; synapses : their numbers
    """

    ticks: int
    starts: np.ndarray
    synapses: np.ndarray

    __repr__ = reprs.fields


@dataclass(frozen=True)
class Deliver:
    """Do a block for each synapse that a spike reaches: the latest lag first, then by neuron, then by synapse.

    pre, post : (synapses,), the neuron on either side of each
    """

    name: str
    group: str
    lags: tuple[Lag, ...]
    pre: np.ndarray
    post: np.ndarray
    block: Block

    __repr__ = reprs.fields


@dataclass(frozen=True)
class Reset:
    """Do a block for each neuron of a group that spiked in this tick."""

    name: str
    group: str
    block: Block

    __repr__ = reprs.fields


Action = Update | Record | Threshold | Replay | Deliver | Reset


@dataclass(frozen=True)
class Circuit:
    """Arrays, groups, and the actions of a tick in order.

    dt : seconds; arrays : name -> start values, float64, bool or int32; units : name -> SI unit, ``1`` where there is none
    """

    dt: float
    arrays: Mapping[str, np.ndarray]
    groups: Mapping[str, SpikingGroup]
    actions: tuple[Action, ...] = field(default_factory=tuple)
    units: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        groups = ", ".join(f"{group.name} ({group.size:,} neurons)" for group in self.groups.values())
        return f"<Circuit: {groups or 'no neurons that spike'}; dt {self.dt:g} s, {len(self.actions)} actions a tick>"

    def changing(self) -> frozenset[str]:
        """Return the arrays that some action writes into."""
        found: set[str] = set()
        for action in self.actions:
            if not isinstance(action, Replay):
                assigned = [*action.block.once, *action.block.each]
                found |= {action.block.places[one.target].array for one in assigned if not one.local}
            if isinstance(action, Threshold) and action.refractory:
                found |= set(action.refractory)
        return frozenset(found)

    def schedule(self) -> str:
        """Return the actions of a tick, one a line, in the order in which they happen."""
        return "\n".join(f"{k}. {type(action).__name__.lower()} {action.name}" for k, action in enumerate(self.actions, start=1))
