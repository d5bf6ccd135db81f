"""Signals end a command as Ctrl-C does, once; what was ignored stays ignored; a real process is told by each of them."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from neurosim.cli import main
from neurosim.cli.signals import Signals
from neurosim.runfile import Run, problems

SMALL = ["--data", "digits", "--set", "network.hidden=[16]", "--set", "data.limit=300", "--set", "data.validation=0"]
RUN = ["run", "backprop-dtp-mnist", *SMALL]
ALL = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.fixture(autouse=True)
def _as_they_were():
    """Begin with the handlers of a program in the foreground, and leave what was."""
    before = {number: signal.getsignal(number) for number in ALL}
    for number in ALL:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ALL)
def test_a_signal_interrupts_once(number):
    """While the first is answered, and what came of it told, all others change nothing."""
    with Signals(program=False):
        try:
            try:
                signal.raise_signal(number)
            finally:
                for other in ALL:
                    signal.raise_signal(other)
        except KeyboardInterrupt as error:
            signal.raise_signal(number)
            assert str(error) == ("" if number == signal.SIGINT else f"by {number.name}")
        else:
            pytest.fail("not interrupted")
        try:
            raise ValueError from KeyboardInterrupt()
        except ValueError:
            with pytest.raises(KeyboardInterrupt):  # nothing is being answered: an old one is only mentioned
                signal.raise_signal(number)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("number", ALL)
def test_what_was_ignored_stays_ignored(number):
    signal.signal(number, signal.SIG_IGN)
    with Signals(program=False):
        signal.raise_signal(number)
        assert callable(signal.getsignal(signal.SIGINT))  # Brian2 wraps what it finds there, and calls it
    assert signal.getsignal(number) == signal.SIG_IGN


def test_what_only_looks_on_is_ended_by_ctrl_c_all_the_same():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.raises(KeyboardInterrupt), Signals(program=False, only_looks=True):
        signal.raise_signal(signal.SIGINT)


def test_a_program_that_was_interrupted_is_left_to_end():
    with pytest.raises(KeyboardInterrupt), Signals(program=True):
        signal.raise_signal(signal.SIGTERM)
    for number in ALL:
        signal.raise_signal(number)


def test_a_thread_sets_no_handlers():
    found = []

    def within():
        with Signals(program=False):
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=within)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


def test_importing_and_python_use_set_no_handlers():
    code = """
import signal
names = ("SIGTERM", "SIGHUP")
before = [signal.getsignal(getattr(signal, name)) for name in names]
import neurosim, neurosim.cli
from neurosim.experiments.run import prepare
assert [signal.getsignal(getattr(signal, name)) for name in names] == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------------- the commands


def at_epoch(monkeypatch, epoch, *numbers):
    """Let signals come when a run prints its epoch."""

    def on_epoch(self, trainer, metrics):
        if trainer.epoch == epoch:
            for number in numbers:
                signal.raise_signal(number)

    for kind in ("Lines", "LastLine"):
        monkeypatch.setattr(f"neurosim.cli.progress.{kind}.on_epoch", on_epoch)


@pytest.mark.parametrize("number", ALL)
def test_a_run_says_that_it_was_interrupted_and_goes_on(number, monkeypatch, capsys, tmp_path, same_content):
    out = "my run's.h5"
    with monkeypatch.context() as patched:
        at_epoch(patched, 2, number)
        assert main([*RUN, "--epochs", "4", "--record", "hidden1.rate", "--out", out]) == 130
    error = capsys.readouterr().err
    by = "" if number == signal.SIGINT else f" by {number.name}"
    assert error == f"""neurosim: interrupted{by}; continue with: neurosim run --resume --out 'my run'"'"'s.h5'\n"""
    assert [path.name for path in tmp_path.iterdir()] == [out]
    with Run(out) as run:
        assert run.status == "interrupted" and run.attributes["reason"] == (by.strip() or "by the user")
    assert main(["run", "--resume", "--quiet", "--out", out]) == 0
    assert main([*RUN, "--epochs", "4", "--record", "hidden1.rate", "--quiet", "--out", "whole.h5"]) == 0
    same_content(out, "whole.h5")


def test_a_comparison_says_how_to_go_on(monkeypatch, capsys, tmp_path):
    command = ["compare", "--schemes", "backprop,frozen", "--epochs", "2", "--out", "my folder"]
    with monkeypatch.context() as patched:
        at_epoch(patched, 1, signal.SIGTERM)
        assert main(command) == 130
    said = "continue with: neurosim compare --resume --out 'my folder'"
    assert capsys.readouterr().err == f"neurosim: interrupted by SIGTERM; {said}\n"
    assert {path.name for path in (tmp_path / "my folder").iterdir()} == {"comparison.toml", "backprop-seed1.h5"}
    assert main([*command, "--resume"]) == 0
    assert {path.name for path in (tmp_path / "my folder").iterdir()} == {
        "comparison.toml", "backprop-seed1.h5", "frozen-seed1.h5", "table.csv", "report.html",
    }  # fmt: skip


@pytest.mark.parametrize("command", [RUN, ["compare"]])
def test_a_signal_before_anything_is_written_leaves_nothing(command, monkeypatch, capsys, tmp_path):
    """As while ``--backend auto`` tries which one is faster."""
    monkeypatch.setattr("neurosim.experiments.run.fastest", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert main(command) == 130
    assert capsys.readouterr().err == "neurosim: interrupted by SIGTERM; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


def test_a_signal_at_another_command(monkeypatch, capsys):
    monkeypatch.setattr("neurosim.modelfile.reading.models", lambda: signal.raise_signal(signal.SIGTERM))
    assert main(["models"]) == 130
    assert capsys.readouterr().err == "neurosim: interrupted\n"


# ---------------------------------------------------------------------- a process of its own


def started(*, ignored=()):
    """Start a long run in a process that ignores some signals; return it when its file is there."""

    def prepare():
        for number in ALL:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    command = [sys.executable, "-m", "neurosim", *RUN, "--epochs", "100000", "--quiet", "--record", "hidden1.rate", "--out", "r.h5"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=prepare)  # noqa: PLW1509
    while not os.path.exists("r.h5") or len(Run("r.h5").metrics) < 2:
        time.sleep(0.1)
        assert process.poll() is None, process.stderr.read()
    return process


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has other signals")
def test_a_process_ends_once_however_often_it_is_told(tmp_path):
    """In the background of a script, under nohup: only SIGTERM is for it."""
    process = started(ignored=[signal.SIGINT, signal.SIGHUP])
    for number in (signal.SIGINT, signal.SIGHUP):
        process.send_signal(number)
    time.sleep(0.5)
    assert process.poll() is None
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    error = process.stderr.read()
    assert process.returncode == 130, error
    assert error == "neurosim: interrupted by SIGTERM; continue with: neurosim run --resume --out r.h5\n"
    assert [path.name for path in tmp_path.iterdir()] == ["r.h5"]
    assert Run("r.h5").status == "interrupted" and problems(Path("r.h5")) == []


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has other signals")
@pytest.mark.parametrize("number", ALL)
def test_every_signal_ends_a_process(number):
    process = started()
    process.send_signal(number)
    error = process.communicate()[1]
    assert process.returncode == 130 and error.count("\n") == 1 and "--resume" in error
    assert Run("r.h5").status == "interrupted" and problems(Path("r.h5")) == []
