"""The panels of a study's page, each a small SVG: errors against a parameter's values, and heat maps of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from neurosim.analysis.courses import Curve
from neurosim.analysis.heat_maps import MAP, ROOM, draw_scale, ink, name_sides
from neurosim.analysis.palette import Style
from neurosim.analysis.plots import clean, draw_curve, is_logarithmic, limits, make_logarithmic, panel_axes
from neurosim.analysis.svg import FAINT, inline

FRAME = "#ba0000"  # of the best point
MARKED = 12  # values of a curve that each have a marker
APART = 0.15  # of an axis' length, between two ticks
MOST_BANDS = 7  # of one panel
NAME = 30  # characters of a category


@dataclass(frozen=True)
class Scale:
    """How all panels of one parameter are drawn.

    curves : decide the errors' span
    values : the parameter's, where they are numbers; log : whether these have a logarithmic axis
    listed : whether the values were chosen rather than drawn, so that the ticks are at them
    """

    curves: Sequence[Curve]
    values: Sequence[float] = ()
    log: bool = False
    listed: bool = False


@dataclass(frozen=True)
class Dots:
    """Points of a study.  at : values of a parameter, (points,); error : mean over seeds, (points,)"""

    at: np.ndarray
    error: np.ndarray


def is_crowded(curves: int) -> bool:
    """Return whether bands and dots of so many schemes would hide each other."""
    return curves > MOST_BANDS


def is_geometric(values: Sequence[float]) -> bool:
    """Return whether numbers are spaced by factors rather than by differences, or span a decade where they are two."""
    known = np.unique(np.asarray(values, float))
    if len(known) < 2 or known[0] <= 0 or not known[-1] / known[0] > 2:
        return False
    return bool(known[-1] / known[0] >= 10) if len(known) == 2 else _unevenness(np.log(known)) < _unevenness(known)


def _unevenness(values: np.ndarray) -> float:
    steps = np.diff(values)
    return float(np.std(steps / steps.mean()))


# ---------------------------------------------------------------------- against numbers


def against(
    curves: Mapping[int, Curve],
    dots: Mapping[int, Dots],
    styles: Sequence[Style],
    scale: Scale,
    *,
    axis: str,
    error: str,
    label: str,
) -> Markup:
    """Return errors against a parameter that is a number: a curve for each scheme, by its number, over its points.

    styles : of all schemes
    """
    with panel_axes() as (figure, axes):
        for number, own in ({} if is_crowded(len(curves)) else dots).items():
            style, faint = styles[number], 0.35 if curves else 0.8
            axes.plot(own.at, own.error, style.marker, color=style.colour, alpha=faint, markersize=2.4, markeredgewidth=0)
        for number, curve in curves.items():
            draw_curve(axes, replace(curve, seeds=1) if is_crowded(len(curves)) else curve, styles[number], marks=MARKED)
        if is_logarithmic(scale.curves):
            make_logarithmic(axes, limits(scale.curves))
        axes.set(xlabel=clean(axis, 36), ylabel=error, ylim=limits(scale.curves))
        _horizontal(axes, scale)
        return inline(figure, label)


def _horizontal(axes: Axes, scale: Scale) -> None:
    """Give the parameter's axis its scale, and a tick at each value where there is room."""
    low, high = min(scale.values), max(scale.values)
    if scale.log:
        axes.set_xscale("log")
        room = (high / low) ** 0.06
        axes.set_xlim(low / room, high * room)
    else:
        room = 0.06 * (high - low) or 1.0
        axes.set_xlim(low - room, high + room)
    if scale.listed:
        axes.set_xticks(_apart(sorted(set(scale.values)), scale.log))
    elif not scale.log:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _apart(values: Sequence[float], log: bool) -> list[float]:
    """Return those of some values, in their order, whose names on an axis do not touch."""
    places = np.log(values) if log else np.asarray(values, float)
    apart, found = APART * (places[-1] - places[0]), [0]
    for number in range(1, len(values)):
        if places[number] - places[found[-1]] >= apart:
            found.append(number)
    return [values[number] for number in found]


# ---------------------------------------------------------------------- against words


