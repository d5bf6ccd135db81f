"""Trainers made in Python with clock, encoder, task, names and delays: stated, made again, resumed, pooled with their like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim
from neurosim import Recorder, datasets
from neurosim.analysis.grouping import grouped
from neurosim.encoders import Constant, Encoder, Sequence
from neurosim.errors import RunFileError
from neurosim.experiments.run import prepare
from neurosim.feedback import pathway
from neurosim.modelfile.description import describe
from neurosim.modelfile.model_file import ModelFile
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import Leaky, transfer
from neurosim.plasticity import Adam
from neurosim.runfile import Run
from neurosim.tasks import Classification, Reward
from neurosim.training import Observer, Trainer

DATA = datasets.load("digits", limit=80, validation=40)


class Flash(Encoder):
    """A stranger's."""

    name = "flash"

    def __init__(self, *, shown=1):
        self.shown = shown

    def shape(self, sample, ticks):
        return sample[:1] + sample[2:]

    def encode(self, x, tick):
        return x.sum(axis=2) if tick < self.shown else x.sum(axis=2) * 0


class Stop(Observer):
    def on_step(self, trainer):
        if trainer.steps == 3:
            raise KeyboardInterrupt


def made(*, delay=1, name="loop", ticks=8, asked=2, encoder=None, task=None, seed=1, tau=3.0, two_ends=False):
    """Return a trainer of a network with a loop."""
    populations = [Population("x", (1, 8)), Population("hidden", 6, neurons=Leaky(tau=tau, transfer=transfer("sigmoid")))]
    populations.append(Population("output", 10, transfer="softmax"))
    links = [Projection("x", "hidden"), Projection("hidden", "hidden", name=name, delay=delay), Projection("hidden", "output")]
    if two_ends:
        populations.append(Population("aside", 2))
        links.append(Projection("hidden", "aside", delay=3))
    network = Network(populations, links, seed=seed, output="output" if two_ends else None)
    options = {"clock": Clock(ticks, asked), "encoder": encoder or Sequence(axis=1), "task": task, "seed": seed}
    return Trainer(network, pathway("backprop_through_time"), Adam(0.01), epochs=2, batch=20, **options)


@settings(max_examples=10, deadline=None)
@given(
    delay=st.integers(1, 9), name=st.sampled_from([None, "loop", "again"]), asked=st.integers(1, 8), tau=st.floats(1, 50),
    task=st.sampled_from([None, Reward(10, baseline=0.25)]), two_ends=st.booleans(),
)  # fmt: skip
def test_what_is_stated_makes_the_trainer_again(delay, name, asked, tau, task, two_ends):
    trainer = made(delay=delay, name=name, asked=asked, tau=tau, task=task, two_ends=two_ends)
    contents = describe(trainer, DATA, {})
    assert "unstated" not in contents
    again = prepare(ModelFile.of("again", contents), data=DATA).trainers[0]
    assert (again.trial.clock, again.trial.encoder.axis) == (trainer.trial.clock, 1)
    for name, p in trainer.network.projections.items():
        assert again.network.projections[name].delay == p.delay
    assert again.network.output == trainer.network.output
    trainer.fit(DATA)
    again.fit(DATA)
    assert again.task.name == trainer.task.name and again.task.options() == trainer.task.options()
    for key, value in trainer.state().items():
        np.testing.assert_array_equal(value, again.state()[key], err_msg=key)


def test_a_static_network_states_nothing_of_time():
    network = Network.layered(DATA.shape, [4], 10, seed=1)
    options = {"clock": Clock(), "encoder": Constant(), "task": Classification(10)}
    trainer = Trainer(network, pathway("backprop"), Adam(0.01), batch=20, **options)
    assert not {"clock", "encoder", "task", "unstated"} & describe(trainer, DATA, {}).keys()


def test_a_recorded_run_goes_on_and_gives_its_network_back(tmp_path, same_content):
    with Recorder.open(tmp_path / "whole.h5", made(), DATA, "hidden.potential", alignment="1 epoch") as recorder:
        recorder.plan.trainers[0].fit(DATA, recorder)
    trainer, path = made(), tmp_path / "run.h5"
    with pytest.raises(KeyboardInterrupt), Recorder.open(path, trainer, DATA, "hidden.potential", alignment="1 epoch") as recorder:
        trainer.fit(DATA, recorder, Stop())
    again = made()
    with Recorder.resume(tmp_path / "run.h5", again, DATA) as recorder:
        again.fit(DATA, recorder)
    same_content(tmp_path / "whole.h5", tmp_path / "run.h5")
    with neurosim.open_run(tmp_path / "run.h5") as found:
        network = found.network()
        assert network.projections["loop"].delay == 1 and network.populations["hidden"].neurons.tau == 3.0
        np.testing.assert_array_equal(network.projections["loop"].w, again.network.projections["loop"].w)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"asked": 3}, "clock.asked was 2 and is 3"),
        ({"encoder": Flash()}, "encoder.name was 'sequence' and is"),
        ({"task": Reward(10)}, "task was None and is {'name': 'reward'}"),
        ({"delay": 2}, "delay was 1 and is 2"),
        ({"name": "other"}, "name was 'loop' and is 'other'"),
        ({"tau": 4.0}, "neurons.tau was 3.0 and is 4.0"),
    ],
)
def test_a_trainer_that_is_another_does_not_go_on(change, message, tmp_path):
    trainer = made()
    with pytest.raises(KeyboardInterrupt), Recorder.open(tmp_path / "run.h5", trainer, DATA) as recorder:
        trainer.fit(DATA, recorder, Stop())
    with pytest.raises(RunFileError, match=message) as found:
        Recorder.resume(tmp_path / "run.h5", made(**change), DATA)
    assert "\n" not in str(found.value)


def test_a_stranger_s_encoder_is_stated_where_it_can_be_imported(tmp_path):
    """One that cannot is unstated, and pooled with nothing; the network comes back all the same."""

    class Hidden(Flash):
        """One of a function: no module has it."""

    encoders = {"a": Flash(), "b": Flash(), "c": None, "d": None, "e": Hidden(), "f": Hidden()}
    for name, encoder in encoders.items():
        trainer = made(encoder=encoder, seed=1 + (name in "bdf"))
        with Recorder.open(tmp_path / f"{name}.h5", trainer, DATA) as recorder:
            trainer.fit(DATA, recorder)
        with neurosim.open_run(tmp_path / f"{name}.h5") as found:
            assert found.network().projections["loop"].delay == 1
            assert ("unstated" in found.model) == isinstance(encoder, Hidden)
    runs = [Run(tmp_path / f"{name}.h5") for name in encoders]
    assert sorted(len(group.runs) for group in grouped(runs)) == [1, 1, 2, 2]
