"""Commands that take a folder of runs: watch, check, export, report, analyse."""

import shutil
from pathlib import Path

import h5py
import pytest

from neurosim.cli import main, states
from neurosim.runfile import Run


@pytest.fixture
def runs(synthetic, tmp_path):
    """A folder with a run that is complete, and one that is not; and the current folder around it."""
    synthetic.synthetic_run(tmp_path / "runs" / "a.h5")
    synthetic.synthetic_run(tmp_path / "runs" / "b.h5", seed=2, status="failed", epochs=2)
    (tmp_path / "runs" / "table.csv").write_text("scheme\n")
    return tmp_path / "runs"


def said(capsys, *arguments):
    """Return status, lines of stdout and lines of stderr of a command."""
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err.splitlines()


# ---------------------------------------------------------------------- watch


def test_a_folder_is_watched_until_nothing_goes_on(runs, capsys):
    status, lines, errors = said(capsys, "watch", "runs")
    error = Run(runs / "a.h5").metrics.loc[("validation", 4), "error"]
    assert lines[0] == f"a.h5: complete, epoch 4/4, validation error {error:.2f} %"
    assert lines[1].startswith("b.h5: failed, epoch 2/4, validation error ")
    assert lines[2:] == ["2 runs: 1 failed, 1 complete"]
    told = "1 of 2 runs are not complete: b.h5 (failed); continue each with neurosim run --resume --out FILE"
    assert (status, errors) == (3, [f"neurosim: folder runs: {told}"])


@pytest.mark.parametrize(("command", "file"), [("compare", "comparison.toml"), ("study", "study.toml")])
def test_what_one_command_can_continue_is_advised_so(command, file, runs, capsys):
    (runs / file).write_text("")
    assert said(capsys, "watch", "runs")[2][0].endswith(f"; continue with: neurosim {command} --resume --out runs")


def test_a_folder_of_complete_runs_is_status_0(runs, capsys):
    (runs / "b.h5").unlink()
    assert said(capsys, "watch", "runs")[::2] == (0, [])


def test_a_run_that_is_written_is_followed_and_one_that_is_not_was_killed(runs, synthetic, capsys, monkeypatch):
    """The second look finds the writer gone."""
    (runs / "b.h5").unlink()
    synthetic.synthetic_run(runs / "b.h5", seed=2, status="running", epochs=2)
    looks = iter([True, True, False])

    def writer(signs):
        return (signs.lock.name == "b.h5.lock" and next(looks)) or None

    monkeypatch.setattr("neurosim.runfile.writer_lock.Signs.writer", writer)
    status, lines, _ = said(capsys, "watch", "runs", "--every", "0.1")
    assert status == 3
    assert [line.split(",")[0] for line in lines[1:]] == ["b.h5: running", "b.h5: killed", "2 runs: 1 killed"]


def test_a_command_between_two_runs_is_waited_for(runs, capsys, monkeypatch):
    """No run file is written then, or there is none yet."""
    (runs / "a.h5").rename(runs.parent / "late.h5")
    (runs / "b.h5").unlink()
    looks = iter([True, True, False])

    def writer(signs):
        if signs.lock.name != "comparison.toml.lock":
            return None
        going = next(looks)
        if not going:
            (runs.parent / "late.h5").rename(runs / "a.h5")
        return going or None

    monkeypatch.setattr("neurosim.runfile.writer_lock.Signs.writer", writer)
    status, lines, _ = said(capsys, "watch", "runs", "--every", "0.1")
    assert status == 0 and lines[-1] == "1 run: 1 complete"


def test_what_has_not_changed_is_not_read_again(runs, monkeypatch):
    read = []
    monkeypatch.setattr(states, "state_of", lambda path, *rest: read.append(path.name) or states.State(path.name, "complete"))
    watched = states.Watched(runs)
    watched.look()
    watched.look()
    assert read == ["a.h5", "b.h5"]
    shutil.copy(runs / "a.h5", runs / "b.h5")
    watched.look()
    assert read == ["a.h5", "b.h5", "b.h5"]


def test_what_is_no_run_is_unreadable_and_the_others_are_shown(runs, capsys):
    (runs / "c.h5").write_text("no run")
    status, lines, errors = said(capsys, "watch", "runs")
    assert status == 3 and lines[2].startswith("c.h5: unreadable, run file runs/c.h5: ") and "c.h5 (unreadable)" in errors[0]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_of_many_runs_fits_the_terminal(width, monkeypatch):
    import io

    from rich.console import Console

    from neurosim.cli import progress

    console = Console(file=io.StringIO(), width=width, color_system=None)
    monkeypatch.setattr(progress, "console", console)
    words = ("complete", "running", "failed")
    many = [states.State(f"difference_target_propagation-seed{k}.h5", words[k % 3], "12/100", "3.10", "validation error")
            for k in range(40)]  # fmt: skip
    console.print(states.table(many, "runs", 10))
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width and "…" not in text
    assert "40 runs: 13 running, 13 failed, 14 complete (30 of them not shown)" in " ".join(text.split())
    assert "complete  " not in text.partition("complete")[2]  # those that go on are shown first


