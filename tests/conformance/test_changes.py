"""An attack: whatever a user changes between steps, in any order, every scheme trains as its array code does."""

import copy

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosim.checking.bench import ArrayTrainer
from neurosim.datasets import from_arrays
from neurosim.feedback import pathways
from neurosim.network import Network
from neurosim.neurons import BatchNormalisation, transfer
from neurosim.plasticity import SGD, Clip, Momentum, StepDecay, chain, error_driven, hebbian
from neurosim.training import Observer, Trainer

SCHEMES = [(scheme, options) for scheme in pathways().values() for options in scheme.variants if options != {"p_update": 0.5}]


def data():
    draw = np.random.default_rng(0)
    return from_arrays(draw.normal(size=(48, 7)), draw.integers(0, 3, 48), draw.normal(size=(4, 7)), draw.integers(0, 3, 4))


def rate(made, value):
    for commit in (made.commit, made.feedback_commit):
        commit.chain.links[0].learning_rate = 0.02 * value


def rule(made, value):
    if not any(p.rule is not None and p.rule.solves for p in made.network.projections.values()):
        made.network.projections["x__hidden1"].rule = (None, error_driven(eta=value), hebbian(eta=0.01))[int(3 * value) % 3]


def links(made, value):
    made.commit.chain.links = (made.commit.chain.links[0], Clip(0.01 + value), StepDecay(1, factor=0.5 + value / 2))


def optimiser(made, value):
    made.commit.chain = chain(SGD(0.02 * value))


def population(made, value):
    made.network.populations["hidden1"].dropout, made.network.populations["hidden2"].noise = 0.5 * value, 0.1 * value


def normalisation(made, value):
    chosen = made.network.populations["hidden2"]
    if chosen.normalisation is not None:
        chosen.normalisation = BatchNormalisation(momentum=0.05 + 0.9 * value)


def curve(made, value):
    made.network.populations["hidden1"].neurons = transfer(("tanh", "sigmoid", "linear")[int(3 * value) % 3])


def own(made, value):
    numbers = {name: item for name, item in vars(made.pathway).items() if isinstance(item, float) and name != "p_update"}
    for name, item in numbers.items():
        setattr(made.pathway, name, item * (0.5 + value / 2))


def weights(made, value):
    held = made.network.projections["hidden2__output"].parameters
    held["w"] = held["w"] * (0.5 + value)


ACTIONS = [rate, rule, links, optimiser, population, normalisation, curve, own, weights]


class Meddler(Observer):
    def __init__(self, plan):
        self.plan = dict(plan)

    def on_step(self, made):
        for number, value in self.plan.get(made.steps, ()):
            ACTIONS[number](made, value)


def trained(scheme, options, plan, normalised, first, kind):
    norm = BatchNormalisation() if normalised and scheme.takes_normalised else None
    network = Network.layered((7,), [6, 5], 3, normalisation=norm, dtype="float64", seed=3)
    made = kind(network, scheme(**copy.deepcopy(options)), copy.deepcopy(first), epochs=3, batch=12, seed=1)
    made.check(data())
    for _ in range(2):
        made.run_epoch(data(), Meddler(plan))
    return made


changes = st.lists(st.tuples(st.integers(0, len(ACTIONS) - 1), st.floats(0, 0.99)), min_size=1, max_size=3)
plans = st.lists(st.tuples(st.integers(1, 12), changes), min_size=1, max_size=6)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SCHEMES)), ids=lambda k: f"{SCHEMES[k][0].name}-{k}")
@given(plan=plans, normalised=st.booleans(), first=st.sampled_from([SGD(0.02), Momentum(0.01)]))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_no_order_of_changes_tells_captured_from_array_code(number, plan, normalised, first):
    scheme, options = SCHEMES[number]
    captured, plain = (trained(scheme, options, plan, normalised, first, kind) for kind in (Trainer, ArrayTrainer))
    for name, value in plain.state().items():
        np.testing.assert_allclose(captured.state()[name], value, rtol=1e-6, atol=1e-9, err_msg=name)
