"""Captured evaluations: array code's answers, of weights and constants as they are now; what cannot be captured is answered too."""

import copy

import numpy as np
import pytest

from neurosim.encoders import Poisson, Sequence
from neurosim.errors import DivergedError
from neurosim.feedback import pathway, pathways
from neurosim.feedback.direct_feedback_alignment import DirectFeedbackAlignment
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import Leaky
from neurosim.neurons.lif import LIF
from neurosim.plasticity import SGD
from neurosim.training import Trainer
from neurosim.training import trainer as module
from tests.training.test_ticks import sequences

AT_ONCE, TICKS = 6, 14
SPIKING = [name for name, scheme in pathways().items() if "spike" in scheme.made_for]


class FromTheBatch(DirectFeedbackAlignment):
    """A stranger's scheme, whose loss asks for a number."""

    name = "from_the_batch"

    def loss(self, sweep, target):
        return float(super().loss(sweep, target))


@pytest.fixture(autouse=True)
def parts(monkeypatch):
    monkeypatch.setattr(module, "EVALUATION_BATCH", AT_ONCE)


def made(scheme, data, encoder=None, asked=5, shape=(1, 4)):
    """Return a trainer of x -> hidden1 -> hidden2 -> output, the hidden neurons LIF, joined to ``data``."""
    hidden = [Population(f"hidden{k}", 12, neurons=LIF(tau="5*ms", resistance=30.0)) for k in (1, 2)]
    populations = [Population("x", shape), *hidden, Population("output", 2, neurons=Leaky(tau=5.0, transfer="softmax"))]
    links = [Projection("x", "hidden1"), Projection("hidden1", "hidden2"), Projection("hidden2", "output")]
    network = Network(populations, links, dt="1*ms", dtype="float64", seed=1)
    scheme = pathway(scheme) if isinstance(scheme, str) else scheme
    options = {"clock": Clock(TICKS, asked), "encoder": encoder or Sequence(axis=1), "batch": 12, "epochs": 2, "seed": 1}
    built = Trainer(network, scheme, SGD(0.5), **options)
    built.check(data)
    return built


def in_array_code(trainer, split):
    """Return evaluation and scores as array code has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_evaluated_at_once", lambda *_: None)
        return trainer.evaluate(split), trainer.scores(split.x[:AT_ONCE])


def check_equal(trainer, split):
    (plain, scores), found = in_array_code(trainer, split), trainer.evaluate(split)
    assert found.error == plain.error
    np.testing.assert_allclose(found.loss, plain.loss, rtol=1e-12)
    np.testing.assert_allclose(trainer.scores(split.x[:AT_ONCE]), scores, rtol=1e-12)
    assert scores.std() > 0
    return found


@pytest.mark.parametrize("scheme", SPIKING)
def test_every_scheme_of_spikes_is_evaluated_at_once_as_in_array_code(scheme, caplog):
    data = sequences(TICKS)
    trainer = made(scheme, data)
    before = check_equal(trainer, data.train)
    trainer.run_epoch(data)
    assert check_equal(trainer, data.train) != before or scheme == "none"
    assert trainer._evaluation[0].program is not None
    assert not [record for record in caplog.records if record.name.startswith("neurosim")]


@pytest.mark.parametrize("encoder", [Sequence(axis=1), Poisson(scale=0.6)])
@pytest.mark.parametrize("asked", [1, TICKS])
def test_with_encoders_that_draw_and_any_ticks_asked(encoder, asked):
    data = sequences(TICKS)
    shape = tuple(data.shape) if isinstance(encoder, Poisson) else (1, 4)
    trainer = made("direct_feedback_alignment", data, encoder, asked, shape)
    check_equal(trainer, data.train)
    assert trainer._evaluation[0].program is not None


def test_a_constant_that_changes_is_seen():
    data = sequences(TICKS)
    trainer = made("direct_feedback_alignment", data)
    before = check_equal(trainer, data.train)
    trainer.network.populations["output"].neurons.resistance = 9.0
    assert check_equal(trainer, data.train).loss != before.loss


def test_a_loss_that_asks_for_a_number_is_evaluated_in_array_code_and_said_once(caplog):
    data = sequences(TICKS)
    trainer = made(FromTheBatch(), data)
    found, plain = trainer.evaluate(data.train), in_array_code(trainer, data.train)[0]
    trainer.evaluate(data.train)
    assert found == plain
    (record,) = (record for record in caplog.records if record.name.startswith("neurosim"))
    assert "'from_the_batch', evaluation: " in record.message and "float(...)" in record.message


def test_activity_that_is_not_finite_is_found():
    data = sequences(TICKS)
    trainer = made("direct_feedback_alignment", data)
    trainer.evaluate(data.train)
    trainer.network.projections["hidden1__hidden2"].w[0, 0] = np.nan
    with pytest.raises(DivergedError, match="population 'hidden2': drive is nan"):
        trainer.evaluate(data.train)


def test_a_copy_evaluates_with_weights_of_its_own():
    data = sequences(TICKS)
    trainer = made("direct_feedback_alignment", data)
    before = trainer.evaluate(data.train)
    other = copy.deepcopy(trainer)
    other.run_epoch(data)
    assert trainer.evaluate(data.train) == before != other.evaluate(data.train)


def test_every_tick_is_shown():
    data = sequences(TICKS)
    trainer = made("direct_feedback_alignment", data)
    sweeps = trainer.show_ticks(data.train.x[:3])
    assert len(sweeps) == TICKS
    np.testing.assert_array_equal(sweeps[-1].rate["output"], trainer.show(data.train.x[:3]).rate["output"])
    assert not np.array_equal(sweeps[0].rate["output"], sweeps[-1].rate["output"])
