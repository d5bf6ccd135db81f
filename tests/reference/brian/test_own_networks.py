"""Networks of neurosim's own: run here, exported to Brian2, and written by hand for Brian2, they have the same spikes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_networks import WITHOUT

HERE = Path(__file__).parent


def compare(cells, ticks, *names):
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": WITHOUT, "OPENBLAS_NUM_THREADS": "1"}
    program = [sys.executable, "-W", "ignore", "own_equal.py", str(cells), str(ticks), *names]
    done = subprocess.run(program, env=environment, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [network["network"] for network in found] == list(names) and min(network["spikes"] for network in found) > 500
    assert not [network for network in found if not (network["exported"] and network["by_hand"])]
    assert not [network for network in found if network["weights that differ"]]
    assert all(network["weights that moved"] > 100 for network in found if network["network"] == "plastic")


def test_small_networks_are_equal():
    compare(400, 10_000, "brunel", "plastic")


@pytest.mark.slow
@pytest.mark.parametrize("cells", [400, 4000])
def test_networks_are_equal(cells):
    compare(cells, 10_000, "cuba", "cobahh", "brunel", "several", "plastic")
