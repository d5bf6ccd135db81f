"""Tables that fit the terminal: where their columns do not stand side by side they stand below each other, and nothing is cut."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD, Box
from rich.cells import cell_len
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

EDGES = 2  # columns at the sides of a table
GAPS = (2, 1)  # spaces between columns: two where that needs no more tables than one

PLAIN = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)  # SIMPLE_HEAD in ASCII

Column = tuple[str, list[str]]  # heading and cells, each of one or more lines


def fitted(console: Console, rows: Column, columns: Sequence[Sequence[Column]], title: str = "", left: Sequence[str] = ()) -> Group:
    """Return tables as wide as the console at most, each with the names of the ``rows`` first.

    rows : heading and names; a name that takes more than half the width is folded behind an underscore or a dot
    columns : in blocks that stay together where there is room for them
    left : headings of columns whose cells begin at the left
    """
    plain = [[_plain(console, column) for column in block] for block in columns]
    first = _plain(console, rows)
    if _width(first) > console.width // 2:
        first = first[0], [folded(name, max(console.width // 2, 12)) for name in first[1]]
    gap, parts = min((_packed(console.width - EDGES, first, plain, gap) for gap in GAPS), key=lambda found: len(found[1]))
    left = [_plain(console, (heading, []))[0] for heading in left]
    tables = [_table(frame(console), first, part, gap, title if part is parts[0] else "", left) for part in parts]
    for table, part in zip(tables, parts, strict=True):
        needed = EDGES + _width(first) + sum(_width(column) + gap for column in part)
        table.width = needed if needed > console.width else None  # a single column that is wider than the console is not cut
    return Group(*tables)


def frame(console: Console) -> Box:
    """Return the lines of a table in characters that the console's encoding has."""
    return PLAIN if console.options.ascii_only else SIMPLE_HEAD


def show(console: Console, tables: Group) -> None:
    """Print tables whole, also where a single column is wider than the console."""
    widths = [table.width or 0 for table in tables.renderables if isinstance(table, Table)]
    console.print(tables, width=max(console.width, *widths), crop=False)


def folded(name: str, most: int) -> str:
    """Return a name on lines of at most ``most`` characters where its underscores, dots and hyphens allow it."""
    lines = [""]
    for part in _parts(name):
        if lines[-1] and len(lines[-1]) + len(part) > most:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _parts(name: str) -> list[str]:
    parts = [""]
    for character in name:
        parts[-1] += character
        parts += [""] if character in "_.-/" else []
    return parts


def _plain(console: Console, column: Column) -> Column:
    """Return a column in characters that the console's encoding has, so that their width is known."""
    texts = (text.encode(console.encoding, "neurosim") for text in (column[0], *column[1]))
    heading, *cells = (text.decode(console.encoding, "replace") for text in texts)
    return heading, cells


def _width(column: Column) -> int:
    return max(cell_len(line) for text in (column[0], *column[1]) for line in text.split("\n"))


def _packed(width: int, first: Column, blocks: Sequence[Sequence[Column]], gap: int) -> tuple[int, list[list[Column]]]:
    """Return the gap and the columns of each table, filled from the left."""
    parts: list[list[Column]] = [[]]
    for block in blocks:
        together = sum(_width(column) + gap for column in block)
        whole = _width(first) + together <= width
        for unit in [list(block)] if whole else [[column] for column in block]:
            taken = _width(first) + sum(_width(column) + gap for column in [*parts[-1], *unit])
            if parts[-1] and taken > width:
                parts.append([])
            parts[-1] += unit
    return gap, parts


def _table(lines: Box, first: Column, columns: Sequence[Column], gap: int, title: str, left: Sequence[str]) -> Table:
    table = Table(title=escape(title) or None, box=lines, title_justify="left", pad_edge=False, padding=(0, gap - 1, 0, 0))
    table.add_column(first[0], no_wrap=True)
    for heading, _ in columns:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=True)
    for name, *cells in zip(first[1], *(cells for _, cells in columns), strict=True):
        table.add_row(*map(escape, (name, *cells)))
    return table
