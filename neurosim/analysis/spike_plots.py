"""The figures of a simulation: rasters, rates in time, intervals, trials side by side, traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from neurosim.analysis.palette import Style
from neurosim.analysis.plots import clean, make_logarithmic, panel_axes
from neurosim.analysis.spike_statistics import Trains, cv, intervals, rate_in_time
from neurosim.analysis.svg import TEXT, inline
from neurosim.analysis.traces import Trace

TICKS = 4000  # spikes that are drawn one by one; more of them become an image
ACROSS, UP = 700, 240  # points of such an image, at most
SHADES = 8  # that it has
LARGE = (5.0, 2.1)  # inches
WINDOWS = 150  # of a rate in time, at most
FINEST = 0.001  # seconds: the shortest of them
BARS = 60  # of a distribution


def raster(trains: Trains, trial: int, *, label: str) -> Markup:
    """Return the spikes of one trial, neurons upwards over time: ticks, or an image where there are more than TICKS."""
    with panel_axes(0.12, 0.985, width=LARGE[0], height=LARGE[1]) as (figure, axes):
        draw_raster(axes, trains, trial, most=TICKS)
        return inline(figure, label)


def draw_raster(axes: Axes, trains: Trains, trial: int, *, most: float = np.inf, colour: str = TEXT) -> None:
    """Draw the spikes of one trial.  most : with more of them, an image is drawn, in which darker is more spikes"""
    time, index = next((time, index) for number, time, index in trains.each() if number == trial)
    axes.set(xlabel="time (s)", ylabel="neuron", xlim=(0, trains.duration), ylim=(-0.6, max(trains.neurons, 1) - 0.4))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    if len(time) > most:
        size = min(UP, trains.neurons), ACROSS
        span = [[-0.5, trains.neurons - 0.5], [0, trains.duration]]
        counts = np.histogram2d(index, time, bins=size, range=span)[0]
        _image(axes, counts, (0, trains.duration, -0.5, trains.neurons - 0.5), float(np.quantile(counts[counts > 0], 0.99)))
        return
    nothing = np.full(len(time), np.nan)
    x = np.stack([time, time, nothing], axis=1).ravel()
    y = np.stack([index - 0.4, index + 0.4, nothing], axis=1).ravel()
    axes.plot(x, y, color=colour, linewidth=0.7, solid_capstyle="butt", rasterized=len(time) > 10 * TICKS)


def _image(axes: Axes, values: np.ndarray, extent: tuple[float, float, float, float], top: float) -> None:
    """Draw numbers as shades of the ink, from none at 0 to all of it at ``top``; the page turns it round where it is dark."""
    shades = np.ceil(SHADES * np.clip(values / (top or 1), 0, 1)) / SHADES
    picture = np.zeros((*values.shape, 4))
    picture[..., 3] = shades
    axes.imshow(picture, extent=extent, aspect="auto", origin="lower", interpolation="none")


def trials(trains: Trains, window: float, *, label: str) -> Markup:
    """Return the rate of each trial in time, a row each, darker where it is higher."""
    with panel_axes(0.12, 0.985, width=LARGE[0], height=LARGE[1]) as (figure, axes):
        draw_trials(axes, trains, window)
        return inline(figure, label)


def draw_trials(axes: Axes, trains: Trains, window: float) -> float:
    """Draw the rate of each trial in time, a row each; return the rate that is darkest, Hz."""
    middle, rate = rate_in_time(trains, window)
    top = float(np.quantile(rate, 0.995)) or float(rate.max()) or 1.0
    _image(axes, rate, (0, float(middle[-1] + window / 2), -0.5, trains.trials - 0.5), top)
    axes.set(xlabel="time (s)", ylabel="trial")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    return top


def window_of(duration: float, dt: float) -> float:
    """Return the window of a rate in time: at most WINDOWS of them, a round number of seconds, and of at least ten ticks."""
    least = max(duration / WINDOWS, FINEST, 10 * dt)
    decade = 10.0 ** np.floor(np.log10(least))
    return float(next(step * decade for step in (1, 2, 5, 10) if step * decade >= least * (1 - 1e-9)))


def rates(known: Mapping[str, tuple[Trains, Style]], window: float, *, label: str) -> Markup:
    """Return the mean rate of each population's neurons in time: mean over trials, and a band from the lowest to the highest."""
    with panel_axes(0.12, 0.985, width=LARGE[0], height=LARGE[1]) as (figure, axes):
        draw_rates(axes, known, window)
        return inline(figure, label)


