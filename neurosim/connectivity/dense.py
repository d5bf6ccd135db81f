"""All to all: every presynaptic neuron reaches every postsynaptic one; weights (n_pre, n_post)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurosim.backends import Backend
from neurosim.connectivity.connectivity import Connectivity, Shape


class Dense(Connectivity):
    """w[i, j] joins presynaptic neuron i to postsynaptic neuron j."""

    name = "all_to_all"
    matrix = True

    def weight_shape(self, pre: Shape, post: Shape) -> Shape:
        return (math.prod(pre), math.prod(post))

    def fan_in(self, pre: Shape) -> int:
        return math.prod(pre)

    def synapses(self, pre: Shape, post: Shape, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        before, after = np.indices(self.weight_shape(pre, post), np.int32).reshape(2, -1)
        return before, after

    def drive(self, backend: Backend, rate: Any, w: Any, post: Shape) -> Any:
        return backend.matmul(rate.reshape(len(rate), -1), w).reshape(len(rate), *post)

    def back(self, backend: Backend, error: Any, w: Any, pre: Shape) -> Any:
        return backend.matmul(error.reshape(len(error), -1), w.T).reshape(len(error), *pre)

    def correlate(self, backend: Backend, pre: Any, post: Any) -> Any:
        return backend.matmul(pre.reshape(len(pre), -1).T, post.reshape(len(post), -1))
