"""Every scheme's claims, measured: perturb what must not matter, and its update stays; perturb what is declared, and it moves.

The sweep is frozen.  What is perturbed is one thing at a time (a downstream weight, a downstream population's activity, the label,
another sample, the raw input), and what is compared is the teaching signal of every hidden population.
"""

import dataclasses

import numpy as np
import pytest

from neurosim.feedback import pathways
from neurosim.network import Network, Sweep

CASES = [
    pytest.param(scheme, options, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}")
    for scheme in pathways().values()
    for options in scheme.variants
]


class Bench:
    """One scheme on a chain of three hidden populations, one frozen sweep, and every pathway weight off zero."""

    def __init__(self, scheme, options):
        draw = np.random.default_rng(5)
        self.network = Network.layered((6,), [5, 4, 4], 3, transfer="tanh", dtype="float64", seed=2)
        self.scheme = scheme(**options)
        self.scheme.attach(self.network, 3, seed=0)
        for values in self.scheme.parameters().values():  # heads and modules that start at zero would hide what they carry
            values += 0.3 * draw.normal(size=values.shape)
        self.target = np.eye(3)[draw.integers(0, 3, 7)]
        self.draws = self.network.backend.draws(0, 0)
        self.sweep = self.network.sweep(draw.normal(size=(7, 6)), training=self.scheme.training_sweep, draws=self.draws)
        self.noise = draw

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

    def moved(self, population, rows=slice(None)):
        drive = self.sweep.drive[population].copy()
        drive[rows] += self.noise.normal(size=drive[rows].shape)
        return drive

    def above(self, population):
        order = self.network.order
        return order[order.index(population) + 1 : -1]


def differing(before, after):
    """Return the populations whose teaching signal is not bit-identical."""
    return {name for name in before if not np.array_equal(before[name], after[name])}


def transport(bench):
    """Return the weight transport that one step shows, in the words of ``Claims``."""
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


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_weight_transport(scheme, options):
    bench = Bench(scheme, options)
    assert transport(bench) == bench.scheme.claims.weight_transport


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_update_locking(scheme, options):
    bench = Bench(scheme, options)
    before, waits = bench.errors(), set()
    for name in (*bench.network.hidden[1:], bench.network.output):
        after = bench.errors(bench.with_activity(**{name: bench.moved(name)}))
        waits |= {p for p in differing(before, after) if name == bench.network.output or name in bench.above(p)}
    assert bool(waits) == bench.scheme.claims.update_locking


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_backward_locking(scheme, options):
    bench = Bench(scheme, options)
    before, waits = bench.errors(), set()
    for name in bench.network.hidden[1:]:
        after = bench.errors(bench.with_activity(**{name: bench.moved(name)}))
        waits |= {p for p in differing(before, after) if name in bench.above(p)}
    assert bool(waits) == bench.scheme.claims.backward_locking


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_pairwise(scheme, options):
    bench = Bench(scheme, options).without_normalisation()
    others = slice(1, None)
    target = bench.target.copy()
    target[others] = np.roll(target[others], 1, axis=1)
    after = bench.errors(bench.with_activity(**{name: bench.moved(name, others) for name in bench.network.order}), target)
    first = {name: error[:1] for name, error in bench.errors().items()}
    assert bool(differing(first, {name: error[:1] for name, error in after.items()})) == bench.scheme.claims.pairwise


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_labels_at_hidden(scheme, options):
    """Some labels move and the output with them, so that the output's error is what it was."""
    bench = Bench(scheme, options)
    target = bench.target.copy()
    target[:3] = np.roll(target[:3], 1, axis=1)
    output = bench.sweep[bench.network.output]
    rate = output.rate + (target - bench.target)
    shifted = dataclasses.replace(output, rate=rate, transmitted=rate)
    after = bench.errors(Sweep.of({**bench.sweep.activity, bench.network.output: shifted}, bench.sweep.training), target)
    before = bench.errors()
    told = {name for name in before if not np.allclose(before[name], after[name], rtol=1e-9, atol=1e-12)}
    assert bool(told) == bench.scheme.claims.labels_at_hidden


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_raw_input_at_hidden(scheme, options):
    bench = Bench(scheme, options)
    before = bench.errors()
    after = bench.errors(bench.with_activity(x=bench.moved("x")))
    assert bool(differing(before, after) - {bench.network.hidden[0]}) == bench.scheme.claims.raw_input_at_hidden
