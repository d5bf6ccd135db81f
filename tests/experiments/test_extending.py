"""A run that is given other epochs than it had: what an uninterrupted run of as many would hold, unless something goes by them."""

import copy
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from neurosim import Network, Recorder, Trainer, datasets, open_run, pathway
from neurosim.analysis.grouping import grouped
from neurosim.errors import RunFileError
from neurosim.experiments.run import prepare, reopen, resume, run
from neurosim.modelfile.model_file import ModelFile
from neurosim.plasticity import Adam
from neurosim.runfile import Run, extensions, problems
from neurosim.training import Observer

OLD = Path(__file__).parents[1] / "runfile" / "files" / "schema-2.h5"


class Stop(Observer):
    def __init__(self, step):
        self.step = step

    def on_step(self, trainer):
        if trainer.steps == self.step:
            raise KeyboardInterrupt


def job(contents, **options):
    return prepare(ModelFile.of("small", copy.deepcopy(contents)), **options)


def recorded(contents, **record):
    return contents | {"record": contents["record"] | record}


def stopped(contents, path, step):
    with pytest.raises(KeyboardInterrupt):
        run(job(contents), path, Stop(step))
    return path


EVERY = [{}, {"checkpoint": 2, "keep": 2}, {"checkpoint": 2, "keep": 0}, {"checkpoint": "5 steps", "keep": 0}]


@pytest.mark.parametrize("record", EVERY)
def test_a_finished_run_goes_on_and_keeps_what_one_from_the_start_would(record, small, tmp_path, same_content):
    """Ended after 3 epochs of 4 steps, whose checkpoint is none of the interval's; stopped again before the next one."""
    path = tmp_path / "run.h5"
    with run(job(recorded(small(epochs=3), **record)), path) as short:
        assert short.checkpoints[-1] == 3
        an_epoch = int(short.metrics.loc["test"]["step"].iloc[1])
    with pytest.raises(KeyboardInterrupt):
        resume(reopen(path, epochs=5), path, Stop(3 * an_epoch + 1))
    with Run(path) as said:
        assert (said.status, said.done) == ("interrupted", 3) and problems(path) == []
    assert reopen(path, epochs=5).extension is None  # that is what it is planned for by now
    resume(reopen(path), path)
    run(job(recorded(small(epochs=5), **record)), tmp_path / "whole.h5").close()
    same_content(tmp_path / "whole.h5", path)
    with Run(path) as said:
        (told,) = extensions(said.attributes)
        assert (told["before"], told["after"], told["done"], told["differs"], told["schedules"]) == (3, 5, 3, False, [])
        assert {"created", "neurosim_version", "git_commit", "threads", "blas", "processors"} <= told.keys()
    assert problems(path) == []


def test_the_last_stage_is_the_one_that_goes_on(small, tmp_path, same_content):
    def contents(epochs):
        made = small(epochs=1)
        made["stages"].append(made["stages"][0] | {"scheme": "frozen", "epochs": epochs})
        return made

    path = tmp_path / "run.h5"
    run(job(contents(1)), path).close()
    longer = reopen(path, epochs=4)
    assert str(longer.extension) == "4 in all; 2 were planned, 2 are done, the last of its 2 stages goes on"
    resume(longer, path)
    run(job(contents(3)), tmp_path / "whole.h5").close()
    same_content(tmp_path / "whole.h5", path)
    early = stopped(contents(2), tmp_path / "early.h5", 1)
    with pytest.raises(RunFileError, match="epochs 1: the 1 before the last of its stages have 1: expected more; give 2 or more"):
        reopen(early, epochs=1)


