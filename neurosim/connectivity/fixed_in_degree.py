"""Each postsynaptic neuron has the same number of synapses."""

from __future__ import annotations

import math

import numpy as np

from neurosim.connectivity.connectivity import Shape
from neurosim.connectivity.pattern import Pattern, check_degree, check_self, draw_partners


class FixedInDegree(Pattern):
    """``degree`` synapses end on each postsynaptic neuron, from different neurons, drawn at random.

    self_connections : whether a neuron may have a synapse to itself, where a population projects to itself

    Raises
    ------
    InputError
        A degree that is none, or more than there are neurons; self-connections to be left out between two shapes that differ.
    """

    name = "fixed_in_degree"

    def __init__(self, degree: int, *, self_connections: bool = True) -> None:
        self.degree = check_degree(self, degree)
        self.self_connections = self_connections

    def synapses(self, pre: Shape, post: Shape, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        check_self(self, self.self_connections, pre, post)
        ends = math.prod(post)
        before = draw_partners(self, ends, math.prod(pre), self.degree, not self.self_connections, draw).reshape(-1)
        after = np.repeat(np.arange(ends, dtype=np.int32), self.degree)
        order = np.argsort(before, kind="stable")
        return before[order], after[order]
