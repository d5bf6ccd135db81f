"""What a study came to, read from its two files."""

import math

import numpy as np
import pandas as pd
import pytest

from neurosim.errors import InputError, RunFileError
from neurosim.studies import Study, results
from neurosim.studies.results import read

RATES = [0.001, 0.01]


@pytest.fixture(scope="module")
def study():
    of_dtp = {"scheme": ["difference_target_propagation"]}
    schemes = ["backprop", "difference_target_propagation"]
    made = Study("compare").grid({"scheme": schemes, "stages.0.optimiser.learning_rate": RATES})
    return made.grid({"stages.0.epochs": [2, 3]}, where=of_dtp).seeds([3, 9])


@pytest.fixture
def folder(study, written, tmp_path):
    """Six points of two seeds; the second diverges from one, the third fails from both."""

    def outcome(point):
        if (point.number, point.seed) == (2, 9):
            return "diverged", "drive is nan"
        if point.number == 3:
            return "failed", "no memory"
        return 10.0 * point.number + point.seed, 5.0 * point.number - point.seed

    return written(study, tmp_path / "study", outcome)


def test_means_are_over_the_seeds_that_are_complete(folder):
    means = read(folder).means
    assert means["complete"].tolist() == [2, 1, 0, 2, 2, 2]
    assert means.loc[1, ["validation_mean", "validation_min", "validation_max"]].tolist() == [16, 13, 19]
    assert means.at[1, "validation_std"] == pytest.approx(math.sqrt(18)) and means.at[1, "test_mean"] == -1
    assert means.at[2, "validation_mean"] == 23 and math.isnan(means.at[2, "validation_std"])
    assert math.isnan(means.at[3, "test_mean"])


def test_only_whole_points_may_be_chosen(folder):
    found = read(folder)
    assert found.whole.index.tolist() == [1, 4, 5, 6] and found.best == 1 and found.splits == ["validation", "test"]


def test_values_have_the_kinds_that_the_model_has_them_in(folder):
    """The table's column of a parameter that does not always count holds fractions."""
    assert "3.0" in (folder / "study.csv").read_text()
    values = read(folder).points[3]
    assert values == {"scheme": "difference_target_propagation", "stages.0.optimiser.learning_rate": 0.001, "stages.0.epochs": 3}
    assert type(values["stages.0.epochs"]) is int


def test_a_comparison_whose_rows_nobody_named_has_them_as_first_parameter(written, tmp_path):
    study = Study("compare").grid({"stages.0.batch": [16, 32]})
    found = read(written(study, tmp_path / "study", lambda point: (1.0, 2.0)))
    assert [parameter.key for parameter in found.parameters] == ["scheme", "stages.0.batch"]
    assert len(found.points) == 2 * len(found.parameters[0].values) > 10


def test_draws_are_those_of_the_table(written, tmp_path):
    study = Study("compare").grid({"scheme": ["backprop"]}).draw("stages.0.optimiser.learning_rate", "log_uniform", 1e-4, 1e-1)
    folder = written(study.draws(20), tmp_path / "study", lambda point: (1.0, 2.0))
    table = pd.read_csv(folder / "study.csv")
    drawn = [point["stages.0.optimiser.learning_rate"] for point in read(folder).points]
    assert drawn == table["stages.0.optimiser.learning_rate"].tolist() and len(set(drawn)) == 20


def changed(folder, change):
    """Change the table, all its cells texts."""
    table = pd.read_csv(folder / "study.csv", dtype=str, keep_default_na=False)
    change(table).to_csv(folder / "study.csv", index=False)


def test_rows_that_are_not_there_are_missing(folder):
    changed(folder, lambda table: table[table["point"] != "4"].iloc[::-1])
    runs = read(folder).runs
    assert runs.loc[4, "status"].tolist() == ["missing"] * 2 and runs.at[(1, 9), "validation_error"] == 19 and len(runs) == 12


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e308", "a lot", ""])
def test_what_is_no_number_is_none(folder, text):
    changed(folder, lambda table: table.assign(validation_error=text))
    found = read(folder)
    assert found.runs["validation_error"].isna().all() and found.best is None and found.splits == ["test"]


def test_a_table_without_columns_that_it_may_lack(folder):
    changed(folder, lambda table: table.drop(columns=["created", "validation_error", "commit"]))
    assert set(read(folder).runs["created"]) == {""}


CHANGES = {
    "no column 'status'": lambda t: t.drop(columns="status"),
    "no column 'stages.0.epochs'": lambda t: t.drop(columns="stages.0.epochs"),
    "of another study": lambda t: t.assign(scheme="backprop"),
    "of another study than": lambda t: t.assign(seed="4"),
    "of another study than study.toml": lambda t: t.assign(point="7"),
    "of another study than study.toml beside": lambda t: pd.concat([t, t]),
    "of another study than study.toml beside it": lambda t: t.assign(**{"stages.0.optimiser.learning_rate": "0.1"}),
}


@pytest.mark.parametrize("said", CHANGES)
def test_a_table_of_something_else_is_one_line(folder, said):
    changed(folder, CHANGES[said])
    refused(folder, said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b'a,b\n"', "cannot be read"),
        (b"\0" * 100, "study.csv: "),
        (None, "no such file"),
    ],
)
def test_what_is_no_table_is_one_line(folder, content, said):
    (folder / "study.csv").unlink() if content is None else (folder / "study.csv").write_bytes(content)
    refused(folder, said)


@pytest.mark.parametrize(("name", "most"), [("MOST_BYTES", 100), ("MOST_RUNS", 11), ("MOST_PARAMETERS", 2), ("MOST_VALUES", 5)])
def test_too_much_is_one_line(folder, monkeypatch, name, most):
    monkeypatch.setattr(results, name, most)
    refused(folder, "over ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("draws = 1", "draws = 3", "3 draws of nothing"),
        ("seeds = [\n    3,", "seeds = [\n    9,", "a seed is there twice"),
        ('key = "stages.0.epochs"', 'key = "scheme"', "is there twice"),
        ("draws = 1", "draws = ", "study.toml"),
        ("[[parameters]]", "[[others]]", "study.toml"),
    ],
)
def test_a_start_that_is_none_is_one_line(folder, old, new, said):
    text = (folder / "study.toml").read_text()
    assert old in text
    (folder / "study.toml").write_text(text.replace(old, new))
    refused(folder, said)


def refused(folder, said):
    with pytest.raises((RunFileError, InputError), match=said) as caught:
        read(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


def test_many_points_are_read_in_time(written, tmp_path):
    """A table of 60,000 rows: what is done for each cell is done at once."""
    study = Study("compare").grid({"scheme": ["backprop"], "stages.0.batch": [16]})
    folder = written(study, tmp_path / "study", lambda point: (1.0, 2.0))
    text = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(text.replace("seeds = [\n    1,", f"seeds = [\n    {', '.join(map(str, range(60_000)))},"))
    table = pd.read_csv(folder / "study.csv")
    table.loc[np.zeros(60_000, int)].assign(seed=np.arange(60_000)).to_csv(folder / "study.csv", index=False)
    assert read(folder).means.at[1, "complete"] == 60_000
