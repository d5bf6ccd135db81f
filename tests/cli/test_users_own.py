"""A user's own classes and data on the command line: ``--import``, and one line without it."""

import re

import numpy as np
import pytest

import neurosim
from neurosim.cli import main
from neurosim.runfile import Run

SHORT = ["--set", "network.hidden=[9]", "--epochs", "1", "--quiet"]
MINE = ["--set", "rows.mine.scheme=a_users_own:SignSymmetry", "--set", "rows.hebb.rule=dw = 0.01 * rate_post * rate_pre"]
COMPARE = ["compare", "--data", "a_users_own:blobs", "--schemes", "backprop,mine,hebb", *MINE, *SHORT, "--out", "out"]
MODEL = """title = "mine"
data = { name = "a_users_own:blobs" }
network = { hidden = [7], layer = { transfer = "a_users_own:Softplus", rule = "a_users_own:instar" } }
[[stages]]
scheme = "a_users_own:SignSymmetry"
optimiser = { name = "a_users_own:Signs", size = 0.01 }
epochs = 2
batch = 20
"""


def refuse(capsys, *arguments):
    assert main(list(arguments)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("neurosim: "), error
    return error


@pytest.mark.parametrize("named", ["a_users_own", "a_users_own.py", "./a_users_own.py"])
def test_compare_with_rows_of_a_users_own(named, users_classes, capsys, tmp_path):
    assert "needs module 'a_users_own', which was not named: expected --import a_users_own" in refuse(capsys, *COMPARE)
    assert not (tmp_path / "out").exists()
    assert main([*COMPARE, "--import", named]) == 0
    printed = capsys.readouterr().out
    assert "backprop, mine, hebb on a_users_own:blobs, hidden 9 tanh, 1 epoch, seed 1" in printed
    with Run("out/mine-seed1.h5") as run:
        assert 'scheme = "a_users_own:SignSymmetry"' in run.model and "[modules]" in run.model
    assert "needs module 'a_users_own'" in refuse(capsys, "compare", "--resume", "--out", "out")
    assert main(["compare", "--resume", "--out", "out", "--import", named]) == 0


def test_run_show_and_resume_a_model_of_a_users_own(users_classes, capsys, tmp_path):
    (tmp_path / "mine.toml").write_text(MODEL)
    for command in (["show", "mine.toml"], ["show", "mine.toml", "--recordable"], ["run", "mine.toml", "--out", "r.h5"]):
        assert "needs module 'a_users_own'" in refuse(capsys, *command)
        assert main([*command, "--import", "a_users_own"]) == 0
    assert "needs module 'a_users_own'" in refuse(capsys, "run", "--resume", "--out", "r.h5")
    assert main(["run", "--resume", "--out", "r.h5", "--import", "a_users_own.py", "--quiet"]) == 0


def test_settings_take_a_users_own(users_classes, capsys):
    command = ["run", "backprop-dtp-mnist", "--data", "a_users_own:blobs", "--set", "stages.0.scheme=a_users_own:SignSymmetry",
               "--set", "stages.0.batch=20", "--set", "data.validation=0", *SHORT, "--out", "r.h5"]  # fmt: skip
    assert "needs module 'a_users_own'" in refuse(capsys, *command)
    assert main([*command, "--import", "a_users_own"]) == 0
    assert re.search(r"test error \d+", capsys.readouterr().out)


def test_what_to_type_to_go_on_names_the_module(users_classes, capsys, monkeypatch):
    from neurosim.training import Trainer

    def interrupt(self, data, *observers):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "run_epoch", interrupt)
    assert main([*COMPARE, "--import", "a_users_own.py"]) == 130
    assert "continue with: neurosim compare --resume --out out --import a_users_own.py" in capsys.readouterr().err
    command = ["run", "backprop-dtp-mnist", "--data", "digits", *SHORT, "--out", "r.h5", "--import", "a_users_own.py"]
    assert main(command) == 130
    assert "continue with: neurosim run --resume --out r.h5 --import a_users_own.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("os", "belongs to Python or to neurosim"),
        ("neurosim.cli", "belongs to Python or to neurosim"),
        ("absent_module_x", "No module named 'absent_module_x'"),
        ("absent.py", "no such file"),
        ("../x", "no such file"),
        ("", "expected a name such as mine"),
    ],
)
def test_modules_that_cannot_be_named(named, said, capsys):
    for command in (["run", "dtp-mnist"], ["show", "dtp-mnist"], ["compare"]):
        assert said in refuse(capsys, *command, "--import", named)


@pytest.mark.parametrize("scheme", ["os:system", "builtins:exec", "neurosim.cli:main", "a_users_own.x:y", "a_users_own:os.system"])
def test_a_strangers_run_file_runs_nothing(scheme, altered, capsys, users_classes, tmp_path):
    """A run file whose model names something else is refused, whatever the user names."""
    assert main(["run", "backprop-dtp-mnist", "--data", "digits", *SHORT, "--out", "r.h5"]) == 0
    with altered("r.h5") as file:
        named = f'scheme = "{scheme}"\noptions = {{ command = "touch gone" }}'
        text = file["model"].asstr()[()].replace('scheme = "backprop"', named)
        del file["model"]
        file["model"] = text
    capsys.readouterr()
    for named in ([], ["--import", "a_users_own"]):
        assert "scheme " in refuse(capsys, "run", "--resume", "--out", "r.h5", *named)
    assert main(["report", "r.h5"]) == 0 and main(["check", "r.h5"]) in (0, 3, 2)
    assert not (tmp_path / "gone").exists()


def test_own_arrays_of_a_file(capsys, tmp_path):
    draw, y = np.random.default_rng(0), np.arange(200) % 4
    x = draw.normal(size=(200, 5)) + y[:, None]
    np.savez(tmp_path / "mine.npz", x_train=x[:150], y_train=y[:150], x_test=x[150:], y_test=y[150:])
    command = ["compare", "--data", "mine.npz", "--schemes", "backprop,frozen", *SHORT, "--out", "out"]
    assert main(command) == 0
    assert "backprop, frozen on mine.npz, hidden 9 tanh" in capsys.readouterr().out
    with neurosim.open_run("out/frozen-seed1.h5") as run:
        network = run.network()
    assert network.populations["x"].shape == (5,) and network.populations["output"].shape == (4,)
    assert main(["compare", "--resume", "--out", "out"]) == 0


@pytest.mark.parametrize("kind", ["real", "text", "split"])
def test_files_of_all_kinds_take_part(kind, capsys, tmp_path):
    """Real targets, texts as labels, a validation split of the file's: the output and its size follow."""
    draw, y = np.random.default_rng(0), np.arange(200) % 4
    x = draw.normal(size=(200, 5)) + y[:, None]
    arrays = {"x": x, "y": x @ draw.normal(size=(5, 2)) if kind == "real" else np.array(["ant", "bee", "cat", "dog"])[y]}
    if kind == "split":
        parts = {"train": slice(0, 120), "validation": slice(120, 150), "test": slice(150, 200)}
        arrays = {f"{name}_{part}": values[rows] for part, rows in parts.items() for name, values in (("x", x), ("y", y))}
    np.savez(tmp_path / "mine.npz", **arrays)
    assert main(["compare", "--data", "mine.npz", "--schemes", "backprop,frozen", *SHORT, "--out", "out"]) == 0, capsys.readouterr()
    with neurosim.open_run("out/frozen-seed1.h5") as run:
        output = run.network().populations["output"]
    assert (output.neurons.name, output.shape) == (("linear", (2,)) if kind == "real" else ("softmax", (4,)))
