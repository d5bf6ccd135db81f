"""Output that is closed, full, or no longer read; memory that is used up: one line or none, and a status that says it."""

import os
import subprocess
import sys

import pytest

from neurosim.cli import main, streams
from neurosim.runfile import Run

RUN = ["run", "backprop-dtp-mnist", "--data", "digits", "--set", "network.hidden=[16]", "--set", "data.limit=300", "--epochs", "2"]
FULL = "/dev/full"


class Broken:
    """A standard output that cannot be written to."""

    def __init__(self, error):
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        pass


@pytest.mark.parametrize("command", [[*RUN, "--out", "r.h5"], ["compare", "--schemes", "frozen", "--epochs", "1", "--out", "o"]])
def test_a_training_whose_output_nobody_reads_goes_on(command, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "stdout", Broken(BrokenPipeError(32, "Broken pipe")))
    assert main(command) == 0
    assert capsys.readouterr().err == ""
    assert [Run(path).status for path in tmp_path.rglob("*.h5")] == ["complete"]


def test_a_training_whose_output_is_lost_goes_on_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Broken(OSError(28, "No space left on device")))
    assert main([*RUN, "--out", "r.h5"]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "No space left on device: what was printed is lost; the training came to its end" in error
    assert Run("r.h5").status == "complete"


@pytest.mark.parametrize("command", [["models"], ["show", "dtp-mnist"], ["show", "dtp-mnist", "--recordable"]])
def test_a_list_that_nobody_reads_ends_in_silence(command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Broken(BrokenPipeError(32, "Broken pipe")))
    assert main(command) == 141
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (MemoryError("Unable to allocate 5 GiB"), 3, "out of memory (Unable to allocate 5 GiB; continue with: neurosim run --re"),
        (RecursionError("too deep"), 3, "cannot go on: too deep"),
        (OSError(5, "Input/output error"), 3, "cannot go on: [Errno 5] Input/output error; continue with: neurosim run --resume"),
    ],
)
def test_a_training_that_fails_is_one_line_and_can_go_on(error, status, said, monkeypatch, capsys):
    def on_epoch(self, trainer, metrics):
        if trainer.epoch == 1:
            raise error

    with monkeypatch.context() as patched:
        patched.setattr("neurosim.cli.progress.Lines.on_epoch", on_epoch)
        assert main([*RUN, "--out", "r.h5"]) == status
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and said in told
    assert Run("r.h5").status == "failed" and str(error) in Run("r.h5").attributes["reason"]
    assert main(["run", "--resume", "--quiet", "--out", "r.h5"]) == 0


def test_memory_that_is_used_up_before_the_training(monkeypatch, capsys, tmp_path):
    def too_much(*_, **__):
        raise MemoryError

    monkeypatch.setattr("neurosim.experiments.run.load_data", too_much)
    assert main([*RUN, "--out", "r.h5"]) == 3
    told = capsys.readouterr().err
    assert told.startswith("neurosim: out of memory") and told.count("\n") == 1 and list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- streams of a process


def shell(line):
    """Return status, standard output and standard error of a command of a shell."""
    program = f"{sys.executable} -m neurosim"
    done = subprocess.run(["bash", "-c", line.replace("neurosim", program, 1)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(not os.path.exists(FULL), reason=f"this system has no {FULL}")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("neurosim models >&-", (0, "", "")),
        ("neurosim models >/dev/full", (3, "", "neurosim: cannot go on: [Errno 28] No space left on device\n")),
        ("neurosim bogus 2>/dev/full", (2, "", "")),
        ("neurosim bogus 2>&-", (2, "", "")),
    ],
)
def test_closed_and_full_streams(line, expected):
    assert shell(line) == expected


@pytest.mark.parametrize("program", ["import os; os.close(0); os.close(1); os.close(2)", "pass"])
def test_a_run_file_never_takes_the_place_of_a_closed_stream(program, tmp_path):
    """What prints by number, as a library's own code, would write into it."""
    code = f"""
import sys
{program}
import os
for name in ("stdin", "stdout", "stderr"):
    if "close" in {program!r}:
        setattr(sys, name, None)
from neurosim.cli import streams
streams.ensure()
file = open("next", "w")
assert file.fileno() > 2
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert (tmp_path / "next").exists()


def test_settling_leaves_streams_of_others_alone(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken(OSError()))
    streams.settle()
    streams.tell("this can be told")
