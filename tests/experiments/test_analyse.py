"""``neurosim.analyse``: one tidy table, of what was recorded or of the last network shown its data again."""

import logging

import numpy as np
import pandas as pd
import pytest

from neurosim import Adam, Network, Recorder, Trainer, analyse, datasets, open_run, pathway
from neurosim.analysis import representations as measures
from neurosim.encoders import Poisson
from neurosim.errors import InputError, RunFileError
from neurosim.experiments.analyse import COLUMNS, of_pair, of_population
from neurosim.experiments.responses import data_finder, responses
from neurosim.network import Clock
from neurosim.tasks import Regression

SINGLE = 4 + 1 + 2 * 3  # measures of a population: four without labels, the probe, two percentiles of neurons


@pytest.fixture
def two(synthetic, tmp_path):
    """Runs of two schemes: 3 recordings of hidden1, hidden2 and output, for the same 20 samples."""
    make, schemes = synthetic.synthetic_run, ("backprop", "frozen")
    return [make(tmp_path / f"{scheme}.h5", scheme=scheme, seed=k, epochs=2) for k, scheme in enumerate(schemes)]


def trained(path, *variables, data=None, epochs=2, clock=None, encoder=None, **record):
    """Train a small network into a run file; return the trainer and its data."""
    data = data or datasets.load("digits", limit=200)
    network = Network.layered(data.shape, [12, 8], data.classes or 1, seed=1, transfer="relu")
    scheme = "backprop" if clock is None else "backprop_through_time"
    how = {"clock": clock, "encoder": encoder} if clock else {}
    trainer = Trainer(network, pathway(scheme), Adam(3e-3), epochs=epochs, batch=50, seed=1, **how)
    with Recorder.open(path, trainer, data, *variables, **record) as recorder:
        trainer.fit(data, recorder, progress=False)
    return trainer, data


def values(table, **where):
    """Return measure -> value of the rows that are so."""
    for name, value in where.items():
        table = table[table[name].isna() if value is None else table[name] == value]
    return dict(zip(table["measure"], table["value"], strict=True))


def test_the_table_is_tidy_and_complete(two):
    table = analyse(two)
    assert list(table.columns) == list(COLUMNS)
    pairs = table[table["other_run"].notna()]
    within = pairs["run"] == pairs["other_run"]
    assert len(table) - len(pairs) == 2 * 3 * 3 * SINGLE  # runs, epochs, populations
    assert within.sum() == 2 * 3 * 3 * 2  # pairs of populations, two measures
    assert (~within).sum() == 3 * 3 * 2
    assert (pairs[~within]["population"] == pairs[~within]["other_population"]).all()
    assert not table.drop(columns="value").duplicated().any()
    assert set(table["scheme"]) == {"backprop", "frozen"} and set(table["samples"]) == {20}
    assert list(table.columns[table.isna().any()]) == ["other_run", "other_scheme", "other_seed", "other_population", "value"]


def test_each_value_is_the_measure_of_what_was_recorded(two):
    table = analyse(two)
    rates = []
    for path in two:
        with open_run(path) as run:
            rates.append({name: run.recordings[f"{name}.rate"].values[2] for name in ("hidden1", "output")})
    labels, (one, other) = np.arange(20) % 10, rates
    row = {"run": str(two[0]), "epoch": 2, "population": "hidden1"}
    found = values(table, **row, other_run=None)
    assert found["probe"] == measures.linear_probe(one["hidden1"], labels)
    assert found["dimension"] == measures.effective_dimension(one["hidden1"])
    assert found["class_variance_p90"] == np.percentile(measures.class_variance(one["hidden1"], labels), 90)
    assert values(table, **row, other_run=str(two[0]), other_population="output") == of_pair(one["hidden1"], one["output"])
    assert values(table, **row, other_run=str(two[1])) == of_pair(one["hidden1"], other["hidden1"])
    assert np.isnan(found["selectivity_p50"])  # tanh


def test_measures_of_a_population_by_hand():
    labels = np.array([0, 0, 1, 1])
    found = of_population(np.array([[1.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 2, 0]]), labels)
    assert found["silent"] == pytest.approx(100 / 3)
    assert found["lifetime_sparsity"] == pytest.approx((1 - 0.5) / (1 - 1 / 4))  # of the two that are not silent
    assert found["population_sparsity"] == pytest.approx(1)
    assert found["dimension"] == pytest.approx(1)
    assert found["selectivity_p10"] == found["class_variance_p10"] == pytest.approx(1)
    assert found["probe"] == 100
    assert np.isnan(list(of_population(np.full((4, 2), np.nan), labels).values())).all()


