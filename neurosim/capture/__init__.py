"""A training step written down once as a graph of array operations, then planned, fused and replayed without allocating."""

from neurosim.capture.accumulation import Accumulation, accumulations
from neurosim.capture.exchange import RECORDED, recording
from neurosim.capture.graph import Body, Graph, Node, Turn, writeable
from neurosim.capture.plan import Plan, planned
from neurosim.capture.randomness import Randomness
from neurosim.capture.reach import Reach
from neurosim.capture.recorded import Leaf, Recorded, run_kernel
from neurosim.capture.repetition import repeat
from neurosim.capture.scanning import scan
from neurosim.capture.schedule import Item, check_order, scheduled

__all__ = [
    "RECORDED", "Accumulation", "Body", "Graph", "Item", "Leaf", "Node", "Plan", "Randomness", "Reach", "Recorded", "Turn",
    "accumulations", "check_order", "planned", "recording", "repeat", "run_kernel", "scan", "scheduled", "writeable",
]  # fmt: skip