def draw_rates(axes: Axes, known: Mapping[str, tuple[Trains, Style]], window: float) -> None:
    """Draw what ``rates`` says."""
    for name, (trains, style) in known.items():
        middle, rate = rate_in_time(trains, window)
        if len(rate) > 1:
            axes.fill_between(middle, rate.min(axis=0), rate.max(axis=0), color=style.colour, alpha=0.18, linewidth=0)
        axes.plot(middle, rate.mean(axis=0), style.line, color=style.colour, linewidth=1.0, label=clean(name))
    duration = max(trains.duration for trains, _ in known.values())
    axes.set(xlabel="time (s)", ylabel="rate (Hz)", xlim=(0, duration), ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(6))


def interval_distribution(trains: Trains, style: Style, *, label: str) -> Markup:
    """Return the distribution of the intervals between spikes, on a logarithmic axis."""
    with panel_axes() as (figure, axes):
        draw_intervals(axes, trains, style.colour)
        return inline(figure, label)


def draw_intervals(axes: Axes, trains: Trains, colour: str) -> None:
    """Draw the distribution of the intervals between spikes, ms, on a logarithmic axis."""
    found = 1000 * intervals(trains)
    low, high = max(float(found.min()), 1e-3) / 1.2, float(found.max()) * 1.2
    edges = np.geomspace(low, high, BARS + 1)
    share = np.histogram(found, edges)[0] / len(found)
    axes.fill_between(np.repeat(edges, 2)[1:-1], np.repeat(100 * share, 2), color=colour, alpha=0.35, linewidth=0)
    axes.plot(np.repeat(edges, 2)[1:-1], np.repeat(100 * share, 2), color=colour, linewidth=0.8)
    make_logarithmic(axes, (low, high), "x")
    axes.set(xlabel="interval (ms)", ylabel="intervals (%)", xlim=(low, high), ylim=(0, None))


def cv_distribution(trains: Trains, style: Style, *, label: str) -> Markup:
    """Return the distribution of the neurons' CV of intervals; dotted: 1, a Poisson process."""
    with panel_axes() as (figure, axes):
        draw_cv(axes, trains, style.colour)
        return inline(figure, label)


def draw_cv(axes: Axes, trains: Trains, colour: str) -> None:
    """Draw the distribution of the neurons' CV of intervals; dotted: 1, a Poisson process."""
    found = cv(trains)
    found = found[np.isfinite(found)]
    top = max(1.5, float(found.max()))
    share, edges = np.histogram(found, BARS // 2, (0, top))
    height = 100 * share / len(found)
    axes.fill_between(np.repeat(edges, 2)[1:-1], np.repeat(height, 2), color=colour, alpha=0.35, linewidth=0)
    axes.plot(np.repeat(edges, 2)[1:-1], np.repeat(height, 2), color=colour, linewidth=0.8)
    axes.axvline(1, color=TEXT, linewidth=0.6, linestyle=(0, (1, 2)))
    axes.set(xlabel="CV of intervals", ylabel="neurons (%)", xlim=(0, top), ylim=(0, None))


def traces(found: Trace, styles: Sequence[Style], *, axis: str, label: str) -> Markup:
    """Return the courses of some elements of one variable."""
    with panel_axes(0.12, 0.87, width=LARGE[0], height=LARGE[1]) as (figure, axes):
        draw_traces(axes, found, styles, axis=axis)
        return inline(figure, label)


def draw_traces(axes: Axes, found: Trace, styles: Sequence[Style], *, axis: str) -> None:
    """Draw the courses of some elements of one variable."""
    thin = found.thinned()
    for k, (name, style) in enumerate(zip(found.names, styles, strict=True)):
        axes.plot(thin.time, thin.values[:, k], style.line, color=style.colour, linewidth=0.9, label=clean(name))
    axes.set(xlabel="time (s)", ylabel=clean(axis))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.02), fontsize=6.5, handlelength=1.2)
