"""Which elements of a block may be done at once: those that touch no place where another one writes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurosim.circuit.circuit import Block, Deliver, Reset, Update
from neurosim.circuit.expressions import names


def touched(block: Block) -> dict[str, tuple[set[str], set[str]]]:
    """Return, for each array that a block writes into, by which indices it reads or writes it, and by which it writes it."""
    used: set[str] = set()
    written: set[str] = set()
    for one in block.once:
        used |= names(one.value)
    for one in block.each:
        used |= names(one.value) | ({one.guard} if one.guard else set())
        if not one.local:
            used.add(one.target)
            written.add(one.target)
    found: dict[str, tuple[set[str], set[str]]] = {block.places[name].array: (set(), set()) for name in written}
    for name in used & block.places.keys():
        place = block.places[name]
        if place.array in found:
            found[place.array][0].add(place.index)
            if name in written:
                found[place.array][1].add(place.index)
    return found


def keeps_to_itself(block: Block) -> bool:
    """Return whether each element of a block writes into its own places only, and no other element reads them."""
    return all(indices == {"element"} for indices, _ in touched(block).values())


def spikes_at_once(action: Reset) -> bool:
    """Return whether a reset may be done for all neurons that spiked at once."""
    return keeps_to_itself(action.block)


def elements_at_once(action: Update) -> bool:
    """Return whether all elements of an update may be done at once."""
    whole = np.arange(action.size)
    return _apart(action.block, np.zeros_like(whole), whole, action.pre, action.post)


def synapses_at_once(action: Deliver) -> list[bool]:
    """Return for each lag whether all synapses that one spike reaches may be done at once."""
    found = []
    for lag in action.lags:
        spike = np.repeat(np.arange(len(lag.starts) - 1), np.diff(lag.starts))
        found.append(_apart(action.block, spike, lag.synapses, action.pre, action.post))
    return found


def _apart(block: Block, group: np.ndarray, element: np.ndarray, pre: np.ndarray | None, post: np.ndarray | None) -> bool:
    """Return whether no two elements of one group touch a place that one of them writes.  group, element : (n,)"""
    places: Mapping[str, np.ndarray] = {
        "element": element, "shared": np.zeros_like(element),
        **({"pre": pre[element], "post": post[element]} if pre is not None and post is not None else {}),
    }  # fmt: skip
    for indices, written in touched(block).values():
        if indices == {"element"} or len(element) < 2:
            continue
        at = np.concatenate([places[index] for index in sorted(indices)]).astype(np.int64)
        key = np.tile(group, len(indices)) * (int(at.max()) + 1) + at
        who = np.tile(element, len(indices))
        writes = np.concatenate([np.full(len(element), index in written) for index in sorted(indices)])
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        several = np.minimum.reduceat(who[order], starts) != np.maximum.reduceat(who[order], starts)
        if (several & np.logical_or.reduceat(writes[order], starts)).any():
            return False
    return True
