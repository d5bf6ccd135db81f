"""Spiking networks as circuits: arrays, and what is done to them in each tick."""

from neurosim.circuit.circuit import (
    Action,
    Assignment,
    Block,
    Circuit,
    Deliver,
    Lag,
    Place,
    Record,
    Replay,
    Reset,
    SpikingGroup,
    Threshold,
    Timed,
    Update,
)

__all__ = [
    "Action", "Assignment", "Block", "Circuit", "Deliver", "SpikingGroup", "Lag", "Place", "Record", "Replay", "Reset", "Threshold",
    "Timed", "Update",
]  # fmt: skip
