"""The contract of a transfer: activation -> rate, and the slope of that curve."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.neurons.neurons import Neurons


class Transfer(Neurons):
    """Rate neurons without state, given by a curve: the activation becomes the rate at once.

    It knows nothing of normalisation, dropout or learning.
    """

    @property
    def curve(self) -> Transfer:
        return self

    @abc.abstractmethod
    def rate(self, backend: Backend, activation: Any, draws: Draws | None, stream: str) -> Any:
        """Return the rate, (batch, *shape), of ``activation``, (batch, *shape); a stochastic one draws from ``stream``."""

    @abc.abstractmethod
    def through_slope(self, backend: Backend, error_on_rate: Any, activation: Any, rate: Any) -> Any:
        """Return the error on the activation: ``error_on_rate`` times the transfer's own derivative (batch, *shape)."""

    def advance(
        self, backend: Backend, activation: Any, state: Mapping[str, Any], draws: Draws | None, stream: str
    ) -> tuple[Any, dict[str, Any]]:
        return self.rate(backend, activation, draws, stream), {}

    def errors_back(
        self, backend: Backend, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Any
    ) -> tuple[Any, dict[str, Any]]:
        return self.through_slope(backend, error_on_rate, activity.activation, activity.rate), {}
