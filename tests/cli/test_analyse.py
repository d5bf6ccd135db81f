"""``neurosim analyse``: what it prints, the table that it writes, and how it refuses."""

import pandas as pd
import pytest
from rich.console import Console

from neurosim import analyse
from neurosim.cli import main, progress
from neurosim.cli.analyse import SHOWN


@pytest.fixture
def runs(synthetic, tmp_path):
    """A folder with runs of two schemes and two seeds: two recordings of three populations each."""
    for scheme in ("backprop", "frozen"):
        for seed in (1, 2):
            synthetic.synthetic_run(tmp_path / "runs" / f"{scheme}-seed{seed}.h5", scheme=scheme, seed=seed, epochs=1)
    return tmp_path / "runs"


@pytest.fixture
def narrow(monkeypatch):
    """A terminal of 80 columns."""
    monkeypatch.setattr(progress, "console", Console(width=80))


def test_the_last_epoch_is_printed_in_80_columns_and_all_is_written(runs, narrow, capsys):
    assert main(["analyse", "runs", "-o", "new/table.csv"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.split("after the last epoch")[0].splitlines())) <= 80
    written, expected = pd.read_csv("new/table.csv"), analyse(sorted(runs.glob("*.h5")))
    assert len(written) == len(expected) and written["value"].to_numpy() == pytest.approx(expected["value"], nan_ok=True)
    last = written[(written["epoch"] == 1) & written["other_run"].isna()]
    for (scheme, population), of in last[last["measure"] == "dimension"].groupby(["scheme", "population"]):
        cell = f"{of['value'].mean():.1f}±{of['value'].std():.1f}"
        assert any(f"{scheme} {population}" in line and cell in line for line in said.splitlines())
    lines = [" ".join(line.split()) for line in said.splitlines()]
    for name in ("hidden1, same seed backprop and frozen", "hidden1, other seeds backprop and frozen", "frozen hidden1 and output"):
        assert any(line.startswith(name) for line in lines), name
    assert "of 20 samples" in said and "scored on the others" in said and said.endswith("all measures: new/table.csv\n")
    assert "not defined" in said  # selectivity, of tanh


def test_every_measure_of_the_table_has_a_column(runs):
    found = set(analyse(runs / "frozen-seed1.h5")["measure"])
    assert set(SHOWN) <= found


def test_one_run_is_printed_without_spread_or_other_runs(runs, narrow, capsys):
    assert main(["analyse", "runs/frozen-seed1.h5"]) == 0
    said = capsys.readouterr().out.partition("after the last epoch")[0]
    assert "±" not in said and "between runs" not in said and "CKA within a run" in said


def test_a_file_that_is_named_twice_counts_once(runs, narrow, capsys):
    for other in runs.glob("*-seed2.h5"):
        other.unlink()
    assert main(["analyse", "runs/backprop-seed1.h5", "runs"]) == 0
    twice = capsys.readouterr().out
    assert main(["analyse", "runs"]) == 0
    assert capsys.readouterr().out == twice


BAD = {
    ("runs", "-o", "there.csv"): "table there.csv: exists; give --overwrite, or another --out",
    ("runs", "-o", "runs"): "table runs: a folder: expected the name of a file; add one, as runs/table.csv",
    ("runs", "--overwrite", "-o", "runs/frozen-seed1.h5"): "table runs/frozen-seed1.h5: one of the files it is about; give another",
    ("runs", "-o", "there.csv/t.csv"): "table there.csv/t.csv: there.csv is a file: expected a folder; give another --out",
    ("none.h5",): "run file none.h5: no such file or folder; check the name",
    ("runs", "--samples", "0"): "--samples 0: expected a whole number, 1 or more; change it",
    ("runs", "--samples", "5"): "has changed since: expected the same; give the same files, or record",
}


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_what_it_cannot_do_is_told_in_one_line(runs, capsys, tmp_path, arguments):
    (tmp_path / "there.csv").write_text("mine")
    before = (runs / "frozen-seed1.h5").read_bytes()
    assert main(["analyse", *arguments]) == 2
    told = capsys.readouterr()
    assert BAD[arguments] in told.err and told.err.count("\n") == 1 and not told.out
    assert (tmp_path / "there.csv").read_text() == "mine" and (runs / "frozen-seed1.h5").read_bytes() == before


def test_an_existing_table_is_replaced_when_asked(runs, narrow, tmp_path):
    (tmp_path / "there.csv").write_text("mine")
    assert main(["analyse", "runs/frozen-seed1.h5", "-o", "there.csv", "--overwrite"]) == 0
    assert (tmp_path / "there.csv").read_text().startswith("run,scheme,seed,epoch,population,")
