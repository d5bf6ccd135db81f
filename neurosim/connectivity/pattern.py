"""Some of all pairs of neurons: a list of synapses, and in a sweep a matrix with zeros where there is none."""

from __future__ import annotations

import copy
import math
from typing import Any, ClassVar

import numpy as np

from neurosim.backends import Backend
from neurosim.connectivity.connectivity import Connectivity, Shape
from neurosim.errors import InputError, quoted, require


class Pattern(Connectivity):
    """Synapses between some neurons of each side.  Weights are a matrix, (n_pre, n_post), which is 0 where there is no synapse.

    pre, post : (synapses,), the neurons before and after each synapse, once they are ``drawn``; until then None
    ends : how many postsynaptic neurons there are, once drawn
    mask : (n_pre, n_post), 1 where there is a synapse, once it was ``spread``; until then None
    """

    matrix: ClassVar[bool] = True
    pre: Any = None
    post: Any = None
    ends: int = 0
    mask: Any = None

    def weight_shape(self, pre: Shape, post: Shape) -> Shape:
        return (math.prod(pre), math.prod(post))

    def fan_in(self, pre: Shape) -> int:
        """Return how many synapses end on one postsynaptic neuron, at least 1; where that differs, the mean.  Asked once drawn."""
        return max(1, round(len(self.post) / self.ends))

    def drawn(self, pre: Shape, post: Shape, draw: np.random.Generator) -> Pattern:
        own = copy.copy(self)
        own.pre, own.post = self.synapses(pre, post, draw)
        own.ends = math.prod(post)
        return own

    def reversed(self) -> Connectivity:
        from neurosim.connectivity.from_lists import FromLists  # which is a Pattern

        return FromLists(self.post, self.pre)

    def spread(self, backend: Backend, shape: Shape, dtype: Any) -> None:
        """Make the mask: in sweeps, signals pass where it is 1."""
        mask = np.zeros(shape, dtype)
        mask[self.pre, self.post] = 1
        self.mask = backend.asarray(mask)

    def drive(self, backend: Backend, rate: Any, w: Any, post: Shape) -> Any:
        return backend.matmul(rate.reshape(len(rate), -1), w * self.mask).reshape(len(rate), *post)

    def back(self, backend: Backend, error: Any, w: Any, pre: Shape) -> Any:
        return backend.matmul(error.reshape(len(error), -1), (w * self.mask).T).reshape(len(error), *pre)

    def correlate(self, backend: Backend, pre: Any, post: Any) -> Any:
        return backend.matmul(pre.reshape(len(pre), -1).T, post.reshape(len(post), -1)) * self.mask


def check_degree(owner: Pattern, degree: object) -> int:
    """Return the number of synapses of one neuron; raise InputError where it is none."""
    whole = isinstance(degree, int | np.integer) and not isinstance(degree, bool) and degree >= 1
    require(bool(whole), f"{owner.name}: degree {quoted(degree)}: expected a whole number of 1 or more; give one such as 100")
    return int(degree)  # type: ignore[call-overload, no-any-return]


def check_self(owner: Pattern, self_connections: bool, pre: Shape, post: Shape) -> None:
    """Raise InputError where self-connections are to be left out and the two populations cannot be the same."""
    said = f"{owner.name}: self_connections = False between shapes {pre} and {post}"
    if not self_connections and pre != post:
        raise InputError(f"{said}: expected a population's projection to itself; leave self_connections out")


def draw_partners(owner: Pattern, of: int, among: int, degree: int, without_self: bool, draw: np.random.Generator) -> np.ndarray:
    """Return ``degree`` different partners, sorted, for each of ``of`` neurons, (of, degree), from ``among``.

    without_self : no neuron is its own partner
    Raises InputError where there are not so many.
    """
    there = among - without_self
    said = f"{owner.name}: degree {degree:,}, and {there:,} neurons to choose from"
    require(degree <= there, f"{said}: expected as many or fewer; lower the degree")
    chosen = np.empty((of, degree), np.int32)
    for neuron in range(of):
        row = np.sort(draw.choice(there, degree, replace=False, shuffle=False))
        chosen[neuron] = row + (row >= neuron) if without_self else row
    return chosen
