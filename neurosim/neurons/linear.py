"""Identity: h = a."""

from __future__ import annotations

from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.neurons.transfer import Transfer


class Linear(Transfer):
    """h = a, slope 1."""

    name = "linear"

    def rate(self, backend: Backend, activation: Any, draws: Draws | None, stream: str) -> Any:
        return activation

    def through_slope(self, backend: Backend, error_on_rate: Any, activation: Any, rate: Any) -> Any:
        return error_on_rate
