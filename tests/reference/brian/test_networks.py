"""A network that is taken over has Brian2's spikes, all of them, and its state, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NETWORKS = 10
WITHOUT = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"  # by older and newer names; see equal.py


@pytest.mark.slow
def test_networks_are_equal_to_brian2s():
    """One test, so that the networks are run once, however many processes share the tests."""
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": WITHOUT, "OPENBLAS_NUM_THREADS": "1"}
    program = [sys.executable, "-W", "ignore", str(HERE / "equal.py")]
    done = subprocess.run(program, env=environment, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(found) == NETWORKS and min(network["spikes"] for network in found) > 500
    assert not [network for network in found if not network["equal"] or any(network["differ"].values())]
