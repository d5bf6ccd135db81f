"""Spikes drawn anew in every tick, more of them where the sample is brighter."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Draws
from neurosim.encoders.encoder import Encoder, Shape
from neurosim.errors import InputError, quoted, require


class Poisson(Encoder):
    """x_t = 1 with probability p = scale x, at least 0 and at most 1, and 0 otherwise; independent in each tick.

    scale : the probability of a spike in a tick for x = 1; in ticks of dt, a rate of r Hz is scale = r dt

    Raises
    ------
    InputError
        ``scale`` is not in (0, 1].
    """

    name = "poisson"
    stochastic = True

    def __init__(self, *, scale: float = 1.0) -> None:
        require(0 < scale <= 1, f"encoder 'poisson': scale {quoted(scale)}: expected a probability in (0, 1]; give one such as 0.1")
        self.scale = scale

    def shape(self, sample: Shape, ticks: int) -> Shape:
        return sample

    def encode(self, x: Any, tick: int, draws: Draws | None = None) -> Any:
        if draws is None:
            raise InputError("encoder 'poisson': it draws spikes: expected random numbers for each tick; pass draws")
        chance = draws.uniform("encoder/poisson", x.shape, x.dtype)
        return (chance < x * x.dtype.type(self.scale)).astype(x.dtype)
