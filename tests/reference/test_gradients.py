"""Is it right: the baseline against finite differences, and feedback through transposed weights against the baseline."""

import numpy as np
import pytest

from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.neurons import BatchNormalisation


def problem(transfer="tanh", normalisation=None):
    draw = np.random.default_rng(3)
    network = Network.layered((6,), [5, 4], 3, transfer=transfer, normalisation=normalisation, dtype="float64", seed=2)
    for p in network.projections.values():  # biases off zero: a silent layer would put the next one on the kink of a relu
        p.parameters["b"][...] = draw.normal(size=p.post_shape)
    x, target = draw.normal(size=(7, 6)), np.eye(3)[draw.integers(0, 3, 7)]
    return network, x, target


def proposals(scheme, network, x, target):
    scheme.attach(network, 3, seed=0)
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(x, training=True, draws=draws)
    return network.propose(sweep, scheme.teach(sweep, target, draws))[0]


@pytest.mark.parametrize("transfer", ["linear", "tanh", "relu", "leaky_relu", "sigmoid", "softmax"])
@pytest.mark.parametrize("normalisation", [None, BatchNormalisation(), BatchNormalisation(affine=False)])
def test_backprop_is_minus_the_finite_difference_of_the_loss(transfer, normalisation):
    network, x, target = problem(transfer, normalisation)
    proposed = proposals(pathway("backprop"), network, x, target)
    assert set(proposed) == set(network.parameters())

    def loss():
        return -(target * np.log(network.sweep(x, training=True).rate["output"])).sum() / len(x)

    for name, value in network.parameters().items():
        numeric = np.empty_like(value)
        for index in np.ndindex(value.shape):
            kept = value[index]
            value[index] = kept + 1e-6
            above = loss()
            value[index] = kept - 1e-6
            numeric[index] = (above - loss()) / 2e-6
            value[index] = kept
        np.testing.assert_allclose(proposed[name], -numeric, rtol=1e-5, atol=1e-8, err_msg=name)


def test_feedback_alignment_with_transposed_weights_is_backprop():
    network, x, target = problem()
    exact = proposals(pathway("backprop"), network, x, target)
    scheme = pathway("feedback_alignment")
    random = proposals(scheme, network, x, target)
    assert not np.allclose(random["x__hidden1.w"], exact["x__hidden1.w"], rtol=0.1)
    for name, link in scheme.networks.items():
        (feedback,) = link.projections.values()
        feedback.w[...] = network.projections[name].w.T
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(x, training=True, draws=draws)
    aligned = network.propose(sweep, scheme.teach(sweep, target, draws))[0]
    for name, value in exact.items():
        np.testing.assert_allclose(aligned[name], value, rtol=1e-12)


def test_direct_feedback_alignment_by_hand():
    network, x, target = problem()
    scheme = pathway("direct_feedback_alignment")
    proposed = proposals(scheme, network, x, target)
    sweep = network.sweep(x)
    feedback = scheme.networks["hidden1"].projections["output__hidden1"].w
    error = (target - sweep.rate["output"]) @ feedback * (1 - sweep.rate["hidden1"] ** 2)
    np.testing.assert_allclose(proposed["x__hidden1.w"], x.T @ error / len(x), rtol=1e-12)
    at_output = sweep.rate["hidden2"].T @ (target - sweep.rate["output"]) / len(x)
    np.testing.assert_allclose(proposed["hidden2__output.w"], at_output, rtol=1e-12)


def test_frozen_moves_the_output_projection_only():
    network, x, target = problem()
    proposed = proposals(pathway("frozen"), network, x, target)
    assert set(proposed) == {"hidden2__output.w", "hidden2__output.b"}
    sweep = network.sweep(x)
    by_hand = sweep.rate["hidden2"].T @ (target - sweep.rate["output"]) / len(x)
    np.testing.assert_allclose(proposed["hidden2__output.w"], by_hand, rtol=1e-12)
