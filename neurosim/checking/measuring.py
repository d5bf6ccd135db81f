"""What a scheme's update, and what its own synapses learn, depend on: measured, in the words of ``Claims``.

The sweep is frozen.  What is perturbed is one thing at a time (a downstream weight, a downstream population's activity, the label,
another sample, the raw input).  For the update, what is compared is the teaching signal of every hidden population.  For what the
pathway learns, the perturbation lasts for one act of learning only, and what is compared afterwards is all that the pathway keeps:
its arrays and, for what it hides, what it then tells the populations and answers for the network.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from neurosim.checking.bench import SAMPLES, Arrays, Bench, End, Perturb, leave, list_differing
from neurosim.checking.in_time import IN_TIME
from neurosim.checking.result import Measured, Outcome, list_first
from neurosim.checking.subject import Subject
from neurosim.feedback import Claims, FeedbackPathway
from neurosim.feedback.pathway import SOURCES
from neurosim.network import Network, Projection, Sweep

STEPS = 3  # in any of which the pathway may learn
ATTACHING = -1  # and when it is attached

MakeBench = Callable[..., Bench]


# ---------------------------------------------------------------------- the update


def list_moved(bench: Bench, before: Arrays, after: Arrays) -> set[str]:
    """Return the populations whose errors differ.

    Where the scheme claims that all that hidden populations are told is one number for each sample (``scalar_broadcast``, which is
    measured by itself), those are left out that differ by one factor for each sample, the same for all populations.
    """
    differing = list_differing(before, after)
    if not differing or before.keys() != after.keys() or not bench.pathway.claims.scalar_broadcast:
        return differing
    one, other = (np.concatenate([e[name].reshape(SAMPLES, -1) for name in sorted(before)], axis=1) for e in (before, after))
    squares = (one * one).sum(axis=1, keepdims=True)
    factor = (one * other).sum(axis=1, keepdims=True) / np.where(squares > 0, squares, 1)
    rest = np.abs(other - factor * one).max()
    return set() if rest <= 1e-9 * np.abs(other).max() else differing


def weight_transport(bench: Bench) -> Measured:
    before, reached = bench.list_errors(), set()
    for name, projection in bench.network.projections.items():
        w = projection.w.copy()
        projection.w[...] += bench.noise.normal(size=w.shape)
        downstream = {p for p in before if projection.pre == p or projection.pre in bench.list_above(p)}
        reached |= {(population, name) for population in list_moved(bench, before, bench.list_errors()) & downstream}
        projection.w[...] = w
    links = bench.network.projections
    if not reached:
        return Measured("none")
    hops = sorted(reached, key=lambda pair: (links[pair[1]].pre == pair[0], pair))  # those of more than one first
    through = list_first([f"{name}.w at {population}" for population, name in hops])
    if all(links[name].post == bench.network.output for _, name in reached):
        return Measured("output", through)
    if all(links[name].pre == population for population, name in reached):
        return Measured("one_hop", through)
    return Measured("full" if _sizes_matter(bench) else "sign", through)


def _sizes_matter(bench: Bench) -> bool:
    """Return whether errors change with the sizes of forward weights that keep their signs."""
    before, moved = bench.list_errors(), set()
    for projection in bench.network.projections.values():
        w = projection.w.copy()
        projection.w[...] *= bench.noise.uniform(0.5, 2, size=w.shape)
        moved |= list_moved(bench, before, bench.list_errors())
        projection.w[...] = w
    return bool(moved)


def update_locking(bench: Bench) -> Measured:
    before, waits = bench.list_errors(), set()
    for name in (*bench.network.hidden[1:], bench.network.output):
        after = bench.list_errors(bench.move_activity(**{name: bench.move(name)}))
        waiting = {p for p in list_differing(before, after) if name == bench.network.output or name in bench.list_above(p)}
        waits |= {f"{p} for {name}" for p in waiting}
    return Measured(bool(waits), list_first(sorted(waits)))


def backward_locking(bench: Bench) -> Measured:
    before, waits = bench.list_errors(), set()
    for name in bench.network.hidden[1:]:
        after = bench.list_errors(bench.move_activity(**{name: bench.move(name)}))
        waits |= {f"{p} for {name}" for p in list_differing(before, after) if name in bench.list_above(p)}
    return Measured(bool(waits), list_first(sorted(waits)))


def pairwise(bench: Bench) -> Measured:
    bench = bench.drop_normalisation()
    others = slice(1, None)
    target = bench.target.copy()
    target[others] = np.roll(target[others], 1, axis=1)
    after = bench.list_errors(bench.move_activity(**{name: bench.move(name, others) for name in bench.network.order}), target)
    first = {name: error[:1] for name, error in bench.list_errors().items()}
    moved = list_differing(first, {name: error[:1] for name, error in after.items()})
    return Measured(bool(moved), list_first(sorted(moved)))


def labels_at_hidden(bench: Bench) -> Measured:
    """Some labels move and the output with them, so that the output's error is what it was.

    They move to another class, and a little towards it, since a loss may need the output's rates to be positive.
    """
    output, before, moved = bench.sweep[bench.network.output], bench.list_errors(), set()
    for share in (1.0, 0.5 * float(output.rate.min())):
        target = bench.target.copy()
        target[:3] += share * (np.roll(target[:3], 1, axis=1) - target[:3])
        rate = output.rate + (target - bench.target)
        shifted = dataclasses.replace(output, rate=rate, transmitted=rate)
        activity = {**bench.sweep.activity, bench.network.output: shifted}
        after = bench.list_errors(Sweep.of(activity, bench.sweep.training), target)
        if all(np.isfinite(error).all() for error in after.values()):
            found = list_moved(bench, before, after)
            moved |= {name for name in found if not np.allclose(before[name], after[name], rtol=1e-9, atol=1e-12)}
    return Measured(bool(moved), list_first(sorted(moved)))


def raw_input_at_hidden(bench: Bench) -> Measured:
    before = bench.list_errors()
    after = bench.list_errors(bench.move_activity(**{bench.network.input: bench.move(bench.network.input)}))
    moved = list_moved(bench, before, after) - {bench.network.hidden[0]}
    return Measured(bool(moved), list_first(sorted(moved)))


# ---------------------------------------------------------------------- what the pathway learns from


def perturb_weights(*names: str) -> Perturb:
    """Perturb the weights of projections, but not what the network responds: it is as though they were read, or used backwards."""

    def perturb(bench: Bench) -> End:
        before = {}
        for name in names:
            projection = bench.network.projections[name]
            projection.drive = _copy_weights(projection).drive  # type: ignore[method-assign]
            before[name] = projection.w.copy()
            projection.w[...] += bench.noise.normal(size=projection.w.shape)

        def end() -> None:
            for name in names:
                bench.network.projections[name].w[...] = before[name]
                del bench.network.projections[name].drive

        return end

    return perturb


def perturb_responses(*names: str) -> Perturb:
    """Perturb what projections make of activity, but not the weights that can be read."""

    def perturb(bench: Bench) -> End:
        for name in names:
            projection = bench.network.projections[name]
            other = _copy_weights(projection)
            other.w[...] += bench.noise.normal(size=other.w.shape)
            projection.drive = other.drive  # type: ignore[method-assign]

        def end() -> None:
            for name in names:
                del bench.network.projections[name].drive

        return end

    return perturb


def _copy_weights(projection: Projection) -> Projection:
    other = copy.copy(projection)
    other.parameters = {key: value.copy() for key, value in projection.parameters.items()}
    return other


def perturb_labels(shift: int) -> Perturb:
    """Perturb the label of every sample."""

    def perturb(bench: Bench) -> End:
        before, bench.target = bench.target, np.roll(bench.target, shift, axis=1)
        return lambda: setattr(bench, "target", before)

    return perturb


def perturb_activity(*names: str, draw: int = 6, far: float = 1) -> Perturb:
    """Perturb the activity of some populations."""

    def perturb(bench: Bench) -> End:
        bench.noise = np.random.default_rng(draw)
        before, bench.sweep = bench.sweep, bench.move_activity(**{name: bench.move(name, far=far) for name in names})
        return lambda: setattr(bench, "sweep", before)

    return perturb


def feedback_learns_from(make: MakeBench) -> Measured:
    """Return what of ``SOURCES`` the pathway keeps anything of.  make : perturbation -> a new bench, always the same"""
    network = make().network
    plain = {ATTACHING: make().take_snapshot(), **{step: _snapshot_after(make, step) for step in range(STEPS)}}

    def touched(perturb: Perturb, acts: Iterable[int] = range(STEPS)) -> Iterator[set[str]]:
        """Yield for each act of learning the arrays that are changed; where none is, the answers that are."""
        for act in acts:
            other = make(perturb).take_snapshot() if act == ATTACHING else _snapshot_after(make, act, perturb)
            yield list_differing(plain[act][0], other[0]) or list_differing(plain[act][1], other[1])

    always = (*range(STEPS), ATTACHING)
    kinds = {
        "activity": (touched(perturb_activity(*network.order, draw=k, far=5)) for k in (1, 2, 3)),  # far, for what moves by jumps
        "labels": (touched(perturb_labels(shift)) for shift in (1, 2)),
        "input": (touched(perturb_activity(network.input)),),
        "responses": (touched(perturb_responses(*network.projections), always),),
    }
    sources = {name for name, perturbed in kinds.items() if any(any(acts) for acts in perturbed)}
    reading = [act for act in always if any(touched(perturb_weights(*network.projections), (act,)))]  # all at once: most read none
    read = {(array, name) for name in network.projections for arrays in touched(perturb_weights(name), reading) for array in arrays}
    value = tuple(source for source in SOURCES if source in sources | ({_reach(read, network)} if read else set()))
    return Measured(value, list_first([f"{name}.w in {array}" for array, name in sorted(read)]))


def _snapshot_after(make: MakeBench, step: int, perturb: Perturb = leave) -> tuple[Arrays, Arrays]:
    """Return what the pathway keeps after ``step`` acts of learning and one more, during which something was perturbed."""
    bench = make()
    for earlier in range(step):
        bench.learn(earlier)
    end = perturb(bench)
    bench.learn(step)
    end()
    return bench.take_snapshot()


def _reach(read: set[tuple[str, str]], network: Network) -> str:
    """Return how far the weights of (array, projection) pairs come."""
    if all(network.projections[name].post == network.output for _, name in read):
        return "output"
    arrays = [array for array, _ in read]
    return "one_hop" if len(set(arrays)) == len(arrays) else "full"


# ---------------------------------------------------------------------- all of it

MEASURES = {
    measure.__name__: measure
    for measure in (weight_transport, update_locking, backward_locking, pairwise, labels_at_hidden, raw_input_at_hidden)
}
NAMES = tuple(field.name for field in dataclasses.fields(Claims))
assert {*MEASURES, *IN_TIME, "feedback_learns_from"} == {*NAMES}


def measure_claim(name: str, make: Callable[[], FeedbackPathway]) -> Measured:
    """Return the claim ``name`` as it is measured for the pathways that ``make`` returns."""
    if name == "feedback_learns_from":
        return feedback_learns_from(lambda perturb=leave: Bench(make, perturb))
    if name in IN_TIME:
        return IN_TIME[name](make)
    return MEASURES[name](Bench(make))


def claims_are_measured(name: str, subject: Subject) -> Outcome:
    """Return the claim ``name`` beside its measured value."""
    claims = Bench(subject.make).pathway.claims
    claimed, result = getattr(claims, name), measure_claim(name, subject.make)
    shown = _in_words(result.value)
    if claimed == result.value:
        return Outcome(_in_words(claimed), shown)
    through = f", through {result.through}" if result.through else ""
    return Outcome(_in_words(claimed), shown, f"claims {name} {_in_words(claimed)}; measured: {shown}{through}")


def same_unattached(subject: Subject) -> Outcome:
    """A pathway claims the same before it is attached, asked for the hidden populations, as after."""
    bench = Bench(subject.make)
    alone, attached = subject.make().claims_on(bench.network.hidden), bench.pathway.claims_on(bench.network.hidden)
    expected = "the same before attaching"
    if alone == attached == bench.pathway.claims:
        return Outcome(expected, "the same")
    answers = (alone, attached, bench.pathway.claims)
    names = list_first([name for name in NAMES if len({getattr(claims, name, None) for claims in answers}) > 1])
    return Outcome(expected, "others", f"claims_on(hidden) differs in {names}: make it answer from hidden alone")


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) or "nothing" if isinstance(value, tuple) else str(value)
