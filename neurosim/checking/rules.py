"""The contract of a plasticity rule, and its captured step beside array code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosim.capture import Randomness, Reach
from neurosim.checking.bench import ArrayTrainer, list_differing, make_data, run_into_second_epoch
from neurosim.checking.capturing import ATOL, RTOL, explain_refusal
from neurosim.checking.contract import collect_arrays
from neurosim.checking.result import Outcome
from neurosim.checking.subject import Subject
from neurosim.errors import InputError, quoted
from neurosim.feedback import pathway
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import neurons_by_name
from neurosim.plasticity import SGD, Proposal, Rule, Synapses
from neurosim.tasks import Classification
from neurosim.training import Trainer

BATCH, PRE, POST = 8, 5, 4
TICKS = Clock(3, asked=2)  # of a rule that remembers something of each sample: what it does there, a trial of one tick hides
AFTER = 4  # batches in which what one moved value does is looked for: a state may pass it on
MOVED = 1e-4  # at least, of some weight in an epoch


class Praise(Classification):
    """Brings all synapses the modulators of the given names: a reward for each class, whatever the network did."""

    def __init__(self, size: int, *, names: frozenset[str]) -> None:
        super().__init__(size)
        self.names = names
        self.modulators = tuple(sorted(names))  # type: ignore[misc]

    def broadcast(self, outcome: Any) -> dict[str, Any]:
        rewards = np.linspace(-0.5, 1.0, self.size, dtype=outcome.dtype)
        return {name: (outcome * rewards).sum(axis=1) for name in self.modulators}


def fitting_neurons(rule: Rule) -> str:
    """Return the name of rate neurons that have what the rule reads of its postsynaptic side: those with tanh, or special ones."""
    wanted = rule.post - {"error"}
    names = ["tanh", *(name for name, made in neurons_by_name().items() if made.emits == "rate")]
    return next((name for name in names if wanted <= set(neurons_by_name()[name].variables)), "tanh")


def make_trainer(
    rule: Rule, *, dtype: str = "float64", connectivity: str = "all_to_all", kind: type[Trainer] = Trainer, epochs: int = 1
) -> Trainer:
    """Return a trainer joined to its data, under back-propagation, whose first projection learns by ``rule``."""
    size, initial = (12, 0.3) if connectivity == "one_to_one" else (7, "glorot")
    populations = [Population("x", 12), Population("hidden", size, neurons=fitting_neurons(rule))]
    populations.append(Population("output", 4, transfer="softmax"))
    hidden = Projection("x", "hidden", rule=rule, connectivity=connectivity, initial=initial)
    network = Network(populations, [hidden, Projection("hidden", "output")], seed=3, dtype=dtype)
    options: dict[str, Any] = {"task": Praise(4, names=rule.modulators), "clock": TICKS if hidden.starts else Clock()}
    made = kind(network, pathway("backprop"), SGD(0.05), epochs=epochs, batch=16, seed=1, **options)
    made.check(make_data())
    network.projections["x__hidden"].parameters["b"] += 0.1  # a bias of zero hides what multiplies it
    return made


class Bench:
    """A rule with the two sides it names, and weights, bias and state off zero.

    per_sample : the names of those states of which each sample has its own, (BATCH, ...)
    """

    def __init__(self, subject: Subject, dtype: str = "float64") -> None:
        draw = np.random.default_rng(3)
        self.rule: Rule = subject.make()
        self.pre, self.post = (
            {name: draw.normal(size=(BATCH, size)).astype(dtype) for name in sorted(names)}
            for names, size in ((self.rule.pre, PRE), (self.rule.post, POST))
        )
        hidden = Population("hidden", POST, neurons=fitting_neurons(self.rule))
        populations = [Population("x", PRE), hidden, Population("output", 2)]
        network = Network(populations, [Projection("x", "hidden", rule=self.rule), Projection("hidden", "output")], dtype=dtype)
        projection = network.projections["x__hidden"]
        for values in projection.parameters.values():
            values[...] = draw.normal(size=values.shape)
        state = {name: np.array(value) for name, value in projection.state.items()}
        self.per_sample = sorted(projection.starts)
        state |= {name: np.full((BATCH, *start.shape), start.value, dtype) for name, start in projection.starts.items()}
        self.modulators = {name: draw.normal(size=BATCH).astype(dtype) for name in sorted(self.rule.modulators)}
        w, b = projection.w, projection.parameters["b"]
        self.synapses = Synapses(network.backend, projection.connectivity, w, b, state, self.modulators)
        for name, value in self.delta().state.items():  # as after a first batch: a state of zero hides what multiplies it
            if name in state and getattr(value, "shape", None) == state[name].shape and value.dtype == state[name].dtype:
                state[name] = np.array(value)

    def delta(self, pre: Mapping[str, Any] | None = None, post: Mapping[str, Any] | None = None) -> Proposal:
        """Return what the rule proposes."""
        return self.rule.delta(pre or self.pre, post or self.post, self.synapses)

    def delta_of(self, rows: Any) -> Proposal:
        """Return what the rule proposes for a batch of the samples of the given numbers."""
        pre, post, modulators = (
            {name: value[rows] for name, value in side.items()} for side in (self.pre, self.post, self.modulators)
        )
        state = {name: value[rows] if name in self.per_sample else value for name, value in self.synapses.state.items()}
        return self.rule.delta(pre, post, dataclasses.replace(self.synapses, state=state, modulators=modulators))

    def delta_after(self, pre: Mapping[str, Any], post: Mapping[str, Any], w: Any) -> Any:
        """Return what the rule proposes for these values, and then, with the state they left, for the bench's own: (AFTER, *w)."""
        changes, synapses = [], dataclasses.replace(self.synapses, w=w)
        for _ in range(AFTER):
            proposal = self.rule.delta(pre, post, synapses)
            changes.append(np.array(proposal.dw))
            state = {**synapses.state, **proposal.state}
            pre, post, synapses = self.pre, self.post, dataclasses.replace(self.synapses, state=state)
        return np.stack(changes)

    def arrays(self) -> dict[str, Any]:
        """Return all that the rule is handed, by name."""
        pre = {f"{name}_pre": value for name, value in self.pre.items()}
        post = {f"{name}_post": value for name, value in self.post.items()}
        return {**pre, **post, "w": self.synapses.w, "b": self.synapses.b, **self.synapses.state}


