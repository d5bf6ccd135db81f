"""Brian2 networks, taken over: many trials at once, in machine code, with Brian2's own spikes."""

from neurosim.brian.loading import BrianNetwork, load
from neurosim.brian.simulating import simulate_in_brian

__all__ = ["BrianNetwork", "load", "simulate_in_brian"]
