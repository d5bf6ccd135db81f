"""What one training step asks of the machine: its matrix products and inverses, read off its graph."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.capture import Graph, Node


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
