"""Initial weights, as the five papers draw them.

Each takes a NumPy generator, the weight shape and the fan-in and returns host arrays in float64, so that
float32 and float64 networks of one seed start from the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Initialiser = Callable[[np.random.Generator, tuple[int, ...], int], np.ndarray]


def glorot(generator: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010, equation 16)."""
    bound = np.sqrt(6 / (fan_in + shape[-1]))
    return generator.uniform(-bound, bound, shape)


def lecun(generator: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Uniform in +-1 / sqrt(fan_in): the default of PyTorch's linear layers, which draw their biases so too."""
    bound = 1 / np.sqrt(fan_in)
    return generator.uniform(-bound, bound, shape)


def gaussian(generator: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Normal with standard deviation 1 / sqrt(fan_in): 1.7 times as wide as lecun's (released code of Bellec et al. 2020)."""
    return generator.standard_normal(shape) / np.sqrt(fan_in)


def orthogonal(generator: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """A Gaussian matrix with every singular value set to 1 (released code of Lee et al. 2015)."""
    matrix = generator.standard_normal(shape if len(shape) == 2 else (fan_in, int(np.prod(shape)) // fan_in))
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return (left @ right).reshape(shape)


def zeros(generator: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """All zero: for readouts and synthetic gradients that should be silent before they have learned."""
    return np.zeros(shape)


INITIALISERS: dict[str, Initialiser] = {
    "glorot": glorot,
    "lecun": lecun,
    "gaussian": gaussian,
    "orthogonal": orthogonal,
    "zeros": zeros,
}
