"""What the comparisons with Brian2 share."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WITHOUT = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"  # by older and newer names; see equal.py


@pytest.fixture(scope="session")
def results_of():
    """Return a function that runs a program of this folder, NumPy with the C library's exp, and returns the JSON of its lines."""

    def run(program, *arguments):
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": WITHOUT, "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "ignore", program, *map(str, arguments)]
        done = subprocess.run(command, env=environment, cwd=HERE, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    return run
