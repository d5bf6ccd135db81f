"""Spikes that are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.backends import Backend, Draws
from neurosim.neurons.spike_source import SpikeSource


class GivenSpikes(SpikeSource):
    """In a sweep, the input of a tick is its spikes, 0 or 1.  ``Network.run`` is given lists: ``(index, time)``, or one a trial."""

    name = "given_spikes"

    def advance(
        self, backend: Backend, activation: Any, state: Mapping[str, Any], draws: Draws | None, stream: str
    ) -> tuple[Any, dict[str, Any]]:
        return activation, {}
