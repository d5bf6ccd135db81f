"""Model files whose data are tasks in sequence: the numbers of ``learn_in_sequence``, resumed bit by bit, and told everywhere."""

import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from neurosim import Recorder, open_run
from neurosim.analysis.grouping import Group
from neurosim.analysis.report import page
from neurosim.analysis.summary import accuracy
from neurosim.analysis.task_plots import Learned
from neurosim.datasets import load
from neurosim.datasets.sequences import few_shot, in_sequence, permute, split_by_class
from neurosim.errors import DataError, InputError, NeurosimError, RunFileError
from neurosim.experiments import comparison
from neurosim.experiments.comparison_plan import Plan
from neurosim.experiments.estimate import about, batches, whole_run
from neurosim.experiments.run import prepare, reopen, resume, run
from neurosim.feedback import pathway
from neurosim.modelfile.model_file import ModelFile
from neurosim.network import Network
from neurosim.plasticity import Adam
from neurosim.studies.halving import Halving
from neurosim.studies.plan import Base, StudyPlan
from neurosim.studies.space import Space
from neurosim.training import Observer, Trainer
from neurosim.training.continual import learn_in_sequence

TASKS = [[0, 1], [2, 3], [4, 5]]
DTP = "difference_target_propagation"


def model(scheme="backprop", options=None, *, stages=1, **data):
    stage = {"scheme": scheme, "options": options or {}, "epochs": 2, "batch": 16}
    stage["optimiser"] = [{"name": "milestones", "at": [0.5], "factor": 0.3}, {"name": "adam", "learning_rate": 0.005}]
    contents = {"title": "tasks", "data": {"name": "digits", "validation": 0.2, **(data or {"split_by_class": TASKS})}}
    return ModelFile.of("tasks", contents | {"network": {"hidden": [16]}, "stages": [stage] * stages})


@pytest.fixture(scope="module")
def digits():
    return load("digits", validation=0.2)


def made(data, tasks, scheme="backprop", seed=4):
    network = Network.layered(data.shape, [16], data.classes, seed=seed)
    (stage,) = model(scheme).table.stages
    return Trainer(network, pathway(scheme), stage.optimiser, epochs=2 * len(tasks), batch=16, seed=seed, name="stage0")


@pytest.mark.parametrize(
    ("scheme", "how", "tasks"),
    [
        ("backprop", {"split_by_class": TASKS}, lambda data: split_by_class(data, TASKS)),
        (DTP, {"permute": 3}, lambda data: permute(data, 3)),
        ("hsic_bottleneck", {"split_by_class": True, "few_shot": 20}, lambda data: split_by_class(few_shot(data, 20))),
    ],
)
def test_a_model_file_comes_to_what_learn_in_sequence_does(tmp_path, digits, scheme, how, tasks):
    parts = tasks(digits)
    trainer = made(digits, parts, scheme)
    expected = learn_in_sequence(trainer, parts, epochs=2)
    with run(prepare(model(scheme, **how), seed=4), tmp_path / "run.h5") as said:
        found, weights = said.continual, said.weights()
        assert found.names == expected.names == tuple(task.name for task in parts)
        np.testing.assert_array_equal(found.errors, expected.errors)
        assert all(np.array_equal(value, weights[name]) for name, value in trainer.network.parameters().items())
        test = said.metrics.loc["test", "error"]
        assert test.iloc[-1] == found.final_error and len(test) == 1 + 2 * len(parts)
        by_hand = [trainer.evaluate(part.validation).error for part in parts]
        assert said.metrics.loc["validation", "error"].iloc[-1] == np.mean(by_hand)
        assert said.metrics.loc["train", "error"].iloc[-1] == trainer.evaluate(parts[-1].train).error


class Killed(BaseException):
    """What nothing of the engine expects."""


class Kills(Observer):
    def __init__(self, step):
        self.step = step

    def on_step(self, trainer):
        if trainer.steps == self.step:
            raise Killed


