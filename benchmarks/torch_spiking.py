"""A spiking network's forward pass and training step as users of snnTorch and of SpikingJelly write them, with PyTorch's Adam.

The network is input-hidden-10: leaky integrate-and-fire neurons with an arctan surrogate and subtractive reset, read by leaky
integrators whose cross-entropy is averaged over the ticks.  Both libraries walk through the ticks in Python, as their tutorials do;
SpikingJelly's multi-step mode is used too, which makes one product of all ticks.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEMBRANE, READOUT = 20.0, 20.0  # ticks
DECAY, LEAK = math.exp(-1 / MEMBRANE), 1 - 1 / READOUT
NEVER = 1e9  # a threshold that is not reached


class SnnTorch(nn.Module):
    """The network of snnTorch's tutorials; x is (batch, n), the same in each tick, or (ticks, batch, n)."""

    def __init__(self, sizes: tuple[int, int, int], ticks: int) -> None:
        super().__init__()
        import snntorch

        self.ticks = ticks
        self.below, self.above = nn.Linear(sizes[0], sizes[1]), nn.Linear(sizes[1], sizes[2])
        self.hidden = snntorch.Leaky(beta=DECAY, spike_grad=snntorch.surrogate.atan(), reset_delay=False)
        self.output = snntorch.Leaky(beta=LEAK, reset_mechanism="none")

    def forward(self, x: Tensor) -> Tensor:
        """Return the readout's potential in each tick, (ticks, batch, 10)."""
        v, u, found = self.hidden.init_leaky(), self.output.init_leaky(), []
        for tick in range(self.ticks):
            spikes, v = self.hidden(self.below(x if x.ndim == 2 else x[tick]), v)
            _, u = self.output(self.above(spikes), u)
            found.append(u)
        return torch.stack(found)


class SpikingJelly(nn.Module):
    """The same in SpikingJelly, tick by tick, or with ``whole`` all ticks at once."""

    def __init__(self, sizes: tuple[int, int, int], ticks: int, whole: bool) -> None:
        super().__init__()
        from spikingjelly.activation_based import functional, neuron, surrogate

        self.ticks, self.forget = ticks, functional.reset_net
        options: dict[str, Any] = {"decay_input": False, "surrogate_function": surrogate.ATan(), "step_mode": "m" if whole else "s"}
        self.below, self.above = nn.Linear(sizes[0], sizes[1]), nn.Linear(sizes[1], sizes[2])
        self.hidden = neuron.LIFNode(tau=1 / (1 - DECAY), v_reset=None, **options)
        self.output = neuron.LIFNode(tau=READOUT, v_reset=None, v_threshold=NEVER, store_v_seq=whole, **options)
        self.whole = whole

    def forward(self, x: Tensor) -> Tensor:
        self.forget(self)
        if self.whole:
            self.output(self.above(self.hidden(self.below(x if x.ndim == 3 else x.expand(self.ticks, *x.shape)))))
            return self.output.v_seq
        found = []
        for tick in range(self.ticks):
            self.output(self.above(self.hidden(self.below(x if x.ndim == 2 else x[tick]))))
            found.append(self.output.v)
        return torch.stack(found)


def networks(sizes: tuple[int, int, int], ticks: int) -> dict[str, nn.Module]:
    """Return name -> network, of the libraries that are installed."""
    found: dict[str, nn.Module] = {}
    if importlib.util.find_spec("snntorch"):
        found["snntorch"] = SnnTorch(sizes, ticks)
    if importlib.util.find_spec("spikingjelly"):
        found |= {name: SpikingJelly(sizes, ticks, name.endswith("whole")) for name in ("spikingjelly", "spikingjelly_whole")}
    return found


def theirs(sizes: tuple[int, int, int], ticks: int, x: np.ndarray, labels: np.ndarray) -> dict[str, Callable[[], None]]:
    """Return name -> function: forward passes and training steps on one batch; x (batch, n) or (ticks, batch, n)."""
    torch.manual_seed(0)
    images, classes = torch.from_numpy(x), torch.from_numpy(labels)
    runs: dict[str, Callable[[], None]] = {}
    for name, network in networks(sizes, ticks).items():
        optimiser = torch.optim.Adam(network.parameters(), 5e-4, fused=True)

        def forward(network: nn.Module = network) -> None:
            with torch.no_grad():
                network(images)

        def train(network: nn.Module = network, optimiser: torch.optim.Optimizer = optimiser) -> None:
            optimiser.zero_grad()
            potential = network(images)
            F.cross_entropy(potential.flatten(0, 1), classes.repeat(ticks)).backward()
            optimiser.step()

        runs |= {f"{name} forward_ms": forward, f"{name} bptt_ms": train}
    return runs
