"""No text of a model or run file is run as code, and nothing that lies in the working directory is: in processes of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w

import neurosim
from neurosim.errors import NeurosimError
from neurosim.experiments import run as engine
from neurosim.modelfile.model_file import ModelFile

CODE = [  # each would leave a file behind
    """dw = f('open("PWNED", "w")')*rate_pre""",
    """dw = exec(chr(111)+chr(112)) * rate_pre""",
    """dw = open(PWNED) * rate_pre""",
    """dw = print(1)""",
    """dw = exit(7) * rate_pre""",
    """dw = ().__class__.__base__.__subclasses__()""",
    """dw = ｅｖａｌ("open('PWNED', 'w')")""",
    """dw = (lambda: open("PWNED", "w"))()""",
    """dw = f"{open('PWNED', 'w')}" """,
]
MODEL = {
    "title": "t",
    "data": {"name": "digits", "limit": 100},
    "network": {"hidden": [8], "layer": {"rule": "dw = 0.1 * rate_post * (rate_pre - rate_post * w)"}},
    "stages": [{"scheme": "frozen", "epochs": 1, "batch": 32, "optimiser": {"name": "sgd", "learning_rate": 0.1}}],
}


def in_a_process(command, folder, **environment):
    """Run Python with ``command`` in ``folder``; its temporary folder is ``folder``/temporary."""
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    given = {**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary), **environment}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=given, capture_output=True, text=True, timeout=120)
    assert list(temporary.iterdir()) == [], "something was left in the temporary folder"
    return done


@pytest.fixture
def folder(tmp_path):
    """A working directory with a model file, and a file that Brian2 would run."""
    (tmp_path / "brian_preferences").write_text("codegen.target = [open('executed', 'w'), 'numpy'][1]\n")
    (tmp_path / "model.toml").write_text(tomli_w.dumps(MODEL))
    return tmp_path


def test_commands_neither_import_brian2_nor_run_what_lies_there(folder):
    """One process for all of them, as each takes a second to start."""
    script = """
import sys, threading
from neurosim.cli import main
hook = sys.excepthook
def command(*arguments):
    sys.argv = ["neurosim", *arguments]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
from neurosim import Network
from neurosim.plasticity import oja
made = []
thread = threading.Thread(target=lambda: made.append(Network.layered((4,), [3], 2, seed=1)))
thread.start(); thread.join()
assert made, "the first network of a process could not be made in a thread"
assert sys.excepthook is hook
command("models")
command("show", "model.toml")
command("run", "model.toml", "--out", "run.h5")
command("check", "run.h5")
import neurosim
neurosim.open_run("run.h5").network()
found = [name for name in sys.modules if name.split(".")[0] == "brian2"]
assert not found, found
print("all done")
"""
    done = in_a_process(["-c", script], folder)
    assert done.returncode == 0 and done.stdout.endswith("all done\n"), done.stdout[-500:] + done.stderr[-2000:]
    assert not (folder / "executed").exists()


def test_brian2_would_be_seen(folder):
    """The control: what the test above looks for is what an import of Brian2 does."""
    done = subprocess.run([sys.executable, "-c", "import brian2"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (folder / "executed").exists()


@pytest.mark.parametrize("rule", CODE)
@pytest.mark.parametrize("place", ["layer", "output", "bias"])
def test_a_rule_s_text_in_a_model_file_is_not_run(rule, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"equation": "dw = w", "bias": rule.replace("dw", "db", 1)} if place == "bias" else rule
    table = MODEL | {"network": {"hidden": [8], "layer" if place == "bias" else place: {"rule": given}}}
    Path("model.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    with pytest.raises(NeurosimError, match="equation"):
        ModelFile.load("model.toml")
    assert os.listdir() == ["model.toml"]


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run.h5"
    engine.run(engine.prepare(ModelFile.of("t", MODEL), backend="numpy"), path)
    return path


@pytest.mark.parametrize("rule", CODE)
def test_a_rule_s_text_in_a_run_file_is_not_run(rule, run_file, tmp_path, monkeypatch, altered):
    monkeypatch.chdir(tmp_path)
    shutil.copy(run_file, "run.h5")
    with altered("run.h5") as file:
        del file["model"]
        file["model"] = tomli_w.dumps(MODEL | {"network": {"hidden": [8], "layer": {"rule": rule}}})
    with pytest.raises(NeurosimError):
        engine.reopen(Path("run.h5"))
    with pytest.raises(NeurosimError), neurosim.open_run("run.h5") as run:
        run.network()
    assert not Path("PWNED").exists()


@pytest.mark.parametrize("command", [["show", "model.toml"], ["run", "model.toml", "--out", "run.h5"]])
def test_a_command_refuses_it_in_one_line(command, folder):
    (folder / "model.toml").write_text(tomli_w.dumps(MODEL | {"network": {"hidden": [8], "layer": {"rule": CODE[0]}}}))
    done = in_a_process(["-m", "neurosim", *command], folder)
    assert done.returncode == 2
    assert done.stderr.count("\n") <= 2 and "has no place in an equation" in done.stderr, done.stderr
    assert not (folder / "PWNED").exists() and not (folder / "run.h5").exists()
