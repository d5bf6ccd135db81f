"""The panels of a report, each a small SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from neurosim.analysis.courses import Course, Curve, Raster
from neurosim.analysis.palette import BRIGHT, LINES, MARKERS, Style
from neurosim.analysis.svg import FAINT, STYLE, inline

SIZE = (2.75, 2.05)  # inches
LARGE = (4.0, 2.85)  # of a panel with all schemes
SEVERAL = 4  # times
MARKS = 10  # markers of a curve
BINS = 48  # at most
LABEL = 0.075  # of the axes' height that a line of text takes

Limits = tuple[float, float]


@contextmanager
def panel_axes(
    left: float = 0.2, right: float = 0.96, *, width: float = SIZE[0], height: float = SIZE[1]
) -> Iterator[tuple[Figure, Axes]]:
    """Yield the figure of a panel and its axes.  left, right : of the figure's width; width, height : of the figure, inches"""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        below, above = 0.19 * SIZE[1] / height, 0.04 * SIZE[1] / height
        yield figure, figure.add_axes((left, below, right - left, 1 - below - above))


def clean(text: object, most: int = 40) -> str:
    """Return text from a file as one line of printable characters, shortened."""
    line = "".join(c if c.isprintable() else " " for c in str(text)[: most + 1])
    return line if len(line) <= most else line[: most - 1] + "…"


# ---------------------------------------------------------------------- learning curves


def is_logarithmic(curves: Sequence[Curve]) -> bool:
    """Return whether the curves are positive and span more than a decade."""
    low, high = (min(c.low.min() for c in curves), max(c.high.max() for c in curves))
    return bool(low > 0 and high / 10 > low)  # high / low may be too large for a float


def limits(curves: Sequence[Curve]) -> Limits:
    """Return the values that hold all curves, with a little room."""
    low, high = float(min(c.low.min() for c in curves)), float(max(c.high.max() for c in curves))
    if is_logarithmic(curves):
        return low / 1.15, high * 1.15
    room = 0.05 * (high - low) or max(1.0, 1e-3 * abs(high))
    return (0.0 if 0 <= low < 0.5 * high else low - room), high + room


def learning(
    curve: Curve,
    style: Style,
    reference: tuple[Curve, Style] | None,
    shared: Sequence[Curve],
    *,
    clock: str = "epoch",
    axis: str,
    label: str,
) -> Markup:
    """Return one scheme's curve, its seeds' spread as a band, over back-propagation's.

    shared : all curves that the panel is to be compared with; they decide its scale
    """
    with panel_axes() as (figure, axes):
        draw_learning(axes, [*([reference] if reference else []), (curve, style)], shared, clock=clock, axis=axis)
        return inline(figure, label)


def together(curves: Sequence[tuple[Curve, Style]], *, clock: str, axis: str, label: str) -> Markup:
    """Return the curves of all schemes in one panel, against what their ``at`` counts, which is called ``clock``."""
    with panel_axes(0.15, 0.97, width=LARGE[0], height=LARGE[1]) as (figure, axes):
        draw_learning(axes, curves, [curve for curve, _ in curves], clock=clock, axis=axis)
        return inline(figure, label)


def draw_learning(
    axes: Axes, curves: Sequence[tuple[Curve, Style]], shared: Sequence[Curve], *, clock: str = "epoch", axis: str
) -> None:
    """Draw some curves, the last on top, on the scale that holds the ``shared`` ones.

    clock : what ``at`` counts.  Where it is no epoch, and curves end at very different times, its axis is logarithmic, without 0
    """
    ends = [float(curve.at[-1]) for curve in shared]
    apart = clock != "epoch" and max(ends) / SEVERAL > min(ends) > 0
    for curve, style in curves:
        draw_curve(axes, curve.later() if apart else curve, style)
    if min(curve.low.min() for curve in shared) < 0:
        axes.axhline(0, color=FAINT, linewidth=0.6, linestyle=(0, (1, 2)))
    if is_logarithmic(shared):
        make_logarithmic(axes, limits(shared))
    axes.set(xlabel=clock, ylabel=axis, ylim=limits(shared))
    if apart:
        span = min(float(curve.later().at[0]) for curve in shared) / 1.1, max(ends) * 1.1
        make_logarithmic(axes, span, "x")
        axes.set_xlim(span)
    else:
        _from_zero(axes, max(ends), whole=clock == "epoch")


