"""The numbers behind a report's plots: curves over seeds, angles, samples of recordings, spikes.  Little is read of much."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurosim.analysis.grouping import Group, stages
from neurosim.runfile import Run
from neurosim.runfile.opening import damaged

RECORDINGS = 12  # of a variable, evenly spaced in time
SAMPLES = 2**15  # values of one recording
SPIKES = 3000  # of one raster
HUGE = 1e100  # an axis shows no number beyond, nor one nearer to zero than its inverse


@dataclass(frozen=True)
class Curve:
    """A number's course: mean over seeds, and the lowest and highest seed.

    at, mean, low, high : (points,); seeds : how many
    """

    at: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: int

    @staticmethod
    def of(columns: Sequence[pd.Series]) -> Curve | None:
        """Return the curve of one series for each seed, where all have a value that can be drawn; None where there is none."""
        table = pd.concat([column[~column.index.duplicated(keep="last")] for column in columns], axis=1)
        table = table.where(table.abs() < HUGE).dropna().sort_index()
        table = table.where(table.abs() > 1 / HUGE, 0.0)
        values = table.to_numpy(dtype=float)
        if not values.size:
            return None
        return Curve(table.index.to_numpy(dtype=float), values.mean(1), values.min(1), values.max(1), values.shape[1])

    def where(self, kept: np.ndarray, at: np.ndarray | None = None) -> Curve:
        """Return some of the points.  kept : (points,), which; at : (points,), where all of them are from now on"""
        moved = self.at if at is None else at
        return Curve(moved[kept], self.mean[kept], self.low[kept], self.high[kept], self.seeds)

    def later(self) -> Curve:
        """Return the points after the start, which a logarithmic axis has."""
        return self.where(self.at > 0)


@dataclass(frozen=True)
class Course:
    """Samples of a recorded variable at some moments.

    at : (moments,) epochs, or steps where there are several recordings of one epoch; clock : which of the two
    values : one array of finite numbers for each moment; unit : of the values, "" for none
    """

    at: np.ndarray
    clock: str
    values: list[np.ndarray]
    unit: str


@dataclass(frozen=True)
class Raster:
    """Spikes of one trial.

    time : (spikes,) seconds; index : (spikes,); neurons : the population's size; left_out : spikes that came later
    """

    time: np.ndarray
    index: np.ndarray
    neurons: int
    step: int
    trial: int
    left_out: int


def metric(run: Run, split: str, name: str) -> pd.Series | None:
    """Return one metric by epoch; None where the run has none."""
    metrics = run.metrics
    if name not in metrics.columns or split not in metrics.index.get_level_values(0):
        return None
    found = metrics.loc[split][name].astype(float).dropna()
    return None if found.empty else found


def curve(group: Group, split: str, name: str) -> Curve | None:
    """Return a metric's course over the seeds of a group; None where one of its runs has none."""
    columns = [metric(run, split, name) for run in group.counted]
    return Curve.of([column for column in columns if column is not None]) if all(c is not None for c in columns) else None


def timed(group: Group, found: Curve) -> Curve | None:
    """Return a curve of a group over seconds spent in training steps rather than epochs; None where a run does not tell them.

    A point is where its epoch is, on the mean over seeds.
    """
    clocks = [elapsed(run) for run in group.counted]
    told = [clock for clock in clocks if clock is not None]
    if not told or len(told) < len(clocks):
        return None
    at = pd.concat(told, axis=1).reindex(found.at).mean(axis=1, skipna=False).to_numpy(dtype=float)
    known = np.isfinite(at)
    return found.where(known, at) if np.any(at[known] > 0) else None


def elapsed(run: Run) -> pd.Series | None:
    """Return the seconds that a run had spent in training steps by the end of each epoch; None where it does not tell them."""
    spent = metric(run, "train", "seconds")
    if spent is None or not (spent.abs() < HUGE).all() or (spent < 0).any():
        return None
    return spent.where(spent > 1 / HUGE, 0.0).sort_index().cumsum()


def epochs_to(run: Run, accuracy: float) -> int | None:
    """Return the first epoch after which a run's test accuracy, 100 less the error, is so many per cent or more, or None."""
    error = metric(run, "test", "error")
    if error is None:
        return None
    reached = error.index[100 - error >= accuracy]
    return int(reached.min()) if len(reached) else None


