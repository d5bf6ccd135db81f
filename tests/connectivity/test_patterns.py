"""Patterns of synapses: which are drawn, and that weights stay where synapses are, whatever changes them."""

import numpy as np
import pytest

from neurosim.backends import NumpyBackend, limits
from neurosim.checking.bench import ArrayTrainer, make_data
from neurosim.checking.rules import TICKS, Praise
from neurosim.connectivity import FixedInDegree, FixedOutDegree, FixedProbability, FromLists, FromMatrix, OneToOne
from neurosim.errors import InputError, ShapeError
from neurosim.feedback import pathway
from neurosim.network import Clock, Network, Population, Projection
from neurosim.plasticity import SGD, Adam, Bounds, NormaliseIncoming, PlasticityRule, Sparsity, chain, error_driven, rules, updates
from neurosim.training import Trainer

BACKEND = NumpyBackend()
MATRIX = np.random.default_rng(5).random((12, 7)) < 0.4
PATTERNS = [
    FixedProbability(0.3), FixedInDegree(3), FixedOutDegree(2), FromMatrix(MATRIX), FromLists([0, 11, 4, 4], [6, 0, 2, 5]),
]  # fmt: skip


def draw(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.name)
def test_signals_pass_where_synapses_are_and_nowhere_else(pattern):
    """By single synapses; weights elsewhere, where there should be none, make no difference."""
    wiring = pattern.drawn((3, 4), (7,), draw())
    wiring.spread(BACKEND, (12, 7), np.float64)
    w, rate, error = draw(1).normal(size=(12, 7)), draw(2).normal(size=(5, 3, 4)), draw(3).normal(size=(5, 7))
    flat, drive, back, found = rate.reshape(5, 12), np.zeros((5, 7)), np.zeros((5, 12)), np.zeros((12, 7))
    pairs = list(zip(wiring.pre, wiring.post, strict=True))
    assert len(set(pairs)) == len(pairs) > 1
    for i, j in pairs:
        drive[:, j] += w[i, j] * flat[:, i]
        back[:, i] += w[i, j] * error[:, j]
        found[i, j] = (flat[:, i] * error[:, j]).sum()
    np.testing.assert_allclose(wiring.drive(BACKEND, rate, w, (7,)), drive, atol=1e-12)
    np.testing.assert_allclose(wiring.back(BACKEND, error, w, (3, 4)).reshape(5, 12), back, atol=1e-12)
    np.testing.assert_allclose(wiring.correlate(BACKEND, rate, error), found, atol=1e-12)


def test_numbers_of_synapses():
    pre, post = FixedInDegree(3, self_connections=False).synapses((40,), (40,), draw())
    assert (np.bincount(post) == 3).all() and len(np.bincount(post)) == 40 and (pre != post).all() and (np.diff(pre) >= 0).all()
    pre, post = FixedOutDegree(39, self_connections=False).synapses((40,), (40,), draw())
    assert sorted(zip(pre, post, strict=True)) == [(i, j) for i in range(40) for j in range(40) if i != j]
    pre, post = FixedProbability(0.1).synapses((300,), (400,), draw())
    assert abs(len(pre) - 12_000) < 5 * (120_000 * 0.1 * 0.9) ** 0.5
    pre, post = FixedProbability(1, self_connections=False).synapses((30,), (30,), draw())
    assert len(pre) == 30 * 29 and (pre != post).all()
    assert [list(side) for side in FromMatrix([[0, 2], [-1, 0]]).synapses((2,), (2,), draw())] == [[0, 1], [1, 0]]
    assert [list(side) for side in FromLists([3, 0], [1, 1]).synapses((4,), (2,), draw())] == [[3, 0], [1, 1]]
    assert [list(side) for side in OneToOne().synapses((2, 2), (2, 2), draw())] == [[0, 1, 2, 3]] * 2


def each_in_degree():
    """Return how often each of 20 neurons is a partner, over many draws of 5 of the 19 others."""
    counts = np.zeros((20, 20))
    for seed in range(400):
        pre, post = FixedInDegree(5, self_connections=False).synapses((20,), (20,), draw(seed))
        np.add.at(counts, (pre, post), 1)
    return counts


