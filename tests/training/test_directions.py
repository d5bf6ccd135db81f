"""Gauss and Newton's direction against finite differences, what a step does to the loss, and directions of two trainers."""

import copy

import numpy as np
import pytest

from neurosim.datasets import Split, from_arrays
from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Clock, Network
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import SGD
from neurosim.training import Trainer
from neurosim.training.directions import align, gauss_newton, gradient, propose, step_effect

DRAW = np.random.default_rng(3)
X = DRAW.normal(size=(12, 4))


def made(scheme="backprop", *, classes=3, seed=1, rate=0.1, **options):
    y = np.arange(12) % classes if classes else DRAW.normal(size=(12, 2))
    data = from_arrays(X, y, X, y)
    readout = "softmax" if classes else "linear"
    network = Network.layered((4,), [5], classes or 2, readout=readout, dtype="float64", seed=seed, **options)
    trainer = Trainer(network, pathway(scheme), SGD(rate), batch=12, seed=1)
    trainer.check(data)
    return trainer, data.train


def output_activation(trainer, x):
    return trainer.network.sweep(x)["output"].drive


def by_finite_differences(trainer, split, damping):
    """Return Gauss and Newton's direction with G written out, its Jacobian by differences."""
    network, n = trainer.network, len(split)
    weights = [p.w for p in network.projections.values()]
    columns = []
    for w in weights:
        for at in np.ndindex(w.shape):
            kept, step = w[at], 1e-6
            w[at] = kept + step
            above = output_activation(trainer, split.x)
            w[at] = kept - step
            columns.append((above - output_activation(trainer, split.x)) / (2 * step))
            w[at] = kept
    jacobian = np.stack(columns, axis=-1)  # (n, outputs, weights)
    p = network.sweep(split.x).rate["output"]
    curved = trainer.task.name == "classification"
    second = np.stack([np.diag(one) - np.outer(one, one) if curved else np.eye(len(one)) for one in p])
    G = np.einsum("nkw,nkl,nlv->wv", jacobian, second, jacobian) / n
    downhill = np.concatenate([change.ravel() for change in gradient(trainer, split).values()])
    shift = damping * np.trace(G) / (n * p.shape[1])
    return np.linalg.solve(G + shift * np.eye(len(G)), downhill)


@pytest.mark.parametrize("classes", [3, 0])
@pytest.mark.parametrize("damping", [0.01, 1.0])
def test_gauss_and_newtons_direction_is_that_of_the_matrix_written_out(classes, damping):
    trainer, split = made(classes=classes)
    found = np.concatenate([change.ravel() for change in gauss_newton(trainer, split, damping=damping).values()])
    np.testing.assert_allclose(found, by_finite_differences(trainer, split, damping), rtol=1e-5, atol=1e-7)


def test_backprop_goes_down_the_gradient_and_other_schemes_do_not():
    trainer, split = made()
    exact = align(propose(trainer, split), gradient(trainer, split))
    np.testing.assert_allclose(exact["angle"], 0, atol=1e-5)
    np.testing.assert_allclose(exact["norm_ratio"], 1)
    other, _ = made("feedback_alignment")
    between = align(propose(other, split), propose(trainer, split))
    assert between.loc["hidden1__output", "angle"] < 1e-5 < 5 < between.loc["x__hidden1", "angle"]
    assert list(between.columns) == ["angle", "cosine", "norm_ratio"] and between.index.name == "projection"


def test_a_step_on_a_batch_lowers_its_loss_as_the_gradient_says_and_changes_nothing():
    trainer, split = made(rate=1e-3)
    before = copy.deepcopy(trainer.network.parameters())
    found = step_effect(trainer, split)
    slope = sum((change**2).sum() for change in gradient(trainer, split).values())
    biases = [p.post for p in trainer.network.projections.values()]
    assert len(biases) == 2 and found.before == trainer.evaluate(split).loss
    assert found.decrease > 0.9e-3 * slope  # the biases learn too, and lower it further
    for name, value in trainer.network.parameters().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_step_that_is_too_long_raises_the_loss():
    trainer, split = made(rate=300.0)
    assert step_effect(trainer, split).decrease < 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"damping": 0}, "damping 0: expected a positive number"),
        ({"normalisation": BatchNormalisation()}, "population 'hidden1' has batch normalisation"),
        ({"clock": Clock(3)}, "trials of 3 ticks: expected one"),
        ({"scheme": "none"}, "directions: the trainer has not seen its data yet"),
    ],
)
def test_where_it_is_not_defined_it_says_so(change, said):
    damping, scheme = change.pop("damping", 0.1), change.pop("scheme", None)
    clock = change.pop("clock", None)
    trainer, split = made(**change)
    if clock:
        trainer.trial = type(trainer.trial)(clock, trainer.trial.encoder)
    if scheme:
        trainer = Trainer(Network.layered((4,), [5], 3), pathway("backprop"), SGD(0.1))
    with pytest.raises(InputError, match=said):
        gauss_newton(trainer, split, damping=damping)


def test_what_has_no_number_is_told_as_none():
    certain, split = made()
    certain.network.projections["hidden1__output"].w[...] *= 1e6  # the softmax is 0 or 1: no curvature
    curved = gauss_newton(certain, split)
    assert all(np.isnan(change).all() for change in curved.values())
    assert align(propose(certain, split), curved).isna().all(axis=None)
    broken, split = made()
    broken.network.projections["hidden1__output"].w[...] = np.inf
    with np.errstate(all="ignore"):
        assert np.isnan(step_effect(broken, split)).all()


def test_too_many_rows_and_networks_that_differ():
    trainer, split = made()
    with pytest.raises(InputError, match="5000 samples times 3 outputs: expected at most 4,000"):
        gauss_newton(trainer, Split(np.zeros((5000, 4)), np.zeros(5000, int)))
    with pytest.raises(InputError, match=r"'x__hidden1' has weights \(4, 5\) and \(4, 6\)"):
        align(propose(trainer, split), {"x__hidden1": np.zeros((4, 6))})
    with pytest.raises(InputError, match="expected some in both"):
        align(propose(trainer, split), {"other": np.zeros((4, 6))})
