"""Numbers behind the plots, against hand computations; and that little is read of much."""

import dask.array
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neurosim.analysis import courses
from neurosim.analysis.courses import (
    Curve,
    angles,
    course,
    curve,
    epochs_to,
    evenly,
    hidden_projections,
    last_angle,
    rasters,
    step_ms,
    strides,
    timed,
)
from neurosim.analysis.grouping import grouped
from neurosim.errors import RunFileError


def test_curve_is_mean_lowest_and_highest_where_all_seeds_have_a_value():
    one, other = pd.Series([8.0, 4.0, 1.0], index=[0, 1, 2]), pd.Series([6.0, np.nan, 3.0, 9.0], index=[0, 1, 2, 3])
    found = Curve.of([one, other])
    assert found.at.tolist() == [0, 2] and found.seeds == 2
    assert found.mean.tolist() == [7, 2] and found.low.tolist() == [6, 1] and found.high.tolist() == [8, 3]


def test_curve_of_nothing_in_common_is_none():
    assert Curve.of([pd.Series([1.0], index=[0]), pd.Series([1.0], index=[1])]) is None
    assert Curve.of([pd.Series([np.nan, np.inf], index=[0, 1])]) is None


def test_curve_of_a_group_is_over_its_seeds(make_run):
    runs = [make_run(seed=seed) for seed in (1, 2, 3)]
    found = curve(grouped(runs)[0], "test", "error")
    values = np.array([run.metrics.loc["test"]["error"] for run in runs])
    np.testing.assert_allclose([found.mean, found.low, found.high], [values.mean(0), values.min(0), values.max(0)])
    assert curve(grouped(runs)[0], "test", "surprise") is None and curve(grouped(runs)[0], "tset", "error") is None


def in_seconds(make_run, edited, *seconds):
    """A group of one run for each list of seconds, and its curve of test errors."""
    runs = [
        edited(make_run(seed=number), lambda file, own=own: file["metrics/train/seconds"].__setitem__(slice(None), own))
        for number, own in enumerate(seconds, start=1)
    ]
    (group,) = grouped(runs)
    return group, curve(group, "test", "error")


def test_a_curve_over_seconds_stands_at_their_mean_over_seeds(make_run, edited):
    group, over_epochs = in_seconds(make_run, edited, [0, 1, 1, 1, 1], [0, 2, 4, 2, 2])
    found = timed(group, over_epochs)
    assert found.at.tolist() == [0, 1.5, 4, 5.5, 7] and found.seeds == 2
    np.testing.assert_array_equal([found.mean, found.low, found.high], [over_epochs.mean, over_epochs.low, over_epochs.high])
    assert found.later().at.tolist() == [1.5, 4, 5.5, 7] and found.later().mean.tolist() == over_epochs.mean[1:].tolist()


@pytest.mark.parametrize("seconds", [[0, 1, np.inf], [0, 1, -3], [0, 0, 0], [0, 1e300, 1], [0, 5e-324, 0]])
def test_seconds_that_are_none_make_no_curve(make_run, edited, seconds):
    assert timed(*in_seconds(make_run, edited, [*seconds, 0, 0])) is None


@pytest.mark.parametrize(
    ("errors", "expected"),
    [([90, 5, 4, 6, 3], 1), ([90, 5.001, 4, 6, 3], 2), ([4, 90, 90, 90, 90], 0), ([90, 80, np.nan, 60, 50], None)],
)
def test_the_first_epoch_of_95_per_cent(make_run, edited, errors, expected):
    assert epochs_to(edited(make_run(), lambda file: file["metrics/test/error"].__setitem__(slice(None), errors)), 95) == expected


def test_a_step_takes_its_share_of_the_epochs_seconds(make_run):
    (group,) = grouped([make_run()])  # half a second for ten steps
    assert step_ms(group, group.runs[0]) == pytest.approx(50)


def test_the_passes_of_an_epoch_count_together(make_run):
    (group,) = grouped([make_run("difference_target_propagation")])
    assert len(group.pathway.phases) == 2
    assert step_ms(group, group.runs[0]) == pytest.approx(100)


def test_the_first_epoch_compiles_and_is_left_out(make_run, edited):
    run = edited(make_run(), lambda file: file["metrics/train/seconds"].__setitem__(1, 60.0))
    (group,) = grouped([run])
    assert step_ms(group, run) == pytest.approx(50)


def test_angles_of_projections_into_hidden_populations_from_the_bottom_up(make_run):
    run = make_run()
    assert hidden_projections(run) == ["x__hidden1", "hidden1__hidden2"]
    last = run.alignment.xs(40, level="step")["angle"]
    assert last_angle(run, hidden_projections(run)) == pytest.approx((last["x__hidden1"] + last["hidden1__hidden2"]) / 2)
    assert last_angle(run, []) is None and last_angle(run, ["none"]) is None
    found, clock = angles(grouped([run])[0])
    assert clock == "epoch" and list(found) == ["x__hidden1", "hidden1__hidden2"]
    assert found["x__hidden1"].mean[-1] == pytest.approx(last["x__hidden1"])


def test_angles_within_epochs_are_told_by_step(make_run, edited):
    run = edited(make_run(), lambda file: file["alignment/x__hidden1/epoch"].__setitem__(slice(None), 0))
    found, clock = angles(grouped([run])[0])
    assert clock == "step" and found["x__hidden1"].at.tolist() == [0, 10, 20, 30, 40]


