"""Synapses that are listed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurosim.connectivity.connectivity import Shape
from neurosim.connectivity.pattern import Pattern
from neurosim.errors import ShapeError, quoted, require


class FromLists(Pattern):
    """Synapse k joins presynaptic neuron ``pre[k]`` to postsynaptic neuron ``post[k]``; neurons are counted from 0, in C order.

    Raises
    ------
    InputError
        Lists that hold something else than whole numbers of 0 or more, differ in length, or are empty; a pair that is listed twice.
    ShapeError
        When the network is built: a neuron that a population does not have.
    """

    name = "from_lists"

    def __init__(self, pre: Sequence[int], post: Sequence[int]) -> None:
        self.listed = _indices("pre", pre), _indices("post", post)
        before, after = self.listed
        said = f"{self.name}: {len(before):,} neurons in pre and {len(after):,} in post"
        expected = "expected one of each for every synapse, and one synapse or more"
        require(len(before) == len(after) > 0, f"{said}: {expected}; correct it")
        pairs, counts = np.unique(np.stack(self.listed), axis=1, return_counts=True)
        twice = " and ".join(map(str, pairs[:, counts.argmax()]))
        expected = "expected one synapse for each pair; join them, or make a second projection"
        require(counts.max() == 1, f"{self.name}: neurons {twice} are joined {counts.max()} times: {expected}")

    def synapses(self, pre: Shape, post: Shape, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        for side, shape, neurons in (("pre", pre, self.listed[0]), ("post", post, self.listed[1])):
            said = f"{self.name}: {side} lists neuron {neurons.max()}, and the population has {math.prod(shape):,}"
            require(int(neurons.max()) < math.prod(shape), f"{said}: expected 0 to {math.prod(shape) - 1}; correct it", ShapeError)
        return self.listed


def _indices(side: str, given: Any) -> np.ndarray:
    try:
        found = np.asarray(given)
    except ValueError:  # ragged
        found = np.empty(0)
    whole = found.ndim == 1 and found.dtype.kind in "iu" and (found >= 0).all() and (found < 2**31).all()
    said = f"from_lists: {side} {quoted(given)}"
    require(bool(whole), f"{said}: expected a list of neurons' numbers, from 0; give one such as [0, 1, 2]")
    return found.astype(np.int32)
