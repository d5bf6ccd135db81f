"""What a scheme's update, and what its own synapses learn, depend on: measured, in the words of ``Claims``.

The sweep is frozen.  What is perturbed is one thing at a time (a downstream weight, a downstream population's activity, the label,
another sample, the raw input).  For the update, what is compared is the teaching signal of every hidden population.  For what the
pathway learns, the perturbation lasts for one act of learning only, and what is compared afterwards is all that the pathway keeps:
its arrays and, for what it hides, what it then tells the populations and answers for the network.
"""

import copy
import dataclasses

import numpy as np

from neurosim.feedback import Claims
from neurosim.feedback.pathway import SOURCES
from neurosim.network import Network, Sweep

STEPS = 3  # in any of which the pathway may learn
ATTACHING = -1  # and when it is attached


def nothing(bench):
    """Perturb nothing."""
    return lambda: None


class Bench:
    """One scheme on a chain of three hidden populations, one frozen sweep, and every pathway weight off zero.

    before : is handed the bench before the scheme is attached, and returns what ends its perturbation
    """

    def __init__(self, scheme, options, before=nothing):
        draw = np.random.default_rng(5)
        self.network = Network.layered((6,), [5, 4, 4], 3, transfer="tanh", dtype="float64", seed=2)
        self.noise = np.random.default_rng(6)
        self.scheme = scheme(**options)
        end = before(self)
        self.scheme.attach(self.network, 3, seed=0)
        end()
        for values in self.scheme.parameters().values():  # heads and modules that start at zero would hide what they carry
            values += 0.3 * draw.normal(size=values.shape)
        self.target = np.eye(3)[draw.integers(0, 3, 7)]
        self.draws = self.network.backend.draws(0, 0)
        self.sweep = self.network.sweep(draw.normal(size=(7, 6)), training=self.scheme.training_sweep, draws=self.draws)

    def without_normalisation(self):
        """Return the bench with batch normalisation switched off in the pathway's own networks: ``pairwise`` is told without."""
        for own in self.scheme.networks.values():
            for population in own.populations.values():
                population.normalisation = None
        return self

    def errors(self, sweep=None, target=None):
        teaching = self.scheme.teach(sweep or self.sweep, self.target if target is None else target, self.draws)
        told = {name: teaching[name].error for name in self.network.hidden if name in teaching}
        return {name: error for name, error in told.items() if error is not None}  # who takes no update this step learns nothing

    def with_activity(self, **changed):
        """Return the sweep with the drive of some populations moved, and all that follows inside those populations."""
        moved = {name: self.network.populations[name].respond(drive, training=True) for name, drive in changed.items()}
        return Sweep.of({**self.sweep.activity, **moved}, self.sweep.training)

    def moved(self, population, rows=slice(None), far=1):
        drive = self.sweep.drive[population].copy()
        drive[rows] += far * self.noise.normal(size=drive[rows].shape)
        return drive

    def above(self, population):
        order = self.network.order
        return order[order.index(population) + 1 : -1]

    # ------------------------------------------------------------------ one act of learning

    def learn(self, step):
        """Let the pathway learn from one batch, and how to read the output."""
        draws = self.network.backend.draws(0, step)
        teaching = self.scheme.teach(self.sweep, self.target, draws)
        for name, change in self.scheme.adapt(self.sweep, self.target, teaching, draws).items():
            self.scheme.parameters()[name][...] += 0.1 * change
        self.scheme.remember(self.sweep)
        self.scheme.calibrate(iter([(self.sweep, self.target)]))

    def kept(self):
        """Return the pathway's arrays, and what it says from then on."""
        arrays = {name: np.array(value) for name, value in (self.scheme.parameters() | self.scheme.memory()).items()}
        return arrays, self.errors() | {"scores": np.array(self.scheme.scores(self.sweep))}


def differing(before, after):
    """Return the names of what is not bit-identical."""
    return {name for name in before if not np.array_equal(before[name], after[name])}


# ---------------------------------------------------------------------- the update


def weight_transport(bench):
    before, reached = bench.errors(), set()
    for name, projection in bench.network.projections.items():
        kept = projection.w.copy()
        projection.w[...] += bench.noise.normal(size=kept.shape)
        downstream = {p for p in before if projection.pre == p or projection.pre in bench.above(p)}
        reached |= {(population, name) for population in differing(before, bench.errors()) & downstream}
        projection.w[...] = kept
    links = bench.network.projections
    if not reached:
        return "none"
    if all(links[name].post == bench.network.output for _, name in reached):
        return "output"
    return "one_hop" if all(links[name].pre == population for population, name in reached) else "full"


def update_locking(bench):
    before, waits = bench.errors(), set()
    for name in (*bench.network.hidden[1:], bench.network.output):
        after = bench.errors(bench.with_activity(**{name: bench.moved(name)}))
        waits |= {p for p in differing(before, after) if name == bench.network.output or name in bench.above(p)}
    return bool(waits)


