"""Successive halving: which points go on, worked out by hand, and that what goes on is the run it would have been."""

import math
import tomllib

import numpy as np
import pandas as pd
import pytest

from neurosim.cli import main
from neurosim.errors import InputError, RunFileError
from neurosim.experiments.run import prepare, run
from neurosim.runfile import Run
from neurosim.studies import Study, study
from neurosim.studies.folder import begun
from neurosim.studies.halving import Halving
from neurosim.studies.point import COMPLETE, DIVERGED, FAILED, STOPPED, PointResult, perform
from neurosim.studies.reading import load, parse_halving
from neurosim.studies.results import read
from neurosim.studies.study import run_study, start
from neurosim.studies.table import as_frame, best
from neurosim.workers import Ended

RATES = [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
SMALL = ("training.epochs=4", "data.limit=300", "network.hidden=[12]")


def of_rates(*settings):
    made = Study("compare", settings=(*SMALL, *settings)).grid({"scheme": ["backprop"]})
    return made.grid({"stages.0.optimiser.learning_rate": RATES})


# ---------------------------------------------------------------------- the rule


@pytest.mark.parametrize(
    ("rule", "epochs", "lengths", "points", "counts", "share"),
    [
        (Halving(3), 36, (4, 12, 36), 27, (27, 9, 3), (27 * 4 + 9 * 8 + 3 * 24) / (27 * 36)),
        (Halving(3, 2), 40, (10, 20, 40), 8, (8, 4, 2), (8 * 10 + 4 * 10 + 2 * 20) / (8 * 40)),
        (Halving(3), 40, (5, 14, 40), 7, (7, 2, 1), (7 * 5 + 2 * 9 + 26) / (7 * 40)),
        (Halving(2, 4), 3, (1, 3), 2, (2, 1), (2 * 1 + 2) / (2 * 3)),
    ],
)
def test_lengths_and_counts_of_the_rungs(rule, epochs, lengths, points, counts, share):
    assert rule.lengths(epochs) == lengths and rule.counts(points) == counts
    assert rule.share(points, epochs) == pytest.approx(share)
    assert list(map(str, rule.before_the_last(epochs))) == [f"rung {k} of {len(lengths)}" for k in range(1, len(lengths))]


def test_the_best_by_error_go_on_and_of_equal_ones_the_first():
    errors = {1: 30.0, 2: 10.0, 3: math.nan, 4: 20.0, 5: 10.0, 6: 10.0, 7: 5.0}
    assert Halving(2, 3).chosen(errors) == [2, 7]  # 7 // 3 points
    assert Halving(2, 2).chosen(errors) == [2, 5, 7]
    assert Halving(2, 100).chosen(errors) == [7]
    assert Halving(2).chosen({1: math.nan, 2: math.nan}) == []


NONE = [{"rungs": 1}, {"rungs": 3, "eta": 1}, {"rungs": 2.0}, {"rungs": True}, {"eta": 3}, {"rungs": 3, "n": 1}]


@pytest.mark.parametrize("given", NONE)
def test_a_rule_that_is_none_is_one_line(given):
    with pytest.raises(InputError, match="^study: halving: [^\n]*expected [^\n]*$"):
        Halving.of(given)


def test_more_rungs_than_there_are_lengths_is_one_line():
    with pytest.raises(InputError, match=r"of 4 epochs, would end after \[1, 1, 2, 4\]: expected each longer than the one before"):
        of_rates().halving(4, eta=2).plan()


def test_it_is_said_the_same_way_in_python_in_a_file_and_on_the_command_line(tmp_path):
    (tmp_path / "mine.toml").write_text('model = "compare"\nhalving = { rungs = 4, eta = 2 }\n')
    assert load(tmp_path / "mine.toml").rule == parse_halving("4:2") == Study("compare").halving(4, eta=2).rule == Halving(4, 2)
    assert parse_halving("3") == Halving(3, 3)
    for wrong in ("", "3:", "a", "3:2:1", "-3"):
        with pytest.raises(InputError, match="expected RUNGS or RUNGS:ETA; write it like 3 or 4:2"):
            parse_halving(wrong)


def test_without_a_validation_split_nothing_runs(tmp_path):
    for halved in (of_rates("data.validation=0"), of_rates().grid({"data.validation": [0.2, 0.0]})):
        with pytest.raises(InputError, match="^study: halving: data set 'digits' has no validation split, and nothing is"):
            halved.halving(2).run(tmp_path / "out", workers=1)
    arrays = Study("compare", (np.eye(30), np.arange(30) % 3, np.eye(30), np.arange(30) % 3)).halving(2)
    with pytest.raises(InputError, match="has no validation split"):
        arrays.run(tmp_path / "out", workers=1)
    assert list(tmp_path.iterdir()) == []


def test_points_of_other_lengths_are_not_compared():
    with pytest.raises(InputError, match="points of 2 and 4 epochs: expected one length for all; drop the parameter that"):
        of_rates().grid({"stages.0.epochs": [2, 4]}).halving(2).plan()


# ---------------------------------------------------------------------- what runs, from made-up outcomes


ERRORS = {  # point -> validation error of seeds 1 and 2 after 5, 14 and 40 epochs; worse test errors for better points
    1: [(50, 60), None, None],
    2: [(20, 30), (18, 26), (1, 2)],  # mean 25, then 22: the third of rung 2
    3: [(30, 10), (15, 9), (14, 8)],  # 20, then 12: goes on
    4: [(10, 10), (DIVERGED, 1), None],  # 10, then out
    5: [(FAILED, 1), None, None],
    6: [(24, 24), (11, 12), (10, 11)],  # 24, then 11.5: goes on, the best
    7: [(40, 40), None, None],
    8: [(25, 26), None, None],  # 25.5: the fifth
}


@pytest.fixture
def made_up(monkeypatch):
    """Workers whose runs come to ``ERRORS``; returns the list of the tasks they were given."""
    given = []

    def run_tasks(client, work, tasks, data):
        given.append([task.name for task in tasks.values()])
        for task in reversed(tasks.values()):
            rung = task.rung.number if task.rung else 3
            found = ERRORS[task.number][rung - 1][task.seed - 1]
            said = (found, "why", {}) if isinstance(found, str) else (
                STOPPED if task.rung else COMPLETE, str(task.rung or ""),
                {"epochs": {1: 5, 2: 14, 3: 40}[rung], "validation_error": found, "test_error": 100 - found},
            )  # fmt: skip
            yield Ended(task, PointResult(task.number, task.seed, *said))

    monkeypatch.setattr(study, "run_tasks", run_tasks)
    return given


@pytest.fixture
def halved():
    made = Study("compare").grid({"scheme": ["backprop"], "stages.0.batch": [8, 16, 24, 32, 40, 48, 56, 64]})
    return made.seeds(2).halving(3, eta=2)


def test_a_selection_worked_out_by_hand(halved, made_up, tmp_path):
    assert halved.plan().halving.lengths(40) == (10, 20, 40)
    started = start(halved.plan())
    assert started.plan.tasks == (8 + 4 + 2) * 2
    outcomes = list(run_study(started, tmp_path / "out", None))
    going = [sorted({int(name.split("-")[1]) for name in names}) for names in made_up]
    assert going == [[1, 2, 3, 4, 5, 6, 7, 8], [2, 3, 4, 6], [3, 6]] and len(outcomes) == started.plan.tasks
    table = as_frame(started.plan, outcomes).set_index(["point", "seed"])
    assert table.loc[1, ["status", "reason", "epochs"]].to_numpy().tolist() == [[STOPPED, "rung 1 of 3", 5]] * 2
    assert table.loc[2, ["status", "reason", "epochs"]].to_numpy().tolist() == [[STOPPED, "rung 2 of 3", 14]] * 2
    assert table.loc[4, "status"].tolist() == [DIVERGED, STOPPED] and table.loc[5, "status"].tolist() == [FAILED, STOPPED]
    assert table.loc[6, ["status", "epochs", "validation_error"]].to_numpy().tolist() == [[COMPLETE, 40, 10], [COMPLETE, 40, 11]]
    assert best(table.reset_index()) == 6


def test_the_best_is_never_one_that_was_stopped_however_good_it_looked(halved, made_up, tmp_path):
    """Point 4 had the lowest error of all after rung 1; and a table of stopped points alone has no best one."""
    started = start(halved.plan())
    outcomes = list(run_study(started, tmp_path / "out", None))
    early = [one if one.number != 4 else PointResult(4, one.seed, STOPPED, "", {"validation_error": 0.1}) for one in outcomes]
    assert best(as_frame(started.plan, early)) == 6
    assert best(as_frame(started.plan, [one for one in outcomes if one.status == STOPPED])) is None


def test_the_page_tells_where_each_point_was_stopped(halved, made_up, tmp_path):
    from neurosim.studies.report import write_study_report

    started = start(halved.plan())
    list(run_study(started, tmp_path / "out", None))
    found = read(tmp_path / "out")
    assert found.best == 6 and found.whole.index.tolist() == [3, 6]
    assert found.means.loc[2, ["counted", "epochs", "validation_mean"]].tolist() == [2, 14, 22]
    assert found.means.loc[4, ["counted", "epochs", "validation_mean"]].tolist() == [1, 14, 1]
    page = write_study_report(tmp_path / "out", tmp_path / "page.html").read_text()
    assert "4 of 8 points were stopped early by their validation error" in page and "stopped at rung 2 of 3" in page
    assert "2 of 8 points have runs that did not come to their end" in page
    rows = [page.index(f'<td class="number" data-value="{point}">{point}</td><th') for point in (6, 3, 2, 8, 7, 1, 4)]
    assert rows == sorted(rows)


def test_where_all_failed_it_ends(halved, monkeypatch, tmp_path):
    def run_tasks(client, work, tasks, data):
        yield from (Ended(task, PointResult(task.number, task.seed, DIVERGED, "why", {})) for task in tasks.values())

    monkeypatch.setattr(study, "run_tasks", run_tasks)
    started = start(halved.plan())
    table = as_frame(started.plan, list(run_study(started, tmp_path / "out", None)))
    assert (table["status"] == DIVERGED).all() and best(table) is None


# ---------------------------------------------------------------------- what runs, for real


@pytest.fixture
def here(monkeypatch):
    """Points are run in this process; ``stop`` of it, a task's name, is where it is interrupted."""

    class Here:
        stop = None

    def run_tasks(client, work, tasks, data):
        for task in tasks.values():
            if task.name == Here.stop:
                raise KeyboardInterrupt
            yield Ended(task, perform(task, data))

    monkeypatch.setattr(study, "run_tasks", run_tasks)
    return Here


SETTLED = ["seconds", "created"]


def test_stopped_anywhere_it_goes_on_to_the_same_and_what_goes_on_is_the_whole_run(here, tmp_path):
    made = Study("compare", settings=SMALL).grid({"scheme": ["backprop", "feedback_alignment"]})
    made = made.grid({"stages.0.optimiser.learning_rate": [0.0001, 0.01]}).halving(3, eta=2)
    started = start(made.plan())
    whole = as_frame(started.plan, list(run_study(started, tmp_path / "whole", None)))
    assert sorted(whole["status"]) == [COMPLETE, STOPPED, STOPPED, STOPPED]
    assert sorted(whole["epochs"]) == [1, 1, 2, 4]
    last = whole.index[whole["status"] == COMPLETE][0]
    point = started.plan.points[last]
    with pytest.raises(KeyboardInterrupt):
        here.stop = started.tasks(tmp_path, points=[point], rung=made.rule.before_the_last(4)[1])[0].name
        list(run_study(started, tmp_path / "parts", None))
    with Run(tmp_path / "parts" / whole["file"][last]) as known:
        assert known.status == "interrupted" and known.checkpoints[-1] == 1
    here.stop = None
    again = begun(tmp_path / "parts")
    assert again.plan.halving == made.rule
    parts = as_frame(again.plan, list(run_study(again, tmp_path / "parts", None, resume=True)))
    pd.testing.assert_frame_equal(parts.drop(columns=SETTLED), whole.drop(columns=SETTLED))
    third = as_frame(again.plan, list(run_study(again, tmp_path / "parts", None, resume=True)))  # all of it is only read
    pd.testing.assert_frame_equal(third, parts)
    run(prepare(point.model, seed=point.seed, backend="numpy"), tmp_path / "alone.h5").close()
    with Run(tmp_path / "alone.h5") as alone, Run(tmp_path / "parts" / whole["file"][last]) as known:
        for name, value in alone.checkpoint().items():
            np.testing.assert_array_equal(known.checkpoint()[name], value, err_msg=name)
    assert tomllib.loads((tmp_path / "parts" / "study.toml").read_text())["halving"] == {"rungs": 3, "eta": 2}


def test_it_goes_on_by_the_same_rule_alone(here, tmp_path):
    made = of_rates().halving(2)
    (tmp_path / "study.toml").write_text(start(made.plan()).text())
    with pytest.raises(RunFileError, match="halving of the study in it: .*expected the same"):
        made.halving(3).run(tmp_path, resume=True, workers=1)


def test_the_command_says_what_will_run_and_does_not_call_the_stopped_wrong(here, tmp_path, capsys, monkeypatch):
    grid = ["--grid", "scheme=backprop", "--grid", "stages.0.optimiser.learning_rate=0.0001,0.001,0.01"]
    settings = [word for setting in SMALL for word in ("--set", setting)]
    assert main(["study", "compare", *grid, *settings, "--halving", "2", "--workers", "1", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "successive halving by validation error: 3 points for 2 epochs, then 1 for 4" in said
    assert "1 of 4 runs, 1 running\n" in said and "4 of 4 runs\n" in said and "best by validation: point" in said
    assert sorted(pd.read_csv(tmp_path / "out" / "study.csv")["status"]) == ["complete", "stopped", "stopped"]
