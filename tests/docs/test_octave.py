"""What the page on other languages says of Octave is what Octave does: the page's lines, run on the page's file."""

import re
import shutil
import subprocess
from pathlib import Path

import h5py
import pytest

PAGE = Path(__file__).parents[2] / "docs/howto/read-in-matlab-and-julia.md"


@pytest.mark.skipif(not shutil.which("octave"), reason="octave is not installed")
def test_octave_reads_a_run_with_its_dimensions_reversed(tmp_path):
    from neurosim.cli import main

    path = tmp_path / "dtp.h5"
    options = f"--data digits --epochs 1 --set network.hidden=[8,8] --out {path} --quiet".split()
    alignment = ["--alignment", "1 epoch"]
    assert main(["run", "dtp-mnist", *options, *alignment, "--record", "hidden1.rate every 1 epoch"]) == 0
    code = re.search(r"^```octave\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[1]
    command = ["octave", "--no-gui", "--quiet", "--eval", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    with h5py.File(path) as run:
        rate, error = run["populations/hidden1/rate"][:], run["metrics/test/error"][-1]
    size, value, last = done.stdout.splitlines()
    assert list(map(int, size.split())) == list(reversed(rate.shape))
    assert float(value) == pytest.approx(rate[1, 2, 3], abs=1e-6)
    assert float(last) == pytest.approx(error, abs=1e-4)