def draw_curve(axes: Axes, curve: Curve, style: Style, *, marks: int = MARKS) -> None:
    """Draw a mean as a line with at most so many markers, and its seeds' spread as a band."""
    if curve.seeds > 1:
        axes.fill_between(curve.at, curve.low, curve.high, color=style.colour, alpha=0.18, linewidth=0)
    every = math.ceil(len(curve.at) / marks)
    first = list(MARKERS).index(style.marker) % every if style.marker else 0  # so that markers of different lines stand apart
    axes.plot(
        curve.at, curve.mean, style.line, color=style.colour, linewidth=1.2,
        marker=style.marker or ("o" if len(curve.at) == 1 else ""), markersize=3.8, markeredgewidth=0, markevery=(first, every),
    )  # fmt: skip


def make_logarithmic(axes: Axes, span: Limits, which: str = "y") -> None:
    """Give an axis, x or y, a logarithmic scale, its ticks labelled as plain numbers.  span : of its values"""
    axes.set(**{f"{which}scale": "log"})
    axis: Axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
    decades = range(math.floor(math.log10(span[0])), math.ceil(math.log10(span[1])) + 1)
    steps = (1, 2, 5) if len(decades) <= 4 else (1,)
    axis.set_ticks([step * 10.0**decade for decade in decades for step in steps])
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _from_zero(axes: Axes, last: float, *, whole: bool) -> None:
    room = 0.015 * (last or 1)  # for half a marker at either end
    axes.set_xlim(-room, (last or 1) + room)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=whole))


# ---------------------------------------------------------------------- alignment


def alignment(curves: Mapping[str, Curve], clock: str, *, colour: str, top: float, label: str) -> Markup:
    """Return the angles of one scheme's projections, each named at the end of its line.

    top : degrees at the upper end
    """
    with panel_axes(right=0.74) as (figure, axes):
        draw_alignment(axes, curves, clock, colour=colour, top=top)
        return inline(figure, label)


def draw_alignment(axes: Axes, curves: Mapping[str, Curve], clock: str, *, colour: str = BRIGHT[0], top: float) -> None:
    """Draw the angles of one scheme's projections, a kind of line for each, and its name at the right of the axes."""
    axes.axhline(90, color=FAINT, linewidth=0.6, linestyle=(0, (1, 2)))
    for k, curve in enumerate(curves.values()):
        draw_curve(axes, curve, Style(colour, LINES[k % len(LINES)]))
    axes.set(xlabel=clock, ylabel="angle (degrees)", ylim=(-top / 30, top))  # a line at 0 is seen
    axes.set_yticks(range(0, int(top) + 1, 30))
    _from_zero(axes, max(curve.at.max() for curve in curves.values()), whole=True)
    ends = spread([curve.mean[-1] / top for curve in curves.values()], LABEL)
    for k, (name, height) in enumerate(zip(ends_of(list(curves)), ends, strict=True)):
        line = LINES[k % len(LINES)]
        axes.hlines(height, 1.02, 1.1, colour, line, linewidth=1.2, clip_on=False, transform=axes.transAxes)
        axes.text(1.12, height, clean(name, 18), fontsize=6.5, va="center", transform=axes.transAxes)


def ends_of(projections: Sequence[str]) -> list[str]:
    """Return the population that each projection leads to; the whole name where two lead to one."""
    posts = [name.partition("__")[2] for name in projections]
    return posts if len(set(posts)) == len(posts) else list(projections)


