"""``neurosim report``: which files it takes, and how it refuses."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from neurosim.cli.places import run_files
from neurosim.cli.report import report
from neurosim.errors import NeurosimError, RunFileError


@pytest.fixture
def folder(synthetic, tmp_path, monkeypatch):
    """An empty current folder but for ``runs`` with a run file of each of two schemes."""
    monkeypatch.chdir(tmp_path)
    for scheme in ("backprop", "frozen"):
        synthetic.synthetic_run(tmp_path / "runs" / f"{scheme}.h5", scheme=scheme, epochs=1)
    (tmp_path / "runs" / "table.csv").write_text("scheme\n")
    return tmp_path


def command(*arguments):
    """Run the command alone; return nothing, raise what it raises."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(report)
    app([str(argument) for argument in arguments], standalone_mode=False)


def test_a_folder_is_all_its_run_files(folder, capsys):
    command("runs")
    assert capsys.readouterr().out == "report.html\n"
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "backprop.h5" in text and "frozen.h5" in text and "2 schemes on digits" in text


def test_a_file_that_is_named_twice_counts_once(folder):
    command("runs/frozen.h5", "runs", "./runs/frozen.h5", "-o", "r.html")
    assert "more than once" not in (folder / "r.html").read_text(encoding="utf-8")


def test_files_come_in_the_order_given(folder):
    assert [path.name for path in run_files([Path("runs/frozen.h5"), Path("runs")])] == ["frozen.h5", "backprop.h5", "frozen.h5"]


def test_representations_of_a_run_that_cannot_be_shown_again_are_a_note(folder, altered):
    with altered(Path("runs/frozen.h5")) as file:
        del file["populations"]
    command("runs", "--representations")
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "What the populations represent" in text and "What the populations of frozen.h5 represent is left out: " in text


def test_a_page_that_exists_is_kept(folder):
    (folder / "report.html").write_text("mine")
    with pytest.raises(RunFileError, match="report.html: exists; give --overwrite"):
        command("runs")
    assert (folder / "report.html").read_text() == "mine"
    command("runs", "--overwrite")
    assert (folder / "report.html").read_text(encoding="utf-8") != "mine"


BAD = {
    "absent.h5": "run file absent.h5: no such file",
    "runs/table.csv": "run file runs/table.csv: not an HDF5 file, or damaged",
    "empty": "folder empty: holds no run file: expected run files, whose names end in .h5",
    "runs/cut.h5": "run file runs/cut.h5: not an HDF5 file, or damaged",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_run_file_is_named_and_nothing_written(folder, name):
    (folder / "empty").mkdir()
    (folder / "runs/cut.h5").write_bytes((folder / "runs/frozen.h5").read_bytes()[:5000])
    with pytest.raises(NeurosimError, match=BAD[name]) as caught:
        command("runs/backprop.h5", name)
    assert caught.value.exit_status == 2 and "\n" not in str(caught.value)
    assert not list(folder.glob("*.html"))


def test_a_run_still_going_is_shown(folder, synthetic):
    synthetic.synthetic_run(folder / "runs/going.h5", scheme="local_errors", status="running", epochs=1)
    command("runs")
    assert re.search(r'class="state">running<', (folder / "report.html").read_text(encoding="utf-8"))


def test_the_command_costs_nothing_before_it_is_used():
    code = "import sys, neurosim.cli.report; sys.exit(bool({'matplotlib', 'jinja2', 'pandas', 'xarray'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