def test_projections_in_a_circle_end(make_run, edited):
    def change(file):
        file.move("alignment/hidden2__output", "alignment/hidden2__x")

    assert set(hidden_projections(edited(make_run(), change))) == {"x__hidden1", "hidden1__hidden2", "hidden2__x"}


def test_projections_with_names_of_their_own_are_found_by_the_model(make_run, edited):
    def change(file):
        file.move("alignment/hidden1__hidden2", "alignment/up")

    named = {"network": {"projections": [{"name": "up", "pre": "hidden1", "post": "hidden2"}, {"pre": "x", "post": "hidden1"}]}}
    run = edited(make_run(), change)
    assert hidden_projections(run, named) == ["x__hidden1", "up"]
    for odd in ({}, {"network": 3}, {"network": {"projections": [3, {"name": 4}]}}):
        assert "up" not in hidden_projections(run, odd)


# ---------------------------------------------------------------------- recordings


@pytest.mark.parametrize(("count", "most"), [(0, 3), (1, 3), (3, 3), (10, 3), (1000, 12)])
def test_evenly_keeps_both_ends(count, most):
    found = evenly(count, most)
    assert len(found) == min(count, most)
    assert not count or (found[0], found[-1]) == (0, count - 1)
    assert len(found) < 3 or np.ptp(np.diff(found)) <= 1


@pytest.mark.parametrize("shape", [(), (5,), (1000,), (100, 100), (3, 4, 5, 600), (1, 10**9)])
def test_strides_leave_at_most_so_many_and_not_far_fewer(shape):
    left = np.prod([-(-n // step) for n, step in zip(shape, strides(shape, 100), strict=True)])
    assert left <= 100 and (np.prod(shape) <= 100) == (left == np.prod(shape)) and left >= min(np.prod(shape), 40)


def test_a_small_recording_is_taken_whole(make_run):
    run = make_run()
    found = course(run, "x__hidden1.w")
    assert found.at.tolist() == [0, 1, 2, 3, 4] and found.clock == "epoch" and found.unit == ""
    np.testing.assert_array_equal(found.values[3], run.recording("x__hidden1.w")[3].to_numpy().ravel())


class Unread:
    """A run with one recording whose every chunk is one moment of a million values, and which knows what was read."""

    path = "unread.h5"

    def __init__(self, moments, size=(1000, 1000)):
        self.read = []
        made = dask.array.map_blocks(
            self._made, chunks=((1,) * moments, (size[0],), (size[1],)), dtype=float, meta=np.zeros((0, 0, 0))
        )
        clock = {key: ("recording", np.arange(moments)) for key in ("epoch", "step")}
        self.values = xr.DataArray(made, dims=("recording", "sample", "neuron"), coords=clock)

    def _made(self, block_info=None):
        place = block_info[None]
        self.read.append(place["chunk-location"][0])
        return np.zeros(place["chunk-shape"])

    def recording(self, name):
        return self.values


def test_of_a_large_recording_few_moments_and_few_values_are_read():
    run = Unread(500)
    found = course(run, "anything")
    assert sorted(run.read) == found.at.tolist() == evenly(500, 12).tolist()
    assert all(courses.SAMPLES / 4 < len(one) <= courses.SAMPLES for one in found.values)


def test_values_that_are_not_finite_are_left_out(make_run, edited):
    run = edited(make_run(), lambda file: file["projections/x__hidden1/w"].__setitem__((0, slice(1, None)), np.nan))
    assert [len(one) for one in course(run, "x__hidden1.w").values] == [12, 768, 768, 768, 768]
    run = edited(run, lambda file: file["projections/x__hidden1/w"].__setitem__(slice(None), np.inf))
    assert course(run, "x__hidden1.w") is None


def test_a_chunk_that_cannot_be_read_is_told_with_the_file(make_run):
    run = make_run()
    run.close()
    content = bytearray(run.path.read_bytes())
    import h5py

    with h5py.File(run.path) as file:
        chunk = file["projections/x__hidden1/w"].id.get_chunk_info(2)
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    run.path.write_bytes(content)
    with type(run)(run.path) as damaged, pytest.raises(RunFileError, match=f"run file {run.path}: damaged"):
        course(damaged, "x__hidden1.w")


# ---------------------------------------------------------------------- spikes


def test_rasters_are_of_the_first_and_the_last_trial(make_run, monkeypatch):
    run = make_run(spikes=True)
    first, last = rasters(run, "hidden1")
    assert (first.step, first.trial, last.step, last.trial) == (0, 0, 40, 4)
    spikes = run.spikes["hidden1"].query("step == 40")
    np.testing.assert_array_equal(last.time, spikes["time"])
    np.testing.assert_array_equal(last.index, spikes["index"])
    assert last.neurons == 12 and last.left_out == 0
    monkeypatch.setattr(courses, "SPIKES", 20)
    first, _ = rasters(run, "hidden1")
    assert len(first.time) == 20 and first.left_out == 30 and first.time.max() < 0.9


def test_one_trial_makes_one_raster(make_run):
    assert len(rasters(make_run(spikes=True, epochs=0), "hidden1")) == 1
