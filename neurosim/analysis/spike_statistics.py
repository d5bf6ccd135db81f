"""Statistics of spike trains: rates, irregularity, variability of counts, synchrony.  No matrix of windows and neurons is made.

Sources: Fano factor and CV as in Gerstner, Kistler, Naud, Paninski (2014), *Neuronal Dynamics*, section 7.3; synchrony ``chi`` as
in Golomb and Rinzel (1994), Physica D 72.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurosim import reprs
from neurosim.errors import require
from neurosim.runfile import Run

COUNTED = 0.1  # seconds: the window in which spikes are counted for the Fano factor
TOGETHER = 0.005  # seconds: spikes nearer to each other count as synchronous


@dataclass(frozen=True)
class Trains:
    """Spikes of one population.

    time : (spikes,), seconds; index : (spikes,), the neuron; trial : (spikes,)
    neurons, trials : how many there are, silent ones too; duration : seconds that were recorded
    """

    time: np.ndarray
    index: np.ndarray
    trial: np.ndarray
    neurons: int
    trials: int
    duration: float

    __repr__ = reprs.fields

    @staticmethod
    def of(run: Run, population: str, start: float = 0.0) -> Trains:
        """Return what a run file holds of a population, trials in order, and time within them; ``duration`` as far as it came.

        start : seconds of each trial that are left out, from its beginning; times are counted from there
        """
        spikes = run.spikes[population].sort_values(["trial", "time"], kind="stable")
        if start:
            spikes = spikes[spikes["time"] >= start - 1e-9]
            spikes = spikes.assign(time=np.maximum(spikes["time"] - start, 0.0))
        time, index, trial = (spikes[key].to_numpy() for key in ("time", "index", "trial"))
        trials = int(run.attributes.get("trials", 0)) or len(np.unique(trial)) or 1
        duration = max(simulated(run) - start, 0.0)
        return Trains(time, index, trial, int(run.spikes[population].attrs["neurons"]), trials, duration)

    def __len__(self) -> int:
        return len(self.time)

    def each(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield (trial, time, index) of each trial, those without a spike too."""
        order = np.argsort(self.trial, kind="stable")
        ends = np.searchsorted(self.trial[order], np.arange(self.trials + 1))
        for number in range(self.trials):
            own = order[ends[number] : ends[number + 1]]
            yield number, self.time[own], self.index[own]


def simulated(run: Run) -> float:
    """Return the seconds of biological time that a simulation has come to: its duration, unless it was stopped before."""
    told = float(run.attributes.get("duration", 0.0))
    last = max((float(spikes["time"].max()) for spikes in run.spikes.values() if len(spikes)), default=0.0)
    if run.status == "complete":
        return told
    step, dt = max(run.checkpoint_steps, default=0), float(run.attributes.get("dt", 0.0))
    return min(told, max(last, step * dt)) if told else last


# ---------------------------------------------------------------------- rates


def rates(trains: Trains) -> np.ndarray:
    """Return the rate of each neuron in each trial, (trials, neurons), Hz."""
    _check_lasts(trains)
    cells = trains.trial.astype(np.int64) * trains.neurons + trains.index
    return np.bincount(cells, minlength=trains.trials * trains.neurons).reshape(trains.trials, -1) / trains.duration


