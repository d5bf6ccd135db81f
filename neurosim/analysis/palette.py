"""How curves are told from each other: colours by Okabe and Ito, and kinds of line."""

from __future__ import annotations

from dataclasses import dataclass

GREY = "#4c4c4c"
DEPTH = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", GREY)
LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Style:
    """How a curve is drawn: its colour, and one of LINES."""

    colour: str
    line: str = "-"


def style_of(number: int) -> Style:
    """Return the style of the ``number``-th curve."""
    return Style(DEPTH[number % len(DEPTH)], LINES[number % len(LINES)])


def reference_style() -> Style:
    """Return the style of back-propagation among others: grey and dashed."""
    return Style(GREY, "--")
