"""Synapses where a matrix is not zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurosim.connectivity.connectivity import Shape
from neurosim.connectivity.pattern import Pattern
from neurosim.errors import ShapeError, quoted, require


class FromMatrix(Pattern):
    """Presynaptic neuron i has a synapse to postsynaptic neuron j where ``matrix[i][j]`` is not 0.

    matrix : (n_pre, n_post), truth values or numbers; only where it is 0 matters (weights are the projection's ``initial``)

    Raises
    ------
    InputError
        A matrix that is none, or without synapses.
    ShapeError
        When the network is built: a matrix of another shape than the two populations have.
    """

    name = "from_matrix"

    def __init__(self, matrix: Sequence[Sequence[float]]) -> None:
        try:
            self.there = np.asarray(matrix) != 0
        except ValueError:  # ragged
            self.there = np.empty(0)
        fits = self.there.ndim == 2 and bool(self.there.any())
        said = f"{self.name}: matrix {quoted(matrix)}"
        require(fits, f"{said}: expected rows of equal length, one number for each postsynaptic neuron, not all 0; correct it")

    def synapses(self, pre: Shape, post: Shape, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        expected = self.weight_shape(pre, post)
        said = f"{self.name}: a matrix of shape {self.there.shape}: expected {expected}, as the populations have neurons"
        require(self.there.shape == expected, f"{said}; reshape it", ShapeError)
        before, after = np.nonzero(self.there)
        return before.astype(np.int32), after.astype(np.int32)
