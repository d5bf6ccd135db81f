"""``neurosim export``: what it prints, how it leaves, and what it leaves behind."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neurosim.cli import main


@pytest.fixture(autouse=True)
def run(synthetic, tmp_path, monkeypatch):
    """A run file in the current folder."""
    monkeypatch.chdir(tmp_path)
    return synthetic.synthetic_run(tmp_path / "dtp.h5")


def command(capsys, *arguments):
    """Return (status, lines of stdout, lines of stderr)."""
    status = main(["export", *arguments])
    said = capsys.readouterr()
    return status, said.out.splitlines(), said.err.splitlines()


@pytest.mark.parametrize("to, where", [("nwb", "dtp.nwb"), ("npz", "dtp.npz"), ("csv", "dtp-csv"), ("parquet", "dtp-parquet")])
def test_prints_where_it_wrote(capsys, tmp_path, to, where):
    pytest.importorskip({"nwb": "pynwb", "parquet": "pyarrow"}.get(to, "numpy"))
    assert command(capsys, "dtp.h5", "--to", to) == (0, [where], [])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["dtp.h5", where])


def test_out_names_the_target(capsys):
    assert command(capsys, "dtp.h5", "--to", "npz", "-o", "deep/er/a.npz") == (0, ["deep/er/a.npz"], [])
    assert np.load("deep/er/a.npz")["hidden1.rate"].shape == (5, 20, 12)


def test_an_existing_target_needs_overwrite(capsys):
    Path("dtp.npz").write_text("mine")
    told = "neurosim: export dtp.npz: exists already; give --overwrite to replace it, or another -o"
    assert command(capsys, "dtp.h5", "--to", "npz") == (2, [], [told])
    assert Path("dtp.npz").read_text() == "mine"
    assert command(capsys, "dtp.h5", "--to", "npz", "--overwrite")[0] == 0
    assert "model" in np.load("dtp.npz")


def test_a_run_that_goes_on_is_told(capsys, synthetic, tmp_path):
    synthetic.synthetic_run(tmp_path / "on.h5", status="running", epochs=2)
    status, lines, _ = command(capsys, "on.h5", "--to", "npz")
    assert (status, lines) == (0, ["on.h5: still running, or killed; exported what it had written, up to epoch 2", "on.npz"])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["dtp.h5", "--to", "nbw"], "export: format 'nbw' is unknown: expected one of csv, npz, nwb, parquet; did you mean 'nwb'?"),
        (["none.h5", "--to", "npz"], "run file none.h5: no such file or folder; check the name"),
        (["dtp.h5"], "export: --to is missing: expected nwb or npz"),
        (["dtp.h5", "--to", "npz", "-o", "dtp.h5", "--overwrite"], "export dtp.h5: expected a name that ends in .npz; change -o"),
    ],
)
def test_what_is_wrong_is_one_line(capsys, tmp_path, arguments, message):
    before = (tmp_path / "dtp.h5").read_bytes()
    status, lines, told = command(capsys, *arguments)
    assert (status, lines, len(told)) == (2, [], 1) and message in told[0]
    assert [path.name for path in tmp_path.iterdir()] == ["dtp.h5"] and (tmp_path / "dtp.h5").read_bytes() == before


def test_an_interruption_leaves_nothing(capsys, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("neurosim.analysis.blocks._read", interrupted)
    assert command(capsys, "dtp.h5", "--to", "csv") == (130, [], ["neurosim: interrupted; nothing was written"])
    assert [path.name for path in tmp_path.iterdir()] == ["dtp.h5"]


def test_starting_up_loads_no_library_of_a_format():
    code = "import json, sys, neurosim.cli.export; print(json.dumps([n for n in sys.modules]))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert "neurosim.cli.export" in loaded
    assert not {"pynwb", "hdmf", "pyarrow", "pandas", "xarray", "dask", "h5py"} & set(loaded)
