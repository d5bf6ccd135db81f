"""How long ``fit`` trains: for more epochs, in several calls, until somebody stops it, on after an interruption; and its seed."""

import threading

import numpy as np
import pytest

from neurosim.checking.bench import ArrayTrainer, make_data
from neurosim.datasets import DataSet
from neurosim.errors import InputError, RunFileError
from neurosim.experiments.run import prepare, reopen, resume, run
from neurosim.feedback import pathway
from neurosim.modelfile.model_file import ModelFile
from neurosim.network import Network
from neurosim.plasticity import SGD, Adam, Milestones, StepDecay, Time, chain
from neurosim.recording.recorder import Recorder
from neurosim.runfile import Run
from neurosim.training import Evaluation, History, Observer, Trainer

DATA = make_data()


def trainer(scheme="difference_target_propagation", *, epochs=4, optimiser=None, kind=ArrayTrainer, seed=1, **options):
    network = Network.layered(DATA.shape, [6, 5], DATA.classes, seed=seed)
    optimiser = optimiser or chain(Adam(0.01), Milestones([0.5], factor=0.1), StepDecay(1, factor=0.9))
    return kind(network, pathway(scheme), optimiser, epochs=epochs, batch=16, **options)


def same(one, other):
    own, others = one.state(), other.state()
    return own.keys() == others.keys() and all(np.array_equal(value, others[name]) for name, value in own.items())


# ---------------------------------------------------------------------- more epochs


@pytest.mark.parametrize("kind", [ArrayTrainer, Trainer])
def test_epochs_in_pieces_are_the_same_epochs(kind):
    whole, pieces, by_hand = (trainer(kind=kind) for _ in range(3))
    assert len(whole.fit(DATA)) == 4
    history = [*pieces.fit(DATA, epochs=1), *pieces.fit(DATA, epochs=2), *pieces.fit(DATA)]
    assert len(history) == 4 and pieces.epoch == pieces.epochs == 4
    for _ in range(4):
        by_hand.run_epoch(DATA)
    assert same(whole, pieces) and same(whole, by_hand)


def test_a_second_fit_goes_on_beyond_the_epochs_of_the_trainer():
    made, other = trainer(epochs=2), trainer(epochs=2)
    made.fit(DATA)
    before = made.state()
    assert len(made.fit(DATA, epochs=3)) == 3
    assert (made.epoch, made.epochs) == (5, 2)
    assert not np.array_equal(made.state()["network|x__hidden1.w"], before["network|x__hidden1.w"])
    other.fit(DATA, epochs=5)
    assert same(made, other)


def test_schedules_of_shares_stay_as_they_are_at_the_end():
    """Beyond the trainer's epochs no milestone is passed again, and none is taken back."""
    assert [Time(epoch, 4).progress for epoch in (0, 2, 4, 9)] == [0, 0.5, 1, 1]
    with_milestone = trainer("backprop", epochs=2, optimiser=chain(SGD(0.1), Milestones([0.5], factor=0.25)))
    plain = trainer("backprop", epochs=2, optimiser=SGD(0.1))
    for one in (with_milestone, plain):
        one.fit(DATA, epochs=1)
    plain.commit.chain.links[0].learning_rate = 0.025
    for one in (with_milestone, plain):
        one.fit(DATA, epochs=4)
    assert same(with_milestone, plain)


def test_without_epochs_it_goes_to_the_last_and_then_says_how_to_go_on():
    made = trainer(epochs=3)
    made.fit(DATA, epochs=2)
    assert len(made.fit(DATA)) == 1
    with pytest.raises(InputError, match=r"all 3 epochs are done: .*give fit\(..., epochs=5\)"):
        made.fit(DATA)


@pytest.mark.parametrize("epochs", [0, -1, 1.5, "3", True])
def test_epochs_that_are_no_count_are_told(epochs):
    with pytest.raises(InputError, match="training: epochs .*: expected 1 or more"):
        trainer().fit(DATA, epochs=epochs)


