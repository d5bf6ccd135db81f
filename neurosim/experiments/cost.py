"""What one training step asks of the machine: its matrix products and inverses, counted by running one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurosim.backends import NumpyBackend
from neurosim.backends.base import Array, generator
from neurosim.datasets import one_hot
from neurosim.feedback import FeedbackPathway, Phase
from neurosim.network import Network
from neurosim.training import step


@dataclass(frozen=True)
class Product:
    """One matrix product, (rows, inner) times (inner, columns); whether each operand is a transposed view; its dtype."""

    rows: int
    inner: int
    columns: int
    transposed: tuple[bool, bool]
    dtype: np.dtype[Any]

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.inner * self.columns


@dataclass
class Cost:
    """The matrix products of one step, and the sizes of the symmetric matrices it inverts."""

    products: list[Product] = field(default_factory=list)
    inverses: list[int] = field(default_factory=list)

    @property
    def operations(self) -> int:
        """Floating-point operations of products and inverses; n x n takes n**3, by Cholesky's factor."""
        return sum(product.operations for product in self.products) + sum(n**3 for n in self.inverses)

    def describe(self) -> str:
        """Return the cost as one line of text."""
        parts = [f"{self.operations / 1e9:.3g} GFLOP in {len(self.products)} matrix products"]
        sizes = {n: self.inverses.count(n) for n in sorted(set(self.inverses))}
        parts += [f"{count} inverse{'s' if count > 1 else ''} of {n} x {n}" for n, count in sizes.items()]
        return " and ".join(parts)


class CountingBackend(NumpyBackend):
    """NumPy that writes down every matrix product and inverse it is asked for."""

    def __init__(self) -> None:
        self.cost = Cost()

    def matmul(self, a: Array, b: Array, out: Array = None) -> Array:
        transposed = (not a.flags.c_contiguous, not b.flags.c_contiguous)
        self.cost.products.append(Product(a.shape[0], a.shape[1], b.shape[1], transposed, a.dtype))
        return super().matmul(a, b, out)

    def positive_inverse(self, matrix: Array) -> Array:
        self.cost.inverses.append(len(matrix))
        return super().positive_inverse(matrix)


def step_cost(network: Network, pathway: FeedbackPathway, phase: Phase, batch: int) -> Cost:
    """Return the cost of one step of ``phase``, found by running it on random numbers; no weight changes.

    network : built on a CountingBackend, the pathway attached
    """
    backend = network.backend
    assert isinstance(backend, CountingBackend)
    draw = generator(0, "cost")
    x = draw.random((batch, *network.populations[network.input].shape)).astype(network.dtype)
    target = one_hot(draw.integers(0, pathway.classes, batch), pathway.classes).astype(network.dtype)
    backend.cost = Cost()
    step(network, pathway, phase, x, target, backend.draws(0, 0), lambda deltas, states, own: None)
    return backend.cost
