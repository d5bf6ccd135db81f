"""One to one: neuron i reaches neuron i; weights have the population's shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurosim.backends import Backend
from neurosim.connectivity.connectivity import Connectivity, Shape
from neurosim.errors import ShapeError


class OneToOne(Connectivity):
    """w[i] joins presynaptic neuron i to postsynaptic neuron i."""

    name = "one_to_one"

    def weight_shape(self, pre: Shape, post: Shape) -> Shape:
        if pre != post:
            raise ShapeError(f"one_to_one: shapes {pre} and {post} differ: expected equal ones; use all_to_all, or equal shapes")
        return post

    def fan_in(self, pre: Shape) -> int:
        return 1

    def synapses(self, pre: Shape, post: Shape, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        each = np.arange(math.prod(self.weight_shape(pre, post)), dtype=np.int32)
        return each, each.copy()

    def drive(self, backend: Backend, rate: Any, w: Any, post: Shape) -> Any:
        return rate * w

    def back(self, backend: Backend, error: Any, w: Any, pre: Shape) -> Any:
        return error * w

    def correlate(self, backend: Backend, pre: Any, post: Any) -> Any:
        return (pre * post).sum(axis=0)