def rate_in_time(trains: Trains, window: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle of each window, (windows,), seconds, and the mean rate of a neuron in it, (trials, windows), Hz.

    A last window that is not whole is left out.
    """
    count = _windows(trains, window)
    place = _window_of(trains.time, window)
    inside = place < count
    cells = trains.trial[inside].astype(np.int64) * count + place[inside]
    found = np.bincount(cells, minlength=trains.trials * count).reshape(trains.trials, count)
    return window * (np.arange(count) + 0.5), found / (trains.neurons * window)


# ---------------------------------------------------------------------- intervals


def intervals(trains: Trains) -> np.ndarray:
    """Return all intervals between two spikes of a neuron in a trial, (intervals,), seconds."""
    return _intervals(trains)[0]


def cv(trains: Trains) -> np.ndarray:
    """Return the coefficient of variation of each neuron's intervals in each trial, (trials, neurons).

    Standard deviation over mean; NaN where a neuron has fewer than two intervals.  1 for a Poisson process, 0 for a clock.
    """
    interval, cell = _intervals(trains)
    size = trains.trials * trains.neurons
    count = np.bincount(cell, minlength=size)
    known = count > 1
    safe = np.maximum(count, 1)
    mean = np.bincount(cell, interval, size) / safe
    spread = np.sqrt(np.bincount(cell, (interval - mean[cell]) ** 2, size) / safe)
    found = np.full(size, np.nan)
    found[known] = spread[known] / mean[known]
    return found.reshape(trains.trials, trains.neurons)


def _intervals(trains: Trains) -> tuple[np.ndarray, np.ndarray]:
    """Return all intervals, and the neuron of each, counted over trials."""
    cell = trains.trial.astype(np.int64) * trains.neurons + trains.index
    order = np.lexsort((trains.time, cell))
    same = np.diff(cell[order]) == 0
    return np.diff(trains.time[order])[same], cell[order][1:][same]


# ---------------------------------------------------------------------- counts


def fano(trains: Trains, window: float = COUNTED) -> np.ndarray:
    """Return each neuron's Fano factor, (neurons,): the variance of its counts over their mean, over all windows of all trials.

    NaN where it is silent.  1 for a Poisson process.  window : seconds
    """
    found = [_Counts.of(time, index, trains, window) for _, time, index in trains.each()]
    mean, squares = (np.mean([getattr(one, name) for one in found], axis=0) for name in ("mean", "squares"))
    with np.errstate(invalid="ignore", divide="ignore"):
        factor: np.ndarray = (squares - mean**2) / mean
    return factor


def synchrony(trains: Trains, window: float = TOGETHER) -> float:
    """Return ``chi``, from 0 to 1: the standard deviation of the mean count over the root of the mean variance of single counts.

    1 where all neurons fire together, about 1 / sqrt(neurons) where they are independent; the mean over trials, NaN where nobody
    fires.  window : seconds
    """
    found = []
    for _, time, index in trains.each():
        counts = _Counts.of(time, index, trains, window)
        single, together = counts.variance.mean(), counts.summed(np.full(trains.neurons, 1 / trains.neurons)).var()
        found.append(np.sqrt(together / single) if single > 0 else np.nan)
    return _mean(found)


def correlation(trains: Trains, window: float = TOGETHER) -> float:
    """Return the mean over all pairs of neurons of the correlation (Pearson's) of their counts, the mean over trials.

    Neurons whose count never changes are left out; NaN where fewer than two are left.  window : seconds
    """
    found = []
    for _, time, index in trains.each():
        counts = _Counts.of(time, index, trains, window)
        changing = counts.variance > 0
        size = int(changing.sum())
        if size < 2:
            continue
        scale = np.zeros(trains.neurons)
        scale[changing] = 1 / np.sqrt(counts.variance[changing])
        # the variance of a sum of z-scores is their number, and the correlation of each pair twice
        found.append((counts.summed(scale).var() - size) / (size * (size - 1)))
    return _mean(found)


@dataclass(frozen=True)
class _Counts:
    """The spikes of one trial, counted in windows.

    mean, squares : (neurons,), of a neuron's counts and of their squares over all windows
    place, index : (spikes,), window and neuron of each; windows : how many
    """

    mean: np.ndarray
    squares: np.ndarray
    place: np.ndarray
    index: np.ndarray
    windows: int

    @staticmethod
    def of(time: np.ndarray, index: np.ndarray, trains: Trains, window: float) -> _Counts:
        count = _windows(trains, window)
        place = _window_of(time, window)
        inside = place < count
        place, index = place[inside], index[inside].astype(np.int64)
        _, first, several = np.unique(index * count + place, return_index=True, return_counts=True)
        squares = np.bincount(index[first], several.astype(float) ** 2, trains.neurons)
        return _Counts(np.bincount(index, minlength=trains.neurons) / count, squares / count, place, index, count)

    @property
    def variance(self) -> np.ndarray:
        """Of each neuron's counts, (neurons,)."""
        found: np.ndarray = self.squares - self.mean**2
        return np.where(found > 1e-12 * self.squares, found, 0.0)

    def summed(self, weights: np.ndarray) -> np.ndarray:
        """Return the weighted sum of all neurons' counts in each window, (windows,).  weights : (neurons,)"""
        return np.bincount(self.place, weights[self.index], self.windows)


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else np.nan


def _window_of(time: np.ndarray, window: float) -> np.ndarray:
    """Return the window of each spike; times are multiples of a tick, and rounding must not move one across a border."""
    return np.floor(time / window + 1e-9).astype(np.int64)


def _windows(trains: Trains, window: float) -> int:
    _check_lasts(trains)
    require(window > 0, f"window {window!r}: expected seconds, more than 0; change it")
    count = int(np.floor(trains.duration / window + 1e-9))
    require(count >= 1, f"window {window:g} s: longer than the {trains.duration:g} s that were recorded; give a shorter one")
    return count


def _check_lasts(trains: Trains) -> None:
    require(trains.duration > 0, f"duration {trains.duration!r} s: expected more than 0; let the simulation run")


# ---------------------------------------------------------------------- all of them


def table(run: Run, start: float = 0.0) -> pd.DataFrame:
    """Return a row for each population.  start : seconds of each trial that are left out, from its beginning

    neurons, trials, spikes; rate (Hz, mean over neurons and trials), rate_std (over trials), silent (share of neurons that never
    fire), cv (mean over neurons), fano (mean over neurons), correlation and synchrony; NaN where a number is not defined
    """
    rows = {}
    for population in run.spikes:
        trains = Trains.of(run, population, start)
        found: dict[str, float] = {"neurons": trains.neurons, "trials": trains.trials, "spikes": len(trains)}
        if trains.duration > 0:
            rate = rates(trains)
            found |= {"rate": rate.mean(), "rate_std": rate.mean(axis=1).std(), "silent": float((rate.sum(axis=0) == 0).mean())}
            found["cv"] = _mean(cv(trains).ravel().tolist())
            found["fano"] = _mean(fano(trains).tolist()) if trains.duration >= COUNTED else np.nan
            long = trains.duration >= TOGETHER
            found["correlation"] = correlation(trains) if long else np.nan
            found["synchrony"] = synchrony(trains) if long else np.nan
        rows[population] = found
    return pd.DataFrame.from_dict(rows, orient="index")