# ---------------------------------------------------------------------- stopping


class StopAfter(Observer):
    def __init__(self, *, epoch=None, step=None, why="it is enough"):
        self.epoch, self.step, self.why, self.seen = epoch, step, why, []

    def on_step(self, trainer):
        if trainer.steps == self.step:
            trainer.stop(self.why)

    def on_epoch(self, trainer, metrics):
        self.seen.append(trainer.epoch)
        if trainer.epoch == self.epoch:
            trainer.stop(self.why)


@pytest.mark.parametrize(("when", "done"), [({"epoch": 2}, 2), ({"step": 9}, 2), ({"epoch": 0}, 0), ({"step": 16}, 2)])
def test_a_stopped_training_goes_on_as_though_it_had_not_been(when, done):
    """A step in the middle of the second of 4 epochs, 2 passes of 4 steps each, or the last of that epoch, stops after it."""
    made, whole, watch = trainer(), trainer(), StopAfter(**when)
    assert len(made.fit(DATA, watch)) == made.epoch == done
    assert watch.seen == list(range(done + 1))
    assert made.stopped == "it is enough"
    assert len(made.fit(DATA)) == 4 - done
    assert made.stopped == ""
    whole.fit(DATA)
    assert same(made, whole)


def test_another_thread_can_stop_it():
    class Slow(Observer):
        def on_step(self, trainer):
            if trainer.steps == 3:
                other = threading.Thread(target=trainer.stop)
                other.start()
                other.join()

    made = trainer()
    assert len(made.fit(DATA, Slow())) == 1
    assert made.stopped == "by an observer"


def test_a_stop_of_before_is_none_of_this_fit():
    made = trainer()
    made.stop()
    assert len(made.fit(DATA, epochs=2)) == 2


# ---------------------------------------------------------------------- interrupted


class InterruptAt(Observer):
    def __init__(self, step):
        self.step, self.seen = step, []

    def on_step(self, trainer):
        if trainer.steps == self.step:
            raise KeyboardInterrupt

    def on_epoch(self, trainer, metrics):
        self.seen.append(trainer.epoch)


@pytest.mark.parametrize("kind", [ArrayTrainer, Trainer])
@pytest.mark.parametrize("step", [1, 4, 6, 8, 11])
def test_an_interrupted_epoch_is_gone_on_with(kind, step):
    made, whole, watch = trainer(kind=kind, epochs=2), trainer(kind=kind, epochs=2), InterruptAt(step)
    with pytest.raises(KeyboardInterrupt):
        made.fit(DATA, watch)
    made.fit(DATA, watch)
    assert watch.seen == [0, 1, 2]
    whole.fit(DATA)
    assert same(made, whole)


def test_what_is_restored_begins_an_epoch():
    made, whole = trainer(), trainer()
    made.fit(DATA, epochs=1), whole.fit(DATA, epochs=1)
    state = made.state()
    with pytest.raises(KeyboardInterrupt):
        made.fit(DATA, InterruptAt(11))
    made.restore(state)
    made.fit(DATA), whole.fit(DATA)
    assert same(made, whole)


# ---------------------------------------------------------------------- what a run file says


def test_a_run_file_says_who_stopped_it_and_keeps_the_last_epoch(tmp_path):
    made = trainer(epochs=9)
    with Recorder.open(tmp_path / "run.h5", made, DATA, checkpoint=4) as recorder:
        made.fit(DATA, recorder, StopAfter(epoch=6, why="no better for 2 epochs"))
    with Run(tmp_path / "run.h5") as said:
        assert said.status == "complete"
        assert said.attributes["reason"] == "stopped after epoch 6 of 9: no better for 2 epochs"
        assert "altered" not in said.attributes or not said.attributes["altered"]
        assert len(said.metrics.loc["test"]) == 7
        np.testing.assert_array_equal(said.checkpoint(6)["network|x__hidden1.w"], made.state()["network|x__hidden1.w"])


