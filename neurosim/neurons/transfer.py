"""The contract of a transfer: potential -> rate, and the slope of that curve."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

from neurosim.backends import Backend, Draws
from neurosim.catalogue import Stated


class Transfer(Stated, abc.ABC):
    """Turns a population's potential into its rate.

    A transfer is stateless; it knows nothing of normalisation, dropout or learning.

    stochastic : whether the rate is drawn
    straight_through : whether an error passes as through another curve than the rate's own, which has no slope of use
    """

    name: ClassVar[str]
    stochastic: ClassVar[bool] = False
    straight_through: ClassVar[bool] = False

    @abc.abstractmethod
    def rate(self, backend: Backend, potential: Any, draws: Draws | None, stream: str) -> Any:
        """Return the rate, (batch, *shape), of ``potential``, (batch, *shape); a stochastic one draws from ``stream``."""

    @abc.abstractmethod
    def through_slope(self, backend: Backend, error_on_rate: Any, potential: Any, rate: Any) -> Any:
        """Return the error on the potential: ``error_on_rate`` times the transfer's own derivative (batch, *shape)."""
