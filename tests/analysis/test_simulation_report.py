"""What is made of a simulation's run file: the page, the figures, NWB and the other formats."""

import numpy as np
import pytest

from neurosim.analysis.exports import export
from neurosim.analysis.report import page, write_report
from neurosim.analysis.run_plots import RunPlots
from neurosim.errors import InputError, RunFileError, UnknownNameError
from neurosim.runfile import Run
from neurosim.simulation import Monitor, SimulationFile

DT, DURATION, TRIALS = 1e-4, 1.0, 3
SIZES = {"e": 40, "silent_ones": 5}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A simulation with made-up numbers: Poisson spikes of 40 Hz, a potential, and weights."""
    rng, path = np.random.default_rng(3), tmp_path_factory.mktemp("simulated") / "made.h5"
    monitors = [
        Monitor("e.v", "e", np.array([3, 7]), {"v": "V"}, 10),
        Monitor("s.w", "s", np.arange(30), {"w": "S"}, 1000, {"pre": np.arange(30), "post": np.arange(30)}),
    ]
    told = {"batch": TRIALS, "dt": DT, "duration": DURATION, "seed": 1, "simulator": "neurosim"}
    with SimulationFile.create(path, SIZES, monitors, **told, notes={"model_name": "made_up"}) as file:
        fired = rng.random((10_000, TRIALS, SIZES["e"])) < 40 * DT
        tick, trial, index = (part.astype(np.int32) for part in np.nonzero(fired))
        none = np.zeros(0, np.int32)
        rows = {("e.v", "v"): rng.normal(-0.06, 0.002, (1000, TRIALS, 2)), ("s.w", "w"): rng.random((10, TRIALS, 30)) * 1e-9}
        file.take({"e": (tick, index, trial), "silent_ones": (none, none, none)}, rows, {"e.v": 0, "s.w": 0})
    return path


def test_the_page_says_what_there_is(path, tmp_path):
    with Run(path) as run:
        text = page([run])
        assert write_report([run], tmp_path / "page.html").read_text() == text
        with pytest.raises(RunFileError, match="one simulation alone"):
            page([run, run])
        spikes = len(run.spikes["e"])
    headings = ("made up, simulated", "Rates over time", "Trials side by side", "Weights over time")
    for said in (*headings, "v (V)", "w (S)", f"{spikes:,}"):
        assert said in text, said
    assert "No spike: silent_ones" in text and "data:image/png" in text and len(text) < 600_000
    assert text.count('role="img"') == 7 and "nan" not in text


def test_a_raster_of_many_cells_and_trials_stays_small(tmp_path):
    """4,000 cells at 20 Hz for 2 s are 160,000 spikes a trial."""
    rng, path = np.random.default_rng(4), tmp_path / "many.h5"
    told = {"batch": 64, "dt": DT, "duration": 2.0, "seed": 1, "simulator": "neurosim"}
    with SimulationFile.create(path, {"e": 4000}, [], **told) as file:
        for trial in (0, 63):
            count = 160_000 if trial == 0 else 100
            tick = np.sort(rng.integers(20_000, size=count)).astype(np.int32)
            file.take({"e": (tick, rng.integers(4000, size=count).astype(np.int32), np.full(count, trial, np.int32))}, {}, {})
    with Run(path) as run:
        text = page([run])
    assert "160,000 spikes" in text and "all of them are drawn as an image" in text and len(text) < 700_000


def test_figures_of_their_own(path):
    with Run(path) as run:
        plot = RunPlots(run)
        drawn = plot.raster("e", trial=1).axes[0].get_lines()[0]
        own = run.spikes["e"][run.spikes["e"]["trial"] == 1]
        assert len(drawn.get_xdata()) == 3 * len(own)
        rate = plot.rates("e", window=0.1).axes[0].get_lines()[0].get_ydata()
        assert rate.mean() == pytest.approx(len(run.spikes["e"]) / 40 / TRIALS / DURATION, rel=1e-9) and len(rate) == 10
        for figure in (plot.trials("e"), plot.intervals("e"), plot.cv("e"), plot.trace("e.v", trial=2), plot.histograms("s.w")):
            assert figure.axes
        line = plot.trace("e.v", trial=2).axes[0].get_lines()[1]
        np.testing.assert_array_equal(line.get_ydata(), run.recordings["e.v"].values[:, 2, 1])
        with pytest.raises(InputError, match="expected one of 0 to 2"):
            plot.raster("e", trial=3)
        with pytest.raises(RunFileError, match="no spike"):
            plot.raster("silent_ones")
        with pytest.raises(UnknownNameError):
            plot.rates("i")


def test_nwb_has_the_trials_one_after_the_other(path, tmp_path):
    pynwb, inspector = pytest.importorskip("pynwb"), pytest.importorskip("nwbinspector")
    with Run(path) as run:
        target = export(run, "nwb", tmp_path / "made.nwb")
        spikes, v = run.spikes["e"], run.recordings["e.v"].values
    assert pynwb.validate(path=str(target)) == []
    found = inspector.inspect_nwbfile(nwbfile_path=str(target), importance_threshold=inspector.Importance.BEST_PRACTICE_VIOLATION)
    assert [message.check_function_name for message in found] == []
    with pynwb.NWBHDF5IO(str(target), "r") as io:
        nwb = io.read()
        assert nwb.trials["start_time"].data[:].tolist() == [0, 1, 2] and len(nwb.units) == 45
        own = spikes[spikes["index"] == 5].sort_values(["trial", "time"])
        np.testing.assert_allclose(nwb.units["spike_times"][5], own["time"] + own["trial"] * DURATION, rtol=0, atol=1e-12)
        assert nwb.units["spike_trials"][5].tolist() == own["trial"].tolist() and nwb.units.resolution == DT
        series = nwb.processing["states"]["e.v"]
        assert series.unit == "V" and series.rate == pytest.approx(1000) and series.comments == "neurons: 3 7"
        np.testing.assert_array_equal(series.data[:].reshape(TRIALS, 1000, 2), v.swapaxes(0, 1))


def test_other_formats_keep_time_and_trial(path, tmp_path):
    with Run(path) as run:
        with np.load(export(run, "npz", tmp_path / "made.npz")) as found:
            np.testing.assert_array_equal(found["e.v"], run.recordings["e.v"].values)
            assert found["e.v.time"][1] == 10 * DT and found["e.v.neuron"].tolist() == [3, 7] and "s.w.pre" in found
        import pandas as pd

        table = pd.read_csv(export(run, "csv", tmp_path / "made-csv") / "e.v.csv")
        assert list(table.columns) == ["time", "step", "trial", "neuron_3", "neuron_7"] and len(table) == 3000
        assert table["neuron_7"].iloc[4] == pytest.approx(float(run.recordings["e.v"].values[1, 1, 1]))
