"""Options of the HSIC bottleneck: kernel widths by pattern, branches, and neurons read as classes."""

import numpy as np
import pytest

from neurosim.datasets import DataSet, Split
from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.plasticity import SGD
from neurosim.training import Trainer


def with_units(neurons):
    populations = [Population("x", 4), Population("hidden1", 5), Population("output", neurons, transfer="relu")]
    return Network(populations, [Projection("x", "hidden1"), Projection("hidden1", "output")], dtype="float64")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"beta": -1}, "beta -1"),
        ({"sigma": 0}, "sigma 0"),
        ({"sigma": {"a*": -2.0}}, "'a\\*'"),
        ({"output": "relu"}, "output 'relu': expected one of softmax, units, rest"),
    ],
)
def test_options_out_of_range(options, named):
    with pytest.raises(InputError, match=named):
        pathway("hsic_bottleneck", **options)


def test_a_population_without_a_sigma_and_an_output_too_small_are_named():
    with pytest.raises(InputError, match="no sigma for population 'hidden1'"):
        pathway("hsic_bottleneck", sigma={"branch*": 1.0}).attach(Network.layered((4,), [5], 3), 3, seed=0)
    with pytest.raises(InputError, match="2 neurons for 3 classes"):
        pathway("hsic_bottleneck", output="units").attach(with_units(2), 3, seed=0)
    with pytest.raises(InputError, match="softmax"):
        pathway("hsic_bottleneck").attach(with_units(3), 3, seed=0)


def test_branches_have_their_own_width_and_a_fixed_join_is_not_taught():
    populations = [Population("x", 4), Population("narrow", 3), Population("wide", 3), Population("joined", 3)]
    joins = {"connectivity": "one_to_one", "initial": 0.5, "bias": False, "rule": None}
    projections = [Projection("x", "narrow"), Projection("x", "wide"), Projection("joined", "output")]
    projections += [Projection("narrow", "joined", **joins), Projection("wide", "joined", **joins)]
    network = Network([*populations, Population("output", 3, transfer="softmax")], projections, dtype="float64")
    scheme = pathway("hsic_bottleneck", sigma={"narrow": 1.0, "wide": 10.0}, output="rest")
    scheme.attach(network, 3, seed=0)
    assert scheme.sigma == {"narrow": 1.0, "wide": 10.0}
    x, y = np.random.default_rng(0).random((8, 4)), np.eye(3)[np.arange(8) % 3]
    sweep = network.sweep(x, training=True)
    teaching = scheme.teach(sweep, y, network.backend.draws(0, 0))
    alone = pathway("hsic_bottleneck", sigma=10.0, output="rest")
    alone.attach(network, 3, seed=0)
    np.testing.assert_array_equal(alone.teach(sweep, y, network.backend.draws(0, 0))["wide"].error, teaching["wide"].error)
    assert set(teaching) == {"narrow", "wide"}


def test_classes_are_assigned_to_neurons_by_the_largest_class_means_first():
    network = with_units(4)
    scheme = pathway("hsic_bottleneck", output="units")
    scheme.attach(network, 3, seed=0)
    x = np.random.default_rng(1).random((6, 4))
    sweep = network.sweep(x)
    # class means by neuron: class 0 and class 1 both like neuron 2 best, class 1 more so; class 0 then takes neuron 3
    rate = np.array([[0, 1, 5, 4], [0, 1, 9, 2], [3, 0, 0, 0]] * 2, float)
    sweep.rate["output"][...] = rate
    scheme.calibrate(iter([(sweep, np.eye(3)[[0, 1, 2, 0, 1, 2]])]))
    assert list(scheme.assigned) == [3, 2, 0]
    scores = rate[:, [3, 2, 0]]
    np.testing.assert_array_equal(scheme.scores(sweep), scores)
    target = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    by_hand = -(target * np.log(np.exp(scores) / np.exp(scores).sum(1, keepdims=True))).sum(1).mean()
    assert scheme.loss(sweep, target) == pytest.approx(by_hand)
    assert scheme.memory()["hsic/assigned"] is scheme.assigned


