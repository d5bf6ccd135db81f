"""The contract of a connectivity: which synapses there are, and how rates, errors and correlations pass through them."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import numpy as np

from neurosim.backends import Backend
from neurosim.catalogue import Stated

Shape = tuple[int, ...]


class Connectivity(Stated, abc.ABC):
    """Which synapses join a population of shape ``pre`` to one of shape ``post``.

    matrix : whether the weights are a matrix, (n_pre, n_post)
    """

    name: ClassVar[str]
    matrix: ClassVar[bool] = False

    @abc.abstractmethod
    def weight_shape(self, pre: Shape, post: Shape) -> Shape:
        """Return the shape of the weights; raise ShapeError where the two populations cannot be joined so."""

    @abc.abstractmethod
    def fan_in(self, pre: Shape) -> int:
        """Return how many synapses end on one postsynaptic neuron."""

    @abc.abstractmethod
    def synapses(self, pre: Shape, post: Shape, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the neurons before and after each synapse, (synapses,) each, counted in C order; random ones from ``draw``.

        No two synapses join the same neurons.  Raises ShapeError where the two populations cannot be joined so.
        """

    def drawn(self, pre: Shape, post: Shape, draw: np.random.Generator) -> Connectivity:
        """Return the connectivity with its synapses drawn, for one projection (by default nothing is to be drawn)."""
        return self

    def reversed(self) -> Connectivity:
        """Return the connectivity of the same synapses the other way round (by default the same)."""
        return self

    @abc.abstractmethod
    def drive(self, backend: Backend, rate: Any, w: Any, post: Shape) -> Any:
        """Return the drive, (batch, *post), that ``rate``, (batch, *pre), causes through weights ``w``."""

    @abc.abstractmethod
    def back(self, backend: Backend, error: Any, w: Any, pre: Shape) -> Any:
        """Return ``error``, (batch, *post), sent backwards through the transpose of ``w``: (batch, *pre)."""

    @abc.abstractmethod
    def correlate(self, backend: Backend, pre: Any, post: Any) -> Any:
        """Return for every synapse the sum over the batch of its ``pre``, (batch, *pre), times its ``post``, (batch, *post)."""