def _values(proposal: Proposal) -> dict[str, Any]:
    bias = {} if proposal.db is None else {"db": proposal.db}
    return {name: np.array(value) for name, value in {"dw": proposal.dw, **bias, **proposal.state}.items()}


def describes_itself(subject: Subject) -> Outcome:
    """A rule says in one line what it does; beside it stands what it reads."""
    rule = subject.make()
    text = rule.describe()
    if not isinstance(text, str) or not text.strip() or "\n" in text:
        return Outcome("a line of text", "none", f"describe() returns {quoted(text)}: expected one line of text")
    variables = [f"{name}_{side}" for side, names in (("pre", rule.pre), ("post", rule.post)) for name in sorted(names)]
    own = Bench(subject).per_sample
    remembers = f", and remembers of each sample {' '.join(own)}" if own else ""
    return Outcome("a line of text", f"one; it reads {' '.join(variables) or 'no population'}{remembers}")


def delta_is_pure(subject: Subject) -> Outcome:
    """``delta`` changes nothing, draws nothing, and answers the same twice."""
    bench = Bench(subject)
    before = {name: np.array(value) for name, value in bench.arrays().items()}
    reach = Reach([bench.rule])
    held = collect_arrays(reach)
    copies = {name: value.copy() for name, value in held.items()}
    randomness = Randomness(reach.values())
    first, second = _values(bench.delta()), _values(bench.delta())
    changed = list_differing(before, bench.arrays()) or list_differing(copies, held)
    drawn, attribute, answers = randomness.drawn_from(), reach.difference(), list_differing(first, second)
    change = ""
    if changed:
        change = f"changes {sorted(changed)[0]}"
    elif drawn is not None:
        change = f"draws random numbers from {drawn}"
    elif attribute is not None:
        change = f"changes {attribute}"
    elif answers:
        change = f"answers another {sorted(answers)[0]} the second time"
    expected = "no change by delta"
    if change:
        return Outcome(expected, change, f"delta {change}: return the next state in the Proposal")
    return Outcome(expected, "nothing changed")


