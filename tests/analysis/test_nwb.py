"""Runs as NWB: valid, without findings of nwbinspector, and read back by pynwb and Neo with the run's numbers."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neurosim.analysis.exports import export
from neurosim.analysis.nwb import Session
from neurosim.errors import RunFileError
from neurosim.experiments.run import prepare, run
from neurosim.modelfile.model_file import ModelFile
from neurosim.runfile import Run

pynwb = pytest.importorskip("pynwb")

OLD = Path(__file__).parents[1] / "runfile" / "files" / "schema-1.h5"
NEURONS = {"dims": "recording sample neuron"}
SUGGESTED = {  # what no simulation has, or Neo cannot read
    "check_experimenter_exists", "check_institution", "check_keywords", "check_processing_module_name",
}  # fmt: skip


@pytest.fixture
def exported(tmp_path):
    """Return a function that exports a run file and opens the NWB file with pynwb."""
    opened = []

    def make(path):
        with Run(path) as run:
            opened.append(pynwb.NWBHDF5IO(export(run, "nwb", tmp_path / "exported.nwb"), "r"))
        return opened[-1].read()

    yield make
    for io in opened:
        io.close()


def findings(path):
    """What nwbinspector says, but suggestions that SUGGESTED names; and what does not fit the schema."""
    inspector = pytest.importorskip("nwbinspector")
    found = inspector.inspect_nwbfile(nwbfile_path=str(path))
    return [m for m in found if m.check_function_name not in SUGGESTED], pynwb.validate(path=str(path))


def shown(run_of, shape=(3, 4, 5), steps=(0, 10, 20), *, seed=0, **others):
    """A run of one population, h, and of others given as name -> (values, steps)."""
    values = {"h": (np.random.default_rng(seed).random(shape, np.float32), steps), **others}
    return run_of({f"populations/{name}/rate": (*item, NEURONS) for name, item in values.items()})


# ---------------------------------------------------------------------- is it good NWB


def test_no_finding(made_up, exported, tmp_path):
    exported(made_up)
    assert findings(tmp_path / "exported.nwb") == ([], [])


def test_no_finding_where_things_are_missing(run_of, exported, tmp_path):
    exported(run_of({}))
    assert findings(tmp_path / "exported.nwb") == ([], [])


def test_no_finding_in_the_first_schema(exported, tmp_path):
    nwb = exported(OLD)
    assert findings(tmp_path / "exported.nwb") == ([], [])
    with Run(OLD) as run:
        rate = run.recordings["hidden1.rate"].values
    np.testing.assert_array_equal(nwb.processing["activity"]["hidden1.rate"].data, rate.reshape(12, 8))
    assert nwb.trials["stimulus"].data[:].tolist() == [0, 1, 2, 3] * 3
    assert set(nwb.trials["label"].data[:]) == set(nwb.trials["response"].data[:]) == {-1}


# ---------------------------------------------------------------------- what was run


def test_session_says_what_was_run(made_up, exported):
    nwb = exported(made_up)
    assert nwb.session_start_time == datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert "status when exported: complete" in nwb.session_description
    with Run(made_up) as run:
        assert nwb.scratch["model"].data == run.model
        assert json.loads(nwb.scratch["attributes"].data) == run.attributes
    assert "No animal" in nwb.subject.description and nwb.subject.sex == "U"
    assert nwb.experimenter is None and nwb.institution is None


def test_a_run_that_goes_on_says_so(synthetic, tmp_path, exported):
    nwb = exported(synthetic.synthetic_run(tmp_path / "run.h5", status="running", epochs=2))
    assert "running, or killed: what had been flushed by then" in nwb.session_description
    assert nwb.processing["activity"]["hidden1.rate"].data.shape == (3 * 20, 12)


def test_a_start_without_zone_is_utc_wherever_it_is_exported(run_of, exported, monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "America/New_York")
        time.tzset()
        nwb = exported(run_of({}, created="2026-01-02T03:04:05"))
    time.tzset()
    assert nwb.session_start_time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_start_that_is_none_is_told(run_of, exported):
    with pytest.raises(RunFileError, match="created 'yesterday': expected an ISO 8601"):
        exported(run_of({}, created="yesterday"))


# ---------------------------------------------------------------------- activity and trials


def test_rates_are_the_runs(made_up, exported):
    nwb = exported(made_up)
    with Run(made_up) as run:
        for name in ("hidden1.rate", "hidden2.rate", "output.rate"):
            series, rate = nwb.processing["activity"][name], run.recordings[name]
            np.testing.assert_array_equal(series.data, rate.values.reshape(100, -1))
            assert series.data.dtype == np.float32
            assert (series.rate, series.starting_time, series.unit, series.comments) == (1.0, 0.0, "1", "neurons: all")
            assert series.description == "output activity"


def test_acquisition_links_to_activity(made_up, exported, tmp_path):
    nwb = exported(made_up)
    assert nwb.acquisition["hidden1.rate"] is nwb.processing["activity"]["hidden1.rate"]


def test_trials_say_what_was_shown_when(made_up, exported):
    trials = exported(made_up).trials.to_dataframe()
    with Run(made_up) as run:
        output = run.recordings["output.rate"]
        assert len(trials) == 100
        assert trials["start_time"].tolist() == list(range(100)) and (trials["stop_time"] - trials["start_time"] == 1).all()
        assert trials["stimulus"].tolist() == list(range(20)) * 5
        np.testing.assert_array_equal(trials["label"], np.tile(run.probe["label"], 5))
        np.testing.assert_array_equal(trials["response"], output.values.argmax(axis=2).ravel())
        np.testing.assert_array_equal(trials["step"], np.repeat(output.step, 20))
        np.testing.assert_array_equal(trials["epoch"], np.repeat(output.epoch, 20))


def test_no_response_from_some_of_the_output(run_of, exported):
    values = np.random.default_rng(0).random((2, 3, 2))
    some = {"populations/output/rate.neurons": np.array([3, 7])}
    nwb = exported(run_of({"populations/output/rate": (values, [0, 10], NEURONS)}, constants=some))
    assert set(nwb.trials["response"].data[:]) == {-1}
    assert nwb.acquisition["output.rate"].comments == "neurons: 3 7"


def test_no_response_from_numbers_that_are_none(run_of, exported):
    values = np.array([[[0.1, 0.9], [np.nan, 0.5]]])
    path = run_of({"populations/output/rate": (values, [0], NEURONS)})
    assert exported(path).trials["response"].data[:].tolist() == [1, -1]


def test_the_response_is_had_without_recording_the_output(small, tmp_path, exported):
    """The same as from the output's rates; at the steps of every population that was recorded."""

    def made(name, *variables):
        record = {"variables": list(variables), "samples": 7}
        path = tmp_path / name
        run(prepare(ModelFile.of("small", small() | {"record": record})), path).close()
        (tmp_path / "exported.nwb").unlink(missing_ok=True)
        return exported(path).trials.to_dataframe()

    told = made("told.h5", "hidden1.rate every 3 steps", "hidden2.rate[0, 2] every 1 epoch")
    rates = made("rates.h5", "output.rate every 1 step", "output.rate every 1 step")
    steps = sorted(set(told["step"]))
    assert steps == [0, 3, 4, 6, 8, 9, 12]
    for step in steps:
        expected = rates["response"][rates["step"] == step].tolist()
        assert told["response"][told["step"] == step].tolist() == expected and min(expected) >= 0


