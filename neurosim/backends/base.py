"""The contract every backend keeps, and the random numbers all of them share."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray or cupy.ndarray: the two have no common type

Kernel = Callable[[Mapping[str, Array], Mapping[str, float]], None]


def generator(seed: int, stream: str, step: int = 0) -> np.random.Generator:
    """Return the generator of one named stream at one step.

    Philox is counter-based: the key is a digest of (seed, stream) and the step sits in the counter's highest word, so any
    draw can be had again from (seed, stream, step) alone.  Nothing has to be stored for a run to resume, streams never
    overlap, and adding a population does not shift the numbers of the others.
    """
    digest = hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=16).digest()
    key = np.frombuffer(digest, dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, step]))


class Draws:
    """The random numbers of one training step, addressed by the name of what needs them."""

    def __init__(self, backend: Backend, seed: int, step: int) -> None:
        self.backend = backend
        self.seed = seed
        self.step = step

    def normal(self, stream: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Standard normal numbers of ``shape``."""
        return self.backend.asarray(generator(self.seed, stream, self.step).standard_normal(shape, dtype))

    def uniform(self, stream: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Uniform numbers in [0, 1) of ``shape``."""
        return self.backend.asarray(generator(self.seed, stream, self.step).random(shape, dtype))


class Backend(abc.ABC):
    """An array module, its matrix product, its fused kernels, and the way back to the host."""

    name: str
    xp: Any

    @abc.abstractmethod
    def asarray(self, values: Any, dtype: Any = None) -> Array:
        """Return ``values`` as an array of this backend."""

    @abc.abstractmethod
    def to_host(self, array: Array) -> np.ndarray:
        """Return ``array`` as a NumPy array."""

    @abc.abstractmethod
    def kernel(self, source: str) -> Kernel:
        """Return one fused elementwise kernel made from assignments in ``source``.

        ``source`` holds lines ``name = expression``.  The kernel is called with the arrays (all of one shape and dtype;
        those assigned to are written in place) and the scalar constants; every other name is a temporary.
        """

    @abc.abstractmethod
    def describe(self) -> str:
        """Name the device the arithmetic runs on."""

    def matmul(self, a: Array, b: Array, out: Array = None) -> Array:
        """Matrix product, written to ``out`` when given."""
        return self.xp.matmul(a, b, out=out)

    def positive_inverse(self, matrix: Array) -> Array:
        """Return the inverse of a symmetric positive definite matrix; of one that is not, not-a-numbers."""
        return self.xp.linalg.inv(matrix)

    def draws(self, seed: int, step: int) -> Draws:
        """Return the random numbers of ``step`` of the run seeded with ``seed``."""
        return Draws(self, seed, step)