def proposal_fits(subject: Subject) -> Outcome:
    """Changes have the shapes and the type of weights, bias and state, and are finite numbers."""
    expected = "the right shapes and types"
    for dtype in ("float32", "float64"):
        bench = Bench(subject, dtype)
        proposal, synapses = bench.delta(), bench.synapses
        known = {"dw": synapses.w, "db": synapses.b, **synapses.state}
        if not isinstance(proposal, Proposal):
            return Outcome(expected, "no Proposal", f"delta returns {quoted(proposal)}: expected a Proposal(dw, db, state)")
        if set(proposal.state) != set(synapses.state):
            why = f"delta returns the state {sorted(proposal.state)}: initial_state names {sorted(synapses.state)}"
            return Outcome(expected, "another state", why)
        for name, value in {"dw": proposal.dw, "db": proposal.db, **proposal.state}.items():
            if value is None and name == "db":
                continue
            like = known[name]
            shape, kind = getattr(value, "shape", None), getattr(value, "dtype", None)
            if shape != like.shape:
                return Outcome(expected, f"{name} of another shape", f"{name} has shape {shape}: expected {like.shape}")
            if kind != like.dtype:
                why = f"{name} is {kind} where the weights are {like.dtype}: use their type"
                return Outcome(expected, f"{name} of another type", why)
            if not np.isfinite(value).all():
                return Outcome(expected, "not finite", f"{name} is not finite for normal numbers: expected finite ones")
    return Outcome(expected, "they fit")


def batch_is_averaged(subject: Subject) -> Outcome:
    """A batch in which every sample stands twice, forwards and backwards, is answered as the batch is."""
    bench = Bench(subject)
    rows = np.concatenate([np.arange(BATCH), np.arange(BATCH)[::-1]])
    once, twice = _values(bench.delta()), _values(bench.delta_of(rows))
    once |= {name: once[name][rows] for name in bench.per_sample}
    off = [name for name, value in once.items() if not np.allclose(twice[name], value, rtol=1e-6, atol=1e-9)]
    if off:
        why = f"{off[0]} of a batch in which every sample stands twice is another: average over the batch, do not sum"
        return Outcome("averaged over the batch", "not averaged", why)
    return Outcome("averaged over the batch", "averaged")


def samples_are_apart(subject: Subject) -> Outcome:
    """What a rule remembers of one sample does not hear of the others, which merely happen to be in its batch."""
    expected, bench = "each by itself", Bench(subject)
    if not bench.per_sample:
        return Outcome(expected, "nothing is remembered of a sample")
    few = [6, 1, 4]
    whole, part = bench.delta().state, bench.delta_of(few).state
    off = [name for name in bench.per_sample if not np.allclose(part[name], whole[name][few], rtol=1e-9, atol=1e-12)]
    if off:
        why = f"{off[0]} of a sample is another where other samples are in its batch: work it out from the sample's own values"
        return Outcome(expected, "mixed", why)
    return Outcome(expected, "each by itself")


def synapse_is_local(subject: Subject) -> Outcome:
    """A rule class may read neurons and synapses beyond a synapse's ends: no failure, but no single synapse could do it.

    The batches after that, in which all is as it was, show what reaches other synapses through the rule's state.
    """
    bench = Bench(subject)
    w, reads = bench.synapses.w, set()
    before = bench.delta_after(bench.pre, bench.post, w)
    for side, arrays, axis in (("pre", bench.pre, 0), ("post", bench.post, 1)):
        for name, value in arrays.items():
            for neuron in range(value.shape[1]):
                moved = value.copy()
                moved[:, neuron] += 1
                after = bench.delta_after(**{"pre": bench.pre, "post": bench.post, "w": w, side: arrays | {name: moved}})
                changed = (after != before).any(axis=0)
                if np.delete(changed, neuron, axis=axis).any():
                    reads.add(f"{name}_{side} of other neurons")
    for at in np.ndindex(w.shape):
        moved = w.copy()
        moved[at] += 1
        changed = (bench.delta_after(bench.pre, bench.post, moved) != before).any(axis=0)
        changed[at] = False
        if changed.any():
            reads.add("w of other synapses")
    return Outcome("local, or not", f"not local: dw reads {', '.join(sorted(reads))}" if reads else "local")


