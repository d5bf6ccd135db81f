"""Recording from the command line; runs followed, checked, and listed while they go and after they were stopped."""

import dataclasses
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import neurosim
from neurosim.cli import main
from neurosim.runfile import Run

SMALL = ["--data", "digits", "--set", "network.hidden=[16]", "--set", "data.limit=300", "--set", "data.validation=0"]
RUN = ["run", "backprop-dtp-mnist", *SMALL, "--quiet"]
PROGRAM = [sys.executable, "-m", "neurosim"]
ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
# a process group of its own, which hears Ctrl-C even where these tests run in a script's background
UNIGNORED = {"start_new_session": True, "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}


def wait_for(path, process):
    """Wait until a run's file is there; fail where its process ends without one."""
    while not path.exists():
        assert process.poll() is None, f"it ended with status {process.returncode} and no file"
        time.sleep(0.05)


@pytest.fixture
def finished():
    assert main([*RUN, "--epochs", "2", "--out", "r.h5"]) == 0
    return "r.h5"


def test_what_is_asked_for_is_recorded_beside_the_models_own(capsys):
    own = ["--set", "record.variables=['output.rate']", "--set", "record.samples=7"]
    asked = ["--record", "hidden1.rate[0:5] every 2 steps", "--record", "*.w", "--alignment", "every 2 epochs"]
    assert main([*RUN[:-1], "--epochs", "2", "--out", "r.h5", *own, *asked]) == 0
    with neurosim.open_run("r.h5") as run:
        assert set(run.recordings) == {"output.rate", "hidden1.rate", "x__hidden1.w", "hidden1__output.w"}
        assert run.recording("hidden1.rate").shape == (4, 7, 5)
        assert run.alignment.loc["x__hidden1"]["epoch"].tolist() == [0, 2]
        assert 'alignment = "every 2 epochs"' in run.model
    assert any(line.startswith("alignment  measured 2 times in ") for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--record", "hiden1.rate"], "record: variable 'hiden1.rate' is unknown: .* did you mean 'hidden1.rate'"),
        (["--record", "hidden1.rate every 3 hours"], "backprop-dtp-mnist: record.*expected a number of steps or epochs"),
        (["--alignment", "often"], "interval 'often': expected a number of steps or epochs"),
        (["--record", "hidden1.rate[99]"], "neurons \\[99\\]: expected numbers of neurons, each 0 to 15"),
    ],
)
def test_what_cannot_be_recorded_is_one_line(options, said, capsys, tmp_path):
    import re

    assert main([*RUN, "--out", "r.h5", *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(said, error), error
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_records_what_it_did(finished, capsys):
    capsys.readouterr()
    assert main(["run", "--resume", "--out", finished, "--record", "hidden1.rate"]) == 2
    assert "a run continues as it was started" in capsys.readouterr().err


def test_show_lists_what_can_be_recorded(capsys):
    assert main(["show", "dtp-mnist", "--data", "digits", "--recordable"]) == 0
    printed = capsys.readouterr().out
    for said in ("hidden1.target", "inverse/hidden2__hidden1.w", "where the rate should go", "240 x 240", "samples x 240"):
        assert said in printed


def test_compare_shows_the_angle_to_backprop(capsys):
    options = ["--epochs", "2", "--seeds", "2", "--alignment", "every 1 epoch", "--quiet"]
    assert main(["compare", "--schemes", "backprop,feedback_alignment,frozen", "--out", "out", *options]) == 0
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines() if line.strip()]
    rows = {cells[0]: cells for cells in reversed(lines)}  # of the first part of the table
    assert "0±0" in rows["backprop"] and "angle" in printed and "measuring angles to the gradient took " in printed
    angle = next(cell for cell in rows["feedback_alignment"] if "±" in cell and "." not in cell)
    assert 20 < int(angle.split("±")[0]) < 110


# ---------------------------------------------------------------------- watch


def test_watching_a_run_that_has_ended_prints_all_of_it(finished, capsys):
    capsys.readouterr()
    assert main(["watch", finished]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["0", "1", "2"]
    with Run(finished) as run:
        assert f"test error {run.metrics.loc[('test', 2), 'error']:.2f} %" in lines[-1]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_a_run_is_watched_while_it_goes(killed, tmp_path):
    command = [*PROGRAM, *RUN, "--epochs", "9000" if killed else "40", "--record", "hidden1__output.w", "--out", "r.h5"]
    writer = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    wait_for(tmp_path / "r.h5", writer)
    watcher = subprocess.Popen(
        [*PROGRAM, "watch", "r.h5", "--every", "0.1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    lines = [watcher.stdout.readline() for _ in range(3)]
    if killed:
        writer.kill()
    lines += watcher.stdout.readlines()  # to its end
    error = watcher.stderr.read()
    watcher.wait()
    writer.wait()
    epochs = [int(line.split()[1]) for line in lines]
    assert epochs == list(range(len(epochs)))
    if killed:
        assert watcher.returncode == 3 and "its process was killed; continue with: neurosim run --resume --out r.h5" in error
    else:
        assert watcher.returncode == 0 and epochs[-1] == 40


def test_a_stopped_run_is_told(capsys):
    from neurosim.runfile import RunFile

    assert main([*RUN, "--epochs", "1", "--out", "r.h5"]) == 0
    with RunFile.resume(neurosim.open_run("r.h5").path) as file:
        file.set_status("failed", "population 'hidden1': drive is nan")
    capsys.readouterr()
    assert main(["watch", "r.h5"]) == 3
    assert "failed (population 'hidden1': drive is nan); continue with" in capsys.readouterr().err


def left_running(path, host):
    """Make ``path`` a file whose writer was killed on ``host``."""
    from neurosim.runfile import RunFile
    from neurosim.runfile.writer_lock import Writer, lock_of

    RunFile.resume(Path(path)).close()
    writer = dataclasses.replace(Writer.here(), **({"host": host} if host else {"pid": 2**22 - 1}))
    lock_of(Path(path)).write_bytes(writer.record.encode())


@pytest.mark.parametrize("host", [None, "node17"])
def test_watching_ends_where_nobody_writes(finished, host, capsys, monkeypatch):
    """Of a process on another machine it may not be said at once."""
    left_running(finished, host)
    monkeypatch.setattr("neurosim.runfile.writer_lock.SILENT", 0.5)
    capsys.readouterr()
    assert main(["watch", finished, "--every", "0.1"]) == 3
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    told = f"its process was killed; continue with: neurosim run --resume --out {finished}"
    assert said.err == f"neurosim: run file {finished}: {told}\n"


@pytest.mark.parametrize(("host", "said"), [(None, "no process writes it now"), ("node17", "still running")])
def test_leaving_a_watch_says_whether_the_run_goes_on(finished, host, said, capsys, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    left_running(finished, host)
    monkeypatch.setattr("neurosim.cli.watch._lines", interrupted)
    capsys.readouterr()
    assert main(["watch", finished]) == 130
    assert capsys.readouterr().err == f"neurosim: interrupted; {finished}: {said}\n"


SCRIPT = """
{run} 2> run.err &
until [ -f r.h5 ]; do sleep 0.1; done
trap : INT
{watch} 2> watch.err > /dev/null
sleep 1
kill -0 $! && echo the run goes on
kill -9 $!; wait
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_ctrl_c_at_watch_in_a_script_leaves_the_run_in_its_background(tmp_path):
    commands = {"run": [*PROGRAM, *RUN, "--epochs", "100000", "--out", "r.h5"], "watch": [*PROGRAM, "watch", "r.h5"]}
    script = SCRIPT.format(**{name: shlex.join(command) for name, command in commands.items()})
    shell = subprocess.Popen(["bash", "-c", script], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, **UNIGNORED)
    wait_for(tmp_path / "r.h5", shell)
    time.sleep(6)  # until watch watches
    os.killpg(shell.pid, signal.SIGINT)
    assert shell.communicate()[0] == "the run goes on\n"
    assert "interrupted; r.h5: still running" in (tmp_path / "watch.err").read_text()
    assert main(["watch", "r.h5"]) == 3


# ---------------------------------------------------------------------- a file under a run


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.unlink(), "it was deleted( or renamed)?; run the model again"),
        (lambda path: os.truncate(path, 3000), r"(it was cut to [\d,]+ bytes|what it holds was overwritten)"),
        (lambda path: path.rename("other.h5"), "renamed; (run the model again, or )?continue with --resume and its new name"),
    ],
)
def test_a_file_that_is_changed_under_its_run_is_one_line(change, said, capsys, tmp_path):
    path = tmp_path / "r.h5"

    def interfere():
        while not path.exists():
            time.sleep(0.01)
        change(path)

    interfering = threading.Thread(target=interfere, daemon=True)  # a run that ends before it has a file keeps nobody waiting
    interfering.start()
    assert main([*RUN, "--epochs", "2000", "--out", "r.h5"]) == 3
    interfering.join()
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(f"neurosim: run file r.h5: somebody changed it while it was written: .*{said}", error), error


def test_a_path_that_ends_in_a_slash_is_no_file(capsys, tmp_path):
    assert main([*RUN, "--out", "new/"]) == 2
    assert "new/: is a folder: expected a file such as run.h5; leave the slash out" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- check


def test_checking_good_and_damaged_files(finished, capsys):
    shutil.copy(finished, "damaged.h5")
    capsys.readouterr()
    assert main(["check", finished]) == 0
    assert "r.h5: good (complete, " in capsys.readouterr().out
    import h5py

    with h5py.File("damaged.h5") as file:
        place = file["metrics/test/loss"].id.get_chunk_info(0).byte_offset
    with open("damaged.h5", "r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 1]))
    assert main(["check", finished, "damaged.h5"]) == 2
    captured = capsys.readouterr()
    assert "damaged.h5: metrics/test/loss: cannot be read" in captured.out and "r.h5: good" in captured.out
    assert captured.err.count("\n") == 1 and "damaged: damaged.h5" in captured.err


@pytest.mark.slow
def test_ctrl_c_leaves_a_file_that_says_so_and_goes_on(tmp_path, same_content):
    command = [*PROGRAM, *RUN, "--epochs", "60", "--record", "hidden1.rate every 1 step", "--out", "r.h5"]

    def listen():  # the tests themselves may run in the background of a script
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, preexec_fn=listen)
    wait_for(tmp_path / "r.h5", process)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    error = process.communicate()[1]
    assert process.returncode == 130 and error.count("\n") == 1 and "neurosim run --resume --out r.h5" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.h5"]
    with Run("r.h5") as run:
        assert run.status == "interrupted"
    assert main(["check", "r.h5"]) == 0
    assert main(["run", "--resume", "--quiet", "--out", "r.h5"]) == 0
    assert main([*command[3:-1], "whole.h5"]) == 0
    same_content("r.h5", "whole.h5")


# ---------------------------------------------------------------------- other programs


@pytest.mark.skipif(shutil.which("h5dump") is None, reason="h5dump (Debian: hdf5-tools) is not installed")
def test_h5dump_lists_and_reads_what_the_documentation_says(finished):
    listed = subprocess.run(["h5dump", "--contents", finished], capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    for line in ("group      /checkpoints/0", "dataset    /metrics/test/loss", "dataset    /model", "dataset    /probe/label"):
        assert (f" {line}\n" in listed.stdout) == ("probe" not in line)  # no population was recorded
    values = subprocess.run(["h5dump", "-y", "-d", "/metrics/test/epoch", finished], capture_output=True, text=True)
    assert "0, 1, 2" in values.stdout