def test_populations_recorded_at_different_steps_share_one_clock(run_of, exported, tmp_path):
    rng = np.random.default_rng(1)
    late, rare = rng.random((2, 4, 3)), rng.random((2, 4, 3))
    nwb = exported(shown(run_of, (4, 4, 5), (0, 10, 20, 30), late=(late, (20, 30)), rare=(rare, (0, 20))))
    activity, trials = nwb.processing["activity"], nwb.trials.to_dataframe()
    assert (activity["late.rate"].starting_time, activity["late.rate"].rate) == (8.0, 1.0)
    assert activity["rare.rate"].rate is None
    assert activity["rare.rate"].timestamps[:].tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    for name, values, steps in (("late", late, (20, 30)), ("rare", rare, (0, 20))):
        times = trials["start_time"][trials["step"].isin(steps)].to_numpy()
        series = activity[f"{name}.rate"]
        own = series.timestamps[:] if series.rate is None else series.starting_time + np.arange(len(series.data)) / series.rate
        np.testing.assert_array_equal(own, times)
        np.testing.assert_array_equal(series.data, values.reshape(8, 3))
    assert findings(tmp_path / "exported.nwb") == ([], [])


def test_a_moment_is_after_the_epoch_whose_last_step_it_follows():
    def recorded(epochs, steps):
        coordinates = {"epoch": ("recording", epochs), "step": ("recording", steps)}
        return xr.DataArray(np.zeros((len(steps), 3, 2)), dims=["recording", "sample", "neuron"], coords=coordinates)

    session = Session.of({"by_step": recorded([0, 0, 0, 1], [0, 5, 10, 15]), "by_epoch": recorded([0, 1], [0, 10])})
    assert (session.steps.tolist(), session.epochs.tolist(), session.samples) == ([0, 5, 10, 15], [0, 0, 1, 1], 3)
    assert session.end == 12


