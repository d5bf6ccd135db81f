"""What every scheme, in every variant, keeps: teach and adapt change nothing, their proposals fit, forward weights are shared."""

import numpy as np
import pytest

from neurosim import datasets
from neurosim.feedback import pathways
from neurosim.network import Network
from neurosim.plasticity import Adam
from neurosim.training import Trainer

CASES = [
    pytest.param(scheme, options, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}")
    for scheme in pathways().values()
    for options in scheme.variants
]


def copies(*groups):
    return [{name: np.array(value) for name, value in group.items()} for group in groups]


def same(before, after):
    for one, other in zip(before, after, strict=True):
        assert set(one) == set(other)
        for name, value in one.items():
            np.testing.assert_array_equal(other[name], value, err_msg=name)


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_teach_and_adapt_are_pure_and_propose_what_fits(scheme, options):
    network = Network.layered((6,), [5, 4, 4], 3, seed=2)
    pathway = scheme(**options)
    pathway.attach(network, 3, seed=0)
    draw = np.random.default_rng(1)
    x, target = draw.normal(size=(9, 6)).astype(np.float32), np.eye(3, dtype=np.float32)[draw.integers(0, 3, 9)]
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(x, training=pathway.training_sweep, draws=draws)
    rates = {name: sweep.rate[name].copy() for name in network.order}
    before = copies(network.parameters(), network.memory(), pathway.parameters(), pathway.memory())

    teaching = pathway.teach(sweep, target, draws)
    deltas, states = network.propose(sweep, teaching)
    own = pathway.adapt(sweep, target, teaching, draws)

    same(before, copies(network.parameters(), network.memory(), pathway.parameters(), pathway.memory()))
    same([rates], [{name: sweep.rate[name] for name in network.order}])
    again = pathway.teach(sweep, target, draws)
    same([{name: taught.error for name, taught in teaching.items()}], [{name: taught.error for name, taught in again.items()}])
    for group, known in ((deltas, network.parameters()), (states, network.memory()), (own, pathway.parameters())):
        for name, value in group.items():
            assert value.shape == known[name].shape, name
            assert value.dtype == np.float32, name
    assert bool(deltas) == scheme.needs_error, "a scheme that proposes nothing cannot learn"


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_the_scheme_says_who_it_is(scheme, options):
    assert scheme.title
    assert any(c.isdigit() for c in scheme.citation), "a citation has a year"
    assert scheme.__doc__


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_a_resumed_run_is_bit_identical(scheme, options):
    data = datasets.load("digits", limit=160)

    def trainer():
        network = Network.layered(data.shape, [16, 16], data.classes, seed=1)
        made = Trainer(network, scheme(**options), Adam(2e-3), epochs=3, batch=32, seed=1)
        made.check(data)
        return made

    whole, first, resumed = trainer(), trainer(), trainer()
    whole.fit(data)
    first.run_epoch(data)
    resumed.restore(first.state())
    resumed.fit(data)
    same([whole.state()], [resumed.state()])


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_every_scheme_starts_from_the_same_forward_weights(scheme, options):
    data = datasets.load("digits", limit=100)
    plain = Network.layered(data.shape, [16, 16], data.classes, seed=1)
    network = Network.layered(data.shape, [16, 16], data.classes, seed=1)
    Trainer(network, scheme(**options), Adam(2e-3), batch=32, seed=5).check(data)
    same([plain.parameters()], [network.parameters()])
