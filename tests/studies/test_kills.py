"""Workers, schedulers and clients of studies killed at random moments: what is resumed is the undisturbed study."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_studies_whose_processes_are_killed(tmp_path):
    """At least three kills, of each kind one or more; the program itself takes any number."""
    program = Path(__file__).with_name("kills.py")
    done = subprocess.run([sys.executable, program, "3", "7", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts.pop("wrong") == []
    assert sum(counts.values()) >= 3 and set(counts) == {"worker", "client", "scheduler"}
