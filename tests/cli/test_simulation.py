"""``neurosim run`` of a model file with a simulation, and what the other commands say of it."""

import sys

import pytest

from neurosim.cli import main
from neurosim.runfile import Run

MODULE = """
import brian2 as b2
from brian2 import ms

tau = 10 * ms


def cells():
    group = b2.NeuronGroup(4, "dv/dt = (1.2 - v) / tau : 1", threshold="v > 1", reset="v = 0", method="euler", name="cells")
    group.v = "rand()"
    return b2.Network(group)


def nothing():
    return 3
"""
MODEL = """
title = "Four cells"

[simulation]
brian = "mycells:cells"
duration = "200 ms"
trials = 2
record = ["cells.v every 10 ms"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mycells", raising=False)  # of the test before, from another folder
    (tmp_path / "mycells.py").write_text(MODULE)
    (tmp_path / "four.toml").write_text(MODEL)
    return tmp_path


def test_run_show_check_report_export(folder, capsys):
    named = ["--import", "mycells.py"]
    assert main(["run", "four.toml", *named, "--out", "a.h5", "--record", "cells.v[0] every 1 ms"]) == 0
    told = capsys.readouterr().out
    assert "Four cells" in told and "duration  200 ms, 2 trials" in told and "cells: " in told.splitlines()[-1]
    assert main(["run", "four.toml", *named, "--out", "b.h5", "--simulator", "brian2", "--quiet"]) == 0
    with Run("a.h5") as one, Run("b.h5") as other:
        for key in ("index", "time", "trial"):
            mine, brians = (run.spikes["cells"].sort_values(["trial", "time", "index"])[key].tolist() for run in (one, other))
            assert mine == brians and len(mine) > 40
        assert one.recordings["cells.v"].shape == (200, 2, 1) and other.recordings["cells.v"].shape == (20, 2, 4)
    capsys.readouterr()
    assert main(["show", "a.h5"]) == 0 and "0.2 s by neurosim, 2 trials" in capsys.readouterr().out
    assert main(["show", "four.toml", *named]) == 0 and "mycells:cells" in capsys.readouterr().out
    assert main(["check", "a.h5"]) == 0 and main(["check", "b.h5"]) == 0
    assert main(["report", "a.h5"]) == 0 and "Rates over time" in (folder / "report.html").read_text()
    assert main(["export", "a.h5", "--to", "npz"]) == 0
    capsys.readouterr()
    assert main(["run", "--resume", "--out", "b.h5", *named]) == 2
    assert "leaves no state to go on from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--epochs", "3"], "--epochs: options of a training"),
        (["--simulator", "brian3"], "simulator 'brian3' is unknown"),
        (["--set", "simulation.duration=3"], "duration"),
        (["--set", "simulation.duration='3 apples'"], "expected a time"),
        (["--set", "simulation.trials=0"], "trials"),
        (["--set", "simulation.brian='mycells:nothing'"], "makes a int: expected a Brian2 Network"),
        (["--set", "data.name='digits'"], "data together with simulation"),
        (["--record", "cells.u"], "cells.u"),
        (["--simulator", "brian2", "--backend", "cupy"], "expected with simulator neurosim only"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, options, said):
    assert main(["run", "four.toml", "--import", "mycells.py", "--out", "a.h5", *options]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error and not (folder / "a.h5").exists()


def test_a_training_has_no_simulator(folder, capsys):
    assert main(["run", "dtp-mnist", "--simulator", "brian2"]) == 2
    assert "expected a model with a [simulation]" in capsys.readouterr().err
    assert main(["compare", "--file", "four.toml"]) == 2
    capsys.readouterr()
