"""Tables of a comparison: means, spreads and differences; a file is whole or not there."""

import math
from dataclasses import replace

import pytest

from neurosim.experiments.compare import progress
from neurosim.experiments.comparison_table import Result, as_frame, as_rows, relative_steps, summarised, write_table
from neurosim.feedback import Claims


def result(scheme, seed, accuracy, ms, reached=3, angle=math.nan):
    return Result(scheme, seed, accuracy, 0.5, reached, ms, angle, Claims("none", False, True))


def test_means_spreads_and_differences():
    results = [result("backprop", 1, 90, 2.0), result("backprop", 2, 92, 4.0)]
    results += [result("x", 1, 89, 4.0, angle=70), result("x", 2, 95, 4.0, reached=None, angle=74)]
    assert relative_steps(results) == [1, 1, 2, 1]
    assert summarised(results) == [
        ["backprop", "91.00±1.41", "+0.00", "0.5000", "3", "3.00", "1.00", "-", "none", "no", "yes", "nothing", "", "", ""],
        ["x", "92.00±4.24", "-1.00", "0.5000", "-", "4.00", "1.50", "72±3", "none", "no", "yes", "nothing", "", "", ""],
    ]


def test_without_backprop_nothing_is_relative(tmp_path):
    results = [result("x", 1, 89, 4.0)]
    assert summarised(results)[0][1:8] == ["89.00", "", "0.5000", "3", "4.00", "", "-"]
    write_table(results, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text().splitlines()[1] == "x,1,89,0.5,3,4.0,,,none,no,yes,nothing,,,"


def test_what_was_measured_stands_beside_what_is_claimed():
    found = replace(result("x", 1, 89, 4.0), locality={"weights": "signs, 2 hops", "layers": "up to 2", "labels": "no"})
    assert summarised([found])[0][-3:] == as_rows([found])[0][-3:] == ["signs, 2 hops", "up to 2", "no"]


def test_an_error_that_does_not_count_wrong_answers_is_no_accuracy(tmp_path):
    results = [replace(result("backprop", 1, 87.5, 4.0, reached=None), score="unexplained variance")]
    write_table(results, tmp_path / "table.csv")
    names, row = (line.split(",") for line in (tmp_path / "table.csv").read_text().splitlines())
    assert dict(zip(names, row, strict=True))["test_unexplained_variance"] == "12.5"
    assert "epochs_to_5" in names and not {"test_accuracy", "epochs_to_95"} & set(names)
    assert as_frame(results)["test_unexplained_variance"].tolist() == [12.5]
    assert "test unexplained variance 12.50 %" in progress(results[0], 1, 1) and "accuracy" not in progress(results[0], 1, 1)


def test_a_table_is_whole_or_not_there(tmp_path, monkeypatch):
    write_table([result("x", 1, 89, 4.0)], tmp_path / "table.csv")
    first = (tmp_path / "table.csv").stat().st_ino
    write_table([result("x", 1, 90, 4.0)], tmp_path / "table.csv")
    assert (tmp_path / "table.csv").stat().st_ino != first  # another file, which took the name when it was whole
    before = (tmp_path / "table.csv").read_bytes()
    monkeypatch.setattr("neurosim.experiments.comparison_table.relative_steps", lambda results: iter([1.0, 1 / 0]))
    with pytest.raises(ZeroDivisionError):
        write_table([result("x", 1, 95, 4.0)], tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