def test_every_second_step_of_one_sample_is_evenly_spaced(run_of, exported):
    rare = (np.ones((3, 1, 1)), (0, 20, 40))
    series = exported(shown(run_of, (5, 1, 1), (0, 10, 20, 30, 40), rare=rare)).processing["activity"]["rare.rate"]
    assert (series.starting_time, series.rate) == (0.0, 0.5)


def test_more_neurons_than_presentations_are_cut_into_pieces(run_of, exported, tmp_path):
    path = shown(run_of, (2, 3, 20), (10, 20))
    activity = exported(path).processing["activity"]
    pieces = list(activity.data_interfaces.values())
    assert [series.name for series in pieces] == ["h.rate.00-04", "h.rate.05-09", "h.rate.10-14", "h.rate.15-19"]
    assert activity["h.rate.05-09"].comments == "neurons: 5 6 7 8 9"
    with Run(path) as run:
        np.testing.assert_array_equal(np.hstack([series.data for series in pieces]), run.recordings["h.rate"].values.reshape(6, 20))
    assert findings(tmp_path / "exported.nwb") == ([], [])


def test_a_population_in_space_is_laid_out_in_a_row(run_of, exported):
    values = np.random.default_rng(0).random((2, 9, 2, 2, 3))
    path = run_of({"populations/image/rate": (values, [0, 10], {"dims": "recording sample channel row column"})})
    np.testing.assert_array_equal(exported(path).acquisition["image.rate"].data, values.reshape(18, 12))


# ---------------------------------------------------------------------- learning


def test_weights_metrics_and_alignment_are_tables(made_up, exported):
    learning = exported(made_up).processing["learning"]
    with Run(made_up) as run:
        weights = run.recordings["x__hidden1.w"]
        np.testing.assert_array_equal(learning["x__hidden1.w"]["value"].data, weights)
        np.testing.assert_array_equal(learning["x__hidden1.w"]["step"].data, weights.step)
        metrics = learning["metrics"].to_dataframe()
        assert list(metrics) == ["split", "epoch", "step", "loss", "error", "seconds"]
        for column in metrics:
            np.testing.assert_array_equal(metrics[column], run.metrics.reset_index()[column])
        alignment = learning["alignment"].to_dataframe()
        assert list(alignment) == ["projection", "step", "epoch", "angle", "cosine", "norm_ratio"]
        np.testing.assert_array_equal(alignment["angle"], run.alignment["angle"])


def test_learning_signals_lie_with_learning_at_the_times_of_activity(run_of, exported, tmp_path):
    rng = np.random.default_rng(0)
    rate, error, bias = rng.random((3, 4, 5)), rng.random((2, 4, 5)), rng.random((3, 5))
    places = {
        "populations/h/rate": (rate, (0, 10, 20), NEURONS),
        "populations/h/error": (error, (0, 20), NEURONS),
        "populations/h/b": (bias, (0, 10, 20), {"dims": "recording post"}),
        "pathways/inverse/a__h/scale": (np.arange(3.0), (0, 10, 20), {"dims": "recording"}),
    }
    nwb = exported(run_of(places))
    assert set(nwb.processing["activity"].data_interfaces) == {"h.rate"} == set(nwb.acquisition)
    signal = nwb.processing["learning"]["h.error"]
    np.testing.assert_array_equal(signal.data, error.reshape(8, 5))
    assert signal.timestamps[:].tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    np.testing.assert_array_equal(nwb.processing["learning"]["h.b"]["value"].data, bias)
    assert nwb.processing["learning"]["inverse%2Fa__h.scale"]["value"].data[:].tolist() == [0, 1, 2]
    assert findings(tmp_path / "exported.nwb") == ([], [])


