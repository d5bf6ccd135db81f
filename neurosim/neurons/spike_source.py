"""The contract of populations that spike by themselves, as their input says: the input of spiking networks."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

from neurosim.backends import Backend
from neurosim.neurons.neurons import Neurons


class SpikeSource(Neurons, abc.ABC):
    """Neurons whose spikes follow from what they are given, and from nothing that other neurons do.

    An error passes through a spike as through the line that its mean follows, so that encoders of samples can be learned, too.
    """

    emits = "spike"
    variables = {
        "drive": "what they are given", "rate": "spikes", "spike": "1 in a tick with a spike, 0 otherwise",
    }  # fmt: skip

    def errors_back(
        self, backend: Backend, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Any
    ) -> tuple[Any, dict[str, Any]]:
        return error_on_rate, {}