def test_neither_scoring_nor_the_evaluated_splits_decide_the_assignment():
    """Two data sets that differ in validation and test labels alone give one assignment; other training labels, another."""
    draw = np.random.default_rng(0)
    x, y = draw.random((60, 4), np.float32), np.arange(60) % 3

    def assigned(train, held_out):
        splits = [Split(x[:30], train[:30]), Split(x[30:45], held_out[30:45]), Split(x[45:], held_out[45:])]
        data = DataSet("points", *splits, classes=3, shape=(4,))
        network = with_units(3)
        scheme = pathway("hsic_bottleneck", output="units")
        Trainer(network, scheme, SGD(1e-9), epochs=1, batch=10).fit(data)
        before = scheme.assigned.copy()
        scheme.loss(network.sweep(x), np.eye(3)[held_out])
        scheme.scores(network.sweep(x))
        np.testing.assert_array_equal(scheme.assigned, before)
        return list(before)

    renamed = (y + 1) % 3
    assert assigned(y, y) == assigned(y, renamed)
    assert assigned(y, y) != assigned(renamed, y)


def test_class_means_are_over_all_batches_and_each_class_is_assigned_once():
    network = with_units(4)
    scheme = pathway("hsic_bottleneck", output="units")
    scheme.attach(network, 3, seed=0)
    batches = [network.sweep(np.zeros((5, 4))), network.sweep(np.zeros((1, 4)))]
    # means: class 0 (5, 4.5, 0, 0), class 1 (6, 1, 0, 5), class 2 (0, 0, 3, 0); by sums class 0 would come first
    batches[0].rate["output"][...] = [[4, 5, 0, 0], [6, 4, 0, 0], [5, 4, 0, 0], [5, 5, 0, 0], [0, 0, 3, 0]]
    batches[1].rate["output"][...] = [[6, 1, 0, 5]]
    scheme.calibrate(iter(zip(batches, [np.eye(3)[[0, 0, 0, 0, 2]], np.eye(3)[[1]]], strict=True)))
    assert list(scheme.assigned) == [1, 0, 2]


def test_the_defaults_are_the_released_ones():
    scheme = pathway("hsic_bottleneck")
    scheme.attach(Network.layered((4,), [5, 5], 3), 3, seed=0)
    assert (scheme.beta, scheme.sigma) == (50, {"hidden1": 5, "hidden2": 5})


@pytest.mark.parametrize(("tf32", "own"), [(False, "float32"), (True, "float64")])
def test_populations_kernels_are_of_the_network_s_type_unless_products_round_their_operands(tf32, own, monkeypatch):
    network, scheme = Network.layered((4,), [5, 5], 3), pathway("hsic_bottleneck")
    monkeypatch.setattr(network.backend, "tf32", tf32)
    scheme.attach(network, 3, seed=0)
    inverted, invert = [], network.backend.positive_inverse
    monkeypatch.setattr(network.backend, "positive_inverse", lambda matrix: inverted.append(matrix.dtype) or invert(matrix))
    sweep = network.sweep(np.random.default_rng(0).random((6, 4), np.float32), training=True)
    teaching = scheme.teach(sweep, np.eye(3, dtype=np.float32)[np.arange(6) % 3], network.backend.draws(0, 0))
    assert inverted == ["float64", "float64", own, own]  # input, label, two populations
    assert all(teaching[name].error.dtype == np.float32 for name in network.hidden)


def test_the_first_pattern_that_fits_gives_the_sigma():
    scheme = pathway("hsic_bottleneck", sigma={"*2": 1.0, "hid*": 3.0, "hidden1": 7.0})
    scheme.attach(Network.layered((4,), [5, 5], 3), 3, seed=0)
    assert scheme.sigma == {"hidden1": 3, "hidden2": 1}


def test_the_assignment_is_restored_in_place_and_a_softmax_has_none():
    scheme = pathway("hsic_bottleneck", output="units")
    network = with_units(4)
    scheme.attach(network, 3, seed=0)
    held = scheme.memory()["hsic/assigned"]
    sweep = network.sweep(np.zeros((3, 4)))
    sweep.rate["output"][...] = np.eye(4)[[3, 2, 0]]
    scheme.calibrate([(sweep, np.eye(3))])
    assert list(held) == [3, 2, 0]
    held[...] = [1, 0, 2]  # as a resumed run restores it
    np.testing.assert_array_equal(scheme.scores(sweep), sweep.rate["output"][:, [1, 0, 2]])

    unread = iter([None])
    plain = pathway("hsic_bottleneck")
    plain.attach(Network.layered((4,), [5], 3), 3, seed=0)
    plain.calibrate(unread)
    assert list(unread) == [None]  # nothing to assign: the training split is not swept
    assert not plain.memory()
