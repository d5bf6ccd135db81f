"""Studies run by workers of this machine: one run file a point, one table, nothing lost, nothing done twice."""

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import neurosim
from neurosim.catalogue import Imports
from neurosim.cli import main
from neurosim.datasets import from_arrays
from neurosim.errors import InputError, RunFileError
from neurosim.experiments.run import prepare, run
from neurosim.feedback.backprop import Backprop
from neurosim.plasticity import SGD
from neurosim.runfile import Run
from neurosim.studies import Study
from neurosim.studies.folder import begun
from neurosim.studies.point import PointToRun, outcome_of, perform
from neurosim.studies.space import Parameter
from neurosim.studies.study import run_study, start
from neurosim.studies.table import as_frame, best
from neurosim.workers import Processes, connected, run_tasks

SMALL = ("training.epochs=2", "data.limit=300", "network.hidden=[12]")
SETTLED = ["seconds", "created"]  # what differs from run to run


@pytest.fixture(scope="module")
def client():
    with connected(here=Processes(2)) as client:
        yield client


@pytest.fixture(scope="module")
def study():
    of_dtp = {"scheme": ["difference_target_propagation"]}
    made = Study("compare", settings=SMALL).grid({"scheme": ["backprop", "difference_target_propagation"]})
    return made.grid({"stages.0.options.step": [0.01, 0.5]}, where=of_dtp).seeds(2)


