"""Whatever holds weights, statistics or links of a network serves one network: a second one is refused, or gets its own."""

import copy
import pickle

import numpy as np
import pytest

from neurosim.checking.bench import ArrayTrainer
from neurosim.datasets import from_arrays
from neurosim.errors import InputError
from neurosim.feedback import Claims, FeedbackPathway, pathways
from neurosim.network import Network, Population, Projection
from neurosim.neurons import BatchNormalisation, transfer
from neurosim.plasticity import Adam, CoActivationMemory, Nesterov, chain, hebbian, oja
from neurosim.plasticity.transforms import StepDecay
from neurosim.training import Trainer

X, Y = np.sin(np.arange(48 * 6).reshape(48, 6) ** 1.5), np.arange(48) * 7 // 4 % 3
DATA = from_arrays(X, Y, X, Y)
CASES = [
    pytest.param(scheme, options, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}")
    for scheme in pathways().values()
    for options in scheme.variants
]


class Stranger(FeedbackPathway):
    """A pathway of somebody else's that keeps what it is joined to in attributes of its own."""

    name = "stranger"
    claims = Claims(weight_transport="full", update_locking=True, backward_locking=True)

    def build(self, seed):
        self.mine = list(self.network.projections.values())

    def teach(self, sweep, target, draws):
        return self.network.errors_back(sweep, self.output_teaching(sweep, target))


CASES_AND_A_STRANGER = [*CASES, pytest.param(Stranger, {}, id="stranger")]


def network(seed=1, **options):
    return Network.layered((6,), [5, 4, 4], 3, seed=seed, dtype="float64", **options)


def trainer(own, pathway, optimiser=None, kind=Trainer, **options):
    return kind(own, pathway, optimiser or Adam(0.01), batch=24, **({"epochs": 1} | options))


@pytest.mark.parametrize(("scheme", "options"), CASES_AND_A_STRANGER)
def test_a_pathway_that_teaches_one_network_is_refused_for_another(scheme, options):
    pathway = scheme(**options)
    first, second = (trainer(network(seed=seed), pathway, kind=ArrayTrainer) for seed in (1, 2))
    first.fit(DATA)
    for use in (second.fit, second.check, second.run_epoch):
        with pytest.raises(InputError, match=rf"^scheme '{pathway.name}'.* another network: .*make one with pathway\([^\n]*$"):
            use(DATA)
    for joined in (network(), first.network):
        with pytest.raises(InputError, match=rf"^scheme '{pathway.name}'.*teaches a network already: .*[^\n]*$"):
            pathway.attach(joined, 3, seed=0)
    first.run_epoch(DATA)  # and is none the worse for it


@pytest.mark.parametrize(("scheme", "options"), CASES_AND_A_STRANGER)
def test_a_second_trainer_goes_on_with_network_and_pathway(scheme, options):
    """What is learned goes on: the second trainer does what one does that is given the same values, and a new optimiser."""
    first = trainer(network(), scheme(**options), seed=1)
    first.fit(DATA)
    again, elsewhere = trainer(first.network, first.pathway, seed=2), trainer(network(), scheme(**options), seed=2)
    elsewhere.pathway.attach(elsewhere.network, 3, seed=1)
    values = zip(*({**t.network.parameters(), **t.network.memory(), **t.pathway.parameters(), **t.pathway.memory()}.items()
                   for t in (again, elsewhere)), strict=True)  # fmt: skip
    for (name, value), (same, other) in values:
        assert name == same
        other[...] = value
    before = {name: value.copy() for name, value in first.network.parameters().items()}
    again.fit(DATA), elsewhere.fit(DATA)
    learned = any(not np.array_equal(value, before[name]) for name, value in first.network.parameters().items())
    assert learned == scheme.needs_error
    state, other = again.state(), elsewhere.state()
    assert state.keys() == other.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(other[name], value, err_msg=name)


@pytest.mark.parametrize("made_again", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))], ids=["copied", "pickled"])
def test_a_copied_network_is_another_network(made_again):
    own, pathway = network(), Stranger()
    pathway.attach(own, 3, seed=0)
    with pytest.raises(InputError, match="teaches another network"):
        trainer(made_again(own), pathway).fit(DATA)
    trainer(*made_again((own, pathway))).fit(DATA)  # the pair belongs together


