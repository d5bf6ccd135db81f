"""Co-activation memory (AM-mem): the weights solve a running least-squares problem.

Source: Choromanska et al. 2019, algorithm "AM-mem".  The column solve needs the correlations between presynaptic neurons, which no
single synapse carries, so this is a rule of its own and not a separable equation: it is not local, and says so.
"""

from __future__ import annotations

from neurosim.errors import quoted, require
from neurosim.plasticity.rule import Proposal, Rule, Synapses, Variables
from neurosim.plasticity.state import Shapes, Start


class CoActivationMemory(Rule):
    """w moves to argmin ||target - w' a||**2 over all remembered batches, one sweep of block coordinate descent a batch.

    A <- (1 - forgetting) A + forgetting a'a / batch        pre-pre co-activation, (n_pre, n_pre)
    B <- (1 - forgetting) B + forgetting a'c / batch        pre-target co-activation, (n_pre, n_post)
    for each presynaptic j:  w_j <- soft((B_j - A_j w + A_jj w_j) / A_jj, sparsity / A_jj)

    with a the presynaptic rate and c = drive + error the code the postsynaptic neuron is asked to take.  The bias stays as it is.

    forgetting : share of the new batch; 0 remembers all batches equally, as the paper's text does (and goes stale).
    sparsity : the weight of an L1 penalty on w (lambda_w).

    Raises
    ------
    InputError
        ``forgetting`` is not in [0, 1), ``sparsity`` is negative, or the projection is not all to all.
    """

    local = False
    solves = True
    pre = frozenset({"rate"})
    post = frozenset({"drive", "error"})

    def __init__(self, *, forgetting: float = 0.05, sparsity: float = 0.0) -> None:
        require(0 <= forgetting < 1, f"co-activation memory: forgetting {quoted(forgetting)} is not in [0, 1); use 0.05")
        require(sparsity >= 0, f"co-activation memory: sparsity {quoted(sparsity)} is negative; use 0 or more")
        self.forgetting = forgetting
        self.sparsity = sparsity

    def initial_state(self, shapes: Shapes) -> dict[str, Start]:
        require(len(shapes.w) == 2, "co-activation memory needs an all_to_all projection; use one")
        n_pre, n_post = shapes.w
        return {"A": Start((n_pre, n_pre)), "B": Start((n_pre, n_post))}

    def delta(self, pre: Variables, post: Variables, synapses: Synapses) -> Proposal:
        require(synapses.all_to_all, "co-activation memory needs an all_to_all projection; use one")
        backend, rate = synapses.backend, pre["rate"].reshape(len(pre["rate"]), -1)
        target = post["drive"] + post["error"]
        if synapses.b is not None:
            target = target - synapses.b
        keep, take = (1 - self.forgetting, self.forgetting) if self.forgetting else (1.0, 1.0)
        scale = rate.dtype.type(take / len(rate))
        A = synapses.state["A"] * rate.dtype.type(keep) + scale * backend.matmul(rate.T, rate)
        B = synapses.state["B"] * rate.dtype.type(keep) + scale * backend.matmul(rate.T, target.reshape(len(target), -1))
        w = backend.solve_columns(synapses.w, A, B, self.sparsity)
        return Proposal(w - synapses.w, None, {"A": A, "B": B})

    def describe(self) -> str:
        return f"co-activation memory (A, B), forgetting {self.forgetting}, one coordinate-descent sweep a batch"
