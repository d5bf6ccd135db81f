"""What is printed arrives: in any encoding, and whatever Python was told to make of warnings."""

from __future__ import annotations

import codecs
import re
import shutil
import sys
import textwrap
import warnings
from typing import TextIO

IN_ASCII = {"±": "+-", "°": " deg", "µ": "u", "−": "-", "–": "-", "…": "...", "→": "->", "×": "x", "≤": "<=", "≥": ">="}  # noqa: RUF001
LINES = range(0x2500, 0x2580)  # box drawing
ESCAPED = range(0xDC80, 0xDD00)  # how Python holds the bytes of a path that are no UTF-8


HEAD = re.compile(r"\s*(?:\S+ {2,})?")  # of a line: the lines that it is broken into go on below its end
PASTED = "continue with: "  # what follows is a command, and stays on one line


def say(text: str, stream: TextIO | None = None) -> None:
    """Print text on stdout, or on ``stream``; on a terminal lines that are too long are broken between words.

    Raises OSError where it cannot be written.
    """
    stream = stream or sys.stdout
    if is_terminal(stream):
        text = broken(text, shutil.get_terminal_size().columns)
    print(text, file=stream, flush=True)


def is_terminal(stream: object) -> bool:
    """Return whether a stream is a terminal; what a caller put in the place of one need not know."""
    return bool(getattr(stream, "isatty", bool)())


def broken(text: str, width: int) -> str:
    """Return text in lines of at most ``width`` characters, if no word is longer; a command to paste stays on one line."""
    before, advised, command = text.partition(PASTED)
    if advised and len(text) > width:
        return "\n".join([broken(f"{before}{advised}".rstrip(), width), command])
    return "\n".join(_broken_line(line, width) for line in text.split("\n"))


def _broken_line(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    found, start = HEAD.match(line), len(line) - len(line.lstrip())
    head = len(found[0]) if found else 0
    indent = " " * min(head + 4 if head == start > 0 else head, width // 3)
    return "\n".join(textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False))


def survive() -> None:
    """Let stdout and stderr take every text, and no warning end the command, ``python -W error`` or not."""
    codecs.register_error("neurosim", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="neurosim")
    if any(action == "error" for action, *_ in warnings.filters):
        warnings.simplefilter("default")


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what stands for characters that an encoding lacks: bytes of a path as they are, signs in ASCII, otherwise ``?``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if ord(character) in ESCAPED:
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return IN_ASCII.get(character, "-" if ord(character) in LINES else "?"), error.start + 1


codecs.register_error("neurosim", _replaced)
