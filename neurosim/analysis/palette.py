"""How each scheme is drawn, in every figure: a colour that all eyes tell from the others, and a marker for where there is grey."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

GREY = "#4e4e4e"
COLOURS = {  # as drawn on white -> the variable of a page's style sheet, which has another value where the page is dark
    GREY: "--grey",
    "#096dd2": "--blue",
    "#bd8c00": "--ochre",
    "#1a873d": "--green",
    "#791f75": "--purple",
    "#ba0000": "--red",
    "#0ba2cc": "--sky",
    "#4631da": "--violet",
    "#5f0112": "--maroon",
}
BRIGHT = tuple(colour for colour in COLOURS if colour != GREY)
Line = Literal["-", "--", "-.", ":"]
DASHES: dict[Line, str] = {"-": "none", "--": "5 2.5", "-.": "5 2 1 2", ":": "1.2 2"}  # line -> what an SVG calls it
LINES = tuple(DASHES)
SOLID = tuple(line for line in LINES if line != "--")  # which is back-propagation's
MARKERS = {  # marker -> its outline in a legend, about (13, 5)
    "o": "M10.2 5a2.8 2.8 0 1 0 5.6 0a2.8 2.8 0 1 0-5.6 0",
    "s": "M10.6 2.6h4.8v4.8h-4.8z",
    "^": "M13 1.9l3.3 5.7h-6.6z",
    "D": "M13 1.4l3.6 3.6-3.6 3.6-3.6-3.6z",
    "v": "M13 8.1l3.3-5.7h-6.6z",
    "P": "M12 1.8h2v2.2h2.2v2h-2.2v2.2h-2v-2.2h-2.2v-2h2.2z",
    "<": "M9.9 5l5.7-3.3v6.6z",
    "X": "M10 3.4l1.6-1.6 1.4 1.4 1.4-1.4 1.6 1.6-1.4 1.6 1.4 1.6-1.6 1.6-1.4-1.4-1.4 1.4-1.6-1.6 1.4-1.6z",
}


@dataclass(frozen=True)
class Style:
    """How the curves of one scheme are drawn.

    colour : one of COLOURS; line : one of LINES; marker : one of MARKERS, or "" for none
    """

    colour: str
    line: Line = "-"
    marker: str = ""

    @property
    def key(self) -> Markup:
        """A piece of the line with its marker, for a legend."""
        said = f"var({COLOURS[self.colour]})"
        line = Markup('<path d="M0 5H26" style="stroke: {}; stroke-dasharray: {}"/>').format(said, DASHES[self.line])
        marker = Markup('<path d="{}" style="fill: {}"/>').format(MARKERS[self.marker], said) if self.marker else ""
        return Markup('<svg class="key" viewBox="0 0 26 10" aria-hidden="true">{}{}</svg>').format(line, marker)


def styles_of(names: Iterable[str], references: Collection[str] = ()) -> dict[str, Style]:
    """Return name of a scheme -> its style, the same for the same names in any order.  references : those of back-propagation"""
    known = sorted(names)
    found = {name: reference_style(number) for number, name in enumerate(name for name in known if name in references)}
    return found | {name: style_of(number) for number, name in enumerate(name for name in known if name not in references)}


def style_of(number: int) -> Style:
    """Return the style of the ``number``-th scheme; where the colours begin again, lines and markers are others."""
    again, place = divmod(number, len(BRIGHT))
    return Style(BRIGHT[place], SOLID[again % len(SOLID)], _marker(number + again + 1))


def reference_style(number: int = 0) -> Style:
    """Return the style of back-propagation: grey and dashed.  number : of several models of it"""
    return Style(GREY, "--", _marker(number))


def _marker(number: int) -> str:
    return list(MARKERS)[number % len(MARKERS)]
