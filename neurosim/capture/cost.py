"""What one training step asks of the machine: its matrix products and inverses, read off its graph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.capture.graph import Graph, Node


@dataclass(frozen=True)
class Product:
    """One matrix product, (rows, inner) times (inner, columns); whether each operand is a transposed view; its dtype.

    symmetric : whether it is a matrix times its own transpose, of which a BLAS computes one half
    """

    rows: int
    inner: int
    columns: int
    transposed: tuple[bool, bool]
    dtype: np.dtype[Any]
    symmetric: bool = False

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return self.rows * self.inner * self.columns * (1 if self.symmetric else 2)


@dataclass(frozen=True)
class Cost:
    """The matrix products of one step, the symmetric matrices it inverts, and those it solves column by column.

    inverses : (n, dtype) of each
    """

    products: list[Product]
    inverses: list[tuple[int, np.dtype[Any]]]
    solves: list[tuple[int, int]]

    @staticmethod
    def of(graph: Graph) -> Cost:
        """Return what the step of ``graph`` needs, each equal product once; what is repeated, as often as it is."""
        nodes = [node for node, times in graph.counted() for _ in range(times)]
        calls = [node for node in nodes if node.op == "call"]
        return Cost(
            [_product(node) for node in nodes if node.op == "matmul" for _ in range(math.prod(node.shape[:-2]))],
            [(node.shape[0], _dtype(node)) for node in calls if node.detail[0] == "positive_inverse"],
            [(node.shape[0], node.shape[1]) for node in calls if node.detail[0] == "solve_columns"],
        )

    @property
    def operations(self) -> int:
        """Floating-point operations; the inverse of n x n takes n**3 by Cholesky's factor, a sweep over n columns to m 2 n**2 m."""
        inverses = sum(n**3 for n, _ in self.inverses)
        return sum(product.operations for product in self.products) + inverses + sum(2 * n * n * m for n, m in self.solves)

    def describe(self) -> str:
        """Return the cost as one line of text."""
        parts = [f"{self.operations / 1e9:.3g} GFLOP in {len(self.products)} matrix products"]
        counts = Counter(n for n, _ in self.inverses)
        parts += [f"{count} inverse{'s' if count > 1 else ''} of {n} x {n}" for n, count in sorted(counts.items())]
        parts += [f"a column solve of {n} x {m}" for n, m in self.solves]
        return " and ".join(parts)


def _product(node: Node) -> Product:
    a, b = node.inputs
    transposed = (a.op == "transpose", b.op == "transpose")
    symmetric = a.base is b.base and transposed[0] != transposed[1]
    return Product(a.shape[-2], a.shape[-1], b.shape[-1], transposed, _dtype(node), symmetric)


def _dtype(node: Node) -> np.dtype[Any]:
    assert node.dtype is not None
    return node.dtype


@dataclass(frozen=True)
class Traffic:
    """How many numbers pass through synapses in one step, read off its matrix products with weights.

    forward : through the network's weights, as they lie; back : through the network's weights, backwards
    own : through weights of the scheme's own
    """

    forward: int
    back: int
    own: int

    @staticmethod
    def of(graph: Graph, network: Collection[int], pathway: Collection[int]) -> Traffic:
        """Return what passes in the step of ``graph``.

        network, pathway : the ids of the weights of either
        """
        counts: Counter[str] = Counter()
        for node, times in graph.counted():
            if node.op != "matmul":
                continue
            for weights, sent in (node.inputs, node.inputs[::-1]):
                leaf, turned = _find_weights(weights)
                if leaf is None:
                    continue
                backwards = turned != (weights is node.inputs[0])
                way = "own" if id(leaf) in pathway else "" if id(leaf) not in network else "back" if backwards else "forward"
                counts[way] += sent.size * times
        return Traffic(counts["forward"], counts["back"], counts["own"])

    def describe(self, batch: int) -> str:
        """Return the numbers of one of ``batch`` samples as text."""
        parts = {
            "forward": self.forward, "back through the same synapses": self.back, "through synapses of the scheme's own": self.own
        }  # fmt: skip
        told = [f"{count / batch:,.0f} {words}" for words, count in parts.items() if count]
        return f"numbers a sample: {', '.join(told) or 'none'}"


def _find_weights(node: Node) -> tuple[Any, bool]:
    """Return the array that a factor shows, or None, and whether it is turned; a mask may multiply it."""
    turned = False
    while node.op in ("transpose", "reshape", "copy", "multiply"):
        turned ^= node.op == "transpose" and len(node.shape) == 2
        node = next((value for value in node.inputs if value.base.op == "leaf"), node.inputs[0])
    return (node.detail, turned) if node.op == "leaf" else (None, turned)
