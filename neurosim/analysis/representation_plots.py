"""The panels about representations, each a small SVG: measures by depth, and heat maps of likeness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from neurosim.analysis.courses import Curve
from neurosim.analysis.heat_maps import MAP, draw_scale, ink
from neurosim.analysis.palette import Style
from neurosim.analysis.plots import LARGE, SIZE, clean, draw_curve, draw_learning, limits, panel_axes
from neurosim.analysis.svg import FAINT, inline

CROWDED = 7  # schemes, of which more have no bands
NUMBERED = 7  # rows of a heat map that have room for numbers in its cells
SHORT = 12  # characters of a name that takes little room
ROW = 0.13  # inches
SHADES = Normalize(0, 1)  # of CKA

Drawn = tuple[Curve, Style]


def by_depth(
    curves: Sequence[Drawn],
    shared: Sequence[Curve],
    names: Sequence[str],
    *,
    axis: str,
    chance: float | None = None,
    large: bool = False,
    label: str,
) -> Markup:
    """Return a measure of each population, from the input on: a line for each scheme, its seeds' spread as a band.

    curves : their ``at`` are numbers of ``names``; shared : decide the scale; chance : is dotted, where it is among them
    """
    size, left = (LARGE, 0.15) if large else (SIZE, 0.2)
    with panel_axes(left, 0.97, width=size[0], height=size[1]) as (figure, axes):
        for curve, style in curves:
            draw_curve(axes, replace(curve, seeds=1) if len(curves) > CROWDED else curve, style, marks=len(names))
        span = limits(shared)
        if chance is not None and span[0] < chance < span[1]:
            axes.axhline(chance, color=FAINT, linewidth=0.6, linestyle=(0, (1, 2)))
        axes.set(ylabel=axis, ylim=span, xlim=(-0.25, len(names) - 0.75))
        _name_populations(axes, names, room=60 if large else 36)
        return inline(figure, label)


def _name_populations(axes: Axes, names: Sequence[str], room: int) -> None:
    shown = [clean(name, 12) for name in names]
    axes.set_xticks(range(len(names)), shown, fontsize=6.5)
    axes.tick_params(axis="x", length=0)
    if sum(map(len, shown)) + 2 * len(shown) > room:
        for text in axes.get_xticklabels():
            text.set(rotation=30, ha="right", rotation_mode="anchor")


def over_epochs(curves: Sequence[Drawn], shared: Sequence[Curve], *, axis: str, label: str) -> Markup:
    """Return a measure of one population over epochs, all schemes together."""
    with panel_axes() as (figure, axes):
        crowded = len(curves) > CROWDED
        draw_learning(axes, [(replace(curve, seeds=1) if crowded else curve, style) for curve, style in curves], shared, axis=axis)
        return inline(figure, label)


def likeness(values: np.ndarray, rows: Sequence[str], *, label: str) -> Markup:
    """Return a heat map of likeness, (rows, rows), between the same things across and down.

    Few are named at both sides, and numbers stand in the cells.  Many are numbered, and named on the left alone.
    """
    few = len(rows) <= NUMBERED
    side = max(1.5, ROW * len(rows))
    left = 0.75 if few or max(map(len, rows)) < SHORT else 1.75
    above, below, right = (0.06, 0.55, 0.1) if few else (0.25, 0.06, 0.5)
    width, height = left + side + right, above + side + below
    with panel_axes(width=width, height=height) as (figure, axes):
        axes.set_position((left / width, below / height, side / width, side / height))
        edges = np.arange(len(rows) + 1) - 0.5
        shown = np.ma.masked_invalid(values)
        size = 6.5 if len(rows) < 6 else 5.5
        axes.pcolormesh(edges, edges, shown, cmap=MAP, norm=SHADES, linewidth=0.3, edgecolors="face")
        for row, column in np.ndindex(*values.shape):
            value = float(values[row, column])
            if not np.isfinite(value):
                axes.text(column, row, "·", color=FAINT, ha="center", va="center", fontsize=7)
            elif few:
                axes.text(column, row, f"{value:.2f}", color=ink(SHADES, value), ha="center", va="center", fontsize=size)
        axes.set(xlim=(-0.5, len(rows) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        _name_rows(axes, rows, few)
        if not few:
            draw_scale(figure.add_axes(((left + side + 0.1) / width, below / height, 0.1 / width, min(side, 1.5) / height)), SHADES)
        return inline(figure, label)


def _name_rows(axes: Axes, rows: Sequence[str], few: bool) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    if few:
        axes.set_yticks(range(len(rows)), [clean(name, 13) for name in rows], fontsize=6.5)
        axes.set_xticks(range(len(rows)), [clean(name, 13) for name in rows], fontsize=6.5)
        for text in axes.get_xticklabels():
            text.set(rotation=40, ha="right", rotation_mode="anchor")
        return
    numbers = [str(k + 1) for k in range(len(rows))]
    axes.set_yticks(range(len(rows)), [f"{clean(name, 30)}  {k}" for name, k in zip(rows, numbers, strict=True)], fontsize=6)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xticks(range(len(rows)), numbers, fontsize=5.5)
