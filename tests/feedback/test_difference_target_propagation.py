"""What difference target propagation refuses, what it takes by default, and what dropout leaves of the first target."""

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.neurons import transfers


@pytest.mark.parametrize(
    ("options", "named"), [({"step": 0}, "step 0"), ({"step": -0.1}, "step -0.1"), ({"noise": -1}, "noise -1 is negative")]
)
def test_options_out_of_range(options, named):
    with pytest.raises(InputError, match=named):
        pathway("difference_target_propagation", **options)


@pytest.mark.parametrize("where", ["hidden1", "hidden2"])
@pytest.mark.parametrize("options", [{}, {"difference": False}, {"alternate": False}], ids=str)
@pytest.mark.parametrize("name", sorted(transfers()))
def test_the_discrete_and_stochastic_variants_are_refused_until_they_are_built(name, options, where):
    populations = [Population("x", 4), *(Population(h, 3, transfer=name if h == where else "tanh") for h in ("hidden1", "hidden2"))]
    links = [Projection("x", "hidden1"), Projection("hidden1", "hidden2"), Projection("hidden2", "output")]
    network = Network([*populations, Population("output", 2, transfer="softmax")], links)
    scheme = pathway("difference_target_propagation", **options)
    if name in ("sign", "bernoulli"):
        expected = rf"^scheme 'difference_target_propagation': population '{where}' has transfer '{name}': expected .*use 'tanh'$"
        with pytest.raises(InputError, match=expected):
            scheme.attach(network, 2, seed=0)
    else:
        scheme.attach(network, 2, seed=0)


def test_neurons_that_dropout_silenced_have_the_target_they_are_at():
    options = {"transfer": "tanh", "dropout": 0.5}
    populations = [Population("x", 4), Population("hidden1", 6, **options), Population("hidden2", 6, **options)]
    links = [Projection("x", "hidden1"), Projection("hidden1", "hidden2"), Projection("hidden2", "output")]
    network = Network([*populations, Population("output", 2, transfer="softmax")], links, dtype="float64")
    scheme = pathway("difference_target_propagation")
    scheme.attach(network, 2, seed=0)
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(np.random.default_rng(0).normal(size=(5, 4)), training=True, draws=draws)
    error = scheme.teach(sweep, np.eye(2)[[0, 1, 0, 1, 1]], draws)["hidden2"].error
    silent = sweep["hidden2"].mask == 0
    assert silent.any() and not silent.all()
    assert not error[silent].any() and error[~silent].all()


def test_inverses_start_as_the_forward_weights_do_and_with_their_transfer():
    network = Network.layered((4,), [6, 6, 6], 2, initial="orthogonal", transfer="sigmoid", dtype="float64")
    scheme = pathway("difference_target_propagation")
    scheme.attach(network, 2, seed=0)
    assert set(scheme.networks) == {"hidden2", "hidden3"}
    for name, own in scheme.networks.items():
        (inverse,) = own.projections.values()
        np.testing.assert_allclose(np.linalg.svd(inverse.w, compute_uv=False), 1)
        assert not inverse.parameters["b"].any()
        assert own.populations[inverse.post].transfer.name == "sigmoid"
        assert inverse.pre == name