def step_ms(group: Group, run: Run) -> float | None:
    """Return ``milliseconds_a_step`` of a run's first stage."""
    epochs = next((stage.get("epochs") for stage in stages(group.contents)), None)
    return milliseconds_a_step(run, len(group.pathway.phases) if group.pathway else 1, epochs if isinstance(epochs, int) else None)


def milliseconds_a_step(run: Run, passes: int, epochs: int | None = None) -> float | None:
    """Return milliseconds of training for one batch of data, all ``passes`` of an epoch together; None where they are not known.

    Median over the first ``epochs`` (default: all), the very first of which, as it compiles, is left out where there are others.
    """
    metrics = run.metrics
    if "train" not in metrics.index.get_level_values(0) or not {"seconds", "step"} <= set(metrics.columns):
        return None
    train = metrics.loc["train"].sort_index()
    train = train if epochs is None else train[train.index <= epochs]
    each = (
        (train["seconds"] / train["step"].diff()).replace([np.inf, -np.inf], np.nan).dropna()
    )  # no step comes before the first row
    each = each.iloc[1:] if len(each) > 1 else each
    return 1000 * passes * float(each.median()) if len(each) else None


# ---------------------------------------------------------------------- alignment


def _recorded(run: Run, place: str = "alignment") -> pd.DataFrame:
    """Return a run's angles by (projection, step); no row where it has none.  place : alignment or gauss_newton"""
    found: pd.DataFrame = getattr(run, place)
    return found if {"angle", "epoch"} <= set(found.columns) else found.iloc[:0]


def hidden_projections(run: Run, contents: Mapping[str, Any] | None = None, place: str = "alignment") -> list[str]:
    """Return the projections with angles that do not lead to the output, the population that nothing else comes from.

    contents : of the model, which says where projections with names of their own begin and end
    """
    names = list(dict.fromkeys(_recorded(run, place).index.get_level_values(0)))
    ends = {name: (name.partition("__")[0], name.partition("__")[2]) for name in names} | _named_ends(contents or {})
    onward = {ends[name][0] for name in names if ends[name][0] != ends[name][1]}
    return sorted((name for name in names if ends[name][1] in onward), key=lambda name: _depth(name, names, ends))