def weights_move(subject: Subject) -> Outcome:
    """In an epoch of training the rule changes some weight; or some bias, where it leaves the weights alone."""
    made = make_trainer(subject.make(), kind=ArrayTrainer)
    before = {name: value.copy() for name, value in made.network.projections["x__hidden"].parameters.items()}
    made.run_epoch(make_data())
    after = made.network.projections["x__hidden"].parameters
    moved = max(float(np.abs(after[name] - value).max()) for name, value in before.items())
    why = "" if moved > MOVED else f"no weight or bias moves by more than {MOVED} in an epoch: the rule proposes next to nothing"
    return Outcome("weights move", f"by up to {moved:.2g}", why)


def step_is_captured(subject: Subject) -> Outcome:
    """What cannot be captured runs all the same, as array code: no failure, but slower, and worth knowing."""
    reason = explain_refusal(make_trainer(subject.make()))
    return Outcome("captured, or array code", f"array code: {reason}" if reason else "captured")


def array_code_agrees(subject: Subject) -> Outcome:
    return _compare_codes(subject, "all_to_all", "float64", RTOL, ATOL)


def array_code_agrees_float32(subject: Subject) -> Outcome:
    return _compare_codes(subject, "all_to_all", "float32", 1e-4, 1e-6)


def array_code_agrees_one_to_one(subject: Subject) -> Outcome:
    """A rule that is not for such projections says so in one line."""
    try:
        return _compare_codes(subject, "one_to_one", "float64", RTOL, ATOL)
    except InputError as refused:
        return Outcome("array code's numbers", f"refused: {refused}")


def _compare_codes(subject: Subject, wiring: str, dtype: str, rtol: float, atol: float) -> Outcome:
    expected = "array code's numbers"
    options: dict[str, Any] = {"dtype": dtype, "connectivity": wiring}
    captured, plain = (make_trainer(subject.make(), kind=kind, **options) for kind in (Trainer, ArrayTrainer))
    for made in (captured, plain):
        made.run_epoch(make_data())
    largest = 0.0
    for name, value in plain.state().items():
        other = captured.state()[name]
        if other.dtype != value.dtype or not np.allclose(other, value, rtol=rtol, atol=atol):
            why = f"captured, {name} is not what array code makes of it: does the rule read what changes unseen, or draw?"
            return Outcome(expected, "others", why)
        largest = max(largest, float(np.abs(other - value).max(initial=0)))
    return Outcome(expected, f"the same to {largest:.0e}")


def resume_repeats(subject: Subject) -> Outcome:
    """A run that is stopped, within an epoch, and resumed from its state is bit-identical to one that was not stopped."""
    whole, first, resumed = (make_trainer(subject.make(), epochs=3) for _ in range(3))
    for _ in range(3):
        whole.run_epoch(make_data())
    run_into_second_epoch(first)
    resumed.restore(first.state())
    for _ in range(2):
        resumed.run_epoch(make_data())
    changed = list_differing(whole.state(), resumed.state())
    if changed:
        name = sorted(changed)[0]
        why = f"{len(changed)} arrays differ, the first {name}: keep what outlives a batch in the state that initial_state names"
        return Outcome("a resumed run is the same", "another one", why)
    return Outcome("a resumed run is the same", "bit-identical")


CONTRACT = {
    holds.__name__: holds
    for holds in (
        describes_itself, proposal_fits, delta_is_pure, batch_is_averaged, samples_are_apart, synapse_is_local, weights_move,
        resume_repeats,
    )
}  # fmt: skip
CAPTURE = {
    holds.__name__: holds
    for holds in (step_is_captured, array_code_agrees, array_code_agrees_float32, array_code_agrees_one_to_one)
}