@pytest.fixture(scope="module")
def reached(client, study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "out"
    started = start(study.plan())
    outcomes = list(run_study(started, folder, client))
    return started, folder, as_frame(started.plan, outcomes)


def test_a_row_for_each_point_and_seed_in_their_order(reached):
    _, folder, table = reached
    assert table["point"].tolist() == [1, 1, 2, 2, 3, 3] and table["seed"].tolist() == [1, 2] * 3
    assert table["scheme"].tolist() == ["backprop"] * 2 + ["difference_target_propagation"] * 4
    np.testing.assert_array_equal(table["stages.0.options.step"], [np.nan, np.nan, 0.01, 0.01, 0.5, 0.5])
    assert (table["status"] == "complete").all() and (table["reason"] == "").all() and (table["epochs"] == 2).all()
    assert sorted(path.name for path in folder.glob("*.h5")) == sorted(table["file"])


def test_the_table_holds_what_the_run_files_say(reached):
    _, folder, table = reached
    for _, row in table.iterrows():
        with neurosim.open_run(folder / row["file"]) as known:
            for split in ("train", "validation", "test"):
                for name in ("loss", "error"):
                    assert row[f"{split}_{name}"] == known.metrics.loc[split][name].iloc[-1]
            assert int(known.attributes["seed"]) == row["seed"]
            options = tomllib.loads(known.model)["stages"][0].get("options", {})
            assert options.get("step", row["stages.0.options.step"]) == row["stages.0.options.step"] or not options


def test_the_files_of_the_table_are_the_table(reached):
    _, folder, table = reached
    texts = ["reason", "commit"]  # a text that is empty comes back as no value
    read = pd.read_csv(folder / "study.csv").drop(columns=texts)
    pd.testing.assert_frame_equal(read, table.drop(columns=texts), check_dtype=False)
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert pq.read_table(folder / "study.parquet").to_pandas()["test_error"].tolist() == table["test_error"].tolist()


def test_a_point_is_the_run_that_one_gets_alone(reached, tmp_path):
    started, folder, _ = reached
    point = started.plan.points[-1]
    run(prepare(point.model, seed=point.seed), tmp_path / "alone.h5").close()
    with Run(tmp_path / "alone.h5") as alone, Run(folder / f"{point.name}.h5") as known:
        clocks = ["seconds", "alignment_seconds"]
        pd.testing.assert_frame_equal(alone.metrics.drop(columns=clocks), known.metrics.drop(columns=clocks))
        for name, value in alone.checkpoint().items():
            np.testing.assert_array_equal(known.checkpoint()[name], value, err_msg=name)


def test_resumed_it_runs_what_is_missing_and_leaves_the_rest(client, reached):
    started, folder, table = reached
    missing = folder / table["file"][1]
    missing.unlink()
    others = {path: path.read_bytes() for path in folder.glob("*.h5")}
    found = as_frame(started.plan, list(run_study(begun(folder), folder, client, resume=True)))
    pd.testing.assert_frame_equal(found.drop(columns=SETTLED), table.drop(columns=SETTLED))
    assert missing.exists() and all(path.read_bytes() == content for path, content in others.items())


def test_another_study_is_not_mixed_in(client, reached, study):
    _, folder, _ = reached
    with pytest.raises(RunFileError, match="give --resume to continue the study in it"):
        next(run_study(start(study.plan()), folder, client))
    with pytest.raises(RunFileError, match="seeds of the study in it: .*expected the same"):
        study.seeds(3).run(folder, resume=True, workers=1)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(RunFileError, match="exists and is not empty"):
        study.run(folder, workers=1)
    (folder / "mine.txt").unlink()


def test_overwriting_replaces_the_runs_of_another_study(client, tmp_path, study):
    made = study.grid({"stages.0.batch": [16]}).seeds(1)
    for batch in (16, 32):
        started = start(replace(made, parameters=(*made.parameters[:-1], Parameter("stages.0.batch", (batch,)))).plan())
        table = as_frame(started.plan, list(run_study(started, tmp_path / "out", client, overwrite=batch == 32)))
        assert (table["status"] == "complete").all(), table["reason"].tolist()
    with neurosim.open_run(tmp_path / "out" / table["file"][0]) as run:
        assert tomllib.loads(run.model)["stages"][0]["batch"] == 32


def test_a_point_that_diverges_or_fails_is_a_row_with_its_reason(client, tmp_path):
    wild = Study("compare", settings=(*SMALL, "network.layer.transfer=relu")).grid({"scheme": ["backprop"], "stages.0.optimiser": [
        {"name": "sgd", "learning_rate": 0.1}, {"name": "sgd", "learning_rate": 1e30}]})  # fmt: skip
    started = start(wild.plan())
    tasks = {task.name: task for task in started.tasks(tmp_path)}
    (tmp_path / "00001-seed1.h5").write_text("no run file")
    table = as_frame(started.plan, [outcome_of(ended) for ended in run_tasks(client, perform, tasks)])
    assert table["status"].tolist() == ["failed", "diverged"]
    assert "00001-seed1.h5" in table["reason"][0] and "expected finite numbers; lower the learning rate" in table["reason"][1]
    assert table["epochs"].isna()[0] and (tmp_path / "00001-seed1.h5").read_text() == "no run file"


def test_data_that_are_others_on_a_worker_are_refused(tmp_path, study):
    task = start(study.plan()).tasks(tmp_path)[0]
    outcome = perform(PointToRun(**{**vars(task), "data_digest": "another"}))
    assert outcome.status == "failed" and "is not the one that the study was started with" in outcome.reason
    assert list(tmp_path.iterdir()) == []


def test_a_users_own_scheme_reaches_the_workers(client, users_classes, tmp_path):
    own = Study("compare", settings=SMALL, imports=str(users_classes))
    scheme = next(name for name in re.findall(r"class (\w+)\(.*Pathway", users_classes.read_text()))
    own = own.grid({"scheme": ["backprop"], "stages.0.scheme": ["backprop", f"{users_classes.stem}:{scheme}"]})
    started = start(own.plan())
    table = as_frame(started.plan, list(run_study(started, tmp_path / "out", client, imports=Imports(str(users_classes)))))
    assert table["status"].tolist() == ["complete"] * 2, table["reason"].tolist()


def test_the_best_point_is_chosen_by_validation():
    frame = pd.DataFrame(
        {
            "point": [1, 1, 2, 2, 3, 3],
            "status": ["complete"] * 5 + ["diverged"],
            "validation_error": [5.0, 7.0, 6.0, 5.5, 1.0, 1.0],
            "test_error": [1.0, 1.0, 9.0, 9.0, 1.0, 1.0],
        }
    )
    assert best(frame) == 2
    assert best(frame.assign(validation_error=np.nan)) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.grid({"stages.0.options.speed": [1]}), "study: scheme=backprop, .*speed=1: .*option 'speed' is unknown"),
        (lambda s: s.grid({"network.hidden": 3}), "parameter 'network.hidden': values 3: expected a list"),
        (lambda s: s.grid({"a": ["x"]}), "study: scheme=backprop.*a=x"),
        (lambda s: s.seeds([]), "seeds: none"),
        (lambda s: s.seeds([1, 1]), "seeds \\[1\\]: there twice"),
        (lambda s: replace(s, data=3), "data 3: expected \\(x, y\\)"),
        (lambda s: replace(s, data=of_arrays().data), "setting \\['data.limit=300'\\]: of data that are given"),
        (lambda s: s.grid({"batch": [1]}), "key 'batch' is unknown.*; did you mean 'stages.0.batch'\\?$"),
        (lambda s: s.grid({"stages.0.options.beta": [0.1]}), "scheme=backprop.*option 'beta' is unknown"),
        (lambda s: s.grid({"seed": [1, 2]}), "parameter 'seed': every point runs from the same seeds: expected --seeds"),
        (
            lambda s: Study("compare").grid({"stages.0.options.step": [0.1]}),
            "; it fits other schemes: add where scheme=alternating_minimization,difference_target_propagation,",
        ),
        (lambda s: s.grid({"stages.0.optimiser": [object()]}), "parameter 'stages.0.optimiser': .*expected a number, text, a list"),
    ],
)
def test_what_is_no_study_is_one_line_before_anything_runs(change, said, study, tmp_path):
    with pytest.raises(InputError, match=said) as caught:
        change(study).run(tmp_path / "out", workers=1)
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


