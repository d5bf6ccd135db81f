"""Training on digits: learning, the control, seeds, resume, divergence."""

import numpy as np
import pytest

from neurosim import datasets
from neurosim.errors import DivergedError, InputError
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.plasticity import SGD, Adam
from neurosim.training import Trainer


def trainer(scheme, *, epochs=4, optimiser=None):
    data = datasets.load("digits")
    network = Network.layered(data.shape, [32, 32], data.classes, seed=1)
    return Trainer(network, pathway(scheme), optimiser or Adam(2e-3), epochs=epochs, batch=32, seed=1), data


def test_backprop_learns_and_frozen_is_worse():
    (learner, data), (control, _) = trainer("backprop", epochs=8), trainer("frozen", epochs=8)
    learned, frozen = learner.fit(data)[-1]["test"], control.fit(data)[-1]["test"]
    assert learned.error < 8
    assert frozen.loss > 1.5 * learned.loss


def test_divergence_names_population_and_step():
    broken, data = trainer("backprop")
    broken.check(data)
    broken.network.projections["x__hidden1"].w[0, 0] = np.inf
    with np.errstate(invalid="ignore"), pytest.raises(DivergedError, match="'hidden1'.*step 0"):
        broken.fit(data)


def test_bad_batch_is_refused():
    data = datasets.load("digits")
    network = Network.layered(data.shape, [8], data.classes)
    with pytest.raises(InputError, match="batch 0"):
        Trainer(network, pathway("backprop"), SGD(0.1), batch=0)
