"""Sanger's rule, the generalised Hebbian algorithm: neurons become the principal components of their input, in order."""

from __future__ import annotations

from typing import Any

from neurosim.errors import require, require_number
from neurosim.plasticity.rule import Proposal, Rule, Synapses, Variables
from neurosim.plasticity.state import Shapes, Start


class Sanger(Rule):
    """dW = eta (x'y - W upper(y'y)), averaged over the batch: the columns of W go to the first eigenvectors, in order, up to sign.

    x, y : presynaptic and postsynaptic rates, as rows; y = x W, so the postsynaptic neurons have to be linear
    upper : the triangle above the diagonal, with it: each neuron learns from what the neurons before it leave of the input
    eta : smaller than about 1 / (the largest eigenvalue of the input's second moment)

    Not local: a synapse reads the rates of the postsynaptic neurons before its own, and their weights from its own presynaptic
    neuron.

    Raises InputError where the projection is not all to all.

    Source: Sanger 1989, Optimal unsupervised learning in a single-layer linear feedforward neural network.
    """

    local = False
    scale_matters = True
    pre = frozenset({"rate"})
    post = frozenset({"rate"})

    def __init__(self, *, eta: float = 0.01) -> None:
        require_number("rule 'sanger'", "eta", eta, 0.01)
        self.eta = eta

    def initial_state(self, shapes: Shapes) -> dict[str, Start]:
        require(len(shapes.w) == 2, "rule 'sanger' needs an all_to_all projection; use one")
        return {}

    def delta(self, pre: Variables, post: Variables, synapses: Synapses) -> Proposal:
        xp, matmul = synapses.backend.xp, synapses.backend.matmul
        x, y = (side["rate"].reshape(len(side["rate"]), -1) for side in (pre, post))
        upper = xp.triu(xp.ones((y.shape[1], y.shape[1]), y.dtype))
        change: Any = matmul(x.T, y) - matmul(synapses.w, matmul(y.T, y) * upper)  # (n_pre, n_post)
        return Proposal(change * change.dtype.type(self.eta / len(x)), None, {})

    def describe(self) -> str:
        return f"dW = eta * (x'y - W upper(y'y)), eta = {self.eta}; reads the postsynaptic neurons before each, and their weights"
