"""Populations, projections, the network they form, and one forward pass through it."""

from neurosim.network.clock import Clock
from neurosim.network.network import Network
from neurosim.network.population import Population
from neurosim.network.projection import Projection
from neurosim.network.sweep import Activity, Sweep, Teaching
from neurosim.simulation import InTime

__all__ = ["Activity", "Clock", "InTime", "Network", "Population", "Projection", "Sweep", "Teaching"]
