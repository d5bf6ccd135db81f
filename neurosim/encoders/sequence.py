"""A sample that is a sequence already."""

from __future__ import annotations

from typing import Any

from neurosim.encoders.encoder import Encoder, Shape
from neurosim.errors import InputError, quoted, require, span


class Sequence(Encoder):
    """x_t is entry t of the sample's axis ``axis``: of (channels, height, width), axis 1 gives an image row by row.

    axis : of one sample, from 0

    Raises
    ------
    InputError
        An axis the samples do not have, or one of another length than the trial has ticks.
    """

    name = "sequence"

    def __init__(self, *, axis: int = 0) -> None:
        whole = isinstance(axis, int) and not isinstance(axis, bool) and axis >= 0
        require(whole, f"encoder 'sequence': axis {quoted(axis)}: expected a whole number from 0; give one such as 0")
        self.axis = axis

    def shape(self, sample: Shape, ticks: int) -> Shape:
        where = f"encoder 'sequence': samples of shape {sample}"
        if self.axis >= len(sample):
            raise InputError(f"{where} have no axis {self.axis}: expected {span(0, len(sample) - 1)}; change axis")
        length = sample[self.axis]
        require(length == ticks, f"{where} have {length} entries along axis {self.axis}: expected {ticks}, as the trial has ticks")
        return tuple(n for k, n in enumerate(sample) if k != self.axis) or (1,)

    def encode(self, x: Any, tick: int) -> Any:
        at = (slice(None),) * (self.axis + 1)
        part = x[(*at, slice(tick, tick + 1))]
        rest = tuple(n for k, n in enumerate(x.shape[1:]) if k != self.axis) or (1,)
        return part.reshape(len(x), *rest)
