"""The same input in every tick."""

from __future__ import annotations

from typing import Any

from neurosim.encoders.encoder import Encoder, Shape


class Constant(Encoder):
    """x_t = x."""

    name = "constant"

    def shape(self, sample: Shape, ticks: int) -> Shape:
        return sample

    def encode(self, x: Any, tick: int) -> Any:
        return x
