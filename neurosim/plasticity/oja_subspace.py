"""Oja's subspace rule: several neurons share the first principal components of their input among them."""

from __future__ import annotations

from typing import Any

from neurosim.errors import require, require_number
from neurosim.plasticity.rule import Proposal, Rule, Synapses, Variables
from neurosim.plasticity.state import Shapes, Start


class OjaSubspace(Rule):
    """dW = eta (x'y - W y'y), averaged over the batch: W'W goes to 1, and the columns of W to span the first eigenvectors.

    x, y : presynaptic and postsynaptic rates, as rows; y = x W, so the postsynaptic neurons have to be linear
    eta : smaller than about 1 / (the largest eigenvalue of the input's second moment)

    Which vectors span the space depends on the initial weights.  Not local: a synapse reads the rates of all other postsynaptic
    neurons, and their weights from its own presynaptic neuron.

    Raises InputError where the projection is not all to all.

    Source: Oja 1989, Neural networks, principal components, and subspaces, equation 3.
    """

    local = False
    scale_matters = True
    pre = frozenset({"rate"})
    post = frozenset({"rate"})

    def __init__(self, *, eta: float = 0.01) -> None:
        require_number("rule 'oja_subspace'", "eta", eta, 0.01)
        self.eta = eta

    def initial_state(self, shapes: Shapes) -> dict[str, Start]:
        require(len(shapes.w) == 2, "rule 'oja_subspace' needs an all_to_all projection; use one")
        return {}

    def delta(self, pre: Variables, post: Variables, synapses: Synapses) -> Proposal:
        matmul = synapses.backend.matmul
        x, y = (side["rate"].reshape(len(side["rate"]), -1) for side in (pre, post))
        change: Any = matmul(x.T, y) - matmul(synapses.w, matmul(y.T, y))  # (n_pre, n_post)
        return Proposal(change * change.dtype.type(self.eta / len(x)), None, {})

    def describe(self) -> str:
        return f"dW = eta * (x'y - W y'y), eta = {self.eta}; reads all postsynaptic neurons and their weights"
