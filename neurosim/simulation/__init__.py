"""Runs circuits: independent trials at once, many ticks in one call of machine code."""

from neurosim.simulation.in_time import InTime
from neurosim.simulation.keeping import simulate_into
from neurosim.simulation.results import Simulated, SpikeTrains, States
from neurosim.simulation.runner import simulate
from neurosim.simulation.simulation_file import Monitor, SimulationFile
from neurosim.simulation.trial import CircuitProgram

__all__ = [
    "CircuitProgram", "InTime", "Monitor", "Simulated", "SimulationFile", "SpikeTrains", "States", "simulate", "simulate_into",
]  # fmt: skip