def test_data_of_other_classes_are_refused():
    own, pathway = network(), pathways()["hsic_bottleneck"](output="units")
    pathway.attach(own, 3, seed=0)
    with pytest.raises(InputError, match=r"joined to task 'classification' of size 3: data set .* of size 2; make a new one"):
        trainer(own, pathway).check(from_arrays(X, Y % 2, X, Y % 2))


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_a_pathway_that_did_not_fit_is_free_for_a_network_that_does(scheme, options):
    pathway = scheme(**options)
    if not pathway.needs_error:
        pytest.skip("every network will do")
    wrong = Network([Population("x", 6), Population("hidden1", 3), Population("output", 2)], [Projection("x", "hidden1"),
                    Projection("hidden1", "output")])  # fmt: skip
    with pytest.raises(InputError):
        pathway.attach(wrong, 3, seed=0)
    assert not pathway.attached
    trainer(network(), pathway).fit(DATA)


def parts():
    return (
        [Population("x", 6), Population("a", 4, normalisation=BatchNormalisation()), Population("output", 3, transfer="softmax")],
        [Projection("x", "a"), Projection("a", "output")],
    )


@pytest.mark.parametrize("kind", ["population", "projection"])
@pytest.mark.parametrize("made_again", [lambda it: it, copy.deepcopy], ids=["itself", "copied"])
def test_a_part_of_one_network_is_refused_for_another(kind, made_again):
    populations, projections = parts()
    own = Network(populations, projections)
    weights = own.projections["x__a"].w.copy()
    fresh_populations, fresh_projections = parts()
    if kind == "population":
        fresh_populations[1], name = made_again(populations[1]), "a"
    else:
        fresh_projections[0], name = made_again(projections[0]), "x__a"
    with pytest.raises(InputError, match=rf"^{kind} '{name}' is part of another network, .*make one with {kind.title()}\(.*$"):
        Network(fresh_populations, fresh_projections, seed=9)
    np.testing.assert_array_equal(own.projections["x__a"].w, weights)


def test_parts_of_a_network_that_could_not_be_built_are_free():
    populations, projections = parts()
    with pytest.raises(InputError, match="differ"):
        Network(populations, [Projection("x", "a", connectivity="one_to_one"), projections[1]])
    Network(populations, projections)


@pytest.mark.parametrize("optimiser", [Adam(0.01), chain(Nesterov(0.01), StepDecay(1, factor=0.5))], ids=["adam", "chain"])
def test_an_optimiser_keeps_its_memory_with_each_trainer(optimiser):
    shared = [trainer(network(), pathways()["local_errors"](), optimiser, seed=1) for _ in range(2)]
    for one in shared:
        one.fit(DATA)
    for name, value in shared[0].state().items():
        np.testing.assert_array_equal(shared[1].state()[name], value, err_msg=name)


@pytest.mark.parametrize("rule", [CoActivationMemory, hebbian, oja], ids=lambda rule: rule.__name__)
def test_a_rule_keeps_its_state_with_each_projection(rule):
    """One rule object in two projections of two networks: as though each had its own."""

    def proposals(rules):
        found = []
        for k, own in enumerate(rules):
            chain_ = Network([Population("x", 6), Population("y", 3)], [Projection("x", "y", rule=own)], dtype="float64", seed=k)
            sweep = chain_.sweep(X)
            teaching = {"y": chain_.populations["y"].teach(np.cos(X[:, :3]), sweep["y"])}
            deltas, states = chain_.propose(sweep, teaching)
            for name, value in states.items():
                chain_.memory()[name][...] = value
            found.append(deltas | chain_.propose(sweep, teaching)[1])
        return found

    one = rule()
    for shared, apart in zip(proposals([one, one]), proposals([rule(), rule()]), strict=True):
        for name, value in apart.items():
            np.testing.assert_array_equal(shared[name], value, err_msg=name)


@pytest.mark.parametrize("shared", [transfer("leaky_relu", slope=0.2), transfer("bernoulli")], ids=lambda one: one.name)
def test_transfer_and_normalisation_keep_nothing(shared):
    normalisation = BatchNormalisation()

    def trained(kept, norm):
        populations = [Population("x", 6), *(Population(f"hidden{k}", 4, transfer=kept, normalisation=norm) for k in (1, 2))]
        populations.append(Population("output", 3, transfer="softmax"))
        links = [Projection("x", "hidden1"), Projection("hidden1", "hidden2"), Projection("hidden2", "output")]
        made = trainer(Network(populations, links, dtype="float64"), pathways()["backprop"](), seed=1)
        made.fit(DATA)
        return made.state()

    first, second = trained(shared, normalisation), trained(shared, normalisation)
    alone = trained(copy.deepcopy(shared), BatchNormalisation())
    for name, value in alone.items():
        np.testing.assert_array_equal(first[name], value, err_msg=name)
        np.testing.assert_array_equal(second[name], value, err_msg=name)