def assert_same(one, other):
    for frame in ("metrics", "tasks"):
        mine, theirs = (getattr(said, frame).drop(columns=["seconds"], errors="ignore") for said in (one, other))
        assert mine.equals(theirs), frame
    weights, others = one.checkpoint(), other.checkpoint()
    assert weights.keys() == others.keys() and all(np.array_equal(weights[name], others[name]) for name in weights)
    np.testing.assert_array_equal(one.continual.errors, other.continual.errors)


@pytest.mark.parametrize(
    ("scheme", "options", "after"), [(DTP, {}, 1), ("synthetic_gradients", {"p_update": 0.5}, 13)]
)  # captured, array code; one step into the second task, and at the end of its first epoch
def test_stopped_in_the_second_task_and_resumed(tmp_path, scheme, options, after):
    whole, broken = tmp_path / "whole.h5", tmp_path / "broken.h5"
    with run(prepare(model(scheme, options)), whole) as uninterrupted:
        first = uninterrupted.tasks["step"].xs(2, level="epoch").iloc[0]
        with pytest.raises(Killed):
            run(prepare(model(scheme, options)), broken, Kills(first + after))
        with open_run(broken) as begun:
            assert begun.continual.done == 1 and begun.continual.forgetting == 0
        with resume(reopen(broken), broken) as resumed:
            assert_same(resumed, uninterrupted)


KILLED = """
import os, signal, sys
from tests.experiments.test_tasks_in_sequence import DTP, Observer, model, prepare, run
class Kills(Observer):
    def on_step(self, trainer):
        if trainer.epoch == 4 and trainer.position == 3:
            os.kill(os.getpid(), signal.SIGKILL)
run(prepare(model(DTP)), sys.argv[1], Kills())
"""


@pytest.mark.slow
def test_a_process_that_was_killed_in_the_third_task(tmp_path, request):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "broken.h5")], cwd=request.config.rootpath, check=False)
    assert done.returncode == -signal.SIGKILL
    with run(prepare(model(DTP)), tmp_path / "whole.h5") as whole, open_run(tmp_path / "broken.h5") as broken:
        assert broken.status == "running"
        with resume(reopen(tmp_path / "broken.h5"), tmp_path / "broken.h5") as resumed:
            assert_same(resumed, whole)


def test_from_python_into_a_file_and_on(tmp_path, digits):
    parts = split_by_class(digits, TASKS)
    sequence, whole, first, second = in_sequence(digits, parts), *(made(digits, parts) for _ in range(3))
    expected = learn_in_sequence(whole, parts, epochs=2)
    with Recorder.open(tmp_path / "run.h5", first, sequence) as recorder:
        first.fit(sequence, recorder, epochs=3)
    with Recorder.resume(tmp_path / "run.h5", second, sequence) as recorder:
        second.fit(sequence, recorder)
    with open_run(tmp_path / "run.h5") as said:
        np.testing.assert_array_equal(said.continual.errors, expected.errors)
    assert second.score(sequence) == 1 - expected.final_error / 100
    with pytest.raises(InputError, match="5 epochs of 3 tasks: expected as many for each; give a multiple of 3"):
        Trainer(whole.network, whole.pathway, Adam(0.01), epochs=5, batch=16).check(sequence)
    with pytest.raises(RunFileError, match="the data are not those"):
        Recorder.resume(tmp_path / "run.h5", made(digits, parts), in_sequence(digits, parts[::-1]))


def test_seeds_in_a_report_and_on_figures(tmp_path):
    runs = [run(prepare(model(), seed=seed), tmp_path / f"{seed}.h5") for seed in (1, 2)]
    learned, errors = Learned.of(Group("backprop", tuple(runs))), np.stack([said.continual.errors for said in runs])
    np.testing.assert_allclose(learned.mean, errors.mean(0))
    np.testing.assert_allclose(learned.std, errors.std(0, ddof=1))
    assert learned.ends == (2, 4, 6) and learned.names == ("classes 0, 1", "classes 2, 3", "classes 4, 5")
    spread = np.std([said.continual.forgetting for said in runs], ddof=1)
    mean = np.mean([said.continual.forgetting for said in runs])
    told = page(runs)
    assert f"{mean:.2f} ± {spread:.2f}" in told and "Tasks in sequence" in told and "2 of each of 3 tasks" in told
    assert accuracy(Group("backprop", tuple(runs))).mean == pytest.approx(100 - errors[:, -1].mean())
    with open_run(tmp_path / "1.h5") as opened:
        assert f"{opened.continual.errors[1, 0]:.1f}" in [text.get_text() for text in opened.plot.tasks().axes[0].texts]
    for said in runs:
        said.close()


