"""The contract of an encoder: what a network is given in each tick of a trial."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

from neurosim.catalogue import Stated

Shape = tuple[int, ...]


class Encoder(Stated, abc.ABC):
    """Turns samples into the input of each tick.

    stochastic : whether it draws; ``encode`` of such an encoder takes the tick's random numbers as a third argument, ``draws``
    """

    name: ClassVar[str]
    stochastic: ClassVar[bool] = False

    @abc.abstractmethod
    def shape(self, sample: Shape, ticks: int) -> Shape:
        """Return the shape of one tick's input for samples of shape ``sample``; InputError where they do not last ``ticks``."""

    @abc.abstractmethod
    def encode(self, x: Any, tick: int) -> Any:
        """Return the input of a tick, (batch, *shape), for samples ``x``, (batch, *sample)."""
