"""A variable of a run file: values that grow by one recording at a time, and how they lie in the file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

CHUNK = 2**16  # bytes; see docs/recordings.md for what was measured
SMALL = 64  # rows of numbers in one chunk, which is not compressed


@dataclass(frozen=True)
class Series:
    """One recorded variable.

    path : where it lies in the file
    shape : of one recording
    dtype : of its values
    attributes : units, description, dims, ...
    rows : how many recordings come between two flushes; chunks are filled between them, so that most are written once
    long : of a column of numbers that gets very many rows, such as spikes: large chunks, packed
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attributes: Mapping[str, str] = field(default_factory=dict)
    rows: int = 1
    long: bool = False

    @property
    def packed(self) -> bool:
        """Whether its chunks are compressed."""
        return bool(self.shape) or self.long

    @property
    def nbytes(self) -> int:
        """The bytes of one recording."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def chunks(self) -> tuple[int, ...]:
        """The shape of a chunk: at most CHUNK bytes, cut along the last axes first, which are neurons, so that the course of
        one neuron over all recordings is read without all the others."""
        if not self.shape:
            return (CHUNK // self.dtype.itemsize,) if self.long else (SMALL,)
        rows = _even(self.rows, max(1, CHUNK // max(self.nbytes, 1)))
        return (rows, *_cut(self.shape, CHUNK // self.dtype.itemsize // rows))


def _even(count: int, most: int) -> int:
    """Return the size of the pieces when ``count`` is cut evenly into as few as possible of at most ``most``."""
    return -(-count // -(-count // most))


def _cut(shape: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Return a block of at most ``most`` elements that cuts ``shape`` evenly, along as few of its last axes as possible."""
    block = list(shape)
    for axis in reversed(range(len(block))):
        fit = most // (math.prod(block) // block[axis])
        if fit:
            block[axis] = _even(block[axis], fit)
            break
        block[axis] = 1
    return tuple(block)


def chunked(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return chunks for rows of ``shape`` that are written and read whole: one row each, or even pieces along the first axis."""
    most = 2**20 // itemsize
    size = math.prod(shape)
    if size <= most or not shape:
        return (1, *shape)
    return (1, max(1, shape[0] * most // size), *shape[1:])
