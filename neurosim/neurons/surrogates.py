"""Surrogate slopes: what an error passes through in place of a spike's own slope, which is 0 or infinite.

Each is a function of x, the distance of the neuron to its threshold, positive above it, in units of the distance between where the
neuron starts and its threshold.
"""

from __future__ import annotations

import abc
import math
import sys
from typing import Any, ClassVar

import numpy as np

from neurosim.catalogue import Stated, concrete, make
from neurosim.errors import quoted, require, require_number


class Surrogate(Stated, abc.ABC):
    """The slope of a spike."""

    name: ClassVar[str]

    @abc.abstractmethod
    def slope(self, x: Any) -> Any:
        """Return the slope at a distance ``x`` to the threshold, an array of any shape."""

    def _positive(self, name: str, value: float) -> float:
        require_number(f"surrogate {self.name!r}", name, value, 1)
        fits = 0 < value < 1e6
        require(fits, f"surrogate {self.name!r}: {name} {quoted(value)}: expected a positive number below 1e6; give one such as 1")
        return float(value)


class FastSigmoid(Surrogate):
    """1 / (1 + beta |x|)^2.

    Zenke and Ganguli (2018). SuperSpike: supervised learning in multilayer spiking neural networks. Neural Computation 30,
    1514-1541.
    """

    name = "fast_sigmoid"

    def __init__(self, *, beta: float = 10.0) -> None:
        self.beta = self._positive("beta", beta)

    def slope(self, x: Any) -> Any:
        base = 1 + self.beta * np.abs(x)
        return 1 / (base * base)


class Arctan(Surrogate):
    """(alpha / 2) / (1 + (pi alpha x / 2)^2).

    Fang et al. (2021). Incorporating learnable membrane time constant to enhance learning of spiking neural networks. ICCV.
    """

    name = "arctan"

    def __init__(self, *, alpha: float = 2.0) -> None:
        self.alpha = self._positive("alpha", alpha)

    def slope(self, x: Any) -> Any:
        scaled = (math.pi / 2 * self.alpha) * x
        return (self.alpha / 2) / (1 + scaled * scaled)


class Triangle(Surrogate):
    """gamma max(0, 1 - |x|).

    Bellec et al. (2020). A solution to the learning dilemma for recurrent networks of spiking neurons. Nature Communications 11,
    3625: with neurons that start at 0, its slope and its gamma of 0.3.
    """

    name = "triangle"

    def __init__(self, *, gamma: float = 0.3) -> None:
        self.gamma = self._positive("gamma", gamma)

    def slope(self, x: Any) -> Any:
        return self.gamma * np.maximum(1 - np.abs(x), 0)


class Box(Surrogate):
    """1 / width where |x| < width / 2, and 0 elsewhere.

    Wu et al. (2018). Spatio-temporal backpropagation for training high-performance spiking neural networks. Frontiers in
    Neuroscience 12, 331.
    """

    name = "box"

    def __init__(self, *, width: float = 1.0) -> None:
        self.width = self._positive("width", width)

    def slope(self, x: Any) -> Any:
        return (np.abs(x) < self.width / 2).astype(x.dtype) * (1 / self.width)


class Logistic(Surrogate):
    """The derivative of the logistic curve of beta x: beta s (1 - s) with s = 1 / (1 + exp(-beta x))."""

    name = "logistic"

    def __init__(self, *, beta: float = 4.0) -> None:
        self.beta = self._positive("beta", beta)

    def slope(self, x: Any) -> Any:
        half = np.tanh((self.beta / 2) * x)
        return (self.beta / 4) * (1 - half * half)


def surrogates() -> dict[str, type[Surrogate]]:
    """Return every surrogate by name."""
    package = sys.modules["neurosim.neurons"]
    return concrete(package, Surrogate)  # type: ignore[type-abstract]


def surrogate(name: str | Surrogate, **options: Any) -> Surrogate:
    """Return the surrogate called ``name`` (or ``name`` itself when it is made already)."""
    return name if isinstance(name, Surrogate) else make("surrogate", surrogates(), name, options)
