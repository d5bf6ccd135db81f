"""Neurons that are swept tick by tick have Brian2's spikes, all of them, and its state, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WITHOUT = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"  # by older and newer names; see equal.py
CASES = 22
FAST = ["lif", "adaptive_lif", "izhikevich regular_spiking", "adex adaptation"]


def compared(*arguments):
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": WITHOUT, "OPENBLAS_NUM_THREADS": "1"}
    program = [sys.executable, "-W", "ignore", str(HERE / "equal_neurons.py"), *arguments]
    done = subprocess.run(program, env=environment, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_a_thousand_ticks_of_some():
    found = compared("1000", *FAST)
    assert [one["neurons"] for one in found] == FAST and min(one["spikes"] for one in found) > 50
    assert not [one for one in found if not one["equal"] or one["differ"]]


@pytest.mark.slow
def test_ten_thousand_ticks_of_all():
    found = compared("10000")
    assert len(found) == CASES and sum(one["spikes"] for one in found) > 50_000
    assert min(one["spikes"] for one in found) > 10  # AdEx's transient pattern stops spiking
    assert not [one for one in found if not one["equal"] or one["differ"]]