@pytest.mark.slow  # it waits for an answer
def test_a_cluster_where_nobody_answers_is_one_line():
    with pytest.raises(InputError, match="cluster 'tcp://127.0.0.1:9': nothing answers there"), connected("tcp://127.0.0.1:9"):
        pass


class Halved(Backprop):
    """Given in Python, in no module that a worker could import."""

    def teach(self, sweep, target, draws):
        halves = {name: 0.5 * p.w for name, p in self.network.projections.items()}
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), halves)


def of_arrays():
    draw, y = np.random.default_rng(0), np.arange(120) % 3
    return Study("compare", (draw.normal(size=(120, 6)) + 2 * y[:, None], y), ("training.epochs=2", "network.hidden=[8]"))


def test_classes_and_data_given_in_python(tmp_path):
    study = of_arrays()
    study = study.grid({"scheme": ["backprop"], "stages.0.scheme": ["backprop", Halved], "stages.0.optimiser": [SGD(0.1)]})
    table = study.run(tmp_path / "out", workers=2)
    assert table["status"].tolist() == ["complete"] * 2, table["reason"].tolist()
    assert table["stages.0.scheme"].str.endswith("Halved").tolist() == [False, True]
    point = study.plan().points[1]
    run(prepare(point.model, data=from_arrays(*study.data)), tmp_path / "alone.h5").close()
    with Run(tmp_path / "alone.h5") as alone, Run(tmp_path / "out" / table["file"][1]) as known:
        assert alone.model == known.model
        for name, value in alone.checkpoint().items():
            np.testing.assert_array_equal(known.checkpoint()[name], value, err_msg=name)
    (tmp_path / "out" / table["file"][0]).unlink()
    again = study.run(tmp_path / "out", workers=1, resume=True)
    pd.testing.assert_frame_equal(again.drop(columns=SETTLED), table.drop(columns=SETTLED))


def test_points_may_differ_in_their_data(client, tmp_path):
    of_limits = Study("compare", settings=SMALL).grid({"scheme": ["backprop"], "data.limit": [200, 300]})
    started = start(of_limits.plan())
    table = as_frame(started.plan, list(run_study(started, tmp_path / "out", client)))
    assert table["status"].tolist() == ["complete"] * 2, table["reason"].tolist()
    assert table["train_loss"].nunique() == 2


def test_on_arrays_it_goes_on_in_python_alone(tmp_path, capsys):
    study = of_arrays()
    (tmp_path / "study.toml").write_text(start(study.plan(), data=from_arrays(*study.data)).text())
    assert main(["study", "--resume", "--out", str(tmp_path)]) == RunFileError.exit_status
    assert re.search("'arrays' was arrays given in Python; continue there, with Study.*resume=True", capsys.readouterr().err)


SCRIPT = """
import neurosim

study = neurosim.Study("compare", settings={settings!r}).grid({{"scheme": ["backprop", "frozen"]}})
print(study.run("out", workers=2)["status"].tolist())
print(__spec__)
"""


@pytest.mark.slow
def test_a_script_needs_no_guard_of_its_own(tmp_path):
    """Workers do not run it again, as processes that Python spawns do."""
    (tmp_path / "script.py").write_text(SCRIPT.format(settings=SMALL))
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "['complete', 'complete']\nNone\n", done.stderr


def test_without_dask_one_line_says_what_to_install(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.chdir(tmp_path)
    expected = "worker processes need Dask's distributed, which is not installed; pip install 'neurosim[study]'"
    with pytest.raises(InputError, match=re.escape(expected)):
        study.run(tmp_path / "out")
    assert main(["study", "compare", "--set", "data.limit=300", "--quiet"]) == InputError.exit_status
    said = capsys.readouterr().err
    assert expected in said and said.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_a_worker_that_dies_gives_its_point_back(client, tmp_path, study):
    """Another worker goes on from the checkpoint; the table is the one of an undisturbed study."""
    started = start(study.plan())
    killed = []

    def kill_one(outcome):
        if not killed:
            pid = client.run(os.getpid, workers=[next(iter(client.scheduler_info()["workers"]))])
            killed.append(os.kill(next(iter(pid.values())), 9))

    outcomes = []
    for outcome in run_study(started, tmp_path / "out", client):
        outcomes.append(outcome)
        kill_one(outcome)
    table = as_frame(started.plan, outcomes)
    assert (table["status"] == "complete").all(), table["reason"].tolist()
