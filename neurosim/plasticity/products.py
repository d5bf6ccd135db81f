"""A rule's equations as matrix products: what they read in one batch, and what their terms come to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from neurosim.equations import PlasticityEquation, Term, compile_expression

if TYPE_CHECKING:
    from neurosim.plasticity.rule import Synapses

Variables = Mapping[str, Any]

# functions of name -> array for the synapse's values, pre side, post side, modulators; None for what does not occur
CompiledTerm = tuple[Any, Any, Any, Any]


class Values(NamedTuple):
    """What the equations of one rule read in one batch, by name as they write it.

    batch : how many samples there are; a rule that reads nothing that differs from sample to sample has one
    pre, post : what an expression of one side reads: its variables, (batch, *shape), its states, and modulators
    state : the rule's, each of its own shape
    synaptic : what every synapse has, in shapes that go with the weights: ``w``, states of the synapse and of either side that are
        one for all samples
    traces : states of the synapse of which each sample has its own, (batch, n_pre, n_post)
    """

    synapses: Synapses
    batch: int
    pre: Variables
    post: Variables
    state: Variables
    synaptic: Variables
    traces: Variables

    @staticmethod
    def of(pre: Variables, post: Variables, synapses: Synapses, state: Variables, per_sample: Collection[str]) -> Values:
        """Return what a rule with ``state`` reads of variables of both sides, name -> (batch, *shape).

        per_sample : the names of those states of which each sample has its own
        """
        own = {name: state[name] for name in per_sample}
        shared = {name: value for name, value in state.items() if name not in own}
        changing = [*pre.values(), *post.values(), *synapses.modulators.values(), *own.values()]
        synaptic = {"w": synapses.w}
        for name, value in shared.items():
            synaptic[name] = value
            if synapses.all_to_all and name.endswith(("_pre", "_post")):
                synaptic[name] = value.reshape(-1, 1) if name.endswith("_pre") else value.reshape(1, -1)
        return Values(
            synapses,
            batch=len(changing[0]) if changing else 1,
            pre=_of_side("_pre", pre, shared, own, synapses.modulators),
            post=_of_side("_post", post, shared, own, synapses.modulators),
            state=state,
            synaptic=synaptic,
            traces={name: value for name, value in own.items() if not name.endswith(("_pre", "_post"))},
        )

    def of_sample(self, k: int) -> Variables:
        """Return everything for the sample ``k``, in shapes that go with an all-to-all projection's weights."""
        found = {**self.synaptic, **{name: value[k] for name, value in self.synapses.modulators.items()}}
        for side, shape in ((self.pre, (-1, 1)), (self.post, (1, -1))):
            found |= {name: value[k].reshape(shape) for name, value in side.items() if name not in found}
        return found

    def of_samples(self) -> Variables:
        """Return everything for all samples at once, in shapes that go with traces, (batch, n_pre, n_post)."""
        found = {**self.synaptic, **self.traces}
        found |= {name: value.reshape(-1, 1, 1) for name, value in self.synapses.modulators.items()}
        for side, shape in ((self.pre, (self.batch, -1, 1)), (self.post, (self.batch, 1, -1))):
            found |= {name: value.reshape(shape) for name, value in side.items() if name not in found}
        return found


def _of_side(side: str, values: Variables, shared: Variables, own: Variables, modulators: Variables) -> Variables:
    found = {f"{name}{side}": value for name, value in values.items()}
    found |= {name: value for name, value in own.items() if name.endswith(side)}
    states = {name: value for name, value in shared.items() if name.endswith(side)}
    if modulators:
        axes = max([value.ndim for value in found.values()] + [value.ndim + 1 for value in states.values()], default=1)
        found |= {name: value.reshape(-1, *[1] * (axes - 1)) for name, value in modulators.items()}
    return found | states


def mean_change(terms: Sequence[CompiledTerm], values: Values) -> Any:
    """Return the mean over the batch of a sum of terms, of the weights' shape; nothing else has this array."""
    synapses = values.synapses
    total: Any = 0.0
    for number, (factor, pre, post, modulators) in enumerate(terms):
        part = factor(values.synaptic)
        if pre or post:
            product = _summed(pre and pre(values.pre), post and post(values.post), synapses)
            product *= product.dtype.type(1 / values.batch)
            part = product if isinstance(part, int | float) and part == 1 else part * product
        elif modulators:
            part = part * modulators(synapses.modulators).mean()
        total = part if number == 0 else total + part
    if isinstance(total, int | float):
        return synapses.backend.xp.full_like(synapses.w, total)
    # one side alone is one row or column of the weights; and optimisers write into what is proposed
    whole = total.shape == synapses.w.shape and not any(total is value for value in values.synaptic.values())
    return total if whole else synapses.backend.xp.zeros_like(synapses.w) + total


def mean_bias_change(terms: Sequence[CompiledTerm], values: Values) -> Any:
    """Return the mean over the batch of a bias's terms, (*post)."""
    synapses = values.synapses
    total, states = synapses.backend.xp.zeros_like(synapses.b), {"b": synapses.b} | dict(values.state)
    for factor, _, post, modulators in terms:
        part = factor(states)
        if post:
            part = part * post(values.post).mean(axis=0)
        elif modulators:
            part = part * modulators(synapses.modulators).mean()
        total += part
    return total


def _summed(pre: Any, post: Any, synapses: Synapses) -> Any:
    """Return the sum over the batch of pre times post, shaped to go with the weights; None is a side that does not occur."""
    if pre is not None and post is not None:
        return synapses.connectivity.correlate(synapses.backend, pre, post)
    total = (post if pre is None else pre).sum(axis=0)
    if not synapses.all_to_all:
        return total
    return total.reshape(-1, 1) if post is None else total.reshape(1, -1)


class Compiled(NamedTuple):
    """One equation for one array module: as terms, and as an expression whole.

    reads_traces : whether it has a value for each sample and synapse; it is then evaluated whole
    """

    terms: list[CompiledTerm]
    whole: Any
    reads_traces: bool

    @staticmethod
    def of(equation: PlasticityEquation, terms: Sequence[Term], xp: Any) -> Compiled:
        compiled = [compile_term(term, xp) for term in terms]
        return Compiled(compiled, compile_expression(equation.expression, xp), bool(equation.traces))


class Program(NamedTuple):
    """A rule's equations for one array module; those of its states by their names."""

    weight: Compiled
    bias_terms: list[CompiledTerm]
    states: dict[str, Compiled]


def compile_term(term: Term, xp: Any) -> CompiledTerm:
    """Return a term's functions of a mapping name -> array."""
    parts = (term.pre, term.post, term.modulators)
    pre, post, modulators = (None if part.is_number else compile_expression(part, xp) for part in parts)
    return compile_expression(term.synapse, xp), pre, post, modulators
