"""From the package's docstrings, which are plain text, to reStructuredText.

    name : text                 an item; lines indented below it go on
    Raises, Parameters, ...     a section when dashes stand below it
    aligned or indented lines   equations and examples, kept as they are
    anything else               prose, in which only ``literals`` are markup
"""

from __future__ import annotations

import re
from itertools import groupby

ITEM = re.compile(r"(?P<names>\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*) : (?P<text>.*)")
EQUATION = re.compile(r"\S+ +(=|<-) ")
SECTIONS = {"Parameters", "Attributes", "Raises", "Returns", "Notes", "Examples", "Methods"}


def process(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Replace ``lines`` in place, as autodoc asks."""
    lines[:] = convert(lines)


def convert(lines: list[str]) -> list[str]:
    """Return the docstring ``lines`` as reStructuredText that cannot be misread as markup."""
    out: list[str] = []
    section = ""
    for paragraph in _paragraphs(lines):
        if len(paragraph) > 1 and paragraph[0] in SECTIONS and set(paragraph[1]) == {"-"}:
            section, paragraph = paragraph[0], paragraph[2:]
            out += [f".. rubric:: {section}", ""]
        out += [*_convert(paragraph, section), ""]
    return out


def _paragraphs(lines: list[str]) -> list[list[str]]:
    return [list(group) for blank, group in groupby(lines, key=lambda line: not line.strip()) if not blank]


def _convert(paragraph: list[str], section: str) -> list[str]:
    if not paragraph:
        return []
    if paragraph[0].startswith(" ") or _is_equations(paragraph):
        return ["::", "", *(f"    {line}" for line in paragraph)]
    if ITEM.match(paragraph[0]) or section in ("Raises", "Parameters", "Attributes"):
        return _items(paragraph)
    return [escape(line) for line in paragraph]


def _is_equations(paragraph: list[str]) -> bool:
    equations = [line for line in paragraph if " = " in line or "<-" in line]
    return bool(EQUATION.match(paragraph[0])) and len(paragraph) > 1 and len(equations) >= len(paragraph) - 1


def _items(paragraph: list[str]) -> list[str]:
    """Return a definition list: a line at the margin opens an item, indented lines go on with it."""
    out: list[str] = []
    for line in paragraph:
        found = ITEM.match(line)
        if found:
            out += ["", f"**{escape(found['names'])}**", f"    {escape(found['text'])}"]
        elif line.startswith(" ") or (out and not re.fullmatch(r"[A-Z]\w+(, [A-Z]\w+)*", line)):
            out.append(f"    {escape(line.strip())}")
        else:
            out += ["", f"**{escape(line)}**"]
    return out


def escape(text: str) -> str:
    """Return ``text`` with every character that reStructuredText would read as markup escaped, outside ``literals``."""
    parts = re.split(r"(``[^`]+``)", text)
    return "".join(part if part.startswith("``") else re.sub(r"([\\*|`_])", r"\\\1", part) for part in parts)
