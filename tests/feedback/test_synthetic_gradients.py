"""Options of the synthetic gradients, and what a module looks like before it has learned."""

import numpy as np
import pytest

from neurosim.errors import InputError, ShapeError, UnknownNameError
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"hidden_layers": 3}, "hidden_layers 3: expected 0, 1 or 2"),
        ({"width": 0}, "width 0"),
        ({"p_update": 0}, "p_update 0"),
        ({"p_update": 1.5}, "p_update 1.5"),
        ({"interfaces": []}, "interfaces"),
    ],
)
def test_options_out_of_range(options, named):
    with pytest.raises(InputError, match=named):
        pathway("synthetic_gradients", **options)


def test_an_interface_that_is_no_hidden_population():
    with pytest.raises(UnknownNameError, match="'hidden3'.*hidden1, hidden2"):
        pathway("synthetic_gradients", interfaces=["hidden3"]).attach(Network.layered((4,), [5, 5], 3), 3, seed=0)


def test_a_network_that_is_no_chain_is_refused():
    populations = [Population("x", 4), Population("a", 3), Population("b", 3), Population("output", 3, transfer="softmax")]
    links = [Projection("x", "a"), Projection("x", "b"), Projection("a", "output"), Projection("b", "output")]
    with pytest.raises(ShapeError, match="no chain"):
        pathway("synthetic_gradients").attach(Network(populations, links), 3, seed=0)


@pytest.mark.parametrize("hidden_layers", [0, 1, 2])
def test_before_it_has_learned_a_module_says_nothing(hidden_layers):
    network = Network.layered((4,), [5, 5], 3, dtype="float64")
    scheme = pathway("synthetic_gradients", hidden_layers=hidden_layers, width=6)
    scheme.attach(network, 3, seed=0)
    draw = np.random.default_rng(0)
    sweep = network.sweep(draw.normal(size=(8, 4)), training=True)
    teaching = scheme.teach(sweep, np.eye(3)[draw.integers(0, 3, 8)], network.backend.draws(0, 0))
    assert all(not teaching[name].error.any() for name in network.hidden)
    assert teaching["output"].error.any()


def test_how_far_weights_reach_follows_from_the_interfaces():
    def claimed(interfaces):
        scheme = pathway("synthetic_gradients", interfaces=interfaces)
        scheme.attach(Network.layered((4,), [5, 5, 5], 3), 3, seed=0)
        return scheme.claims.weight_transport

    assert claimed(None) == claimed(["hidden1", "hidden2", "hidden3"]) == "none"
    assert claimed(["hidden1", "hidden2"]) == "output"
    assert claimed(["hidden2"]) == claimed(["hidden2", "hidden3"]) == "one_hop"
    assert claimed(["hidden3"]) == claimed(["hidden1"]) == "full"