def beside(
    names: Sequence[str], curves: Mapping[int, Curve], styles: Sequence[Style], scale: Scale, *, error: str, label: str
) -> Markup:
    """Return errors as dots, a row for each value of a parameter, schemes below each other; their seeds' spread as a line.

    curves : their ``at`` are numbers of ``names``; styles : of all schemes
    """
    shared = sum(len(curve.at) for curve in curves.values()) > len(names)
    shifts = np.linspace(-0.3, 0.3, len(curves)) if shared else np.zeros(len(curves))
    row = max(0.2, 0.08 * len(curves)) if shared else 0.2  # inches
    with panel_axes(left=0.5, height=0.62 + row * max(len(names), 3)) as (figure, axes):
        for shift, (number, curve) in zip(shifts, curves.items(), strict=True):
            style = styles[number]
            axes.hlines(curve.at + shift, curve.low, curve.high, color=style.colour, linewidth=1.1)
            axes.plot(curve.mean, curve.at + shift, style.marker, color=style.colour, markersize=3.6, markeredgewidth=0)
        if is_logarithmic(scale.curves):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_locator(NullLocator())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set(xlabel=error, xlim=limits(scale.curves), ylim=(len(names) - 0.5, -0.5))
        axes.set_yticks(range(len(names)), [clean(name, NAME) for name in names], fontsize=6)
        axes.tick_params(axis="y", length=0)
        axes.set_axisbelow(True)
        axes.grid(axis="y", color=FAINT, linewidth=0.4, linestyle=(0, (1, 2)))
        return inline(figure, label)


# ---------------------------------------------------------------------- two parameters


@dataclass(frozen=True)
class Side:
    """One side of a heat map: the parameter's name, and its values in words."""

    name: str
    values: list[str]


@dataclass(frozen=True)
class Cells:
    """One heat map.

    errors : (rows, columns), NaN where there is none; present : (rows, columns), whether the study has the combination
    best : row and column of the point that was chosen, where it is among them
    """

    errors: np.ndarray
    present: np.ndarray
    best: tuple[int, int] | None


def shades(maps: Sequence[Cells]) -> Normalize:
    """Return how errors become shades, the same for all ``maps``: by their logarithm where they span more than a decade."""
    known = np.concatenate([one.errors[np.isfinite(one.errors)] for one in maps])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if high == low:
        high = low + (abs(low) or 1.0)
    return LogNorm(low, high) if low > 0 and high / low > 10 else Normalize(low, high)


def heat(cells: Cells, across: Side, down: Side, norm: Normalize, *, label: str) -> Markup:
    """Return a heat map, numbers in its cells where they have room, and its legend at the right."""
    rows, columns = cells.errors.shape
    with panel_axes(left=0.27, right=0.84, height=0.75 + 0.22 * max(rows, 5)) as (figure, axes):
        shown = np.ma.masked_invalid(cells.errors)
        axes.pcolormesh(np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5, shown, cmap=MAP, norm=norm, linewidth=0)
        for row, column in np.ndindex(rows, columns):
            if np.isfinite(cells.errors[row, column]):
                _number(axes, row, column, float(cells.errors[row, column]), norm, columns)
            elif cells.present[row, column]:
                axes.text(column, row, "×", color=FAINT, ha="center", va="center", fontsize=8)
        if cells.best is not None:
            row, column = cells.best
            corner = (column - 0.5, row - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=FRAME, linewidth=1.8, clip_on=False, zorder=3))
        axes.set(xlim=(-0.5, columns - 0.5), ylim=(-0.5, rows - 0.5), xlabel=clean(across.name, 30), ylabel=clean(down.name, 24))
        name_sides(axes, across.values, down.values)
        draw_scale(figure.add_axes((0.87, axes.get_position().y0, 0.03, axes.get_position().height)), norm)
        return inline(figure, label)


def _number(axes: Axes, row: int, column: int, error: float, norm: Normalize, columns: int) -> None:
    text = f"{error:.1f}" if abs(error) < 1000 else f"{error:.0e}"
    if columns <= ROOM and len(text) * columns <= 4 * ROOM:
        axes.text(column, row, text, color=ink(norm, error), ha="center", va="center", fontsize=6.5 if columns <= ROOM / 2 else 5)