# ---------------------------------------------------------------------- check


def test_all_files_of_a_folder_are_checked_and_told_together(runs, capsys):
    assert said(capsys, "check", "runs")[0] == 0
    with h5py.File(runs / "a.h5", "r+") as file:
        del file.attrs["seed"]
    (runs / "c.h5").write_text("no run")
    status, lines, errors = said(capsys, "check", "runs")
    assert lines[0] == "runs/a.h5: attribute 'seed' is missing" and lines[1].startswith("runs/a.h5: /: ")
    assert lines[2].startswith("runs/b.h5: good (failed, ") and lines[2].endswith(" MiB read, all checksums agree, schema 3)")
    assert lines[3].startswith("runs/c.h5: not an HDF5 file, or damaged")
    assert lines[4:] == ["3 run files: 1 good, 2 damaged"]
    assert (status, errors) == (2, ["neurosim: damaged: runs/a.h5, runs/c.h5; restore from a copy, or run again"])


def test_folders_within_are_looked_into_where_there_is_nothing_above(runs, capsys):
    assert said(capsys, "check", ".")[1][-1] == "2 run files: 2 good, 0 damaged"


def test_a_result_of_a_class_stands_below_each_other_where_it_is_narrow(monkeypatch, capsys):
    import io

    from neurosim.cli import check

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "60")
    assert check._check_class("dw = 0.1 * rate_pre * rate_post")
    import sys

    text = sys.stdout.getvalue()
    assert max(map(len, text.splitlines())) <= 60
    assert "  passed  works\n    expected   can be made and asked\n    measured   yes\n" in text


# ---------------------------------------------------------------------- export, report


def test_all_runs_of_a_folder_are_exported_into_another(runs, capsys, tmp_path):
    assert said(capsys, "export", "runs", "--to", "npz", "-o", "new/er") == (0, ["new/er/a.npz", "new/er/b.npz"], [])
    assert said(capsys, "export", "runs", "--to", "npz") == (0, ["runs/a.npz", "runs/b.npz"], [])


def test_nothing_is_exported_where_one_would_be_overwritten(runs, capsys, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.npz").write_text("mine")
    told = "neurosim: export out/b.npz: exists already; give --overwrite to replace it, or another -o"
    assert said(capsys, "export", "runs", "--to", "npz", "-o", "out") == (2, [], [told])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.npz"]
    assert (tmp_path / "out" / "b.npz").read_text() == "mine"
    assert said(capsys, "export", "runs", "--to", "npz", "-o", "out", "--overwrite")[0] == 0


def test_runs_in_folders_keep_their_folders(runs, capsys, synthetic, tmp_path):
    runs.rename(tmp_path / "one")
    synthetic.synthetic_run(tmp_path / "two" / "a.h5", seed=3)
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    status, lines, _ = said(capsys, "export", ".", "--to", "npz", "-o", "out")
    assert status == 0 and lines == ["out/one/a.npz", "out/one/b.npz", "out/two/a.npz"]


def test_a_damaged_run_is_told_and_the_others_are_exported(runs, capsys):
    (runs / "a.h5").write_text("no run")
    status, lines, errors = said(capsys, "export", "runs", "--to", "npz")
    assert (status, lines) == (2, ["runs/b.npz"])
    assert errors[0].startswith("neurosim: run file runs/a.h5: not an HDF5 file")
    assert errors[1] == "neurosim: not exported: runs/a.h5; all other runs are; neurosim check says more"


def test_a_report_makes_the_folders_that_are_missing(runs, capsys, tmp_path):
    assert said(capsys, "report", "runs", "-o", "new/er/page.html") == (0, ["new/er/page.html"], [])
    (tmp_path / "file").write_text("")
    status, _, errors = said(capsys, "report", "runs", "-o", "file/page.html")
    assert (status, errors) == (2, ["neurosim: report file/page.html: file is a file: expected a folder; give another --out"])


@pytest.mark.parametrize("command", [["watch"], ["check"], ["report"], ["analyse"], ["export", "--to", "npz"]])
@pytest.mark.parametrize(("name", "told"), [
    ("empty", "folder empty: holds no run file: expected run files, whose names end in .h5; name another folder"),
    ("rns/", "no such file.*; check the name; did you mean 'runs'"),
    ("runs/aa.h5", "no such file.*; check the name; did you mean 'runs/a.h5'"),
])  # fmt: skip
def test_what_is_not_there_is_one_line(command, name, told, runs, capsys, tmp_path):
    import re

    (tmp_path / "empty").mkdir()
    status, lines, errors = said(capsys, command[0], name, *command[1:])
    assert (status, lines, len(errors)) == (2, [], 1) and re.search(told, errors[0]), errors
    assert not list(Path().rglob("*.html"))