# ---------------------------------------------------------------------- spikes


def test_units_hold_every_neurons_spikes(made_up, exported):
    units = exported(made_up).units
    with Run(made_up) as run:
        spikes = run.spikes["hidden1"]
    assert len(units) == 12
    for number in range(12):
        own = spikes[spikes["index"] == number]
        np.testing.assert_array_equal(units["spike_times"][number], own["time"])
        np.testing.assert_array_equal(units["spike_trials"][number], own["trial"])
        assert (units["population"][number], units["neuron"][number]) == ("hidden1", number)
        np.testing.assert_array_equal(units["obs_intervals"][number], [[0, 100]])


def test_silent_neurons_are_units(run_of, exported, tmp_path):
    spikes = {"time": [0.75, 0.25, 1.5, 0.5], "index": [2, 2, 3, 3], "trial": [0, 0, 1, 0], "step": [0, 0, 0, 0]}
    units = exported(run_of({}, spikes=spikes, neurons=6)).units
    assert [len(units["spike_times"][k]) for k in range(6)] == [0, 0, 2, 2, 0, 0]
    assert units["spike_times"][2].tolist() == [0.25, 0.75] and units["spike_trials"][3].tolist() == [0, 1]
    assert [m.check_function_name for m in findings(tmp_path / "exported.nwb")[0]] == ["check_column_binary_capability"]
    assert findings(tmp_path / "exported.nwb")[1] == []


def test_no_units_where_no_neuron_fired(run_of, exported, tmp_path):
    assert exported(run_of({}, spikes={})).units is None
    assert findings(tmp_path / "exported.nwb") == ([], [])


def test_spikes_of_neurons_that_are_not_there_are_told(run_of, exported):
    with pytest.raises(RunFileError, match="spikes/hidden1 are not 5 neurons'"):
        exported(run_of({}, spikes={"time": [0.5], "index": [5], "trial": [0], "step": [0]}))


# ---------------------------------------------------------------------- Neo


def test_neo_reads_rates_and_spikes(made_up, exported, tmp_path):
    neo = pytest.importorskip("neo")
    exported(made_up)
    (block,) = neo.io.NWBIO(str(tmp_path / "exported.nwb"), "r").read_all_blocks()
    (segment,) = block.segments
    with Run(made_up) as run:
        signals = {signal.name: signal for signal in segment.analogsignals}
        assert set(signals) == {"hidden1.rate", "hidden2.rate", "output.rate"}
        for name, signal in signals.items():
            np.testing.assert_array_equal(signal.magnitude, run.recordings[name].values.reshape(100, -1))
            assert signal.sampling_rate.rescale("Hz").item() == 1 and signal.t_start.item() == 0
        spikes = run.spikes["hidden1"]
    for number, train in enumerate(segment.spiketrains):
        np.testing.assert_array_equal(train.rescale("s").magnitude, spikes[spikes["index"] == number]["time"])
    assert number == 11


def test_neo_reads_what_is_not_evenly_spaced_and_silent_neurons(run_of, exported, tmp_path):
    neo = pytest.importorskip("neo")
    values, spikes = np.random.default_rng(0).random((2, 4, 3)), {"time": [0.5], "index": [1], "trial": [0], "step": [0]}
    recordings = {"h": (np.ones((3, 4, 2)), (0, 10, 20), NEURONS), "rare": (values, (0, 20), NEURONS)}
    exported(run_of({f"populations/{name}/rate": item for name, item in recordings.items()}, spikes=spikes))
    (segment,) = neo.io.NWBIO(str(tmp_path / "exported.nwb"), "r").read_all_blocks()[0].segments
    (rare,) = segment.irregularlysampledsignals
    np.testing.assert_array_equal(rare.magnitude, values.reshape(8, 3))
    assert rare.times.magnitude.tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert [len(train) for train in segment.spiketrains] == [0, 1, 0, 0, 0]