def spread(heights: Sequence[float], apart: float) -> list[float]:
    """Return heights in the same order that keep ``apart`` from each other, as near to what was given as going upwards allows."""
    placed: dict[int, float] = {}
    below = -math.inf
    for k in sorted(range(len(heights)), key=lambda k: heights[k]):
        placed[k] = below = max(heights[k], below + apart)
    return [placed[k] for k in range(len(heights))]


# ---------------------------------------------------------------------- recordings


def window(courses: Sequence[Course]) -> Limits:
    """Return the range that holds the middle 99.8 % of all samples."""
    low, high = np.quantile(np.concatenate([one for course in courses for one in course.values]), (0.001, 0.999))
    room = 0.03 * (high - low) or 0.5 * abs(low) or 0.5
    return float(low - room), float(high + room)


def histograms(course: Course, span: Limits, *, colour: str, axis: str, label: str) -> Markup:
    """Return one histogram for each moment, the first at the top, each scaled to its own peak.

    Zeros that make up more than one per cent are counted apart and named at the right, so that they do not hide the rest.
    """
    with panel_axes(right=0.87) as (figure, axes):
        draw_histograms(axes, course, span, colour=colour, axis=axis)
        return inline(figure, label)


def draw_histograms(axes: Axes, course: Course, span: Limits, *, colour: str, axis: str) -> None:
    """Draw one histogram for each moment, as ``histograms`` says."""
    count, outlines = len(course.values), []
    for base, values in zip(range(count - 1, -1, -1), course.values, strict=True):
        zeros = float(np.mean(values == 0)) if len(values) else 0.0
        outlines.append(_outline(values[values != 0] if zeros > 0.01 else values, span, base))
        if zeros > 0.01:
            axes.text(1.02, base, f"{zeros:.0%} 0", fontsize=6, va="bottom", transform=axes.get_yaxis_transform())
    axes.add_collection(PolyCollection(outlines, facecolor=colour, alpha=0.3, linewidth=0))
    apart = np.concatenate([np.vstack([outline, [np.nan, np.nan]]) for outline in outlines])
    axes.plot(*apart.T, color=colour, linewidth=0.7)  # one path for all: each of its own would take long
    axes.set(xlabel=clean(axis), ylabel=course.clock, xlim=span, ylim=(-0.15, count + 0.1))
    axes.set_yticks(range(count - 1, -1, -1), [f"{at:g}" for at in course.at], fontsize=6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _outline(values: np.ndarray, span: Limits, base: float) -> np.ndarray:
    """Return the corners of a histogram that stands on ``base`` and is at most 0.9 high, (corners, 2)."""
    bins = min(BINS, math.ceil(2 * len(values) ** (1 / 3)) or 1)  # Rice's rule
    counts, edges = np.histogram(values, bins=bins, range=span)
    heights = np.repeat(0.9 * counts / max(counts.max(), 1), 2)
    return np.stack([np.repeat(edges, 2), base + np.concatenate([[0], heights, [0]])], axis=1)


# ---------------------------------------------------------------------- spikes


def raster(spikes: Raster, *, colour: str, label: str) -> Markup:
    """Return one tick for each spike, neurons upwards over time."""
    with panel_axes() as (figure, axes):
        draw_raster(axes, spikes, colour=colour)
        return inline(figure, label)


def draw_raster(axes: Axes, spikes: Raster, *, colour: str) -> None:
    """Draw one tick for each spike."""
    nothing = np.full(len(spikes.time), np.nan)
    x = np.stack([spikes.time, spikes.time, nothing], axis=1).ravel()
    y = np.stack([spikes.index - 0.4, spikes.index + 0.4, nothing], axis=1).ravel()
    axes.plot(x, y, color=colour, linewidth=0.7, solid_capstyle="butt")
    axes.set(xlabel="time (s)", ylabel="neuron", ylim=(-0.6, max(spikes.neurons, 1) - 0.4))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(5))
