"""The comparison: same weights, same order of data, one file each, a table; and a row that fails leaves the others."""

import csv
import re
from contextlib import ExitStack

import h5py
import numpy as np
import pytest

from neurosim.analysis.grouping import grouped
from neurosim.analysis.summary import CLAIMS, table
from neurosim.errors import InputError, RunFileError, UnknownNameError
from neurosim.experiments import comparison_row
from neurosim.experiments.comparison import reopen, resume, run_all
from neurosim.experiments.comparison_folder import NAME
from neurosim.experiments.comparison_plan import Plan
from neurosim.experiments.comparison_table import COLUMNS, summarised
from neurosim.feedback import pathways
from neurosim.runfile import Run
from neurosim.training import Observer

SHORT = ["training.epochs=2", "data.limit=300", "network.hidden=[16]"]
ROWS = ["backprop", "difference_target_propagation"]


class Onlooker(Observer):
    """Keeps the initial weights and the samples of every pass."""

    def __init__(self):
        self.weights, self.images = {}, []

    def on_epoch(self, trainer, metrics):
        if trainer.epoch == 0:
            self.weights = {name: value.copy() for name, value in trainer.network.parameters().items()}

    def on_step(self, trainer):
        programs = [captured.program for captured in trainer._programs.values()]
        (last,) = [program for program in programs if program.step.value == trainer.steps - 1]
        self.images.append(last.inputs["x"].copy())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder, seen = tmp_path_factory.mktemp("runs") / "out", []

    def watch(job):
        seen.append(Onlooker())
        return [seen[-1]]

    plan = Plan.load(rows=ROWS, settings=SHORT)
    return folder, list(run_all(plan, folder, seeds=[3, 4], watch=watch)), seen


def test_writes_a_run_file_each_and_the_table(finished):
    folder, results, _ = finished
    runs = {f"{row}-seed{seed}.h5" for row in ROWS for seed in (3, 4)}
    assert {path.name for path in folder.iterdir()} == runs | {"table.csv", NAME}
    with (folder / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["scheme"], row["seed"]) for row in rows] == [(row, str(seed)) for seed in (3, 4) for row in ROWS]
    assert [row["step_relative_to_backprop"] for row in rows][::2] == ["1.0", "1.0"]
    assert [row["weight_transport"] for row in rows][:2] == ["full", "output"]
    assert float(rows[0]["test_accuracy"]) == pytest.approx(results[0].test_accuracy)


