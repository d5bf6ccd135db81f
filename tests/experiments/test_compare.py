"""``neurosim.compare``: a user's own data, rule and scheme against back-propagation, in one call."""

import csv
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neurosim
from neurosim.analysis.grouping import baselines, grouped
from neurosim.catalogue import Imports
from neurosim.cli import main
from neurosim.errors import InputError, RunFileError
from neurosim.experiments.comparison_folder import NAME
from neurosim.experiments.comparison_table import COLUMNS
from neurosim.feedback import Claims
from neurosim.feedback.backprop import Backprop
from neurosim.plasticity import SGD, Adam, Decay, PlasticityRule, chain

SHORT = {"settings": ["network.hidden=[12]"], "epochs": 2, "quiet": True}
HEBB = {"rule": "dw = 0.01 * rate_post * rate_pre"}


def samples(n=240, seed=0):
    draw, y = np.random.default_rng(seed), np.arange(n) % 3
    x = draw.normal(size=(n, 6)) + 2 * y[:, None]
    return x[: 2 * n // 3], y[: 2 * n // 3], x[2 * n // 3 :], y[2 * n // 3 :]


def data(**options):
    return neurosim.datasets.from_arrays(*samples(**options), name="blobs")


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    path = tmp_path_factory.mktemp("users") / "a_users_own.py"
    path.write_text(Path(__file__).parents[1].joinpath("users_own.txt").read_text())
    yield Imports([path]).modules["a_users_own"]
    sys.modules.pop("a_users_own")


@pytest.fixture(scope="module")
def compared(module, tmp_path_factory):
    rows = {"mine": {"scheme": module.SignSymmetry, "options": {"scale": 0.5}}, "hebb": HEBB}
    return neurosim.compare(data(), rows, seeds=2, out=tmp_path_factory.mktemp("compared") / "out", **SHORT)


def test_it_runs_when_called_and_writes_what_the_command_writes(compared):
    runs = {f"{row}-seed{seed}.h5" for row in ("backprop", "mine", "hebb") for seed in (1, 2)}
    assert {path.name for path in compared.out.iterdir()} == runs | {"table.csv", "report.html", NAME}
    assert compared.title == "backprop, mine, hebb on blobs, hidden 12 tanh, 2 epochs, seeds 1, 2"
    assert compared.report == compared.out / "report.html" and compared.title in repr(compared)
    table = compared.table
    assert tuple(table.columns) == COLUMNS
    assert list(zip(table["scheme"], table["seed"], strict=True)) == [(r, s) for s in (1, 2) for r in ("backprop", "mine", "hebb")]
    with (compared.out / "table.csv").open(newline="") as file:
        for line, row in zip(csv.DictReader(file), table.to_dict("records"), strict=True):
            for key, value in row.items():
                empty = isinstance(value, float) and math.isnan(value)
                assert line[key] == "" if empty else str(value) == line[key] or float(line[key]) == value, key


def test_the_rows_differ_in_what_they_say_alone(compared):
    weights, learned = {}, {}
    for row in ("backprop", "mine", "hebb"):
        with neurosim.open_run(compared.out / f"{row}-seed1.h5", imports="a_users_own") as run:
            weights[row], learned[row] = run.network(), run.metrics.loc["train", "loss"]
    first = {row: losses.iloc[0] for row, losses in learned.items()}
    assert len(set(first.values())) == 1  # the same weights
    for row in weights:
        assert learned[row].iloc[-1] < first[row]
    assert compared.table.set_index("scheme").loc["hebb", "weight_transport"].tolist() == ["none", "none"]


def test_the_report_compares_all_rows_with_backprop(compared):
    runs = [neurosim.open_run(path) for path in sorted(compared.out.glob("*.h5"))]
    groups = grouped(runs)
    assert {group.label: len(group.runs) for group in groups} == {"backprop": 2, "hebb": 2, "mine": 2}
    found = {name: group.label for name, group in baselines(groups).items()}
    assert found == dict.fromkeys(("backprop", "hebb", "mine"), "backprop")
    claims = {group.label: group.claims for group in groups}
    assert claims["mine"] == Claims("full", True, True)  # as the run file says: its class was not named here
    page = compared.report.read_text()
    assert "a_users_own:SignSymmetry" in page and "--import a_users_own" in page


def test_a_run_file_says_which_modules_it_needs(compared):
    with neurosim.open_run(compared.out / "mine-seed1.h5") as run:
        assert 'scheme = "a_users_own:SignSymmetry"' in run.model and "[modules]\na_users_own = " in run.model
        with pytest.raises(InputError, match="needs module 'a_users_own', which was not named"):
            run.model_file()
    with neurosim.open_run(compared.out / "hebb-seed1.h5") as run:
        assert "modules" not in run.model_file().contents


def test_scheme_by_name_needs_its_module_named(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = {"mine": {"scheme": "a_users_own:SignSymmetry"}}
    with pytest.raises(InputError, match="needs module 'a_users_own', which was not named"):
        neurosim.compare(data(), rows, out="out", **SHORT)
    assert not (tmp_path / "out").exists()
    found = neurosim.compare(data(), rows, out="out", imports=[module], **SHORT)
    assert [result.scheme for result in found.results] == ["backprop", "mine"]


def test_objects_of_all_kinds_are_stated(module, tmp_path):
    rows = {
        "one": {"rule": PlasticityRule("dw = eta * error_post * rate_pre", eta=0.5), "optimiser": SGD(0.1)},
        "two": {"scheme": "backprop", "rule": module.Averaging, "optimiser": chain(Decay(1e-3), module.Signs(0.01))},
        "three": {"rule": module.instar, "optimiser": [{"name": "clip", "limit": 1}, Adam(1e-3)]},
        "four": {"scheme": "frozen", "rule": {"name": module.instar, "eta": np.float32(0.5)}},
    }
    neurosim.compare(data(), rows, out=tmp_path / "out", **SHORT)
    stages, rules = {}, {}
    for row in rows:
        with neurosim.open_run(tmp_path / "out" / f"{row}-seed1.h5", imports=[module]) as run:
            contents = run.model_file().contents
        stages[row], rules[row] = contents["stages"][0], contents["network"]["layer"]["rule"]
    assert rules == {
        "one": {"equation": "dw = eta * error_post * rate_pre", "eta": 0.5},
        "two": "a_users_own:Averaging",
        "three": "a_users_own:instar",
        "four": {"name": "a_users_own:instar", "eta": 0.5},
    }
    assert stages["one"]["optimiser"] == {"name": "sgd", "learning_rate": 0.1}
    assert stages["two"]["optimiser"] == [{"name": "decay", "rate": 1e-3}, {"name": "a_users_own:Signs", "size": 0.01}]
    assert stages["three"]["optimiser"][1]["learning_rate"] == 1e-3 and stages["three"]["scheme"] == "frozen"


def test_data_of_all_kinds(module, tmp_path):
    one = {"one": {"scheme": "frozen"}}
    found = [neurosim.compare(given, one, out=tmp_path / str(k), **SHORT)
             for k, given in enumerate((samples(), data(), module.blobs, "digits"))]  # fmt: skip
    names = [each.title.partition(" on ")[2].partition(",")[0] for each in found]
    assert names == ["arrays", "blobs", "a_users_own:blobs", "digits"]
    assert found[0].results[0].test_accuracy == found[1].results[0].test_accuracy
    for k in range(2):
        (tmp_path / str(k) / "one-seed1.h5").unlink()


def test_a_class_of_a_script_is_stated_by_the_scripts_name(tmp_path):
    script = tmp_path / "a_users_script.py"
    script.write_text(
        "import neurosim\nfrom neurosim.feedback.backprop import Backprop\n"
        "class Mine(Backprop):\n    pass\n"
        "if __name__ == '__main__':\n"
        "    neurosim.compare('digits', {'mine': {'scheme': Mine}}, epochs=1, settings=['network.hidden=[4]'], out='out')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and "2 of 2: mine, seed 1: test accuracy" in done.stdout, done.stderr
    with neurosim.open_run(tmp_path / "out" / "mine-seed1.h5", imports=script) as run:
        assert run.model_file().table.stages[0].pathway().__class__.__name__ == "Mine"
    sys.modules.pop("a_users_script")


class Stopped(Exception):
    pass


@pytest.mark.parametrize("kind", ["arrays", "name"])
def test_a_comparison_that_was_stopped_goes_on(kind, module, tmp_path, monkeypatch, same_content):
    given = data() if kind == "arrays" else module.blobs
    rows = {"mine": {"scheme": module.SignSymmetry}, "hebb": HEBB}
    whole = neurosim.compare(given, rows, out=tmp_path / "whole", **SHORT)
    original = module.SignSymmetry.loss

    def stopping(self, sweep, target):
        raise Stopped

    monkeypatch.setattr(module.SignSymmetry, "loss", stopping)
    with pytest.raises(Stopped):
        neurosim.compare(given, rows, out=tmp_path / "parts", **SHORT)
    monkeypatch.setattr(module.SignSymmetry, "loss", original)
    if kind == "arrays":
        assert main(["compare", "--resume", "--out", str(tmp_path / "parts"), "--import", module.__file__]) == 2
        with pytest.raises(RunFileError, match="'blobs' has changed since"):
            neurosim.compare(data(seed=1), rows, out=tmp_path / "parts", resume=True, **SHORT)
        with pytest.raises(RunFileError, match="rows was .* and is .*: expected the same arguments"):
            neurosim.compare(given, rows | {"more": HEBB}, out=tmp_path / "parts", resume=True, **SHORT)
        found = neurosim.compare(given, rows, out=tmp_path / "parts", resume=True, **SHORT)
        columns = ["scheme", "seed", "test_accuracy", "train_loss"]
        assert found.table[columns].equals(whole.table[columns]) and found.title == whole.title
    else:
        assert main(["compare", "--resume", "--out", str(tmp_path / "parts")]) == 2
        assert main(["compare", "--resume", "--out", str(tmp_path / "parts"), "--import", module.__file__]) == 0
    for path in (tmp_path / "whole").glob("*.h5"):
        same_content(path, tmp_path / "parts" / path.name)


def test_a_row_that_diverges_leaves_the_others(tmp_path):
    rows = {"wild": {"scheme": "frozen", "optimiser": {"name": "sgd", "learning_rate": 1e39}}, "hebb": HEBB}
    found = neurosim.compare(data(), rows, out=tmp_path / "out", **SHORT).table.set_index("scheme")
    assert math.isnan(found.loc["wild", "test_accuracy"]) and found.loc["hebb", "test_accuracy"] > 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"data": 3}, r"data 3: expected \(x, y\), .*, a DataSet, a name or a path"),
        ({"data": "digts"}, "data set 'digts' is unknown.*did you mean 'digits'"),
        ({"data": "os:walk"}, "do not trust the file"),
        ({"data": (np.zeros((3, 2)), np.zeros(3), np.zeros((3, 4)), np.zeros(3))}, "data set arrays"),
        ({"rows": {"mine": "frozen"}}, "row 'mine': 'frozen': expected a dictionary"),
        ({"rows": {"mine": {"scheme": object()}}}, "row 'mine': scheme .*: expected a number, text"),
        ({"rows": {"mine": {"scheme": Backprop()}}}, "expected the scheme's class, and its options under 'options'"),
        ({"rows": {"mine": {"scheme": dict}}}, "builtins:dict': no FeedbackPathway"),
        ({"rows": {"mine": {"scheme": "frozen", "options": {"x": 1}}}}, "option 'x' is unknown"),
        ({"seeds": []}, "expected at least one"),
        ({"seeds": 0}, "expected at least one"),
        ({"epochs": 0}, "epochs 0: expected 1 or more"),
        ({"settings": ["data.limit=3"]}, "of data that are given: expected none"),
        ({"imports": "os"}, "belongs to Python or to neurosim"),
        ({"resume": True}, "no folder to resume"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said) as caught:
        neurosim.compare(**{"data": data(), "rows": {"hebb": HEBB}} | SHORT | arguments)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_an_odd_object_is_refused(tmp_path):
    rule = PlasticityRule("dw = rate_post * rate_pre")
    rule.method = "other"
    with pytest.raises(InputError, match="row 'mine': rule .*no model file can hold it .rule: method is not as it was made"):
        neurosim.compare(data(), {"mine": {"rule": rule}}, out=tmp_path / "out", **SHORT)