def backward_locking(bench):
    before, waits = bench.errors(), set()
    for name in bench.network.hidden[1:]:
        after = bench.errors(bench.with_activity(**{name: bench.moved(name)}))
        waits |= {p for p in differing(before, after) if name in bench.above(p)}
    return bool(waits)


def pairwise(bench):
    bench = bench.without_normalisation()
    others = slice(1, None)
    target = bench.target.copy()
    target[others] = np.roll(target[others], 1, axis=1)
    after = bench.errors(bench.with_activity(**{name: bench.moved(name, others) for name in bench.network.order}), target)
    first = {name: error[:1] for name, error in bench.errors().items()}
    return bool(differing(first, {name: error[:1] for name, error in after.items()}))


def labels_at_hidden(bench):
    """Some labels move and the output with them, so that the output's error is what it was."""
    target = bench.target.copy()
    target[:3] = np.roll(target[:3], 1, axis=1)
    output = bench.sweep[bench.network.output]
    rate = output.rate + (target - bench.target)
    shifted = dataclasses.replace(output, rate=rate, transmitted=rate)
    after = bench.errors(Sweep.of({**bench.sweep.activity, bench.network.output: shifted}, bench.sweep.training), target)
    before = bench.errors()
    return any(not np.allclose(before[name], after[name], rtol=1e-9, atol=1e-12) for name in before)


def raw_input_at_hidden(bench):
    before = bench.errors()
    after = bench.errors(bench.with_activity(x=bench.moved("x")))
    return bool(differing(before, after) - {bench.network.hidden[0]})


# ---------------------------------------------------------------------- what the pathway learns from


def weights(name):
    """Perturb the weights of a projection, but not what the network responds: it is as though they were read, or used backwards."""

    def perturb(bench):
        projection = bench.network.projections[name]
        projection.drive = held(projection).drive
        before = projection.w.copy()
        projection.w[...] += bench.noise.normal(size=before.shape)

        def end():
            projection.w[...] = before
            del projection.drive

        return end

    return perturb


def responses(name):
    """Perturb what a projection makes of activity, but not the weights that can be read."""

    def perturb(bench):
        projection = bench.network.projections[name]
        other = held(projection)
        other.w[...] += bench.noise.normal(size=other.w.shape)
        projection.drive = other.drive
        return lambda: delattr(projection, "drive")

    return perturb


def held(projection):
    """Return the projection with parameters of its own."""
    other = copy.copy(projection)
    other.parameters = {key: value.copy() for key, value in projection.parameters.items()}
    return other


def labels(shift):
    def perturb(bench):
        before, bench.target = bench.target, np.roll(bench.target, shift, axis=1)
        return lambda: setattr(bench, "target", before)

    return perturb


def activity(*names, draw=6, far=1):
    def perturb(bench):
        bench.noise = np.random.default_rng(draw)
        before, bench.sweep = bench.sweep, bench.with_activity(**{name: bench.moved(name, far=far) for name in names})
        return lambda: setattr(bench, "sweep", before)

    return perturb


def feedback_learns_from(make):
    """Return what of ``SOURCES`` the pathway keeps anything of.  make : returns a new bench, always the same"""
    network = make().network
    plain = {ATTACHING: make().kept(), **{step: kept_after(make, step) for step in range(STEPS)}}

    def touched(perturb, acts=range(STEPS)):
        """Yield for each act of learning the arrays that are changed; where none is, whatever the pathway says that is changed."""
        for act in acts:
            other = make(perturb).kept() if act == ATTACHING else kept_after(make, act, perturb)
            yield differing(plain[act][0], other[0]) or differing(plain[act][1], other[1])

    always = (*range(STEPS), ATTACHING)
    kinds = {
        "activity": (touched(activity(*network.order, draw=k, far=5)) for k in (1, 2, 3)),  # far, for what moves by jumps
        "labels": (touched(labels(shift)) for shift in (1, 2)),
        "input": (touched(activity(network.input)),),
        "responses": (touched(responses(name), always) for name in network.projections),
    }
    found = {name for name, perturbed in kinds.items() if any(any(acts) for acts in perturbed)}
    read = {(array, name) for name in network.projections for arrays in touched(weights(name), always) for array in arrays}
    return tuple(source for source in SOURCES if source in found | ({reach(read, network)} if read else set()))


def kept_after(make, step, perturb=nothing):
    """Return what the pathway keeps after ``step`` acts of learning and one more, during which something was perturbed."""
    bench = make()
    for earlier in range(step):
        bench.learn(earlier)
    end = perturb(bench)
    bench.learn(step)
    end()
    return bench.kept()


def reach(read, network):
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
assert {*MEASURES, "feedback_learns_from"} == {field.name for field in dataclasses.fields(Claims)}


def measured(name, scheme, options):
    """Return the claim ``name`` as it is measured for ``scheme(**options)``."""
    if name == "feedback_learns_from":
        return feedback_learns_from(lambda before=nothing: Bench(scheme, options, before))
    return MEASURES[name](Bench(scheme, options))
