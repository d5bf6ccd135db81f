"""The worked study: its file runs, in small, and its page and figure say what its committed table says."""

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from neurosim.studies import study as studies
from neurosim.studies.point import perform
from neurosim.studies.reading import load
from neurosim.studies.study import run_study, start
from neurosim.studies.table import as_frame
from neurosim.workers import Ended

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs/howto/steps-and-scales.toml"
PAGE = (ROOT / "docs/howto/a-worked-study.md").read_text(encoding="utf-8")
TABLE = ROOT / "benchmarks/results/steps-and-scales-2026-11-26.csv"


@pytest.fixture(scope="module")
def figure():
    """The module that draws the figure."""
    spec = importlib.util.spec_from_file_location("study_figure", ROOT / "docs/study_figure.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_value(found):
    return found.assign(value=found["stages.0.options.step"].fillna(found["stages.0.options.scale"]))


def test_the_table_is_of_the_study_in_the_file():
    plan, found = load(FILE).plan(), pd.read_csv(TABLE)
    assert "36 points, 180 runs" in PAGE and (plan.number_of_points, len(plan.points)) == (36, 180) and len(found) == 180
    planned = as_frame(plan, [])
    keys = ["point", *plan.parameters, "seed"]
    pd.testing.assert_frame_equal(found[keys], planned[keys], check_dtype=False)
    assert set(found["status"]) == {"complete"} and set(found["epochs"]) == {40}


def test_the_page_shows_the_points_that_validation_chooses(figure):
    found = with_value(figure.read(TABLE))
    means = found.groupby(["scheme", "by", "value"], dropna=False)[["validation_error", "test_error"]].agg(["mean", "std"])
    shown = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\d.]*) ?\| ([\d. ±]+) \| ([\d. ±]+) \|$", PAGE, re.MULTILINE)
    assert len(shown) == 8
    for scheme, by, value, *errors in shown:
        own = means.loc[scheme, by]
        chosen = own["validation_error", "mean"].idxmin()
        assert value == ("" if pd.isna(chosen) else str(chosen))
        row = own[own.index.isna()].iloc[0] if pd.isna(chosen) else own.loc[chosen]
        for error, split in zip(errors, ("validation_error", "test_error"), strict=True):
            assert error == f"{row[split, 'mean']:.2f} ± {row[split, 'std']:.2f}"


def test_what_the_page_says_in_words(figure):
    found = with_value(figure.read(TABLE))
    errors = found.groupby(["scheme", "by", "value"])["test_error"].mean()
    angles = found.groupby(["scheme", "by", "value"])["angle_to_backprop"].mean()
    said = " ".join(PAGE.split())
    for scheme, name in {"difference_target_propagation": "step", "feedback_alignment": "scale"}.items():
        adam = errors[scheme, "adam"]
        assert f"{adam.min():.2f} and {adam.max():.2f} % for the {name}" in said
    of_dtp, of_feedback = errors["difference_target_propagation", "sgd"], errors["feedback_alignment", "sgd"]
    assert f"step of 0.001 the error is {of_dtp[0.001]:.2f} %" in said and f"Glorot's size {of_feedback[0.01]:.2f} %" in said
    assert f"scale of 10 the mean error is {of_feedback[10]:.0f} %" in said and f"at 30 it is {of_feedback[30]:.0f} %" in said
    dtp = angles["difference_target_propagation", "sgd"]
    assert dtp.idxmin() == 0.03 and f"{dtp[0.03]:.0f} degrees, at a step of 0.03" in said
    assert of_dtp.idxmin() == 1.0 and f"lower at 1.0, with {dtp[1.0]:.0f} degrees" in said


def test_the_figure_is_drawn_from_the_table(figure, tmp_path):
    figure.draw(TABLE, tmp_path / "figure.svg")
    drawn, kept = (path.read_text().count("<use") for path in (tmp_path / "figure.svg", ROOT / "docs/_static/steps-and-scales.svg"))
    assert drawn == kept > 32  # the dots, ticks and letters


@pytest.mark.slow
def test_the_study_runs_in_small(tmp_path, monkeypatch):
    def here(client, work, tasks, data):
        yield from (Ended(task, perform(task, data)) for task in tasks.values())

    monkeypatch.setattr(studies, "run_tasks", here)
    small = replace(load(FILE), settings=("training.epochs=1", "data.limit=100", "network.hidden=[8]")).seeds(1)
    started = start(small.plan(), backend="numpy")
    table = as_frame(started.plan, list(run_study(started, tmp_path / "out", None)))
    assert set(table["status"]) <= {"complete", "diverged"} and (table["status"] == "complete").sum() >= 34
