"""Killed at any moment, out of disk, frozen between two writes: the file opens, and a resumed run is the uninterrupted one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from neurosim.cli import main
from neurosim.runfile import Run, problems

ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
RUN = ["run", "backprop-dtp-mnist", "--data", "digits", "--set", "data.limit=300", "--set", "data.validation=0"]
RECORDED = ["--record", "hidden1.rate every 1 step", "--record", "*.w"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_runs_killed_at_random_moments(tmp_path):
    """Sixteen schemes, twenty kills or more, some of resumed runs: nothing is lost, and nothing differs from a whole run."""
    program = Path(__file__).with_name("kills.py")
    done = subprocess.run([sys.executable, program, "20", "7", tmp_path, "16"], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["wrong"] == []
    assert counts["kills"] >= 20


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("a file system of its own cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_a_full_disk(small_disk, tmp_path, capsys, same_content):
    """What was flushed stays; with room again, elsewhere, the run goes on as though nothing had been."""
    options = [*RUN, "--set", "network.hidden=[64]", "--epochs", "40", "--set", "record.samples=300", *RECORDED]
    path = small_disk / "run.h5"
    assert main([*options, "--quiet", "--out", str(path)]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "No space left" in error and "--resume" in error
    with Run(path) as run:
        assert run.status == "failed" and "No space left" in run.attributes["reason"]
        assert 1 <= run.metrics.loc["test"].index[-1] < 40 and run.checkpoints
    assert problems(path) == []
    assert main(["run", "--resume", "--quiet", "--out", str(path)]) == 3  # a copy beside it does not fit either
    assert "not enough room on the disk" in capsys.readouterr().err and problems(path) == []
    moved = Path(shutil.move(path, tmp_path / "run.h5"))
    assert main(["run", "--resume", "--quiet", "--out", str(moved)]) == 0
    assert main([*options, "--quiet", "--out", str(tmp_path / "whole.h5")]) == 0
    same_content(tmp_path / "whole.h5", moved)


def stands_still(process):
    """Return whether all threads of a process have stopped."""
    threads = Path(f"/proc/{process}/task").glob("*/stat")
    return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in threads)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system has no /proc")
def test_what_lies_on_the_disk_at_any_moment_opens(tmp_path, same_content):
    """The machine may be gone between two writes: copies of the file taken while the process stands still are all good."""
    path, copy, resumed, copies, last = tmp_path / "run.h5", tmp_path / "copy.h5", tmp_path / "resumed.h5", 0, 0
    command = [sys.executable, "-m", "neurosim", *RUN, "--set", "network.hidden=[32]", "--epochs", "150", *RECORDED, "--out", path]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    while process.poll() is None and copies < 40:
        time.sleep(0.03)
        process.send_signal(signal.SIGSTOP)
        while process.poll() is None and not stands_still(process.pid):
            time.sleep(0.001)
        if path.exists():
            copies += 1
            shutil.copy(path, copy)
            assert problems(copy) == []
            with Run(copy) as run:
                assert len(run.metrics) >= last
                last = len(run.metrics)
            if copies == 20:
                copy.rename(resumed)
        process.send_signal(signal.SIGCONT)
    assert process.wait() == 0 and copies >= 20
    again = [sys.executable, "-m", "neurosim", "run", "--resume", "--quiet", "--out", str(resumed)]
    assert subprocess.run(again, env=ENVIRONMENT).returncode == 0  # on as many threads: sums in another order differ
    same_content(path, resumed)
