"""Brian2 networks, taken over: many trials at once, in machine code, with Brian2's own spikes."""

from neurosim.brian.background import add_noise, add_poisson, drawn_input
from neurosim.brian.exporting import export
from neurosim.brian.loading import BrianNetwork, load
from neurosim.brian.plastic import plastic_synapses
from neurosim.brian.simulating import made_by, simulate_in_brian

__all__ = [
    "BrianNetwork", "add_noise", "add_poisson", "drawn_input", "export", "load", "made_by", "plastic_synapses",
    "simulate_in_brian",
]  # fmt: skip
