"""Each pair of neurons has a synapse with the same probability."""

from __future__ import annotations

import math
import numbers

import numpy as np

from neurosim.connectivity.connectivity import Shape
from neurosim.connectivity.pattern import Pattern, check_self
from neurosim.errors import quoted, require


class FixedProbability(Pattern):
    """Each pair has a synapse with probability ``p``, drawn for each pair alone.

    p : in (0, 1]; self_connections : whether a neuron may have a synapse to itself, where a population projects to itself

    Raises
    ------
    InputError
        A probability that is none; self-connections to be left out between two shapes that differ.
    """

    name = "fixed_probability"

    def __init__(self, p: float, *, self_connections: bool = True) -> None:
        fits = isinstance(p, numbers.Real) and not isinstance(p, bool) and 0 < p <= 1
        require(fits, f"{self.name}: p {quoted(p)}: expected a probability above 0, up to 1; give one such as 0.02")
        self.p = float(p)
        self.self_connections = self_connections

    def synapses(self, pre: Shape, post: Shape, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        check_self(self, self.self_connections, pre, post)
        rows, columns = math.prod(pre), math.prod(post)
        found = []
        for row in range(rows):  # not all at once: a large network's pairs do not fit into memory
            there = draw.random(columns) < self.p
            there[row : row + (not self.self_connections)] = False
            found.append(np.flatnonzero(there).astype(np.int32))
        return np.repeat(np.arange(rows, dtype=np.int32), [len(row) for row in found]), np.concatenate(found)
