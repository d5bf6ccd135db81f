"""Hebb's rule with a constant sum of the weights onto a neuron: its synapses compete for it."""

from __future__ import annotations

from typing import Any

from neurosim.errors import quoted, require, require_number
from neurosim.plasticity.rule import Proposal, Rule, Synapses, Variables
from neurosim.plasticity.state import Shapes, Start

NORMALISATIONS = ("subtractive", "divisive")


class NormalisedHebb(Rule):
    """Hebb's rule, less what would change the sum of a neuron's weights; x, y : presynaptic and postsynaptic rates.

    subtractive : dw = eta y (x - mean(x)), over the presynaptic neurons.  The sum stays what it is.  The weights of the pattern
        that varies most grow until they meet bounds, which the optimiser has to set
    divisive : dw = eta y (x - w sum(x)).  The sum goes to 1 where y is positive, and w to the first eigenvector of the input's
        second moment, of sum 1

    Neither is local: each synapse reads the rates of all presynaptic neurons.  Two other rules are: ``oja`` keeps the sum of
    squares, and ``dw = rate_post * (rate_pre - w)`` the sum, if the presynaptic rates have a constant sum.

    Raises InputError for another normalisation, and where the projection is not all to all.

    Source: Miller and MacKay 1994, The role of constraints in Hebbian learning (S1 and M1, conserving the sum).
    """

    local = False
    scale_matters = True
    pre = frozenset({"rate"})
    post = frozenset({"rate"})

    def __init__(self, *, eta: float = 0.01, normalisation: str = "subtractive") -> None:
        require_number("rule 'normalised_hebb'", "eta", eta, 0.01)
        said = f"rule 'normalised_hebb': normalisation {quoted(normalisation)}: expected 'subtractive' or 'divisive'; pick one"
        require(normalisation in NORMALISATIONS, said)
        self.eta = eta
        self.normalisation = normalisation

    def initial_state(self, shapes: Shapes) -> dict[str, Start]:
        return {}

    def delta(self, pre: Variables, post: Variables, synapses: Synapses) -> Proposal:
        wiring, matmul = synapses.connectivity.name, synapses.backend.matmul
        said = f"rule 'normalised_hebb': connectivity {quoted(wiring)}: expected 'all_to_all', because it sums over all"
        require(wiring == "all_to_all", f"{said} presynaptic neurons; use it, or another rule and normalise_incoming")
        x, y = (side["rate"].reshape(len(side["rate"]), -1) for side in (pre, post))
        change: Any
        if self.normalisation == "subtractive":
            change = matmul((x - x.mean(axis=1, keepdims=True)).T, y)  # (n_pre, n_post)
        else:
            change = matmul(x.T, y) - synapses.w * (x.sum(axis=1, keepdims=True) * y).sum(axis=0)
        return Proposal(change * change.dtype.type(self.eta / len(x)), None, {})

    def describe(self) -> str:
        less = "mean(x)" if self.normalisation == "subtractive" else "w sum(x)"
        return f"dw = eta * y * (x - {less}), eta = {self.eta}; reads all presynaptic rates"
