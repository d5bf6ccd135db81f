"""Captured steps over epochs: schedules change with the epoch, and what asks for no epoch is captured once."""

import numpy as np
import pytest

from neurosim import datasets
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.plasticity import SGD, Adam, Milestones, StepDecay, chain
from neurosim.training import Trainer
from neurosim.training.captured import CapturedStep

DATA = datasets.load("digits", limit=200)


def trained(optimiser, monkeypatch=None):
    if monkeypatch:
        monkeypatch.setattr(CapturedStep, "prepared", lambda self, epoch, epochs: None)
    network = Network.layered(DATA.shape, [16], DATA.classes, seed=1, dtype="float64")
    trainer = Trainer(network, pathway("backprop"), optimiser, epochs=4, batch=50, seed=1)
    programs = set()
    trainer.check(DATA)
    while trainer.epoch < trainer.epochs:
        trainer.run_epoch(DATA)
        programs |= {id(captured.program) for captured in trainer._programs.values()}
    return trainer, programs


SCHEDULES = [StepDecay(1, factor=0.3), Milestones([0.25, 0.5], factor=0.1)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.name)
def test_a_schedule_acts_in_a_captured_step_as_in_array_code(schedule, monkeypatch):
    captured, _ = trained(chain(SGD(0.5), schedule))
    without, _ = trained(SGD(0.5))
    plain, _ = trained(chain(SGD(0.5), schedule), monkeypatch)
    name = "x__hidden1.w"
    np.testing.assert_allclose(captured.network.parameters()[name], plain.network.parameters()[name], rtol=1e-9, atol=1e-12)
    assert np.abs(without.network.parameters()[name] - plain.network.parameters()[name]).max() > 1e-3


def test_a_step_that_asks_for_no_epoch_is_captured_once():
    assert len(trained(Adam(1e-3))[1]) == 1


def test_the_count_of_updates_goes_on_in_a_captured_step():
    trainer, _ = trained(Adam(1e-3))
    assert {int(count) for count in trainer.commit.updates.values()} == {16}