class Signal(Stop):
    """Ctrl-C, as the operating system sends it, in the middle of what follows a step."""

    def on_step(self, trainer):
        if trainer.steps == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def in_the_foreground():
    """Ctrl-C interrupts, also where the tests were started with ``&`` and it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("in_the_foreground")
@pytest.mark.parametrize(
    ("step", "record"),
    [
        *((step, {"checkpoint": 100}) for step in (1, 4, 6)),
        *((step, {"checkpoint": 3, "keep": 0}) for step in (6, 8, 11)),
        *((step, {"checkpoint": "1000 steps", "keep": 2}) for step in (4, 6)),
    ],
)
def test_a_signal_leaves_a_checkpoint_of_where_it_came(step, record, small, tmp_path, same_content):
    """However rare checkpoints are, no step is lost; of epochs of 4 steps, its evaluation comes before the signal is answered."""
    contents, path = recorded(small(epochs=4), variables=["hidden1.rate every 2 steps"], **record), tmp_path / "run.h5"
    with pytest.raises(KeyboardInterrupt):
        run(job(contents), path, Signal(step))
    with Run(path) as said:
        assert (said.status, said.checkpoint_steps[-1:], problems(path)) == ("interrupted", [step], [])
    with pytest.raises(KeyboardInterrupt):  # and another time, a step later
        resume(reopen(path), path, Signal(step + 1))
    with Run(path) as said:
        assert said.checkpoint_steps[-1:] == [step + 1]
    resume(reopen(path), path)
    run(job(contents), tmp_path / "whole.h5").close()
    same_content(tmp_path / "whole.h5", path)


def test_what_was_cut_in_two_is_no_checkpoint(small, tmp_path):
    """Whoever does not wait for the end of a step goes on from the checkpoint before."""
    path = tmp_path / "run.h5"
    with pytest.raises(KeyboardInterrupt):
        run(job(small(epochs=4)), path, Stop(6))
    with Run(path) as said:
        assert said.checkpoint_steps == [4]


@pytest.mark.usefixtures("in_the_foreground")
def test_a_trainer_that_was_interrupted_before_can_be_cut_in_two_as_well(tmp_path):
    """What an earlier interruption left whole says nothing of the step at hand."""
    data = datasets.load("digits", limit=200, validation=100)
    trainer = Trainer(Network.layered(data.shape, [8], 10, seed=1), pathway("backprop"), Adam(1e-3), epochs=3, batch=50, seed=1)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(data, Signal(2), progress=False)
    path = tmp_path / "run.h5"
    with pytest.raises(KeyboardInterrupt), Recorder.open(path, trainer, data) as recorder:
        trainer.fit(data, recorder, Stop(3), progress=False)
    with Run(path) as said:
        assert (said.status, said.checkpoint_steps) == ("interrupted", [2])


@pytest.mark.parametrize("epochs", [2, 3, 6])
def test_a_run_that_was_stopped_can_be_given_fewer_or_more(epochs, small, tmp_path, same_content):
    path = stopped(small(epochs=4), tmp_path / "run.h5", 5)
    resume(reopen(path, epochs=epochs), path)
    run(job(small(epochs=epochs)), tmp_path / "whole.h5").close()
    same_content(tmp_path / "whole.h5", path)


def test_what_is_done_already_is_told(small, tmp_path):
    path = tmp_path / "run.h5"
    run(job(small(epochs=2)), path).close()
    before = path.read_bytes()
    for epochs in (0, 1, 2):
        with pytest.raises(RunFileError, match=f"epochs {epochs}: 2 are done: expected more; give 3 or more, or leave them out"):
            reopen(path, epochs=epochs)
    assert path.read_bytes() == before


def test_every_extension_is_told_and_many_do_not_fill_the_file(small, tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    run(job(small(epochs=1)), path).close()
    monkeypatch.setattr("neurosim.runfile.extension.MOST", 3)
    for epochs in (2, 3, 4, 5, 6):
        resume(reopen(path, epochs=epochs), path)
    with Run(path) as said:
        assert [told["after"] for told in extensions(said.attributes)] == [2, 5, 6]
        assert said.metrics.loc["test"].index.tolist() == [*range(7)] and "epochs = 6" in said.model
    assert problems(path) == []


def test_a_schedule_is_told_beforehand_and_such_a_run_is_not_pooled(small, tmp_path, caplog):
    """Half of the epochs at the full rate: what was the second half is within the first one now."""
    optimiser = [{"name": "adam", "learning_rate": 0.003}, {"name": "milestones", "at": [0.5], "factor": 0.1}]
    contents = small(epochs=2, optimiser=optimiser)
    paths = [tmp_path / name for name in ("extended.h5", "also.h5", "whole.h5")]
    for seed, path in enumerate(paths[:2]):
        run(job(contents, seed=seed), path).close()
        caplog.clear()
        longer = reopen(path, epochs=4)
        (line,) = [record.getMessage() for record in caplog.records]
        assert "milestones(at=[0.5], factor=0.1) goes by the share of all epochs, which are 4 now and were 2" in line
        resume(longer, path)
    run(job(small(epochs=4, optimiser=optimiser), seed=0), paths[2]).close()
    with Run(paths[0]) as one, Run(paths[1]) as same, Run(paths[2]) as whole:
        (told,) = extensions(one.attributes)
        assert told["differs"] and told["schedules"][0].startswith("optimiser: milestones")
        assert one.model == whole.model and one.metrics.loc["test", "loss"].iloc[-1] != whole.metrics.loc["test", "loss"].iloc[-1]
        assert [len(group.runs) for group in grouped([one, same, whole])] == [2, 1]


def test_from_python(tmp_path, same_content):
    data = datasets.load("digits", limit=200, validation=100)

    def made(epochs):
        network = Network.layered(data.shape, [9], data.classes, seed=1)
        return Trainer(network, pathway("feedback_alignment"), Adam(3e-3), epochs=epochs, batch=50, seed=1)

    def written(path, trainer):
        with Recorder.open(path, trainer, data, "hidden1.rate", checkpoint="3 steps") as recorder:
            trainer.fit(data, recorder)
        return path

    path, on = written(tmp_path / "run.h5", made(2)), made(2)
    before = path.read_bytes()
    with pytest.raises(RunFileError, match="epochs 2: 2 are done"):
        Recorder.resume(path, made(2), data, epochs=2)
    with pytest.raises(RunFileError, match="it is complete: there is nothing left to train, unless it is given more epochs"):
        Recorder.resume(path, made(2), data)
    assert path.read_bytes() == before
    with Recorder.resume(path, on, data, epochs=3) as recorder:
        on.fit(data, recorder)
    same_content(written(tmp_path / "whole.h5", made(3)), path)
    with open_run(path) as said, open_run(tmp_path / "whole.h5") as whole:
        assert said.status == "complete" and said.model == whole.model and said.network(step=12) is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits-oja", "digits-reward", "digits-reconstruction", "digits-rows", "digits-rows-truncated"])
def test_every_task_and_trials_of_several_ticks_go_on_within_an_epoch(name, tmp_path, same_content):
    def made(epochs):
        settings = ["data.limit=200", f"stages.0.epochs={epochs}", "stages.0.batch=40", "record.checkpoint=3 steps"]
        return prepare(ModelFile.load(name, settings, record=["*.rate every 2 steps", "*.w"]))

    path = tmp_path / "parts.h5"
    with run(made(3), tmp_path / "whole.h5") as whole:
        an_epoch = int(whole.metrics.loc["test"]["step"].iloc[1])
    with pytest.raises(KeyboardInterrupt):
        run(made(2), path, Stop(an_epoch + 4))
    with Run(path) as said:
        assert said.within_epoch and said.done == 1
    resume(reopen(path), path)
    resume(reopen(path, epochs=3), path)
    same_content(tmp_path / "whole.h5", path)


# ---------------------------------------------------------------------- what is kept


@pytest.mark.parametrize(("keep", "expected"), [(1, [12]), (2, [10, 12]), (5, [4, 6, 8, 10, 12]), (99, [2, 4, 6, 8, 10, 12])])
def test_exactly_as_many_checkpoints_are_kept_as_asked_for(keep, expected, small, tmp_path):
    """By steps, over two stages of 6 steps each, stopped and resumed; more than there are come to nothing."""
    contents = recorded(small(epochs=2, batch=60), checkpoint="2 steps", keep=keep)
    contents["stages"].append(contents["stages"][0])
    path = stopped(contents, tmp_path / "run.h5", 9)
    resume(reopen(path), path)
    with open_run(path) as said:
        assert said.checkpoint_steps == expected and said.checkpoints == [epoch for epoch in (2, 4) if 3 * epoch in expected]
        for step in expected:
            assert int(said.checkpoint(step=step)["position|steps"]) == step
        with pytest.raises(RunFileError, match=f"no checkpoint of step 3: expected one of {', '.join(map(str, expected))}; change"):
            said.network(step=3)


# ---------------------------------------------------------------------- earlier versions


def test_a_file_of_the_second_schema_opens_and_goes_on(tmp_path):
    """Written on 2026-11-26 by the version that wrote it, and stopped in its third epoch of four; it keeps all checkpoints."""
    path = Path(shutil.copy(OLD, tmp_path / "run.h5"))
    assert problems(path) == []
    with open_run(path) as said:
        assert said.attributes["schema_version"] == 2 and said.checkpoints == [1, 2] and said.responses is None
        first = said.weights(1)
    resume(reopen(path, epochs=5), path)
    assert problems(path) == []
    with open_run(path) as said:
        assert said.attributes["schema_version"] == 3 and said.status == "complete"
        assert said.checkpoints == [1, 2, 3, 4, 5] and said.metrics.loc["test"].index.tolist() == [0, 1, 2, 3, 4, 5]
        assert said.responses.epoch.values.tolist() == [3, 4, 5]
        for name, value in said.weights(1).items():
            np.testing.assert_array_equal(value, first[name])