def test_the_table_says_what_the_files_say(finished):
    folder, results, _ = finished
    for result in results:
        with h5py.File(folder / f"{result.scheme}-seed{result.seed}.h5") as file:
            assert result.test_accuracy == 100 - file["metrics/test/error"][-1]
            assert result.train_loss == file["metrics/train/loss"][-1]
            assert file.attrs["status"] == b"complete"
            assert result.step_ms == pytest.approx(1000 * file["metrics/train/seconds"][-1] / (300 // 32))


def test_what_counts_is_the_last_epoch_and_not_the_best(tmp_path, synthetic, monkeypatch):
    errors, losses = [90.0, 40.0, 2.0, 4.0, 30.0], [2.3, 0.5, 0.1, 0.2, 0.7]

    def pretend(job, path, *observers, overwrite=False):
        synthetic.synthetic_run(path, scheme=job.model.name)
        with h5py.File(path, "r+") as file:
            file["metrics/test/error"][:], file["metrics/train/loss"][:] = errors, losses
        return Run(path)

    monkeypatch.setattr(comparison_row, "run", pretend)
    (found,) = run_all(Plan.load(rows=["backprop"], settings=SHORT), tmp_path / "out")
    assert (found.test_accuracy, found.train_loss, found.epochs_to_95) == (70, 0.7, 2)
    with (tmp_path / "out" / "table.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (float(row["test_accuracy"]), float(row["train_loss"]), row["epochs_to_95"]) == (70, 0.7, "2")
    assert summarised([found])[0][1:5] == ["70.00", "+0.00", "0.7000", "2"]
    with Run(tmp_path / "out" / "backprop-seed1.h5") as run:
        shown = {heading: cells[0].text for heading, cells in table(grouped([run])).items()}
    assert (shown["Test accuracy (%)"], shown["Training loss"]) == ("70.00", "0.7000")


def test_rows_start_from_the_same_weights_and_see_the_same_order(finished):
    _, _, (backprop, targets, other, _) = finished
    for name, value in backprop.weights.items():
        np.testing.assert_array_equal(value, targets.weights[name])
    steps = len(backprop.images) // 2
    assert len(targets.images) == 4 * steps  # two passes an epoch
    for epoch in range(2):
        for step in range(steps):
            expected = backprop.images[epoch * steps + step]
            for phase in range(2):
                np.testing.assert_array_equal(expected, targets.images[(2 * epoch + phase) * steps + step])
    assert any((other.weights[name] != value).any() for name, value in backprop.weights.items() if name.endswith(".w"))
    assert (backprop.images[0] != backprop.images[steps]).any()


# ---------------------------------------------------------------------- stopped, and gone on with


class Stop(Observer):
    """Raises KeyboardInterrupt in one run, at one step."""

    def __init__(self, job, row, seed, step):
        self.wanted, self.step = (job.model.name, job.seed) == (row, seed), step

    def on_step(self, trainer):
        if self.wanted and trainer.steps == self.step:
            raise KeyboardInterrupt


def stopped(folder, row, seed, step):
    """Start the comparison of ``finished``, and stop it on its way."""
    plan = Plan.load(rows=ROWS, settings=SHORT)
    with pytest.raises(KeyboardInterrupt):
        list(run_all(plan, folder, seeds=[3, 4], watch=lambda job: [Stop(job, row, seed, step)]))
    return folder


def numbers(folder):
    """Return the table without its times."""
    with (folder / "table.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if not key.startswith("step_")} for row in csv.DictReader(file)]


@pytest.mark.parametrize(("row", "seed", "step"), [(ROWS[0], 3, 12), (ROWS[1], 4, 1)])
def test_a_stopped_comparison_goes_on_where_it_was(row, seed, step, finished, tmp_path, same_content):
    whole, expected, _ = finished
    folder = stopped(tmp_path / "parts", row, seed, step)
    done = {path: path.read_bytes() for path in folder.glob("*.h5") if path.name != f"{row}-seed{seed}.h5"}
    results = list(resume(reopen(folder), folder))
    assert [(r.scheme, r.seed, r.test_accuracy, r.train_loss) for r in results] == [
        (r.scheme, r.seed, r.test_accuracy, r.train_loss) for r in expected
    ]
    assert numbers(folder) == numbers(whole)
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}
    for path in whole.glob("*.h5"):
        same_content(path, folder / path.name)
    for path, content in done.items():
        assert path.read_bytes() == content


def test_a_comparison_killed_before_its_first_run_goes_on(finished, tmp_path):
    whole, _, _ = finished
    (tmp_path / NAME).write_bytes((whole / NAME).read_bytes())
    results = resume(reopen(tmp_path), tmp_path)
    assert next(results).scheme == ROWS[0]
    results.close()


def test_a_row_that_diverged_is_told_again(tmp_path):
    settings = [*SHORT, "rows.frozen.optimiser.name=sgd", "rows.frozen.optimiser.learning_rate=1e39"]
    first = list(run_all(Plan.load(rows=["frozen", "backprop"], settings=settings), tmp_path / "out"))
    again = list(resume(reopen(tmp_path / "out"), tmp_path / "out"))
    assert [result.failure for result in again] == [result.failure for result in first]
    assert again[0].failure.startswith("diverged: population 'output'")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": ["training.epochs=9"]}, "--set training.epochs=9"),
        ({"settings": ["rows.backprop.optimiser.learning_rate=0.5"]}, "--set rows.backprop.optimiser.learning_rate=0.5"),
        ({"settings": ["data.name=mnist"]}, "--set data.name=mnist"),
        ({"rows": ["backprop"]}, "--schemes backprop"),
        ({"first": 1}, "--seed 1"),
        ({"count": 3}, "--seeds 3"),
        ({"backend": "cupy"}, "--backend cupy"),
    ],
)
def test_what_contradicts_the_folder_is_refused(change, said, finished):
    folder, _, _ = finished
    with pytest.raises(RunFileError, match=f"was not started with {said}: expected the same"):
        reopen(folder, **change)
    reopen(folder, settings=SHORT, rows=ROWS[::-1], first=3, count=2, backend="numpy")


def test_what_is_no_comparison_cannot_go_on(finished, tmp_path):
    whole, _, _ = finished
    with pytest.raises(RunFileError, match="no such folder"):
        reopen(tmp_path / "absent")
    with pytest.raises(RunFileError, match=f"holds no {NAME}"):
        reopen(tmp_path)
    (tmp_path / NAME).write_text((whole / NAME).read_text()[:-200])
    with pytest.raises(InputError, match=NAME):
        reopen(tmp_path)
    (tmp_path / NAME).write_text((whole / NAME).read_text().replace("backprop", "'../../x'"))
    with pytest.raises(InputError, match=NAME):
        reopen(tmp_path)


def test_a_run_file_of_something_else_is_refused(finished, tmp_path):
    whole, _, _ = finished
    folder = stopped(tmp_path / "parts", ROWS[0], 4, 1)
    (folder / f"{ROWS[0]}-seed4.h5").write_bytes((whole / f"{ROWS[0]}-seed3.h5").read_bytes())
    with pytest.raises(RunFileError, match=f"{ROWS[0]}-seed4.h5: made with another model or seed than this row"):
        list(resume(reopen(folder), folder))


def test_changed_data_are_refused(finished, tmp_path):
    whole, _, _ = finished
    text = (whole / NAME).read_text()
    (tmp_path / NAME).write_text(re.sub("data_digest = .*", 'data_digest = "0"', text))
    with pytest.raises(RunFileError, match="data set 'digits' has changed"):
        next(resume(reopen(tmp_path), tmp_path))


def test_one_command_a_folder(tmp_path):
    """The second is refused, whether it comes while the first begins, goes on, or was stopped."""
    plan = Plan.load(rows=ROWS, settings=SHORT)
    refused = []

    def meanwhile(job):
        for second in (lambda: next(run_all(plan, tmp_path / "out")), lambda: reopen(tmp_path / "out")):
            with pytest.raises(RunFileError) as caught:
                second()
            refused.append(str(caught.value))
        return []

    class Second(Observer):
        def on_step(self, trainer):
            meanwhile(None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_all(plan, tmp_path / "out", watch=lambda job: [Second()]))
    assert "give --resume" in refused[0] and "another process is writing backprop-seed1.h5" in refused[1]


def test_of_two_commands_that_begin_at_once_one_is_refused(tmp_path, monkeypatch):
    """The other one begins between the look into the folder and the first file in it."""
    plan = Plan.load(rows=ROWS, settings=SHORT)
    monkeypatch.setattr("neurosim.experiments.folders.Kind.check_free", lambda *_: None)
    next(first := run_all(plan, tmp_path / "out"))
    with pytest.raises(RunFileError, match="out: another process is writing it"):
        next(run_all(plan, tmp_path / "out"))
    first.close()
    with pytest.raises(RunFileError, match="another command has started a comparison there"):
        next(run_all(plan, tmp_path / "out"))


def test_between_two_rows_the_folder_is_still_that_of_one_command(tmp_path, monkeypatch):
    """No run file is being written then; a second command would overwrite what the first one has, and both would end well."""
    plan, folder = Plan.load(rows=ROWS, settings=SHORT), tmp_path / "out"
    other = Plan.load(rows=ROWS, settings=[*SHORT, "training.epochs=1"])
    next(first := run_all(plan, folder))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with monkeypatch.context() as early:  # looked before the first one had begun
        early.setattr("neurosim.experiments.comparison_folder.being_written", lambda path: False)
        second = reopen(folder)
    for begin in (run_all(other, folder, overwrite=True), resume(second, folder)):
        with pytest.raises(RunFileError, match="out: another process is writing it"):
            next(begin)
    with pytest.raises(RunFileError, match=f"another process is writing {NAME}"):
        reopen(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert len(list(first)) == len(ROWS) - 1
    assert not (folder / f"{NAME}.lock").exists()
    assert len(list(run_all(other, folder, overwrite=True))) == len(ROWS)


# ---------------------------------------------------------------------- tables


INTERFACES = [(["hidden1", "hidden2"], "output"), (["hidden2"], "one hop"), (["hidden3"], "full")]


@pytest.mark.parametrize(("interfaces", "claimed"), INTERFACES)
def test_the_report_and_the_table_claim_the_same(tmp_path, interfaces, claimed):
    """What synthetic gradients need depends on where they have interfaces, and so on the network."""
    settings = [*SHORT, "training.epochs=1", "network.hidden=[6,6,6]", f"rows.synthetic_gradients.options.interfaces={interfaces}"]
    rows = ["synthetic_gradients", "difference_target_propagation"]
    results = list(run_all(Plan.load(rows=rows, settings=settings), tmp_path / "out"))
    with ExitStack() as stack:
        runs = [stack.enter_context(Run(tmp_path / "out" / f"{row}-seed1.h5")) for row in rows]
        groups = grouped(runs)
        assert [group.claims for group in groups] == [result.claims for result in results]
        shown = [[cell.text for cell in cells] for heading, cells in table(groups).items() if heading in CLAIMS.values()]
    assert list(zip(*shown, strict=True)) == [tuple(line[-7:-3]) for line in summarised(results)]
    assert shown[0] == [claimed, "output"]


def test_every_scheme_that_teaches_the_output_each_tick_has_a_row():
    rows = Plan.load().contents["rows"]
    assert [row["scheme"] for row in rows.values()] == list(rows)
    rate = {name for name, scheme in pathways().items() if "rate" in scheme.made_for}
    assert rate - set(rows) == {"none", "backprop_through_time", "segregated_dendrites"} and set(rows) < rate


def test_a_row_that_diverges_ends_alone(tmp_path):
    settings = [*SHORT, "rows.frozen.optimiser.name=sgd", "rows.frozen.optimiser.learning_rate=1e39"]
    results = list(run_all(Plan.load(rows=["frozen", "backprop"], settings=settings), tmp_path / "out"))
    assert results[0].failure.startswith("diverged: population 'output'")
    assert results[1].failure == "" and results[1].test_accuracy > 20
    assert summarised(results)[0][:3] == ["frozen", "diverged", ""]
    with (tmp_path / "out" / "table.csv").open() as file:
        assert next(csv.DictReader(file))["test_accuracy"] == ""


def test_a_folder_in_use_is_kept(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunFileError, match="not empty.*--overwrite"):
        next(run_all(Plan.load(rows=ROWS, settings=SHORT), tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["rows.backprop.epochs=3"], "rows.backprop: key 'epochs' is unknown"),
        (["rows.backprop.scheme=bakprop"], "did you mean 'backprop'"),
        (["rows.backprop.optimiser.learning_rate=-1"], "learning_rate -1 is not a number of 0 or more"),
        (["training.batch=many"], "compare: training.batch = 'many': expected a whole number"),
        (["rows={'../x' = { scheme = 'frozen', optimiser = { name = 'sgd', learning_rate = 1 } }}"], "compare: rows"),
    ],
)
def test_what_is_wrong_with_a_comparison_is_told(settings, said):
    with pytest.raises(InputError, match=said) as caught:
        Plan.load(settings=settings)
    assert "\n" not in str(caught.value)


def test_unknown_rows_and_files_of_the_other_kind():
    with pytest.raises(UnknownNameError, match="row 'bakprop' is unknown.*did you mean 'backprop'"):
        Plan.load(rows=["bakprop"])
    with pytest.raises(InputError, match="a model file, not a comparison"):
        Plan.load("dtp-mnist")


def test_a_comparison_is_given_more_epochs(tmp_path, monkeypatch, same_content):
    """Complete, then stopped within its second row when it goes on, and gone on with: as though it had had them from the start."""
    settings = [*SHORT, "training.epochs=1"]
    longer = [*SHORT, "training.epochs=3"]
    list(run_all(Plan.load(rows=ROWS, settings=settings), tmp_path / "out"))
    whole = list(run_all(Plan.load(rows=ROWS, settings=longer), tmp_path / "whole"))

    class Stop(Observer):
        def on_step(self, trainer):
            if trainer.epoch == 1 and trainer.pathway.name != "backprop":
                raise KeyboardInterrupt

    with pytest.raises(RunFileError, match="epochs 0: it was started with 1: expected as many or more; leave them out"):
        reopen(tmp_path / "out", epochs=0)
    with pytest.raises(KeyboardInterrupt):
        list(resume(reopen(tmp_path / "out", epochs=3), tmp_path / "out", watch=lambda job: [Stop()]))
    again = list(resume(reopen(tmp_path / "out"), tmp_path / "out"))
    assert [result.test_accuracy for result in again] == [result.test_accuracy for result in whole]
    for row in ROWS:
        same_content(tmp_path / "whole" / f"{row}-seed1.h5", tmp_path / "out" / f"{row}-seed1.h5")
    assert (tmp_path / "out" / NAME).read_text() == (tmp_path / "whole" / NAME).read_text()