def test_a_comparison_tells_forgetting_and_its_accuracy_is_the_mean_over_tasks(tmp_path):
    settings = ["data.split_by_class=[[0, 1], [2, 3]]", "training.epochs=1", "network.hidden=[16]"]
    plan = Plan.load(rows=["backprop"], settings=settings, data="digits")
    assert "classes in 2 tasks" in plan.title([1]) and "1 epoch a task" in plan.title([1])
    (found,) = comparison.run_all(plan, tmp_path / "out", seeds=[1])
    with open_run(tmp_path / "out/backprop-seed1.h5") as said:
        assert (found.test_error, found.forgetting) == (pytest.approx(said.continual.final_error), said.continual.forgetting)
    assert (tmp_path / "out/table.csv").read_text().splitlines()[0].endswith(",labels_read,forgetting")
    with pytest.raises(RunFileError, match="tasks in sequence, 1 epochs each, which cannot be changed"):
        comparison.reopen(tmp_path / "out", epochs=2)
    with pytest.raises(RunFileError, match="2 tasks in sequence, 2 epochs in all, which cannot be changed"):
        reopen(tmp_path / "out/backprop-seed1.h5", epochs=4)


def test_an_estimate_counts_the_epochs_of_all_tasks():
    tables = [model(**how).table for how in ({"permute": 3}, {"split_by_class": TASKS}, {"permute": 3, "few_shot": 8})]
    entries = [about(table.data) for table in tables]
    assert [batches(entry, table, 16) for table, entry in zip(tables, entries, strict=True)] == [64, 12, 5]
    assert whole_run(tables[0], {"numpy": [1.0]}, entries[0]) == {"numpy": 3 * 2 * 64}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"split_by_class": [[0, 10]]}, "class 10: expected 0 to 9"),
        ({"split_by_class": [[0, 1], [1]]}, "class 1 is in two groups"),
        ({"split_by_class": [[0, 1], []]}, r"group \[\]: 0 train samples"),
        ({"split_by_class": []}, "expected lists of classes, or true"),
        ({"split_by_class": True, "name": "diabetes"}, "targets are real: expected classes"),
        ({"split_by_class": True, "permute": 2}, "split_by_class together with permute = 2: expected only one"),
        ({"split_by_class": True, "validation": 0.005}, "0 validation samples"),
        ({"split_by_class": True, "few_shot": 2}, "batch 16 exceeds the 4 training samples of the smallest task"),
        ({"split_by_class": True, "stages": 2}, "2 stages on 5 tasks in sequence: expected one stage"),
        ({"permute": 0}, "data.permute = 0: expected greater"),
        ({"permute": 2, "augment": {"flip": True}}, "permute together with augment"),
        ({"few_shot": 0}, "data.few_shot = 0: expected greater"),
        ({"few_shot": 500}, "shots 500: expected 1 to [0-9]+, the samples of the rarest class"),
        ({"few_shot": 5, "name": "diabetes"}, "targets are real"),
    ],
)
def test_tasks_that_are_none_are_an_error_of_one_line(how, said):
    with pytest.raises(NeurosimError, match=said) as told:
        prepare(model(**how))
    assert "\n" not in str(told.value)


def test_what_would_be_wrong_in_silence_is_refused(digits):
    plain = model(permute=2)
    with pytest.raises(InputError, match="data set 'digits' has 0 tasks, not 2"):
        prepare(plain, data=digits)
    with pytest.raises(InputError, match="tasks in sequence: a rung would end before"):
        StudyPlan.of(Base("tasks", {"": plain.contents}), Space(()), [1], halving=Halving(2))
    with pytest.raises(DataError, match="has tasks already"):
        few_shot(in_sequence(digits, permute(digits, 2)), 3)
    with pytest.raises(DataError, match="differs in its shape, its targets or its splits"):
        in_sequence(digits, [replace(digits, validation=load("digits").validation)])