def test_partners_are_drawn_with_equal_chances():
    counts = each_in_degree()
    expected, spread = 400 * 5 / 19, (400 * 5 / 19 * 14 / 19) ** 0.5
    assert (np.diag(counts) == 0).all()
    assert np.abs(counts[~np.eye(20, dtype=bool)] - expected).max() < 5 * spread


WRONG = [
    (lambda: FixedProbability(0), "fixed_probability: p 0: expected a probability above 0"),
    (lambda: FixedProbability(1.5), "fixed_probability: p 1.5"),
    (lambda: FixedInDegree(0), "fixed_in_degree: degree 0: expected a whole number of 1 or more"),
    (lambda: FixedOutDegree(2.5), "fixed_out_degree: degree 2.5"),
    (lambda: FixedInDegree(5).synapses((4,), (4,), draw()), "fixed_in_degree: degree 5, and 4 neurons to choose from"),
    (lambda: FixedInDegree(4, self_connections=False).synapses((4,), (4,), draw()), "degree 4, and 3 neurons to choose from"),
    (lambda: FixedProbability(0.1, self_connections=False).synapses((4,), (5,), draw()), "self_connections = False between shapes"),
    (lambda: FromLists([0, 1], [0]), "from_lists: 2 neurons in pre and 1 in post"),
    (lambda: FromLists([], []), "expected a list of neurons' numbers"),
    (lambda: FromLists([0, -1], [0, 1]), "from_lists: pre [0, -1]: expected a list of neurons' numbers, from 0"),
    (lambda: FromLists([0, 1, 0], [2, 1, 2]), "from_lists: neurons 0 and 2 are joined 2 times"),
    (lambda: FromLists([0], [3]).synapses((2,), (3,), draw()), "from_lists: post lists neuron 3, and the population has 3"),
    (lambda: FromMatrix([[1, 0], [1]]), "from_matrix: matrix [[1, 0], [1]]: expected rows of equal length"),
    (lambda: FromMatrix([[0, 0]]), "not all 0"),
    (lambda: FromMatrix([[1, 0]]).synapses((2,), (2,), draw()), "from_matrix: a matrix of shape (1, 2): expected (2, 2)"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_no_pattern_is_refused_in_one_line(wrong, said):
    with pytest.raises(InputError) as caught:
        wrong()
    assert said in str(caught.value) and "\n" not in str(caught.value)


def network(pattern, *, rule=None, optimiser=None, seed=1, name=None, initial="glorot", dtype="float64"):
    populations = [Population("x", 12), Population("hidden", 7, transfer="tanh"), Population("output", 3, transfer="softmax")]
    rule = error_driven() if rule is None else rule
    first = Projection("x", "hidden", name=name, connectivity=pattern, rule=rule, optimiser=optimiser, initial=initial)
    return Network(populations, [first, Projection("hidden", "output")], seed=seed, dtype=dtype)


def test_synapses_follow_from_the_seed_and_the_projections_name():
    pattern = FixedProbability(0.5)
    first, again, other, renamed = (network(pattern, **options).projections for options in ({}, {}, {"seed": 2}, {"name": "named"}))
    pairs = [tuple(map(tuple, p[next(iter(p))].synapses())) for p in (first, again, other, renamed)]
    assert pairs[0] == pairs[1] and len(set(pairs)) == 3
    assert pattern.pre is None and pattern.mask is None  # each projection has its own
    assert (first["x__hidden"].weights() == again["x__hidden"].w[again["x__hidden"].synapses()]).all()


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_are_the_same_as_a_list_and_as_a_matrix(pattern, dtype):
    p = network(pattern, dtype=dtype).projections["x__hidden"]
    before = p.weights()
    assert p._made is None  # nothing was spread for that
    w, (pre, post) = p.w, p.synapses()
    assert (p.weights() == before).all() and (w[pre, post] == before).all() and (w != 0).sum() == len(pre) == p.synapse_count
    listed = np.arange(1.0, len(pre) + 1)
    given = network(pattern, dtype=dtype, initial=listed).projections["x__hidden"]
    assert (given.weights() == listed).all() and (given.w[pre, post] == listed).all()
    spread = network(pattern, dtype=dtype, initial=p.w).projections["x__hidden"]
    assert (spread.weights() == before).all() and (spread.w == w).all()


SMALL = {"learning_rate": 0.1, "every": 1, "factor": 0.5, "at": [0.5], "rate": 0.1, "limit": 1, "to": 1}


def made(name, cls):
    import inspect

    given = {"w_min": 0.1, "w_max": 1.0} if name == "bounds" else SMALL
    needed = [key for key, p in inspect.signature(cls).parameters.items() if p.default is p.empty and key in given]
    return cls(**{key: given[key] for key in needed})


OPTIMISERS = {name: made(name, cls) for name, cls in updates().items() if name != "chain"}
OPTIMISERS["all"] = chain(Sparsity(0.01), Adam(0.1), Bounds(0.1, 1.0), NormaliseIncoming(2.0))
GROWING = PlasticityRule("dw = eta * (1 + rate_pre + rate_post) + error_post", eta=0.1)


@pytest.mark.parametrize("captured", [True, False])
@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=OPTIMISERS)
def test_no_weight_appears_without_a_synapse_whatever_the_optimiser(optimiser, captured):
    """The rule's terms without a product, and a lower bound above zero, would make some."""
    _learn(GROWING, optimiser, captured)


REFUSED = {"co_activation_memory", "normalised_hebb"}  # which solve for the weights of all pairs, or sum over all
OTHERWISE = {"intrinsic_homeostasis", "soft_hebb"}  # changes the bias; needs neurons of its own


@pytest.mark.parametrize("name", sorted(set(rules()) - REFUSED - OTHERWISE))
def test_no_weight_appears_without_a_synapse_whatever_the_rule(name):
    _learn(rules()[name](), SGD(0.1), True)


def _learn(rule, optimiser, captured):
    net = network(FixedProbability(0.4), rule=rule, optimiser=optimiser)
    p = net.projections["x__hidden"]
    before, there = p.w.copy(), np.zeros((12, 7), bool)
    there[p.synapses()] = True
    kind = Trainer if captured else ArrayTrainer
    options = {"task": Praise(3, names=rule.modulators), "clock": TICKS if p.starts else Clock()}
    kind(net, pathway("backprop"), SGD(0.1), epochs=2, batch=20, **options).fit(make_data(classes=3), progress=False)
    assert (p.w[~there] == 0).all()
    assert (p.w[there] != before[there]).any()


def test_feedback_comes_back_along_the_same_synapses():
    populations = [Population("x", 4), Population("a", 12, transfer="tanh"), Population("b", 7, transfer="tanh")]
    populations.append(Population("output", 3, transfer="softmax"))
    links = [Projection("x", "a"), Projection("a", "b", connectivity=FixedProbability(0.3)), Projection("b", "output")]
    net = Network(populations, links, dtype="float64")
    scheme = pathway("feedback_alignment", rule="hebbian")
    trainer = Trainer(net, scheme, SGD(0.1), feedback_optimiser=SGD(0.1), epochs=1, batch=20)
    trainer.fit(make_data(inputs=4, classes=3), progress=False)
    back, there = next(iter(scheme.networks["a__b"].projections.values())), np.zeros((7, 12), bool)
    pre, post = net.projections["a__b"].synapses()
    there[post, pre] = True
    drive = back.drive(np.eye(7))
    assert (drive[~there] == 0).all() and (drive[there] != 0).all()


def test_a_rule_that_solves_for_weights_is_refused():
    with pytest.raises(InputError, match="^projection 'x__hidden': rule .* solves for weights, of all pairs of neurons: [^\n]*$"):
        network(FixedProbability(0.3), rule=rules()["co_activation_memory"]())


def test_a_matrix_for_which_there_is_no_memory_is_refused_before_it_is_made(monkeypatch):
    net = network(FixedProbability(0.3))
    monkeypatch.setattr("neurosim.network.projection.free_memory", lambda: limits.Room(100, "a test"))
    assert len(net.projections["x__hidden"].weights())
    said = "^projection 'x__hidden': in a sweep its .* are matrices of 12 x 7: [^\n]* use Network.run"
    with pytest.raises(InputError, match=said):
        net.sweep(draw().normal(size=(2, 12)))


def test_weights_and_delays_given_for_each_synapse_are_counted():
    said = r"^projection 'x__hidden': initial [^\n]*: shape \(3,\): expected a number, or shape \(12, 7\) or \(4,\); reshape it"
    with pytest.raises(ShapeError, match=said):
        network(FromLists([0, 1, 2, 3], [0, 1, 2, 3]), initial=np.ones(3))
