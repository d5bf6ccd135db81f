"""The cost of a step against counts made by hand."""

import numpy as np
import pytest

from neurosim.capture.cost import Cost
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.plasticity import Adam
from neurosim.training import Trainer

SIZES, BATCH = (6, 5, 4, 3), 10


def cost_of(scheme, **options):
    network = Network.layered((SIZES[0],), SIZES[1:-1], SIZES[-1])
    chosen = pathway(scheme, **options)
    chosen.attach(network, SIZES[-1], 0)
    before = {name: value.copy() for name, value in network.parameters().items()}
    trainer = Trainer(network, chosen, Adam(0.1), batch=BATCH)
    costs = [Cost.of(trainer.recorded(phase)) for phase in chosen.phases]
    assert all((network.parameters()[name] == value).all() for name, value in before.items())
    return costs


FORWARD = [2 * BATCH * a * b for a, b in zip(SIZES, SIZES[1:], strict=False)]


@pytest.mark.parametrize(
    ("scheme", "operations"),
    [
        ("backprop", 2 * sum(FORWARD) + sum(FORWARD[1:])),  # forward, the weights' products, errors back but into the input
        ("frozen", sum(FORWARD) + FORWARD[-1]),
        ("feedback_alignment", 2 * sum(FORWARD) + sum(FORWARD[1:])),
    ],
)
def test_operations_by_hand(scheme, operations):
    (cost,) = cost_of(scheme)
    assert cost.operations == operations
    assert not cost.inverses


def test_hsic_inverts_one_kernel_for_input_labels_and_each_population():
    (cost,) = cost_of("hsic_bottleneck")
    assert cost.inverses == [(BATCH, np.float64)] * 2 + [(BATCH, np.float32)] * 2
    assert cost.describe().endswith("matrix products and 4 inverses of 10 x 10")
    assert cost.operations == sum(product.operations for product in cost.products) + 4 * BATCH**3


def test_every_phase_is_counted_apart_and_transposed_operands_are_marked():
    inverse, forward = cost_of("difference_target_propagation")
    assert inverse.operations != forward.operations
    assert any(product.transposed == (True, False) for product in forward.products)
