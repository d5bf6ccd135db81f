"""The comparison: same weights, same order of data, one file each, a table; and a row that fails leaves the others."""

import csv
import math
from contextlib import ExitStack

import h5py
import numpy as np
import pytest

from neurosim.analysis.grouping import grouped
from neurosim.analysis.summary import CLAIMS, table
from neurosim.errors import InputError, RunFileError, UnknownNameError
from neurosim.experiments.comparison import COLUMNS, Result, compare, comparison_models, relative_steps, summarised, write_table
from neurosim.experiments.reading import contents, locate
from neurosim.feedback import Claims, pathways
from neurosim.recording import Run
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

    models = comparison_models(rows=ROWS, settings=SHORT)
    return folder, list(compare(models, folder, seeds=[3, 4], watch=watch)), seen


def test_writes_a_run_file_each_and_the_table(finished):
    folder, results, _ = finished
    assert {path.name for path in folder.iterdir()} == {f"{row}-seed{seed}.h5" for row in ROWS for seed in (3, 4)} | {"table.csv"}
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


INTERFACES = [(["hidden1", "hidden2"], "output"), (["hidden2"], "one hop"), (["hidden3"], "full")]


@pytest.mark.parametrize(("interfaces", "claimed"), INTERFACES)
def test_the_report_and_the_table_claim_the_same(tmp_path, interfaces, claimed):
    """What synthetic gradients need depends on where they have interfaces, and so on the network."""
    settings = [*SHORT, "training.epochs=1", "network.hidden=[6,6,6]", f"rows.synthetic_gradients.options.interfaces={interfaces}"]
    rows = ["synthetic_gradients", "difference_target_propagation"]
    results = list(compare(comparison_models(rows=rows, settings=settings), tmp_path / "out"))
    with ExitStack() as stack:
        runs = [stack.enter_context(Run(tmp_path / "out" / f"{row}-seed1.h5")) for row in rows]
        groups = grouped(runs)
        assert [group.claims for group in groups] == [result.claims for result in results]
        shown = [[cell.text for cell in cells] for heading, cells in table(groups).items() if heading in CLAIMS.values()]
    assert list(zip(*shown, strict=True)) == [tuple(line[-4:]) for line in summarised(results)]
    assert shown[0] == [claimed, "output"]


def test_every_scheme_has_a_row():
    rows = contents(locate("compare"))["rows"].values()
    assert {row["scheme"] for row in rows} == set(pathways())


def test_a_row_that_diverges_ends_alone(tmp_path):
    settings = [*SHORT, "rows.frozen.optimiser.name=sgd", "rows.frozen.optimiser.learning_rate=1e39"]
    results = list(compare(comparison_models(rows=["frozen", "backprop"], settings=settings), tmp_path / "out"))
    assert results[0].failure.startswith("diverged: population 'output'")
    assert results[1].failure == "" and results[1].test_accuracy > 20
    assert summarised(results)[0][:3] == ["frozen", "diverged", ""]
    with (tmp_path / "out" / "table.csv").open() as file:
        assert next(csv.DictReader(file))["test_accuracy"] == ""


def result(scheme, seed, accuracy, ms, reached=3, angle=math.nan):
    return Result(scheme, seed, accuracy, 0.5, reached, ms, angle, Claims("none", False, True))


def test_means_spreads_and_differences():
    results = [result("backprop", 1, 90, 2.0), result("backprop", 2, 92, 4.0)]
    results += [result("x", 1, 89, 4.0, angle=70), result("x", 2, 95, 4.0, reached=None, angle=74)]
    assert relative_steps(results) == [1, 1, 2, 1]
    assert summarised(results) == [
        ["backprop", "91.00±1.41", "+0.00", "0.5000", "3", "3.00", "1.00", "-", "none", "no", "yes", "nothing"],
        ["x", "92.00±4.24", "+1.00", "0.5000", "-", "4.00", "1.50", "72±3", "none", "no", "yes", "nothing"],
    ]


def test_without_backprop_nothing_is_relative(tmp_path):
    results = [result("x", 1, 89, 4.0)]
    assert summarised(results)[0][1:8] == ["89.00", "", "0.5000", "3", "4.00", "", "-"]
    write_table(results, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text().splitlines()[1] == "x,1,89,0.5,3,4.0,,,none,no,yes,nothing"


def test_a_folder_in_use_is_kept(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunFileError, match="not empty.*--overwrite"):
        next(compare(comparison_models(rows=ROWS, settings=SHORT), tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["rows.backprop.epochs=3"], "rows.backprop: key 'epochs' is unknown"),
        (["rows.backprop.scheme=bakprop"], "did you mean 'backprop'"),
        (["rows.backprop.optimiser.learning_rate=-1"], "learning_rate -1 is not a number of 0 or more"),
        (["training.batch=many"], "compare: training.batch = 'many': expected a whole number"),
        (["rows={}"], "compare: rows"),
        (["rows={'../x' = { scheme = 'frozen', optimiser = { name = 'sgd', learning_rate = 1 } }}"], "compare: rows"),
    ],
)
def test_what_is_wrong_with_a_comparison_is_told(settings, said):
    with pytest.raises(InputError, match=said) as caught:
        comparison_models(settings=settings)
    assert "\n" not in str(caught.value)


def test_unknown_rows_and_files_of_the_other_kind():
    with pytest.raises(UnknownNameError, match="row 'bakprop' is unknown.*did you mean 'backprop'"):
        comparison_models(rows=["bakprop"])
    with pytest.raises(InputError, match="a model file, not a comparison"):
        comparison_models("dtp-mnist")