def test_a_run_of_fewer_epochs_goes_on_from_the_last(tmp_path):
    path, made, whole = tmp_path / "run.h5", trainer(epochs=3), trainer(epochs=3)
    with Recorder.open(path, made, DATA, checkpoint=3) as recorder:
        made.fit(DATA, recorder, epochs=2)
    with Run(path) as said:
        assert (said.status, said.attributes["reason"]) == ("interrupted", "after epoch 2 of 3")
    again = trainer(epochs=3)
    with Recorder.resume(path, again, DATA) as recorder:
        assert again.epoch == 2
        again.fit(DATA, recorder)
    whole.fit(DATA)
    assert same(again, whole)
    with Run(path) as said:
        assert (said.status, said.attributes["reason"]) == ("complete", "")


def test_a_run_beyond_its_epochs_is_said_to_be_another(tmp_path):
    made = trainer(epochs=2)
    with Recorder.open(tmp_path / "run.h5", made, DATA) as recorder:
        made.fit(DATA, recorder, epochs=3)
    with Run(tmp_path / "run.h5") as said:
        assert said.status == "complete"
        assert said.attributes["altered"] == "epochs (trained on beyond 2)"
        assert said.checkpoint(3)
    with pytest.raises(RunFileError, match="epochs .* was changed from Python"):
        reopen(tmp_path / "run.h5")


def test_an_observer_of_the_engine_stops_a_stage(small, tmp_path):
    contents = small(epochs=3)
    contents["stages"] = [contents["stages"][0], dict(contents["stages"][0], epochs=2)]
    run(prepare(ModelFile.of("small", contents)), tmp_path / "run.h5", StopAfter(epoch=1, why="enough")).close()
    with Run(tmp_path / "run.h5") as said:
        assert said.status == "complete"
        first, second = "stopped after stage 0, epoch 1 of 3: enough", "stopped after stage 1, epoch 1 of 2: enough"
        assert said.attributes["reason"] == f"{first}; {second}"
    before = (tmp_path / "run.h5").read_bytes()
    resume(reopen(tmp_path / "run.h5"), tmp_path / "run.h5").close()
    assert (tmp_path / "run.h5").read_bytes() == before  # a stopped run is complete


# ---------------------------------------------------------------------- one seed, and what fit returns


def test_one_seed_is_enough():
    given, taken, other = trainer(seed=7), trainer(seed=8), trainer(seed=7)
    assert (given.seed, taken.seed) == (7, 8)
    both = ArrayTrainer(Network.layered(DATA.shape, [6, 5], DATA.classes, seed=7), other.pathway, Adam(0.01), seed=7, batch=16)
    assert both.seed == 7
    apart = Trainer(Network.layered(DATA.shape, [6], DATA.classes, seed=7), pathway("backprop"), Adam(0.01), seed=0)
    assert apart.seed == 0
    assert not np.array_equal(given._order(64), taken._order(64))
    np.testing.assert_array_equal(given._order(64), both._order(64))


def test_the_history_prints_as_a_table():
    history = trainer(epochs=30).fit(DATA)
    assert isinstance(history, list) and isinstance(DATA, DataSet)
    lines = repr(history).splitlines()
    assert lines[0].split() == ["epoch", "train", "loss", "error", "%", "test", "loss", "error", "%"]
    assert len(lines) == 18 and lines[1].strip() == "...  (14 epochs more)" and lines[-1].split()[0] == "30"
    assert float(lines[-1].split()[-1]) == pytest.approx(history[-1]["test"].error, abs=0.005)
    goes_on = History([{"test": Evaluation(0.25, 3.0)}], first=12)
    assert repr(goes_on).splitlines()[1].split() == ["12", "0.25", "3.00"]
    assert goes_on == [{"test": Evaluation(0.25, 3.0)}]
    assert repr(History()) == "History: no epoch trained"
