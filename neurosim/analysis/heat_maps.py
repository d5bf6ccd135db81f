"""What heat maps of a page share: shades, names of rows and columns, the scale at their side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import NullLocator

from neurosim.analysis.plots import clean
from neurosim.analysis.svg import TEXT

MAP = "cividis"  # even to all eyes
ROOM = 12  # columns of a heat map that have room for numbers
SHADES = 32  # of a scale


def ink(norm: Normalize, number: float) -> str:
    """Return the colour of a number on its shade, whatever the page's colour is."""
    return "#fefefe" if norm(number) < 0.5 else "#010101"


def name_sides(axes: Axes, across: Sequence[str], down: Sequence[str]) -> None:
    """Name columns and rows, of many each second, third and so on."""
    every, longest = math.ceil(len(across) / ROOM), max(map(len, across))
    slanted = longest * min(len(across), ROOM) > 36
    axes.set_xticks(range(0, len(across), every), [clean(name, 12) for name in across[::every]], fontsize=6.5)
    axes.set_yticks(range(len(down)), [clean(name, 12) for name in down], fontsize=6.5)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if slanted:
        for text in axes.get_xticklabels():
            text.set(rotation=40, ha="right", rotation_mode="anchor")


def draw_scale(axes: Axes, norm: Normalize) -> None:
    """Draw the shades with their numbers; as paths, since a page takes no image."""
    numbers = np.asarray(norm.inverse(np.linspace(0, 1, SHADES + 1)), float)
    middles = np.asarray(norm.inverse((np.arange(SHADES) + 0.5) / SHADES), float)
    axes.pcolormesh([0, 1], numbers, middles[:, None], cmap=MAP, norm=norm, linewidth=0.5, edgecolors="face")
    axes.set(xlim=(0, 1), xticks=[])
    if isinstance(norm, LogNorm):
        axes.set_yscale("log")
    axes.set_ylim(numbers[0], numbers[-1])
    middle = float(np.asarray(norm.inverse(0.5)))
    axes.yaxis.tick_right()
    axes.yaxis.set_minor_locator(NullLocator())
    ticks = [numbers[0], middle, numbers[-1]]
    axes.set_yticks(ticks, [f"{number:.3g}" for number in ticks], fontsize=6)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, labelcolor=TEXT)
