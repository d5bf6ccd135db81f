"""Brian2 networks, taken over: many trials at once, in machine code, with Brian2's own spikes."""

from neurosim.brian.loading import BrianNetwork, load

__all__ = ["BrianNetwork", "load"]
