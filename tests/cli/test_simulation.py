"""``neurosim run`` of a model file with a simulation, and what the other commands say of it."""

import gc
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


OWN = """
title = "Four cells"

[network]
dt = "0.1*ms"
projections = [{ pre = "e", post = "e", into = "v", initial = "1*mV", delay = 1, bias = false, rule = "fixed" }]

[[network.populations]]
name = "e"
shape = 4
neurons = { name = "equations", equations = "dv/dt = -v / (10*ms) : volt", threshold = "v > 9*mV", reset = "v = 0*mV" }

[simulation]
duration = "20 ms"
poisson = [{ into = "e.v", count = 100, rate = "100*Hz", weight = "0.1*mV" }]
"""


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ('simulation.poisson=[{into="e.w", count=3, rate="1*Hz", weight=1}]', "into 'e.w': variable 'e.w' is unknown"),
        ('simulation.noise=[{into="e.v", sd="1*nA"}]', "noise into 'e.v': sd '1*nA': expected it in volt"),
        ('simulation.initial={"e.v"="1*nA"}', "initial 'e.v' '1*nA': expected it in volt"),
        ("network.projections.0.rule=additive_stdp", "is without a unit: expected volt"),
        ('simulation.brian="mycells:cells"', "poisson together with brian: expected that its function does this"),
        ("simulation.modulators.reward=1", "modulator 'reward' is unknown"),
        ("simulation.modulators.reward={values=[1.0], dt='1 V'}", "modulator 'reward': dt"),
    ],
)
def test_what_does_not_fit_a_network_of_ones_own_is_one_line(setting, why, folder, capfd):
    (folder / "own.toml").write_text(OWN)
    assert main(["run", "own.toml", "--out", "o.h5", "--quiet", "--set", setting, "--import", "mycells.py"]) == 2
    gc.collect()  # Brian2 complains of objects that were never in a run when they are collected
    said = capfd.readouterr().err
    assert said.startswith("neurosim: ") and why in said and said.count("\n") == 1
    assert not (folder / "o.h5").exists()


REWARDED = """
title = "Two inputs, whose pairs with the cell are rewarded"

[network]
dtype = "float64"
dt = "0.1*ms"
populations = [
    { name = "x", shape = 2, neurons = { name = "poisson_spikes", rate = "500*Hz" } },
    { name = "y", shape = 1, neurons = { name = "equations", equations = "dv/dt = -v/ms : 1", threshold = "v>1", reset = "v=0" } },
]
projections = [{ pre = "x", post = "y", into = "v", initial = 0.8, rule = "reward_stdp", bias = false }]

[simulation]
duration = "200 ms"
record = ["x__y.w every 1 ms"]
"""


def test_a_reward_is_a_number_or_comes_in_time(folder, capsys):
    (folder / "own.toml").write_text(REWARDED)
    assert main(["run", "own.toml", "--out", "o.h5"]) == 2
    assert "its rule reads the modulator 'reward': expected its values; give modulators=" in capsys.readouterr().err
    weights = {}
    for name, reward in {"none": "0", "all": "1", "late": "{values=[0.0, 1.0], dt='100 ms'}"}.items():
        assert main(["run", "own.toml", "--quiet", "--out", f"{name}.h5", "--set", f"simulation.modulators.reward={reward}"]) == 0
        with Run(f"{name}.h5") as run:
            weights[name] = run.recordings["x__y.w"].values[:, 0]
    none, always, late = weights["none"], weights["all"], weights["late"]
    assert (none == 0.8).all() and (always[50:] != 0.8).all()
    assert (late[:101] == 0.8).all() and (late[110:] != 0.8).any()
    assert main(["show", "own.toml", "--set", "simulation.modulators.reward={values=[0.0, 1.0], dt='100 ms'}"]) == 0
    assert "modulator reward: 2 steps of 100 ms" in capsys.readouterr().out