def _named_ends(contents: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return pre and post of the projections that have names of their own."""
    network = contents.get("network")
    tables = network.get("projections") if isinstance(network, Mapping) else None
    known = [table for table in tables if isinstance(table, Mapping)] if isinstance(tables, list) else []
    return {str(table["name"]): (str(table.get("pre")), str(table.get("post"))) for table in known if "name" in table}


def _depth(name: str, names: Sequence[str], ends: Mapping[str, tuple[str, str]], most: int = 100) -> int:
    """Return how many projections come before this one; a circle ends at ``most``."""
    below = [other for other in names if other != name and ends[other][1] == ends[name][0]]
    return 1 + max(_depth(other, names, ends, most - 1) for other in below[:1]) if below and most else 0


def last_angle(run: Run, projections: Sequence[str]) -> float | None:
    """Return the mean angle of ``projections`` at the last recording, degrees; None where there is none."""
    recorded = _recorded(run)
    known = [name for name in projections if name in recorded.index.get_level_values(0)]
    found = [recorded.loc[name].sort_index()["angle"].iloc[-1] for name in known]
    finite = [float(angle) for angle in found if math.isfinite(angle)]
    return sum(finite) / len(finite) if finite else None


def angles(group: Group, place: str = "alignment") -> tuple[dict[str, Curve], str]:
    """Return projection -> course of its angle in degrees, and the clock: epoch, or step where an epoch has several.

    place : which angle: alignment, to minus the exact gradient, or gauss_newton, to that direction
    """
    tables = [table for run in group.counted if len(table := _recorded(run, place))]
    clock = "epoch" if all(map(_one_an_epoch, tables)) else "step"
    found = {}
    for name in hidden_projections(group.counted[0], group.contents, place):
        frames = [table.loc[name].reset_index() for table in tables if name in table.index.get_level_values(0)]
        course = Curve.of([frame.set_index(clock)["angle"] for frame in frames])
        if course is not None:
            found[name] = course
    return found, clock


def effects(groups: Sequence[Group]) -> tuple[dict[str, Curve], str]:
    """Return label -> course of what a step takes off its batch's loss, where all runs of a group tell it; and the clock."""
    tables = {group.label: [run.step_effect for run in group.counted] for group in groups}
    tables = {label: found for label, found in tables.items() if all(len(table) for table in found)}
    single = all(table["epoch"].is_unique for found in tables.values() for table in found)
    clock = "epoch" if single else "step"
    courses = {
        label: Curve.of([table.reset_index().set_index(clock)["decrease"] for table in found]) for label, found in tables.items()
    }
    return {label: course for label, course in courses.items() if course is not None}, clock


def _one_an_epoch(alignment: pd.DataFrame) -> bool:
    keys = [alignment.index.get_level_values(0), alignment["epoch"]]
    return not pd.MultiIndex.from_arrays(keys).has_duplicates


# ---------------------------------------------------------------------- recordings


def course(run: Run, name: str) -> Course | None:
    """Return samples of a recorded variable, RECORDINGS times at most SAMPLES values; None where none is finite."""
    recording = run.recording(name)
    if recording.dims[0] == "time":
        return course_in_time(recording)
    rows = evenly(recording.sizes["recording"], RECORDINGS)
    epochs, steps = (recording[key].to_numpy()[rows] for key in ("epoch", "step"))
    one_an_epoch = len(set(epochs.tolist())) == len(epochs)
    values = [_sampled(run, recording[row]) for row in rows]
    if not any(len(one) for one in values):
        return None
    unit = str(recording.attrs.get("units", ""))
    return Course(epochs if one_an_epoch else steps, "epoch" if one_an_epoch else "step", values, "" if unit == "1" else unit)


def course_in_time(one: xr.DataArray) -> Course | None:
    """Return values of a recording in time at RECORDINGS moments, all trials together; None where none is finite."""
    rows = evenly(one.shape[0], RECORDINGS)
    every = max(1, -(-one.shape[1] * one.shape[2] // SAMPLES))
    values = []
    for row in rows:
        found = np.asarray(one[row].compute(scheduler="synchronous"), float).ravel()[::every]
        values.append(found[np.isfinite(found)])
    if not any(len(own) for own in values):
        return None
    unit = str(one.attrs.get("units", ""))
    return Course(one["time"].values[rows], "time (s)", values, "" if unit == "1" else unit)


def evenly(count: int, most: int) -> np.ndarray:
    """Return at most ``most`` of the numbers 0 .. count - 1, the first and the last among them, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)) if count else np.zeros(0, int)


def strides(shape: Sequence[int], most: int) -> tuple[int, ...]:
    """Return the step along each axis that leaves at most ``most`` elements, the longest axes thinned first."""
    steps, left = [1] * len(shape), list(shape)
    while math.prod(left) > most:
        axis = left.index(max(left))
        steps[axis] *= 2
        left[axis] = -(-shape[axis] // steps[axis])
    return tuple(steps)


def _sampled(run: Run, one: xr.DataArray) -> np.ndarray:
    """Return finite values of one recording, every so many neurons, samples or synapses."""
    part = one[tuple(slice(None, None, step) for step in strides(one.shape, SAMPLES))]
    try:
        values = np.asarray(part.compute(scheduler="synchronous"), dtype=float).ravel()  # one chunk in memory at a time
    except OSError as cause:
        raise damaged(run.path, cause) from cause
    return values[np.isfinite(values)]


# ---------------------------------------------------------------------- spikes


def rasters(run: Run, population: str) -> list[Raster]:
    """Return the first trial that was recorded and the last one; one where there is one, none where there are no spikes."""
    spikes = run.spikes[population]
    if spikes.empty or not {"time", "index", "trial", "step"} <= set(spikes.columns):
        return []
    trials = sorted(set(zip(spikes["step"], spikes["trial"], strict=True)))
    return [_raster(spikes, int(step), int(trial)) for step, trial in dict.fromkeys((trials[0], trials[-1]))]


def _raster(spikes: Any, step: int, trial: int) -> Raster:
    chosen = spikes[(spikes["step"] == step) & (spikes["trial"] == trial)].sort_values("time")
    kept = chosen.iloc[:SPIKES]
    time, index = kept["time"].to_numpy(dtype=float), kept["index"].to_numpy(dtype=int)
    return Raster(time, index, int(spikes.attrs["neurons"]), step, trial, len(chosen) - len(kept))
