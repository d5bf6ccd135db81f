"""An attack: parts and data of a trainer are exchanged while it runs; it trains as its array code does, or says one line."""

import numpy as np
import pytest

from neurosim.datasets import from_arrays
from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.plasticity import SGD, Adam, Momentum, chain
from neurosim.training import Observer, Trainer
from neurosim.training.captured import CapturedStep
from neurosim.training.step import Commit


def drawn(seed):
    draw = np.random.default_rng(seed)
    return from_arrays(draw.normal(size=(40, 6)), draw.integers(0, 3, 40), draw.normal(size=(4, 6)), draw.integers(0, 3, 4))


DATA = [drawn(0), drawn(1), drawn(0)]


class Once(Observer):
    def __init__(self, change, at):
        self.change, self.at = change, at

    def on_step(self, trainer):
        if trainer.steps == self.at:
            self.change(trainer)


def scheme(trainer):
    trainer.pathway = pathway("direct_feedback_alignment")
    trainer.pathway.attach(trainer.network, 3, 1)


def optimiser(trainer):
    trainer.commit.chain = chain(Adam(0.01))


def commit(trainer):
    trainer.commit = Commit(Momentum(0.01), trainer.network.backend)


def augment(trainer):
    trainer.augment = lambda x, generator: 2 * x


def no_augment(trainer):
    trainer.augment = None


def nothing(trainer):
    pass


def trained(monkeypatch, change, at, captured, augmented=False, first=Momentum):
    network = Network.layered((6,), [5], 3, seed=2, dtype="float64")
    given = (lambda x, generator: -x) if augmented else None
    trainer = Trainer(network, pathway("backprop"), first(0.1), epochs=9, batch=10, seed=3, augment=given)
    with monkeypatch.context() as patch:
        if not captured:
            patch.setattr(CapturedStep, "prepared", lambda self, epoch, epochs: None)
        for data in DATA:
            trainer.run_epoch(data, Once(change, at))
    return trainer


@pytest.mark.parametrize("at", [2, 4, 6])
@pytest.mark.parametrize("change", [nothing, scheme, optimiser, commit, augment, no_augment])
def test_a_part_that_is_exchanged_takes_effect_at_the_next_step(monkeypatch, caplog, change, at):
    own = {"augmented": change is no_augment}
    made, plain = (trained(monkeypatch, change, at, captured, **own) for captured in (True, False))
    for name, value in plain.state().items():
        np.testing.assert_allclose(made.state()[name], value, rtol=1e-7, atol=1e-11, err_msg=name)
    assert not caplog.records


def test_other_data_are_learned_from(monkeypatch):
    made = trained(monkeypatch, nothing, 0, captured=True)
    monkeypatch.setitem(globals(), "DATA", DATA[:1] * 3)
    again = trained(monkeypatch, nothing, 0, captured=True)
    assert not np.allclose(made.network.parameters()["x__hidden1.w"], again.network.parameters()["x__hidden1.w"])


@pytest.mark.parametrize("first", [SGD, Adam])
@pytest.mark.parametrize("captured", [True, False])
def test_weights_that_are_read_only_are_not_written_into(monkeypatch, captured, first):
    kept = []

    def freeze(trainer):
        weights = trainer.network.projections["x__hidden1"].w
        weights.setflags(write=False)
        kept.extend([weights, weights.copy()])

    with pytest.raises(InputError, match=r"^training: x__hidden1.w is read-only, and its rule changes it: .*rule=None[^\n]*$"):
        trained(monkeypatch, freeze, 2, captured, first=first)
    np.testing.assert_array_equal(*kept)


@pytest.mark.parametrize("captured", [True, False])
@pytest.mark.parametrize("batch", [8, 20])
def test_a_batch_size_that_changes_within_an_epoch_is_refused(monkeypatch, captured, batch):
    with pytest.raises(
        InputError, match=f"^training: batch was 10 and is {batch} within an epoch: expected it to change between [^\n]*$"
    ):
        trained(monkeypatch, lambda trainer: setattr(trainer, "batch", batch), 2, captured)
    trained(monkeypatch, lambda trainer: setattr(trainer, "batch", batch), 4, captured)
