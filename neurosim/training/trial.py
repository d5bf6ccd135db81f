"""One trial: a sample shown for some ticks, each of which starts from the state of the one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neurosim.backends import Draws
from neurosim.encoders import Constant, Encoder
from neurosim.errors import InputError
from neurosim.network import Clock, Network, Sweep


@dataclass(frozen=True)
class Trial:
    """How a network is shown a sample."""

    clock: Clock = Clock()
    encoder: Encoder = Constant()

    def check(self, network: Network, sample: tuple[int, ...], name: str) -> None:
        """Raise InputError where samples of this shape, of data set ``name``, do not fit the network's input."""
        shape = self.encoder.shape(sample, self.clock.ticks)
        if shape != tuple(network.input_shape):
            given = f"data set {name!r} has {sample}"
            given += "" if shape == sample else f", which encoder {self.encoder.name!r} makes {shape}"
            inputs = " and ".join(map(repr, network.inputs))
            raise InputError(f"input population {inputs} has shape {network.input_shape}: {given}")

    def sweeps(self, network: Network, x: Any, *, training: bool = False, draws: Draws | None = None) -> list[Sweep]:
        """Return the sweep of each tick for samples ``x``, (batch, *sample)."""
        sweeps: list[Sweep] = []
        for tick in range(self.clock.ticks):
            state = sweeps[-1].state if sweeps else None
            own = None if draws is None else draws.at(tick)
            sweeps.append(network.sweep(self.encoder.encode(x, tick), state, training=training, draws=own))
        return sweeps