def test_what_the_last_network_answers_again_is_what_was_recorded(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("neurosim.experiments.responses.BATCH", 16)  # samples are shown in several parts
    trained(tmp_path / "a.h5", "hidden*.rate every 1 epoch", "output.rate every 1 epoch", "x.rate", samples=60)
    recorded, again = analyse(tmp_path / "a.h5"), analyse(tmp_path / "a.h5", samples=60)
    assert set(recorded["epoch"]) == {0, 1, 2} and set(again["epoch"]) == {2}
    assert list(dict.fromkeys(recorded["population"]))[:2] == ["hidden1", "hidden2"]
    for name in ("x", "hidden1", "hidden2", "output"):
        last, found = (values(table, epoch=2, population=name, other_run=None) for table in (recorded, again))
        assert last == pytest.approx(found, rel=1e-5, nan_ok=True)
    first = values(recorded, epoch=0, population="hidden1", other_run=None)
    assert first["probe"] != last["probe"]
    assert np.isfinite(values(again, population="hidden1", other_run=None)["selectivity_p50"])  # of ReLU
    assert not caplog.records


def test_without_recordings_or_with_only_the_first_the_last_network_is_shown_its_test_images(tmp_path):
    _, data = trained(tmp_path / "a.h5")
    trained(tmp_path / "b.h5", "hidden1.rate every 9 epochs", samples=20)
    for name in ("a.h5", "b.h5"):
        table = analyse(tmp_path / name)
        assert set(table["population"]) == {"x", "hidden1", "hidden2", "output"} and set(table["epoch"]) == {2}
        assert set(table["samples"]) == {len(data.test)}
    same = analyse([tmp_path / "a.h5", tmp_path / "b.h5"])
    between = same[same["run"].ne(same["other_run"]) & same["other_run"].notna()]
    assert len(between) == 4 * 2 and between["value"].to_numpy() == pytest.approx(np.ones(8))  # the same network


def test_runs_that_were_shown_other_samples_are_not_aligned(tmp_path, caplog):
    trained(tmp_path / "a.h5", "hidden1.rate every 1 epoch", samples=20)
    trained(tmp_path / "b.h5", "hidden1.rate every 1 epoch", samples=30)
    with caplog.at_level(logging.WARNING):
        table = analyse([tmp_path / "a.h5", tmp_path / "b.h5"])
    assert table["other_run"].isna().all()
    (told,) = caplog.messages
    assert "b.h5: shown other samples than" in told and "no CKA between such runs" in told
    both = analyse([tmp_path / "a.h5", tmp_path / "b.h5"], samples=20)
    assert (both["run"].ne(both["other_run"]) & both["other_run"].notna()).sum() == 4 * 2


def test_of_a_trial_the_mean_over_its_ticks_is_measured(tmp_path):
    trainer, data = trained(tmp_path / "a.h5", epochs=1, clock=Clock(5), encoder=Poisson())
    ticks = [sweep.rate["hidden1"] for sweep in trainer.show_ticks(data.test.x[:40])]
    assert len(ticks) == 5 and not np.array_equal(ticks[0], ticks[1])
    with open_run(tmp_path / "a.h5") as run:
        found = responses(run, 40, data_finder(None, None))
        table = analyse(run, samples=40)
    assert found.rates["hidden1"][1] == pytest.approx(np.mean(ticks, axis=0), abs=1e-6)
    expected = of_population(found.rates["hidden1"][1], data.test.y[:40])
    assert values(table, population="hidden1", other_run=None) == pytest.approx(expected, nan_ok=True)


def test_of_recordings_by_step_those_at_the_ends_of_epochs_are_taken(tmp_path):
    trained(tmp_path / "a.h5", "hidden1.rate every 1 step", samples=20)
    trained(tmp_path / "b.h5", "hidden1.rate every 1 epoch", samples=20)
    by_step, by_epoch = (analyse(tmp_path / name) for name in ("a.h5", "b.h5"))
    pd.testing.assert_frame_equal(by_step.drop(columns="run"), by_epoch.drop(columns="run"))


def test_real_targets_have_no_measure_that_needs_classes(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 5))
    data = datasets.from_arrays(x, x[:, :1])
    network = Network.layered(data.shape, [6], 1, seed=1, readout="linear")
    trainer = Trainer(network, pathway("backprop"), Adam(3e-3), task=Regression(1), epochs=1, batch=10, seed=1)
    with Recorder.open(tmp_path / "a.h5", trainer, data, "hidden1.rate every 1 epoch") as recorder:
        trainer.fit(data, recorder, progress=False)
    assert set(analyse(tmp_path / "a.h5")["measure"]) == {"dimension", "lifetime_sparsity", "population_sparsity", "silent"}


def test_arrays_given_in_python_have_to_be_given_again(tmp_path):
    draw = np.random.default_rng(0)
    arrays = draw.normal(size=(80, 5)), np.arange(80) % 2
    trained(tmp_path / "a.h5", data=datasets.from_arrays(*arrays))
    with pytest.raises(RunFileError, match=r"a.h5: no rates .* arrays given in Python: expected data=\.\.\. with the same ones"):
        analyse(tmp_path / "a.h5")
    assert set(analyse(tmp_path / "a.h5", data=arrays)["population"]) == {"x", "hidden1", "hidden2", "output"}
    with pytest.raises(RunFileError, match="no file holds its data"):
        analyse(tmp_path / "a.h5", data=(arrays[0] + 1, arrays[1]))


def test_bad_input_is_told_in_one_line(tmp_path, two):
    with pytest.raises(InputError, match="no run given: expected one or more"):
        analyse([])
    with pytest.raises(RunFileError, match=r"none\.h5"):
        analyse(tmp_path / "none.h5")
    for samples in (0, 2.5, True):
        with pytest.raises(InputError, match=f"samples {samples}: expected a whole number, 1 or more"):
            analyse(two, samples=samples)
    with pytest.raises(InputError, match="data 'digits': expected arrays or a DataSet"):
        analyse(two, data="digits")
    with pytest.raises(RunFileError, match="has changed since: expected the same"):  # a made-up digest
        analyse(two[0], samples=10)
