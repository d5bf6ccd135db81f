"""Tasks that were learned one after the other: the error of each after each as a heat map, and over epochs as curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from neurosim.analysis.courses import Curve
from neurosim.analysis.grouping import Group
from neurosim.analysis.heat_maps import MAP, ink
from neurosim.analysis.palette import style_of
from neurosim.analysis.plots import LABEL, SIZE, clean, draw_curve, panel_axes, spread
from neurosim.analysis.svg import FAINT, inline
from neurosim.runfile import continual

ROOM = 9  # columns of a heat map that have room for numbers
DRAWN = 12  # tasks that have a curve
NAME = 16  # characters


@dataclass(frozen=True)
class Learned:
    """What the runs of one group came to.

    names : of the tasks; ends : the epochs with which they end
    mean, std : (1 + tasks, tasks), per cent, over seeds; std is 0 where there is one
    curves : of each task, over epochs; seeds : how many
    """

    names: tuple[str, ...]
    ends: tuple[int, ...]
    mean: np.ndarray
    std: np.ndarray
    curves: tuple[Curve, ...]
    seeds: int

    @staticmethod
    def of(group: Group) -> Learned | None:
        """Return it; None where a run of the group has no tasks, or its runs came to different ends."""
        found = [run.continual for run in group.counted]
        known = [one for one in found if one is not None]
        if not known or len(known) < len(found) or len({one.errors.shape for one in known}) > 1:
            return None
        first, errors, tables = known[0], np.stack([one.errors for one in known]), [run.tasks["error"] for run in group.counted]
        curves = [Curve.of([table.xs(task, level="task") for table in tables]) for task in range(1, len(first.names) + 1)]
        ends = tuple(continual.known(group.counted[0].attributes))
        std = errors.std(0, ddof=1) if len(known) > 1 else np.zeros_like(errors[0])
        return Learned(first.short_names, ends, errors.mean(0), std, tuple(one for one in curves if one is not None), len(known))


def after_each(learned: Learned, most: float, *, label: str) -> Markup:
    """Return the heat map: a row for each task, a column for how many have been learned.  most : the darkest error, per cent"""
    with panel_axes(left=0.3, height=max(SIZE[1], 0.5 + 0.19 * len(learned.names))) as (figure, axes):
        draw_after_each(axes, learned, most)
        return inline(figure, label)


def draw_after_each(axes: Axes, learned: Learned, most: float) -> None:
    """Draw the heat map, numbers in its cells where they have room."""
    done, tasks = learned.mean.shape[0] - 1, learned.mean.shape[1]
    norm = Normalize(0, most or 1.0)
    axes.pcolormesh(np.arange(done + 2) - 0.5, np.arange(tasks + 1) - 0.5, learned.mean.T, cmap=f"{MAP}_r", norm=norm, linewidth=0)
    for after, task in np.ndindex(done + 1, tasks):
        if done + 1 <= ROOM:
            text = f"{learned.mean[after, task]:.1f}" + (f"\n±{learned.std[after, task]:.1f}" if learned.seeds > 1 else "")
            colour = ink(norm, (most or 1.0) - float(learned.mean[after, task]))  # shades the other way round: more is darker
            axes.text(after, task, text, color=colour, ha="center", va="center", fontsize=6 if done < 6 else 5, linespacing=0.95)
    steps = np.arange(done + 1)
    every = -(-(done + 1) // ROOM)
    axes.set_xticks(steps[::every], ["before" if not k else str(k) for k in steps[::every]], fontsize=6.5)
    axes.set_yticks(range(tasks), [clean(name, NAME) for name in learned.names], fontsize=6.5)
    axes.set(xlim=(-0.5, done + 0.5), ylim=(tasks - 0.5, -0.5), xlabel="tasks learned")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def over_epochs(learned: Learned, shared: Sequence[Curve], *, axis: str, label: str) -> Markup:
    """Return the course of each task, named at the end of its line.  shared : all curves that it is to be compared with"""
    with panel_axes(right=0.7) as (figure, axes):
        draw_over_epochs(axes, learned, shared, axis=axis)
        return inline(figure, label)


def draw_over_epochs(axes: Axes, learned: Learned, shared: Sequence[Curve], *, axis: str) -> None:
    """Draw the error of the first DRAWN tasks, and a dotted line where the next one begins."""
    top = max(curve.high.max() for curve in shared) * 1.03 or 1.0
    for end in learned.ends[:-1]:
        axes.axvline(end, color=FAINT, linewidth=0.6, linestyle=(0, (1, 2)))
    curves = learned.curves[:DRAWN]
    for k, curve in enumerate(curves):
        draw_curve(axes, curve, style_of(k), marks=6)
    last = max(curve.at[-1] for curve in curves)
    axes.set(xlabel="epoch", ylabel=axis, xlim=(-0.02 * (last or 1), 1.02 * (last or 1)), ylim=(-top / 30, top))
    heights = spread([curve.mean[-1] / top for curve in curves], LABEL)
    down = max(0.0, max(heights) - 1.0)
    for k, (name, height) in enumerate(zip(learned.names, heights, strict=False)):
        at, style = height - down, style_of(k)
        axes.hlines(at, 1.02, 1.1, style.colour, style.line, linewidth=1.2, clip_on=False, transform=axes.transAxes)
        axes.text(1.12, at, clean(name, NAME), fontsize=6, va="center", transform=axes.transAxes)
