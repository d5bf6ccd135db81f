"""Products that are only added to something: a BLAS can add while it multiplies, and the pass over memory is saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurosim.capture.graph import Node
from neurosim.capture.schedule import Item


@dataclass(frozen=True)
class Accumulation:
    """A product times ``scale`` that is added to what lies at ``into``; ``adding`` is the loop that does so."""

    adding: Item
    into: Node
    scale: float


def accumulations(items: Sequence[Item]) -> dict[Item, Accumulation]:
    """Return the products of a schedule that can be added where they are made, in place of a loop that comes later."""
    found: dict[Item, Accumulation] = {}
    for k, item in enumerate(items):
        if item.op == "repeat":
            found |= accumulations(item.body)
        if item.op != "matmul" or len(item.nodes[0].shape) != 2:
            continue
        product = item.nodes[0]
        readers = [later for later in items if product in later.reads]
        added = _added(product, readers[0]) if len(readers) == 1 else None
        if added is None or any(_within(added.adding) & other.reads for other in items):
            continue
        if any(value.base is added.into for value in product.inputs):  # which would change while it is read
            continue
        # what lies there changes earlier than it did: nobody may touch it in between, or have still to see that all is finite
        between = items[k + 1 : items.index(added.adding)]
        if not any(one.watches or added.into in one.reads | one.writes for one in between):
            found[item] = added
    return found


def _within(adding: Item) -> set[Node]:
    """Return what a loop makes on the way to what it writes."""
    return set(adding.nodes[:-2])


def _added(product: Node, item: Item) -> Accumulation | None:
    """Return how a loop adds a product, multiplied by numbers, to what it writes; None where it does anything else."""
    if len(item.nodes) < 2:
        return None
    *factors, total, last = item.nodes
    into = last.inputs[1] if last.op == "assign" else None
    if into is None or last.inputs[0] is not total or total.op not in ("add", "subtract") or item.space != product.shape:
        return None
    scale, scaled = 1.0, product
    for node in factors:
        numbers = [value.detail for value in node.inputs if value.op == "constant"]
        if node.op != "multiply" or scaled not in node.inputs or len(numbers) != 1:
            return None
        scale, scaled = scale * numbers[0], node
    first, second = total.inputs
    if {first, second} != {scaled, into} or (total.op == "subtract" and first is not into):
        return None
    if not into.dtype == total.dtype == product.dtype:
        return None
    return Accumulation(item, into, -scale if total.op == "subtract" else scale)
