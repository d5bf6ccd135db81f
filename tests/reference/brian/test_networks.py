"""A network that is taken over has Brian2's spikes, all of them, and its state, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("brian2")
HERE = Path(__file__).parent
NAMES = [
    "cuba", "coba", "cobahh", "brunel", "stdp", "adaptive_exponential", "izhikevich", "clock_driven", "arrays_in_time",
]  # fmt: skip
WITHOUT = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"


@pytest.fixture(scope="module")
def compared():
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": WITHOUT, "OPENBLAS_NUM_THREADS": "1"}
    program = [sys.executable, "-W", "ignore", str(HERE / "equal.py")]
    done = subprocess.run(program, env=environment, cwd=HERE, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr[-2000:]
    return {line["network"]: line for line in lines}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_equal_to_brian2(name, compared):
    found = compared[name]
    assert found["spikes"] > 500
    assert found["equal"] and not any(found["differ"].values()), found
